#include "core/account/row_ring.h"

#include <cstring>

#include "core/base/assert.h"

namespace ringpost::account {
namespace {

constexpr std::size_t rounded(std::size_t size) noexcept { return (size + 7) & ~std::size_t{7}; }

}  // namespace

RowRing::RowRing(std::size_t capacity_power_of_two)
    : bytes_(std::make_unique<char[]>(capacity_power_of_two)), mask_(capacity_power_of_two - 1) {
  RP_ASSERT(capacity_power_of_two >= 64 && (capacity_power_of_two & mask_) == 0);
}

void RowRing::put_size(std::uint64_t at, std::uint32_t size) noexcept {
  std::memcpy(&bytes_[at & mask_], &size, sizeof size);
}

bool RowRing::put(std::string_view entry) noexcept {
  RP_ASSERT(!entry.empty() && entry.size() <= entry_max());
  const std::size_t needed = kHeadBytes + rounded(entry.size());
  const std::uint64_t written = written_.load(std::memory_order_relaxed);
  const std::size_t to_end = capacity() - (written & mask_);
  const std::size_t skipped = needed > to_end ? to_end : 0;
  const std::uint64_t used = written - released_.load(std::memory_order_acquire);
  if (used + skipped + needed > capacity()) {
    return false;
  }
  std::uint64_t at = written;
  if (skipped > 0) {
    // Positions are multiples of eight: a size always fits before the end.
    put_size(at, kWrap);
    at += skipped;
  }
  put_size(at, static_cast<std::uint32_t>(entry.size()));
  std::memcpy(&bytes_[(at & mask_) + kHeadBytes], entry.data(), entry.size());
  // In one order with the reader's sleep flag: see LogWriter::notify().
  written_.store(at + needed, std::memory_order_seq_cst);
  return true;
}

std::string_view RowRing::read(std::uint64_t& cursor) const noexcept {
  const std::uint64_t written = written_.load(std::memory_order_acquire);
  RP_ASSERT(cursor <= written);
  if (cursor == written) {
    return {};
  }
  std::uint32_t size = 0;
  std::memcpy(&size, &bytes_[cursor & mask_], sizeof size);
  if (size == kWrap) {
    cursor += capacity() - (cursor & mask_);
    RP_ASSERT(cursor < written);
    std::memcpy(&size, &bytes_[cursor & mask_], sizeof size);
  }
  const std::string_view entry(&bytes_[(cursor & mask_) + kHeadBytes], size);
  cursor += kHeadBytes + rounded(size);
  return entry;
}

void RowRing::release(std::uint64_t cursor) noexcept {
  RP_ASSERT(cursor >= released_.load(std::memory_order_relaxed));
  released_.store(cursor, std::memory_order_release);
}

}  // namespace ringpost::account
