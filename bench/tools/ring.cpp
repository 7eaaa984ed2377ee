#include "bench/tools/ring.h"

#include <cerrno>
#include <cstdlib>
#include <string>

#include <sys/mman.h>
#include <sys/socket.h>

namespace ringpost::tools {
namespace {

constexpr std::uintptr_t kOpMask = 7;

/// Page-aligned zeroed memory, or nullptr.
char* map_pages(std::size_t bytes) {
  void* room = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return room == MAP_FAILED ? nullptr : static_cast<char*>(room);
}

}  // namespace

Ring::~Ring() {
  if (open_) {
    io_uring_queue_exit(&ring_);
  }
  if (buffer_ring_ != nullptr) {
    munmap(buffer_ring_, buffer_count_ * sizeof(io_uring_buf));
  }
  if (buffers_ != nullptr) {
    munmap(buffers_, std::size_t{buffer_count_} * buffer_bytes_);
  }
}

Status Ring::open(unsigned entries, unsigned buffer_count, unsigned buffer_bytes) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE;
  params.cq_entries = entries * 4;
  int failed = io_uring_queue_init_params(entries, &ring_, &params);
  if (failed != 0) {
    return Error::from_errno(-failed, "set up io_uring");
  }
  open_ = true;
  io_uring_register_ring_fd(&ring_);

  buffer_count_ = buffer_count;
  buffer_bytes_ = buffer_bytes;
  buffers_ = map_pages(std::size_t{buffer_count} * buffer_bytes);
  // liburing 2.3 has no helper that allocates a buffer ring: the memory is ours.
  char* ring_memory = map_pages(buffer_count * sizeof(io_uring_buf));
  if (buffers_ == nullptr || ring_memory == nullptr) {
    return Error::from_errno(errno, "map receive buffers");
  }
  buffer_ring_ = reinterpret_cast<io_uring_buf_ring*>(ring_memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffer_ring_);
  registration.ring_entries = buffer_count;
  failed = io_uring_register_buf_ring(&ring_, &registration, 0);
  if (failed != 0) {
    return Error::from_errno(-failed, "register receive buffers");
  }
  io_uring_buf_ring_init(buffer_ring_);
  for (unsigned id = 0; id < buffer_count; ++id) {
    io_uring_buf_ring_add(buffer_ring_, buffer(id), buffer_bytes, static_cast<unsigned short>(id),
                          io_uring_buf_ring_mask(buffer_count), static_cast<int>(id));
  }
  io_uring_buf_ring_advance(buffer_ring_, static_cast<int>(buffer_count));
  return {};
}

io_uring_sqe* Ring::next_entry(Op op, void* owner) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  while (entry == nullptr) {
    io_uring_submit(&ring_);
    entry = io_uring_get_sqe(&ring_);
  }
  const auto word = reinterpret_cast<std::uintptr_t>(owner);
  RP_ASSERT((word & kOpMask) == 0);
  entry->user_data = word | static_cast<std::uintptr_t>(op);
  return entry;
}

void Ring::accept(int fd, void* owner) {
  io_uring_sqe* entry = next_entry(Op::accept, owner);
  io_uring_prep_multishot_accept(entry, fd, nullptr, nullptr, SOCK_CLOEXEC);
}

void Ring::receive(int fd, void* owner) {
  io_uring_sqe* entry = next_entry(Op::receive, owner);
  io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = 0;
}

void Ring::send(int fd, std::string_view bytes, void* owner) {
  io_uring_sqe* entry = next_entry(Op::send, owner);
  io_uring_prep_send(entry, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

void Ring::connect(int fd, const sockaddr* address, unsigned address_bytes, void* owner) {
  io_uring_sqe* entry = next_entry(Op::connect, owner);
  io_uring_prep_connect(entry, fd, address, address_bytes);
}

void Ring::wait(Duration timeout) {
  __kernel_timespec limit{};
  limit.tv_sec = timeout.ns / 1'000'000'000;
  limit.tv_nsec = timeout.ns % 1'000'000'000;
  io_uring_cqe* first = nullptr;
  io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr);
}

Event Ring::event_of(const io_uring_cqe& cqe) const {
  Event event;
  event.op = static_cast<Op>(cqe.user_data & kOpMask);
  event.owner = reinterpret_cast<void*>(cqe.user_data & ~std::uint64_t{kOpMask});
  event.result = cqe.res;
  event.more = (cqe.flags & IORING_CQE_F_MORE) != 0;
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0 && cqe.res > 0) {
    event.data = {buffer(cqe.flags >> IORING_CQE_BUFFER_SHIFT), static_cast<std::size_t>(cqe.res)};
  }
  return event;
}

void Ring::recycle(const io_uring_cqe& cqe) {
  if ((cqe.flags & IORING_CQE_F_BUFFER) == 0) {
    return;
  }
  const unsigned id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
  io_uring_buf_ring_add(buffer_ring_, buffer(id), buffer_bytes_, static_cast<unsigned short>(id),
                        io_uring_buf_ring_mask(buffer_count_), returned_);
  ++returned_;
}

void Ring::publish(unsigned seen) {
  if (returned_ > 0) {
    io_uring_buf_ring_advance(buffer_ring_, returned_);
    returned_ = 0;
  }
  io_uring_cq_advance(&ring_, seen);
}

}  // namespace ringpost::tools
