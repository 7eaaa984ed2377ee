#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/base/time.h"

namespace ringpost::schedule {

/// Counts permits of a rate that may be spent early in its period: at most N in any window, all of
/// them at once if nothing was used before. Time is cut into slots of a 64th of the period; a
/// permit counts until its slot is a whole period old, so at least 98 % of N are given while
/// somebody waits.
class BurstWindow {
 public:
  /// Forgets what was counted.
  void begin(std::uint32_t count, Duration period);
  void set_count(std::uint32_t count) { count_ = count; }
  /// As if all of a period's permits had been used at `now`.
  void use_up(Instant now);
  /// No permit before `when`.
  void close_until(Instant when) { closed_ = std::max(closed_, when); }

  std::uint32_t available(Instant now);
  /// Requires: count <= available(now).
  void take(std::uint32_t count, Instant now);
  /// So many of what was taken at that instant were not used.
  void give_back(std::uint32_t count, Instant taken);
  /// When at least one permit is to be had, as of the last call that told the time.
  Instant opens_at() const;
  /// What counts now, as of the last call that told the time.
  std::uint32_t used() const { return static_cast<std::uint32_t>(sum_); }
  /// When nothing used counts any more.
  Instant rests_at() const;

 private:
  static constexpr std::int64_t kSlots = 64;
  static constexpr std::int64_t kKept = kSlots + 1;

  void advance(Instant now);
  Instant end_of(std::int64_t slot) const { return {(slot + kKept) * slot_ns_}; }

  std::array<std::uint32_t, kKept> used_{};  ///< by slot % kKept
  std::int64_t slot_ns_ = 1;
  std::int64_t slot_ = 0;  ///< the current one
  std::uint32_t count_ = 0;
  std::uint64_t sum_ = 0;
  Instant closed_;
};

}  // namespace ringpost::schedule
