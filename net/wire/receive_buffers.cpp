#include "net/wire/receive_buffers.h"

#include <liburing.h>
#include <sys/mman.h>

#include <bit>
#include <cerrno>

namespace ringpost {

struct ReceiveBuffers::Memory {
  void* base = MAP_FAILED;
  std::size_t size = 0;
  ::io_uring_buf_ring* ring = nullptr;
  char* buffers = nullptr;

  ~Memory() {
    if (base != MAP_FAILED) {
      ::munmap(base, size);
    }
  }
};

ReceiveBuffers::ReceiveBuffers(unsigned count, unsigned bytes)
    : count_(count), bytes_(bytes), meta_(count), memory_(std::make_unique<Memory>()) {}

ReceiveBuffers::~ReceiveBuffers() = default;

Result<std::unique_ptr<ReceiveBuffers>> ReceiveBuffers::make(Ring& ring, unsigned count,
                                                             unsigned bytes) {
  if (!std::has_single_bit(count) || count > 32768 || bytes == 0) {
    return Error::of(ErrorCode::out_of_range,
                     "the number of receive buffers must be a power of two up to 32768");
  }
  std::unique_ptr<ReceiveBuffers> pool(new ReceiveBuffers(count, bytes));
  Memory& memory = *pool->memory_;
  constexpr std::size_t kPage = 4096;
  const std::size_t ring_bytes = (count * sizeof(::io_uring_buf) + kPage - 1) / kPage * kPage;
  memory.size = ring_bytes + std::size_t{count} * bytes;
  memory.base =
      ::mmap(nullptr, memory.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory.base == MAP_FAILED) {
    return Error::from_errno(errno, "mmap of the receive buffers");
  }
  memory.ring = static_cast<::io_uring_buf_ring*>(memory.base);
  memory.buffers = static_cast<char*>(memory.base) + ring_bytes;
  ::io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(memory.ring);
  registration.ring_entries = count;
  registration.bgid = kGroup;
  if (const int error = -::io_uring_register_buf_ring(ring.native(), &registration, 0); error > 0) {
    return Error::from_errno(error, "io_uring_register(PBUF_RING), which needs Linux 5.19");
  }
  ::io_uring_buf_ring_init(memory.ring);
  for (std::uint32_t i = 0; i < count; ++i) {
    pool->offer(i);
  }
  return pool;
}

void ReceiveBuffers::offer(std::uint32_t buffer) noexcept {
  ::io_uring_buf_ring_add(memory_->ring, memory_->buffers + std::size_t{buffer} * bytes_, bytes_,
                          static_cast<unsigned short>(buffer), ::io_uring_buf_ring_mask(count_), 0);
  ::io_uring_buf_ring_advance(memory_->ring, 1);
  ++at_kernel_;
}

void ReceiveBuffers::filled(std::uint32_t buffer, std::uint32_t size) noexcept {
  RP_ASSERT(buffer < count_ && size <= bytes_);
  Meta& meta = meta_[buffer];
  RP_ASSERT_NOTE(meta.at_kernel, "the kernel filled a buffer it did not have");
  meta.at_kernel = false;
  meta.size = size;
  meta.next = kNone;
  --at_kernel_;
}

std::string_view ReceiveBuffers::content(std::uint32_t buffer) const noexcept {
  RP_ASSERT(buffer < count_);
  return {memory_->buffers + std::size_t{buffer} * bytes_, meta_[buffer].size};
}

void ReceiveBuffers::give_back(std::uint32_t buffer) noexcept {
  RP_ASSERT(buffer < count_);
  Meta& meta = meta_[buffer];
  RP_ASSERT_NOTE(!meta.at_kernel, "a chunk was recycled twice");
  meta.at_kernel = true;
  offer(buffer);
}

}  // namespace ringpost
