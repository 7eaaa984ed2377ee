#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <liburing.h>

#include "core/base/result.h"
#include "core/base/time.h"

struct sockaddr;

namespace ringpost::tools {

/// What an operation was; travels in the low bits of the owner's pointer.
enum class Op : std::uintptr_t { accept, receive, send, connect, cancel };

/// One completion. `data` is what a receive brought and lives until the handler returns.
struct Event {
  void* owner = nullptr;
  Op op = Op::accept;
  int result = 0;  ///< bytes or a descriptor, or a negative errno
  bool more = false;
  std::string_view data;
};

/// A thread's io_uring with one ring of provided receive buffers: what the measuring tools need
/// and no more. Open it on the thread that uses it. Owners must be aligned to 8.
class Ring {
 public:
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring();

  /// `buffer_count` is a power of two.
  Status open(unsigned entries, unsigned buffer_count, unsigned buffer_bytes);

  /// Accepts until it fails; each completion brings a descriptor.
  void accept(int fd, void* owner);
  /// Receives until end of stream or error; a completion without `more` ends it.
  void receive(int fd, void* owner);
  /// `bytes` must live until the completion.
  void send(int fd, std::string_view bytes, void* owner);
  void connect(int fd, const sockaddr* address, unsigned address_bytes, void* owner);

  /// Submits what is queued, waits for at most `timeout` and hands every completion to `handler`.
  template <class Handler>
  void turn(Duration timeout, Handler&& handler) {
    wait(timeout);
    unsigned head = 0;
    unsigned seen = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      ++seen;
      handler(event_of(*cqe));
      recycle(*cqe);
    }
    publish(seen);
  }

 private:
  io_uring_sqe* next_entry(Op op, void* owner);
  void wait(Duration timeout);
  Event event_of(const io_uring_cqe& cqe) const;
  void recycle(const io_uring_cqe& cqe);
  void publish(unsigned seen);
  char* buffer(unsigned id) const { return buffers_ + std::size_t{id} * buffer_bytes_; }

  io_uring ring_{};
  bool open_ = false;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  char* buffers_ = nullptr;
  unsigned buffer_count_ = 0;
  unsigned buffer_bytes_ = 0;
  int returned_ = 0;
};

}  // namespace ringpost::tools
