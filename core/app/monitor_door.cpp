#include "core/app/monitor_door.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "net/wire/ring_driver.h"

namespace ringpost::app {
namespace {

constexpr int kListenBacklog = 64;
constexpr int kLookMilliseconds = 1000;
/// How a TLS record with a handshake begins (RFC 8446 section 5.1).
constexpr char kHandshakeRecord = 0x16;

Result<int> listen_at(const sockaddr* address, socklen_t size) {
  const int socket = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) {
    return Error::from_errno(errno, "socket");
  }
  const int on = 1;
  const int off = 0;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->sa_family == AF_INET6) {
    ::setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (::bind(socket, address, size) != 0 || ::listen(socket, kListenBacklog) != 0) {
    const Error error = Error::from_errno(errno, "http-mgmt-port");
    ::close(socket);
    return error;
  }
  return socket;
}

}  // namespace

Status MonitorDoor::start(const sockaddr* address, socklen_t size, Visitor pass, void* encrypted,
                          void* plain) {
  auto listener = listen_at(address, size);
  if (!listener) {
    return listener.error();
  }
  listener_ = *listener;
  sockaddr_storage bound{};
  socklen_t bound_size = sizeof bound;
  if (::getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &bound_size) == 0) {
    port_ =
        ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port
                                          : reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
  }
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  pass_ = pass;
  encrypted_ = encrypted;
  plain_ = plain;
  thread_ = std::thread([this] { run(); });
  return {};
}

void MonitorDoor::stop() {
  if (!thread_.joinable()) {
    return;
  }
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
  thread_.join();
  for (const Waiting& visitor : waiting_) {
    ::close(visitor.socket);
  }
  waiting_.clear();
  ::close(listener_);
  ::close(wake_);
}

void MonitorDoor::run() {
  std::vector<pollfd> entries;
  while (true) {
    const Instant now = read_clocks().instant;
    entries.assign({{wake_, POLLIN, 0}, {pause_.over(now) ? listener_ : -1, POLLIN, 0}});
    for (const Waiting& visitor : waiting_) {
      entries.push_back({visitor.socket, POLLIN, 0});
    }
    const int look = waiting_.empty() ? -1 : kLookMilliseconds;
    if (::poll(entries.data(), entries.size(), pause_.timeout_ms(look, now)) < 0 &&
        errno != EINTR) {
      return;
    }
    if ((entries[0].revents & POLLIN) != 0) {
      return;
    }
    std::size_t place = 2;
    std::erase_if(waiting_, [&](Waiting& visitor) {
      return look_at(visitor, entries[place++].revents != 0);
    });
    if ((entries[1].revents & POLLIN) != 0) {
      let_in();
    }
  }
}

void MonitorDoor::let_in() {
  Waiting visitor;
  visitor.size = sizeof visitor.from;
  visitor.socket = ::accept4(listener_, reinterpret_cast<sockaddr*>(&visitor.from), &visitor.size,
                             SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (visitor.socket < 0) {
    pause_.failed(errno, read_clocks().instant);
    return;
  }
  if (waiting_.size() >= kWaitingMax) {
    ::close(visitor.socket);
    return;
  }
  visitor.until = read_clocks().instant + kPatience;
  waiting_.push_back(visitor);
}

bool MonitorDoor::look_at(Waiting& visitor, bool readable) {
  char first = 0;
  const ssize_t got = readable ? ::recv(visitor.socket, &first, 1, MSG_PEEK) : -1;
  if (got == 1) {
    const auto* from = reinterpret_cast<const sockaddr*>(&visitor.from);
    pass_(first == kHandshakeRecord ? encrypted_ : plain_, visitor.socket, from, visitor.size);
    return true;
  }
  const bool waits = !readable || (got < 0 && (errno == EAGAIN || errno == EINTR));
  if (waits && read_clocks().instant < visitor.until) {
    return false;
  }
  ::close(visitor.socket);
  return true;
}

}  // namespace ringpost::app
