#include "core/schedule/due_wheel.h"

#include <algorithm>
#include <bit>

#include "core/base/assert.h"

namespace ringpost::schedule {

void DueWheel::arm(std::uint32_t index, Instant due) {
  Entry& entry = entries_[index];
  RP_ASSERT_NOTE(entry.wheel_slot == 0, "an entry's timer was armed twice");
  entry.due_ns = due.ns;
  const std::int64_t positive = std::max<std::int64_t>(due.ns, 0);
  // Rounded up without overflow: an entry never fires before its instant.
  const std::uint64_t tick =
      (static_cast<std::uint64_t>(positive) + static_cast<std::uint64_t>(kTick.ns - 1)) >>
      kTickShift;
  insert(index, tick);
}

void DueWheel::disarm(std::uint32_t index) {
  if (entries_[index].wheel_slot != 0) {
    unlink(index);
  }
}

void DueWheel::insert(std::uint32_t index, std::uint64_t tick) {
  tick = std::clamp(tick, tick_, std::max(tick_, kTicksMax));
  // The level is that of the highest group of bits in which the tick differs from the position:
  // then a slot's entries all share their higher groups with the position.
  const int width = std::bit_width(tick ^ tick_);
  const int level = width == 0 ? 0 : (width - 1) / kSlotBits;
  const std::uint64_t slot = (tick >> (level * kSlotBits)) & (kSlots - 1);
  const auto place = static_cast<std::uint32_t>(static_cast<std::uint64_t>(level) * kSlots + slot);
  Ends& ends = slots_[place];
  Entry& entry = entries_[index];
  entry.due_next = kNil;
  entry.due_prev = ends.tail;
  (ends.tail == kNil ? ends.head : entries_[ends.tail].due_next) = index;
  ends.tail = index;
  entry.wheel_slot = static_cast<std::uint16_t>(place + 1);
  filled_[static_cast<std::size_t>(level)] |= std::uint64_t{1} << slot;
}

void DueWheel::unlink(std::uint32_t index) {
  Entry& entry = entries_[index];
  const std::uint32_t place = entry.wheel_slot - 1u;
  Ends& ends = slots_[place];
  (entry.due_prev == kNil ? ends.head : entries_[entry.due_prev].due_next) = entry.due_next;
  (entry.due_next == kNil ? ends.tail : entries_[entry.due_next].due_prev) = entry.due_prev;
  entry.due_next = entry.due_prev = kNil;
  entry.wheel_slot = 0;
  if (ends.head == kNil) {
    filled_[place / kSlots] &= ~(std::uint64_t{1} << (place % kSlots));
  }
}

std::uint32_t DueWheel::pop(std::uint32_t wheel_slot) {
  const std::uint32_t index = slots_[wheel_slot].head;
  unlink(index);
  return index;
}

DueWheel::Event DueWheel::next_event() const {
  Event best;
  for (int level = 0; level < kLevels; ++level) {
    const int shift = level * kSlotBits;
    const std::uint64_t position = tick_ >> shift;
    const std::uint64_t here = position & (kSlots - 1);
    // A slot at the position itself is one whose entries have begun to move down.
    const std::uint64_t ahead =
        filled_[static_cast<std::size_t>(level)] & (~std::uint64_t{0} << here);
    if (ahead == 0) {
      continue;
    }
    const auto slot = static_cast<std::uint64_t>(std::countr_zero(ahead));
    const std::uint64_t tick = std::max(((position - here) + slot) << shift, tick_);
    // On a tie the higher level moves its entries down first.
    if (tick <= best.tick) {
      best = {tick, level, slot};
    }
  }
  return best;
}

std::uint32_t DueWheel::take_due(Instant now, std::uint32_t& budget) {
  const std::uint64_t target =
      static_cast<std::uint64_t>(std::max<std::int64_t>(now.ns, 0)) >> kTickShift;
  while (budget > 0) {
    const Event event = next_event();
    if (event.level < 0 || event.tick > target) {
      tick_ = std::max(tick_, target);
      return kNil;
    }
    tick_ = event.tick;
    --budget;
    const auto place =
        static_cast<std::uint32_t>(static_cast<std::uint64_t>(event.level) * kSlots + event.slot);
    const std::uint32_t index = pop(place);
    if (event.level == 0) {
      return index;
    }
    const auto due = static_cast<std::uint64_t>(std::max<std::int64_t>(entries_[index].due_ns, 0));
    insert(index, (due + static_cast<std::uint64_t>(kTick.ns - 1)) >> kTickShift);
  }
  return kNil;
}

Instant DueWheel::next_wakeup() const {
  const Event event = next_event();
  if (event.level < 0) {
    return Instant::never();
  }
  return Instant{static_cast<std::int64_t>(event.tick << kTickShift)};
}

}  // namespace ringpost::schedule
