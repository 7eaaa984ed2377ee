#include "core/loop/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace ringpost {
namespace {

constexpr std::uint64_t kNoTick = std::numeric_limits<std::uint64_t>::max();

/// First used slot at or after `from`, or -1.
template <std::size_t N>
int first_used(const std::array<std::uint64_t, N>& used, unsigned from) noexcept {
  if (from >= N * 64) {
    return -1;
  }
  std::size_t word = from / 64;
  std::uint64_t bits = used[word] & (~std::uint64_t{0} << (from % 64));
  while (bits == 0) {
    if (++word == N) {
      return -1;
    }
    bits = used[word];
  }
  return static_cast<int>(word * 64) + std::countr_zero(bits);
}

}  // namespace

TimerWheel::TimerWheel(Instant start) noexcept
    : tick_(static_cast<std::uint64_t>(start.ns) >> kTickShift) {}

void TimerWheel::arm(Timer& timer, Instant deadline) noexcept {
  RP_ASSERT(timer.run_ != nullptr);
  disarm(timer);
  if (deadline == Instant::never()) {
    return;
  }
  timer.deadline_ = deadline;
  place(timer, tick_ + 1);  // the current tick is over
  ++armed_;
}

void TimerWheel::disarm(Timer& timer) noexcept {
  if (timer.armed()) {
    unplace(timer);
    --armed_;
  }
}

void TimerWheel::place(Timer& timer, std::uint64_t first_tick) noexcept {
  // Rounded up, so that nothing fires early.
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(timer.deadline_.ns, 0));
  const std::uint64_t rounded = (ns >> kTickShift) + ((ns & ((1ULL << kTickShift) - 1)) != 0);
  std::uint64_t tick = std::max(rounded, first_tick);
  // Beyond the horizon: parked in the farthest slot, sorted again when that comes round.
  tick = std::min(tick, tick_ + (std::uint64_t{1} << (kSlotBits * kLevels)) - 1);
  // The level is the highest digit (base 256) in which the tick differs from the current one.
  std::size_t level = 0;
  while (level + 1 < kLevels &&
         (tick >> (kSlotBits * (level + 1))) != (tick_ >> (kSlotBits * (level + 1)))) {
    ++level;
  }
  const auto slot = static_cast<std::uint8_t>(tick >> (kSlotBits * level));
  timer.level_ = static_cast<std::uint8_t>(level);
  timer.slot_ = slot;
  levels_[level].slots[slot].push_back(timer);
  levels_[level].used[slot / 64] |= std::uint64_t{1} << (slot % 64);
}

void TimerWheel::unplace(Timer& timer) noexcept {
  if (timer.level_ == kExpiring) {
    expiring_.remove(timer);
    return;
  }
  Level& level = levels_[timer.level_];
  level.slots[timer.slot_].remove(timer);
  if (level.slots[timer.slot_].empty()) {
    level.used[timer.slot_ / 64] &= ~(std::uint64_t{1} << (timer.slot_ % 64));
  }
}

void TimerWheel::cascade(std::size_t level) noexcept {
  const auto slot = static_cast<std::uint8_t>(tick_ >> (kSlotBits * level));
  List<Timer> moving;
  while (Timer* timer = levels_[level].slots[slot].front()) {
    unplace(*timer);
    moving.push_back(*timer);
  }
  while (Timer* timer = moving.pop_front()) {
    place(*timer, tick_);  // timers of this very tick still belong into it
  }
}

std::uint64_t TimerWheel::next_tick() const noexcept {
  std::uint64_t best = kNoTick;
  for (std::size_t level = 0; level < kLevels; ++level) {
    const int shift = kSlotBits * static_cast<int>(level);
    const std::uint64_t digit = (tick_ >> shift) & (kSlots - 1);
    const int later = first_used(levels_[level].used, static_cast<unsigned>(digit) + 1);
    const std::uint64_t base = (tick_ >> shift) - digit;
    if (later >= 0) {
      best = std::min(best, (base + static_cast<std::uint64_t>(later)) << shift);
    } else if (level + 1 == kLevels) {
      // Only the top level wraps around.
      const int wrapped = first_used(levels_[level].used, 0);
      if (wrapped >= 0) {
        best = std::min(best, (base + kSlots + static_cast<std::uint64_t>(wrapped)) << shift);
      }
    }
  }
  return best;
}

Instant TimerWheel::next_wakeup() const noexcept {
  const std::uint64_t tick = next_tick();
  if (tick == kNoTick) {
    return Instant::never();
  }
  return {static_cast<std::int64_t>(tick << kTickShift)};
}

std::size_t TimerWheel::expire(Now now) {
  const std::uint64_t target = static_cast<std::uint64_t>(now.instant.ns) >> kTickShift;
  std::size_t ran = 0;
  while (tick_ < target) {
    const std::uint64_t next = std::min(next_tick(), target);
    tick_ = next;
    for (std::size_t level = kLevels - 1; level > 0; --level) {
      if ((tick_ & ((std::uint64_t{1} << (kSlotBits * level)) - 1)) == 0) {
        cascade(level);
      }
    }
    List<Timer>& due = levels_[0].slots[tick_ & (kSlots - 1)];
    while (Timer* timer = due.front()) {
      unplace(*timer);
      timer->level_ = kExpiring;
      expiring_.push_back(*timer);
    }
    while (Timer* timer = expiring_.pop_front()) {
      --armed_;
      ++ran;
      timer->run_(timer->owner_, now);
    }
  }
  return ran;
}

}  // namespace ringpost
