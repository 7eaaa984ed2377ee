#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

namespace ringpost::account {

/// Bounded FIFO of byte strings from one shard to the log writer. The reader goes ahead by a
/// cursor of its own and gives room back only with release(), so that it can go back to what it
/// has read but not yet made durable. Lock-free; one writing and one reading thread.
class RowRing {
 public:
  /// `capacity` is a power of two, at least 64.
  explicit RowRing(std::size_t capacity_power_of_two);

  /// An entry of at most this size always fits into an empty ring.
  std::size_t entry_max() const noexcept { return (mask_ + 1) / 2 - kHeadBytes; }

  /// Writer: appends an entry of 1 to entry_max() octets. False: no room now, nothing happened.
  bool put(std::string_view entry) noexcept;

  /// Reader: the entry at `cursor`, which moves past it; empty when there is none yet. The view
  /// holds until its room is released.
  std::string_view read(std::uint64_t& cursor) const noexcept;
  /// Reader: everything before `cursor` is no longer needed.
  void release(std::uint64_t cursor) noexcept;
  /// Reader: whether entries wait at `cursor`.
  bool more(std::uint64_t cursor) const noexcept {
    return written_.load(std::memory_order_seq_cst) != cursor;
  }
  /// Either side: octets between what was released and what was written.
  std::size_t used() const noexcept {
    return static_cast<std::size_t>(written_.load(std::memory_order_acquire) -
                                    released_.load(std::memory_order_acquire));
  }
  std::size_t capacity() const noexcept { return mask_ + 1; }

 private:
  static constexpr std::size_t kHeadBytes = 8;
  static constexpr std::uint32_t kWrap = ~0U;  ///< in place of a size: go on at the beginning

  void put_size(std::uint64_t at, std::uint32_t size) noexcept;

  std::unique_ptr<char[]> bytes_;
  std::size_t mask_;
  alignas(64) std::atomic<std::uint64_t> written_{0};
  alignas(64) std::atomic<std::uint64_t> released_{0};
};

}  // namespace ringpost::account
