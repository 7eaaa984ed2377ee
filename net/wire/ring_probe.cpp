#include "net/wire/ring_probe.h"

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace ringpost {
namespace {

constexpr int kPatienceMs = 100;

class LocalPair {
 public:
  LocalPair() noexcept {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()) != 0) {
      ends_ = {-1, -1};
    }
  }
  ~LocalPair() {
    close_near();
    if (ends_[1] >= 0) {
      ::close(ends_[1]);
    }
  }
  LocalPair(const LocalPair&) = delete;
  LocalPair& operator=(const LocalPair&) = delete;

  int near_end() const noexcept { return ends_[0]; }
  void close_near() noexcept {
    if (ends_[0] >= 0) {
      ::close(ends_[0]);
      ends_[0] = -1;
    }
  }
  /// The other end sees that this one is closed.
  bool hung_up() const noexcept {
    ::pollfd poll{ends_[1], POLLIN, 0};
    return ::poll(&poll, 1, kPatienceMs) == 1 && (poll.revents & POLLHUP) != 0;
  }

 private:
  std::array<int, 2> ends_{};
};

bool try_closing(::io_uring& ring, LocalPair& older, LocalPair& closed, char& byte) noexcept {
  const std::array<int, 2> files = {older.near_end(), closed.near_end()};
  if (files[0] < 0 || files[1] < 0 || ::io_uring_register_files_sparse(&ring, files.size()) != 0 ||
      ::io_uring_register_files_update(&ring, 0, files.data(), files.size()) !=
          static_cast<int>(files.size())) {
    return false;
  }
  older.close_near();
  closed.close_near();
  ::io_uring_sqe* entry = ::io_uring_get_sqe(&ring);
  ::io_uring_prep_recv(entry, 0, &byte, 1, 0);
  entry->flags |= IOSQE_FIXED_FILE;
  entry = ::io_uring_get_sqe(&ring);
  ::io_uring_prep_close_direct(entry, 1);
  return ::io_uring_submit_and_wait(&ring, 1) == 2 && closed.hung_up();
}

}  // namespace

bool direct_sockets_close_at_once() noexcept {
  ::io_uring ring{};
  if (::io_uring_queue_init(4, &ring, 0) != 0) {
    return false;
  }
  LocalPair older;
  LocalPair closed;
  char byte = 0;
  const bool at_once = try_closing(ring, older, closed, byte);
  ::io_uring_queue_exit(&ring);
  return at_once;
}

}  // namespace ringpost
