#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/time.h"

namespace ringpost::schedule {

/// When permits of a rate N per window were taken, as far back as the window goes. The next one is
/// to be had a window after the last but N-1: so no window holds more, however unevenly they are
/// taken. Takes as much memory as its largest window held, 8 octets each.
class PermitLog {
 public:
  explicit PermitLog(std::uint32_t count) : count_(count) {}

  /// As if N had been taken evenly, so that one is to be had at `open` and then each `interval`.
  void begin_evenly(Instant open, Duration interval, Duration window) {
    used_ = 0;
    for (std::uint32_t i = 0; i < count_; ++i) {
      add(open + interval * i - window);
    }
  }
  /// The last N of what another log remembers.
  void go_on(const PermitLog& other) {
    cut_ = other.cut_ || other.used_ > count_;
    for (std::size_t i = other.used_ - std::min<std::size_t>(other.used_, count_); i < other.used_;
         ++i) {
      add(other.at(i));
    }
  }
  /// There may have been permits in the last window that it does not know of.
  bool cut() const { return cut_; }
  void take(Instant now, Duration window) {
    while (used_ > 0 && (used_ == count_ || at(0) + window <= now)) {
      oldest_ = (oldest_ + 1) % times_.size();
      --used_;
    }
    add(now);
  }
  /// The latest of that instant was not used; false: it does not know of one.
  bool give_back(Instant taken) {
    std::size_t place = used_;
    while (place > 0 && at(place - 1) > taken) {
      --place;
    }
    if (place == 0 || at(place - 1) != taken) {
      return false;
    }
    for (; place < used_; ++place) {
      times_[(oldest_ + place - 1) % times_.size()] = at(place);
    }
    --used_;
    return true;
  }
  /// Long ago, if there is none.
  Instant last() const { return used_ == 0 ? Instant{INT64_MIN / 2} : at(used_ - 1); }
  /// From when on there may be one each `interval`, N of which are a window.
  Instant evenly_from(Duration interval) const {
    Instant from{INT64_MIN / 2};
    for (std::size_t n = 1; n <= used_; ++n) {
      from = std::max(from, at(used_ - n) + interval * static_cast<std::int64_t>(n));
    }
    return from;
  }
  /// When there are more than `units`, if none is taken; never: there cannot be.
  Instant more_than(std::uint32_t units, Duration window) const {
    const std::size_t place = units + used_;
    return units >= count_  ? Instant::never()
           : place < count_ ? Instant{INT64_MIN / 2}
                            : at(place - count_) + window;
  }

 private:
  Instant at(std::size_t place) const { return times_[(oldest_ + place) % times_.size()]; }
  void add(Instant when) {
    if (used_ == times_.size()) {
      std::rotate(times_.begin(), times_.begin() + static_cast<std::ptrdiff_t>(oldest_),
                  times_.end());
      oldest_ = 0;
      times_.resize(std::min<std::size_t>(count_, std::max<std::size_t>(4, 2 * used_)));
    }
    times_[(oldest_ + used_++) % times_.size()] = when;
  }

  std::vector<Instant> times_;  ///< a ring
  std::size_t oldest_ = 0;
  std::size_t used_ = 0;
  std::uint32_t count_;
  bool cut_ = false;
};

}  // namespace ringpost::schedule
