#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/time.h"

namespace ringpost::schedule {

/// When permits of a rate N per window were taken, as far back as the window goes. The next one is
/// to be had a window after the last but N-1: so no window holds more, however unevenly they are
/// taken. Takes as much memory as most were taken in a window, 8 octets each.
class PermitLog {
 public:
  explicit PermitLog(std::uint32_t count) : count_(count) {}

  /// As if N had been taken evenly, so that one is to be had at `open` and then each `interval`.
  void begin_evenly(Instant open, Duration interval, Duration window) {
    used_ = invented_ = count_;
    first_ = open - window;
    interval_ = interval;
  }
  /// The last N of what another log remembers.
  void go_on(const PermitLog& other) {
    cut_ = other.cut_ || other.used_ > count_;
    const std::size_t skipped = other.used_ - std::min<std::size_t>(other.used_, count_);
    invented_ = other.invented_ - std::min(other.invented_, skipped);
    first_ = invented_ > 0 ? other.at(skipped) : Instant{};
    interval_ = other.interval_;
    used_ = invented_;
    for (std::size_t i = skipped + invented_; i < other.used_; ++i) {
      add(other.at(i));
    }
  }
  /// There may have been permits in the last window that it does not know of.
  bool cut() const { return cut_; }
  void take(Instant now, Duration window) {
    while (used_ > 0 && (used_ == count_ || at(0) + window <= now)) {
      forget_oldest();
    }
    add(now);
  }
  /// The latest of that instant was not used; false: it does not know of one.
  bool give_back(Instant taken) {
    std::size_t place = used_;
    while (place > invented_ && at(place - 1) > taken) {
      --place;
    }
    if (place == invented_ || at(place - 1) != taken) {
      return false;
    }
    for (; place < used_; ++place) {
      time_of(place - 1) = at(place);
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
  Instant at(std::size_t place) const {
    return place < invented_ ? first_ + interval_ * static_cast<std::int64_t>(place)
                             : times_[(oldest_ + place - invented_) % times_.size()];
  }
  Instant& time_of(std::size_t place) {
    return times_[(oldest_ + place - invented_) % times_.size()];
  }
  void forget_oldest() {
    if (invented_ > 0) {
      --invented_;
      first_ = first_ + interval_;
    } else {
      oldest_ = (oldest_ + 1) % times_.size();
    }
    --used_;
  }
  void add(Instant when) {
    const std::size_t kept = used_ - invented_;
    if (kept == times_.size()) {
      std::rotate(times_.begin(), times_.begin() + static_cast<std::ptrdiff_t>(oldest_),
                  times_.end());
      oldest_ = 0;
      times_.resize(std::min<std::size_t>(count_, std::max<std::size_t>(4, 2 * kept)));
    }
    time_of(used_++) = when;
  }

  std::vector<Instant> times_;  ///< a ring
  std::size_t oldest_ = 0;
  std::size_t used_ = 0;      ///< those remembered, the invented ones first
  std::size_t invented_ = 0;  ///< by begin_evenly(): at `first_`, and each `interval_`
  Instant first_;
  Duration interval_;
  std::uint32_t count_;
  bool cut_ = false;
};

}  // namespace ringpost::schedule
