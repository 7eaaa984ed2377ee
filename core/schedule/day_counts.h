#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/time.h"

namespace ringpost::schedule {

/// How many recipients a queue was given on a day, where only so many are. Those that nobody else
/// takes are given to days to come.
class DayCount {
 public:
  const std::string& name() const { return name_; }
  const std::string& vmta() const { return vmta_; }
  std::int64_t day() const { return day_; }
  /// Of today.
  std::uint64_t max() const { return cap_of(day_); }
  std::uint64_t given() const { return count_ < max() ? count_ : max(); }
  std::uint64_t later() const { return count_ - given(); }
  std::uint64_t left() const { return max() - given(); }
  /// The first day with room, and how much it has.
  std::pair<std::int64_t, std::uint64_t> next_room() const;
  /// What was given is on disk, so that it counts after a crash too: the queue may send.
  bool covered() const { return count_ <= durable_; }

 private:
  friend class DayCounts;

  std::uint64_t cap_of(std::int64_t day) const;
  void roll(std::int64_t day);
  /// How far a mark is set ahead: a hundredth of the day's number.
  std::uint64_t stride() const;

  std::string name_;  ///< of the queue, lower case
  std::string vmta_;
  std::int64_t first_day_ = 0;  ///< the first number is of this one
  std::int64_t day_ = 0;
  std::uint64_t count_ = 0;  ///< of today and, beyond its number, of days to come
  std::uint64_t durable_ = 0;
  std::uint64_t asked_ = 0;  ///< what the write under way makes durable
  std::int64_t asked_day_ = 0;
  std::vector<std::uint32_t> caps_;  ///< of successive days; the last repeats
};

/// One count as operators see it.
struct DayCountRow {
  std::string name;
  std::string vmta;
  std::uint64_t given = 0;
  std::uint64_t max = 0;
  std::uint64_t later = 0;  ///< given to days to come
};

/// All counts of queues at home on one shard. A mark on disk runs ahead of each: after a crash
/// counting goes on from it, so that no number is used twice.
class DayCounts {
 public:
  /// The count as it is today, under these numbers; made when there is none. Its address holds
  /// while the book does.
  DayCount& count_of(std::string_view name, std::string_view vmta,
                     std::span<const std::uint32_t> caps, WallTime now);
  void give(DayCount& count, std::uint64_t units);
  /// Whether queues wait until their counts are on disk.
  void keep(bool kept) { kept_ = kept; }

  /// Counts changes that should be kept soon.
  std::uint64_t changes() const { return changes_; }
  /// Lines of all. `exact`: nothing more will be given; else marks are set ahead.
  void write(std::string& lines, bool exact, WallTime now);
  /// The lines given last are durable, or could not be written.
  void written(bool durable);
  /// One whose queue waited for that, each once; nullptr: no more.
  const DayCount* next_covered();
  /// Takes up such a line; false: it is none.
  bool restore(std::string_view line);

  template <class Found>
  void for_all(Found found) const {
    for (const auto& [key, count] : counts_) {
      if (!count->caps_.empty()) {
        found(*count);
      }
    }
  }

 private:
  using Key = std::pair<std::string, std::string>;

  std::map<Key, std::unique_ptr<DayCount>> counts_;
  std::vector<const DayCount*> covered_;
  std::uint64_t changes_ = 0;
  bool kept_ = false;
};

}  // namespace ringpost::schedule
