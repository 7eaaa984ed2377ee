#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/hash.h"
#include "core/base/list.h"
#include "net/resolve/answer.h"

namespace ringpost::resolve {

/// Hash of keys that lets string_view look up without making a string.
struct KeyHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view key) const noexcept { return hash64(key); }
};
struct KeyEqual {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const noexcept { return a == b; }
};

/// Answers by key until they expire; the least recently used go first when a limit is reached.
/// One per shard, used by its thread only.
class AnswerCache {
 public:
  AnswerCache(std::size_t entries_max, std::size_t bytes_max)
      : entries_max_(entries_max), bytes_max_(bytes_max) {}

  /// The answer kept under `key`, or null when there is none that still holds at `now`.
  AnswerRef find(std::string_view key, Instant now);
  /// Keeps `answer` (whose `expires` is set) in place of what was there.
  void keep(std::string_view key, AnswerRef answer);
  void clear();

  std::size_t entries() const noexcept { return entries_.size(); }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Entry : ListLink<Entry> {
    AnswerRef answer;
    std::string_view key;  ///< lies in the map's node
    std::size_t bytes = 0;
  };
  using Map = std::unordered_map<std::string, Entry, KeyHash, KeyEqual>;

  void drop(Map::iterator at);

  std::size_t entries_max_;
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  Map entries_;
  List<Entry, Entry> used_;  ///< most recently used at the back
};

}  // namespace ringpost::resolve
