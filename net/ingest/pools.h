#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/address.h"

namespace ringpost::ingest {

/// A piece of the memory envelopes are kept in while they are being received.
struct EnvelopeBlock {
  static constexpr std::size_t kBytes = 2048;

  EnvelopeBlock* next = nullptr;
  std::uint32_t used = 0;
  char bytes[kBytes - sizeof(EnvelopeBlock*) - sizeof(std::uint32_t) - 4];
};
static_assert(sizeof(EnvelopeBlock) == EnvelopeBlock::kBytes);

/// Envelope blocks of one shard. All memory is taken at construction and left untouched until a
/// block is first lent, so that unused room costs address space only.
class BlockPool {
 public:
  explicit BlockPool(std::uint32_t count);

  /// nullptr when all are lent.
  EnvelopeBlock* take();
  void give_back(EnvelopeBlock* block);
  std::uint32_t lent() const { return lent_; }

 private:
  struct FreeArray {
    void operator()(void* memory) const;
  };

  std::unique_ptr<void, FreeArray> memory_;
  std::uint32_t count_;
  std::uint32_t fresh_ = 0;  ///< blocks from here on were never lent
  std::uint32_t lent_ = 0;
  EnvelopeBlock* free_ = nullptr;
};

/// How many sessions each client address has. Open addressing in a table of fixed size: no
/// allocation after construction.
class AddressCounts {
 public:
  /// For at most `addresses_max` different addresses at a time.
  explicit AddressCounts(std::uint32_t addresses_max);

  /// Returns the new count.
  std::uint32_t add(const IpAddress& address);
  void remove(const IpAddress& address);
  std::uint32_t count(const IpAddress& address) const;

 private:
  struct Slot {
    IpAddress address;
    std::uint32_t count = 0;
  };
  std::size_t home(const IpAddress& address) const;
  std::size_t find(const IpAddress& address) const;

  std::vector<Slot> slots_;
};

}  // namespace ringpost::ingest
