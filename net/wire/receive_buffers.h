#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "net/wire/ring.h"

namespace ringpost {

/// The shard's pool of receive buffers, lent to the kernel through a provided-buffer ring: the
/// kernel picks one when bytes arrive, so idle sockets cost none. Each buffer is at the kernel,
/// or queued in a stream's chain of chunks, or lent to the stream's owner.
class ReceiveBuffers {
 public:
  static constexpr std::uint32_t kNone = ~0U;
  static constexpr std::uint16_t kGroup = 0;

  /// `count` is a power of two up to 32768.
  static Result<std::unique_ptr<ReceiveBuffers>> make(Ring& ring, unsigned count, unsigned bytes);
  ~ReceiveBuffers();
  ReceiveBuffers(const ReceiveBuffers&) = delete;
  ReceiveBuffers& operator=(const ReceiveBuffers&) = delete;

  unsigned count() const noexcept { return count_; }
  unsigned bytes() const noexcept { return bytes_; }
  /// Buffers the kernel may still fill, as far as its completions have told.
  unsigned at_kernel() const noexcept { return at_kernel_; }

  /// The kernel filled `buffer` with `size` bytes.
  void filled(std::uint32_t buffer, std::uint32_t size) noexcept;
  std::string_view content(std::uint32_t buffer) const noexcept;
  /// Link to the next chunk of the same stream.
  std::uint32_t& next(std::uint32_t buffer) noexcept { return meta_[buffer].next; }
  /// Gives the buffer back to the kernel. It must have been filled.
  void give_back(std::uint32_t buffer) noexcept;

 private:
  struct Meta {
    std::uint32_t next = kNone;
    std::uint32_t size = 0;
    bool at_kernel = true;
  };
  struct Memory;

  ReceiveBuffers(unsigned count, unsigned bytes);
  void offer(std::uint32_t buffer) noexcept;

  unsigned count_;
  unsigned bytes_;
  unsigned at_kernel_ = 0;
  std::vector<Meta> meta_;
  std::unique_ptr<Memory> memory_;
};

}  // namespace ringpost
