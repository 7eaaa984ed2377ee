#include "net/ingest/pools.h"

#include <bit>
#include <new>

#include "core/base/assert.h"
#include "core/base/hash.h"

namespace ringpost::ingest {

void BlockPool::FreeArray::operator()(void* memory) const { ::operator delete(memory); }

BlockPool::BlockPool(std::uint32_t count)
    : memory_(::operator new (std::size_t{count} * sizeof(EnvelopeBlock))), count_(count) {}

EnvelopeBlock* BlockPool::take() {
  EnvelopeBlock* block = free_;
  if (block != nullptr) {
    free_ = block->next;
  } else if (fresh_ < count_) {
    void* place = static_cast<char*>(memory_.get()) + std::size_t{fresh_} * sizeof(EnvelopeBlock);
    ++fresh_;
    block = ::new (place) EnvelopeBlock;
  } else {
    return nullptr;
  }
  block->next = nullptr;
  block->used = 0;
  ++lent_;
  return block;
}

void BlockPool::give_back(EnvelopeBlock* block) {
  RP_ASSERT(lent_ > 0);
  --lent_;
  block->next = free_;
  free_ = block;
}

AddressCounts::AddressCounts(std::uint32_t addresses_max)
    : slots_(std::bit_ceil(std::size_t{addresses_max} * 2 + 2)) {}

std::size_t AddressCounts::home(const IpAddress& address) const {
  const std::string_view octets(reinterpret_cast<const char*>(address.octets.data()),
                                address.octets.size());
  return hash64(octets, static_cast<std::uint64_t>(address.family)) & (slots_.size() - 1);
}

// The slot of the address, or the empty one where it would be put.
std::size_t AddressCounts::find(const IpAddress& address) const {
  std::size_t at = home(address);
  for (std::size_t steps = 0; steps < slots_.size(); ++steps) {
    if (slots_[at].count == 0 || slots_[at].address == address) {
      return at;
    }
    at = (at + 1) & (slots_.size() - 1);
  }
  RP_ASSERT_NOTE(false, "more addresses than sessions");
  return 0;
}

std::uint32_t AddressCounts::add(const IpAddress& address) {
  Slot& slot = slots_[find(address)];
  slot.address = address;
  return ++slot.count;
}

std::uint32_t AddressCounts::count(const IpAddress& address) const {
  return slots_[find(address)].count;
}

void AddressCounts::remove(const IpAddress& address) {
  std::size_t hole = find(address);
  RP_ASSERT(slots_[hole].count > 0);
  if (--slots_[hole].count > 0) {
    return;
  }
  // Close the gap: whatever probing had to step over the hole moves into it.
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = (hole + 1) & mask; slots_[at].count > 0; at = (at + 1) & mask) {
    const std::size_t wanted = home(slots_[at].address);
    if (((at - wanted) & mask) >= ((at - hole) & mask)) {
      slots_[hole] = slots_[at];
      slots_[at].count = 0;
      hole = at;
    }
  }
}

}  // namespace ringpost::ingest
