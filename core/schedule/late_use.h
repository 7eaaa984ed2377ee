#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/time.h"
#include "core/schedule/rate_plan.h"

namespace ringpost::schedule {

/// RateGate::quick() of what it limits; of a warm-up, on all its days.
bool is_quick(const SharedRate& rate);

/// Until when permits are good: those of quick rates (RateGate::quick()), and those of slow ones.
struct UsedBy {
  Instant quick = Instant::never();
  Instant slow = Instant::never();

  UsedBy first(const UsedBy& other) const {
    return {std::min(quick, other.quick), std::min(slow, other.slow)};
  }
};

/// How long after they lapse permits may be used, of quick rates and of slow ones.
struct LateUse {
  Duration quick;
  Duration slow;

  static LateUse any() { return {Duration::forever(), Duration::forever()}; }
  LateUse least(const LateUse& other) const {
    return {std::min(quick, other.quick), std::min(slow, other.slow)};
  }
  UsedBy after(Instant expiry) const { return {expiry + quick, expiry + slow}; }
  /// Lowers it to what the rate allows. Octets count when a transaction begins, whatever follows.
  void allow(const SharedRate& rate);

  /// In milliseconds, rounded down, for letters: the lower half is of the quick ones. 0xffff: any.
  std::uint32_t as_ms() const;
  static LateUse of_ms(std::uint32_t both);
};

/// A LateUse in 255ths of the most that there may be, for letters.
struct LateShares {
  std::uint8_t quick = 0;
  std::uint8_t slow = 0;

  /// Rounded up; nothing where there is no end.
  static LateShares of(const LateUse& late, const LateUse& most);
  LateUse of(const LateUse& most) const;
  void raise(const LateShares& other) {
    quick = std::max(quick, other.quick);
    slow = std::max(slow, other.slow);
  }
};

}  // namespace ringpost::schedule
