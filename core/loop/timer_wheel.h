#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/assert.h"
#include "core/base/list.h"
#include "core/base/time.h"

namespace ringpost {

/// A deadline, embedded in its owner, which outlives it or disarms it. One shot; the handler may
/// arm it again. Not copied.
class Timer : private ListLink<> {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { RP_ASSERT_NOTE(!armed(), "destroyed while armed"); }

  /// bind<&Session::on_deadline>(this), once, before the first arming.
  template <auto Handler, class Owner>
  void bind(Owner* owner) noexcept {
    owner_ = owner;
    run_ = [](void* who, Now now) { (static_cast<Owner*>(who)->*Handler)(now); };
  }
  bool armed() const noexcept { return linked(); }
  Instant deadline() const noexcept { return deadline_; }

 private:
  friend class TimerWheel;
  friend class List<Timer>;

  Instant deadline_;
  void* owner_ = nullptr;
  void (*run_)(void*, Now) = nullptr;
  std::uint8_t level_ = 0;
  std::uint8_t slot_ = 0;
};

/// Timers of one shard: arming, disarming and firing cost O(1). A timer fires in the first turn
/// whose time is at or after its deadline, at most one tick (2^20 ns, about 1 ms) late. Never
/// early.
class TimerWheel {
 public:
  explicit TimerWheel(Instant start) noexcept;

  /// Arms, or moves when armed already. never() disarms.
  void arm(Timer& timer, Instant deadline) noexcept;
  void disarm(Timer& timer) noexcept;
  /// Runs the handlers of all timers due at `now`, each after the other, earliest tick first.
  /// Handlers may arm and disarm any timer; what they arm for the past runs a tick later.
  /// Returns how many ran.
  std::size_t expire(Now now);
  /// No timer fires before this instant; never() when none is armed. May be early (the wheel then
  /// only re-sorts), never late.
  Instant next_wakeup() const noexcept;
  std::size_t armed() const noexcept { return armed_; }

 private:
  static constexpr int kTickShift = 20;
  static constexpr int kSlotBits = 8;
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
  static constexpr std::size_t kLevels = 4;
  static constexpr std::uint8_t kExpiring = 255;  ///< level_ of a timer on expiring_

  struct Level {
    std::array<List<Timer>, kSlots> slots;
    std::array<std::uint64_t, kSlots / 64> used{};
  };

  void place(Timer& timer, std::uint64_t first_tick) noexcept;
  void unplace(Timer& timer) noexcept;
  void cascade(std::size_t level) noexcept;
  std::uint64_t next_tick() const noexcept;

  std::array<Level, kLevels> levels_;
  List<Timer> expiring_;
  std::uint64_t tick_;  ///< all timers of ticks before or at this one have been run
  std::size_t armed_ = 0;
};

}  // namespace ringpost
