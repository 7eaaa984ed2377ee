#include "spool/slots.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ringpost::spool {

RecipientState* StateArena::take(std::uint32_t count) {
  const auto size_class = static_cast<unsigned>(std::bit_width(count - 1U));
  RecipientState* block = free_[size_class];
  const std::size_t size = std::size_t{1} << size_class;
  if (block != nullptr) {
    std::memcpy(&free_[size_class], static_cast<void*>(block), sizeof free_[size_class]);
  } else if (size > kChunkStates) {
    chunks_.push_back(std::make_unique<RecipientState[]>(size));
    block = chunks_.back().get();
    if (chunks_.size() > 1) {
      // The chunk that is being filled stays the last one.
      std::swap(chunks_.back(), chunks_[chunks_.size() - 2]);
    } else {
      used_ = kChunkStates;
    }
  } else {
    if (kChunkStates - used_ < size) {
      chunks_.push_back(std::make_unique<RecipientState[]>(kChunkStates));
      used_ = 0;
    }
    block = chunks_.back().get() + used_;
    used_ += size;
  }
  std::fill_n(block, count, RecipientState{});
  return block;
}

void StateArena::give(RecipientState* states, std::uint32_t count) noexcept {
  const auto size_class = static_cast<unsigned>(std::bit_width(count - 1U));
  static_assert(sizeof(RecipientState) >= sizeof(RecipientState*));
  std::memcpy(static_cast<void*>(states), &free_[size_class], sizeof states);
  free_[size_class] = states;
}

std::uint32_t SlotTable::take(std::uint32_t recipients, bool past_max) {
  RP_ASSERT(recipients > 0);
  if (in_use_ >= max_ && !past_max) {
    return kNone;
  }
  if (free_ == kNone) {
    if (size_ > kNone - 2 * kChunk) {
      return kNone;
    }
    chunks_.push_back(std::make_unique<MessageSlot[]>(kChunk));
    for (std::uint32_t i = 0; i < kChunk; ++i) {
      chunks_.back()[i].view = i + 1 < kChunk ? size_ + i + 1 : kNone;
    }
    free_ = size_;
    size_ += kChunk;
  }
  const std::uint32_t index = free_;
  MessageSlot& slot = (*this)[index];
  free_ = slot.view;
  const std::uint32_t generation = slot.generation + 1;
  slot = MessageSlot{};
  slot.generation = generation;
  slot.recipients = slot.open = recipients;
  if (recipients > 1) {
    slot.many = states_.take(recipients);
  }
  ++in_use_;
  return index;
}

void SlotTable::give(std::uint32_t index) noexcept {
  MessageSlot& slot = (*this)[index];
  RP_ASSERT(in_use_ > 0 && slot.recipients > 0);
  if (slot.recipients > 1) {
    states_.give(slot.many, slot.recipients);
  }
  slot.recipients = 0;
  slot.segment = kNone;
  slot.view = free_;
  free_ = index;
  --in_use_;
}

MessageSlot* SlotTable::find(std::uint32_t index, std::uint32_t generation) noexcept {
  if (index >= size_) {
    return nullptr;
  }
  MessageSlot& slot = (*this)[index];
  return slot.recipients > 0 && slot.generation == generation ? &slot : nullptr;
}

}  // namespace ringpost::spool
