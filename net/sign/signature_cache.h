#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/list.h"
#include "core/base/time.h"
#include "core/mail/message_id.h"

namespace ringpost::sign {

/// What a message's signatures depend on. Equal for all recipients of a message whose queues sign
/// alike, so that a message to many domains is signed once.
struct SignatureCacheKey {
  MessageId message;
  std::uint64_t rules = 0;  ///< fingerprints of rules and key books: changes when keys do
  std::uint64_t edits = 0;  ///< hash of the added fields and kept ranges; 0 where they are fixed

  bool operator==(const SignatureCacheKey&) const = default;
};

/// Signature fields already made, so that a retry or a further domain does not repeat the private
/// operations. The least recently used entry makes room. Memory is bounded: entries of at most
/// kFieldsBytesMax octets; longer ones are not kept. One per shard, used by its thread only.
class SignatureCache {
 public:
  static constexpr std::size_t kFieldsBytesMax = 8192;
  /// A signature is made again when less than this of its life remains.
  static constexpr Duration kLifeMin = Duration::hours(1);

  explicit SignatureCache(std::size_t entries_max);

  /// The fields kept under `key`, or an empty text. Valid until the next call of keep().
  std::string_view find(const SignatureCacheKey& key, WallTime now);
  /// Keeps `fields` in place of what was there. `expires` in seconds since 1970, the earliest x=
  /// of the signatures; 0: never.
  void keep(const SignatureCacheKey& key, std::string_view fields, std::int64_t expires);
  void clear();

  std::size_t entries() const noexcept { return used_.size(); }
  std::uint64_t hits() const noexcept { return hits_; }
  std::uint64_t misses() const noexcept { return misses_; }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  struct Entry : ListLink<Entry> {
    SignatureCacheKey key;
    std::int64_t expires = 0;
    std::uint32_t next = kNone;  ///< in its bucket
    std::string fields;
  };

  std::uint32_t& bucket_of(const SignatureCacheKey& key);
  Entry* entry_of(const SignatureCacheKey& key);
  void unlink(Entry& entry);

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> buckets_;
  List<Entry, Entry> used_;  ///< most recently used at the back
  List<Entry, Entry> free_;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

}  // namespace ringpost::sign
