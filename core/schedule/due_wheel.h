#pragma once

#include <array>
#include <cstdint>

#include "core/base/time.h"
#include "core/schedule/entry.h"

namespace ringpost::schedule {

/// Timers of all entries of a shard: next attempts and ends of life. A hierarchical wheel of slots
/// linked through the entries, so arming and disarming are O(1) and an idle entry costs nothing.
/// An entry fires never before its instant and less than one tick after it (plus the time the
/// caller takes to call). An entry moves between slots at most kLevels - 1 times in its life.
class DueWheel {
 public:
  static constexpr int kTickShift = 20;  ///< a tick is 2^20 ns, about 1.05 ms
  static constexpr int kLevels = 7;      ///< 64^7 ticks: 146 years
  static constexpr Duration kTick{std::int64_t{1} << kTickShift};

  explicit DueWheel(EntrySlab& entries) : entries_(entries) {}

  /// Requires: the entry is not armed. Instants past the range of the wheel mean its end.
  void arm(std::uint32_t index, Instant due);
  /// Does nothing when the entry is not armed.
  void disarm(std::uint32_t index);

  /// Takes the next due entry off the wheel, or kNil when none is due at `now`. Each entry moved
  /// between slots, fired or not, costs one of `budget`; at 0 it returns kNil too.
  std::uint32_t take_due(Instant now, std::uint32_t& budget);

  /// When take_due() must be called next: exact to a tick, or earlier where entries only move to
  /// a finer level (at most kLevels - 1 times per entry).
  Instant next_wakeup() const;

 private:
  static constexpr int kSlotBits = 6;
  static constexpr std::uint64_t kSlots = 1 << kSlotBits;
  static constexpr std::uint64_t kTicksMax = (std::uint64_t{1} << (kSlotBits * kLevels)) - 1;

  struct Event {
    std::uint64_t tick = ~std::uint64_t{0};
    int level = -1;
    std::uint64_t slot = 0;
  };

  Event next_event() const;
  std::uint32_t pop(std::uint32_t wheel_slot);
  void unlink(std::uint32_t index);
  void insert(std::uint32_t index, std::uint64_t tick);

  EntrySlab& entries_;
  std::uint64_t tick_ = 0;                       ///< everything before it has fired
  std::array<std::uint64_t, kLevels> filled_{};  ///< a bit per slot
  struct Ends {
    std::uint32_t head = kNil;
    std::uint32_t tail = kNil;
  };
  std::array<Ends, kSlots * kLevels> slots_{};
};

}  // namespace ringpost::schedule
