#include "bench/tools/socket.h"

#include <cerrno>
#include <cstring>

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ringpost::tools {
namespace {

constexpr int kBacklog = 4096;

void set_option(int fd, int level, int name) {
  const int on = 1;
  ::setsockopt(fd, level, name, &on, sizeof on);
}

Result<int> open_socket(bool v4) {
  const int fd = ::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return Error::from_errno(errno, "open a socket");
  }
  return fd;
}

/// Closes `fd` and tells why, from errno.
Error failed(int fd, const std::string& what) {
  const int error = errno;
  ::close(fd);
  return Error::from_errno(error, what);
}

}  // namespace

KernelAddress KernelAddress::of(const SocketAddress& address) {
  KernelAddress result;
  if (address.ip.is_v4()) {
    auto* in = reinterpret_cast<sockaddr_in*>(&result.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(address.port);
    std::memcpy(&in->sin_addr, address.ip.octets.data(), 4);
    result.bytes = sizeof(sockaddr_in);
  } else {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address.port);
    std::memcpy(&in6->sin6_addr, address.ip.octets.data(), 16);
    result.bytes = sizeof(sockaddr_in6);
  }
  return result;
}

Result<int> listen_on(SocketAddress& address) {
  Result<int> opened = open_socket(address.ip.is_v4());
  if (!opened) {
    return opened;
  }
  const int fd = *opened;
  set_option(fd, SOL_SOCKET, SO_REUSEADDR);
  set_option(fd, SOL_SOCKET, SO_REUSEPORT);
  KernelAddress bound = KernelAddress::of(address);
  if (::bind(fd, bound.get(), bound.bytes) != 0 || ::listen(fd, kBacklog) != 0) {
    return failed(fd, "listen on " + address.text());
  }
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage), &bound.bytes) == 0) {
    // The port stands at the same place in both families.
    address.port = ntohs(reinterpret_cast<const sockaddr_in*>(&bound.storage)->sin_port);
  }
  return fd;
}

Result<int> socket_for(const SocketAddress& peer, const IpAddress& source) {
  Result<int> opened = open_socket(peer.ip.is_v4());
  if (!opened) {
    return opened;
  }
  const int fd = *opened;
  if (source.valid()) {
    set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    const KernelAddress from = KernelAddress::of({source, 0});
    if (::bind(fd, from.get(), from.bytes) != 0) {
      return failed(fd, "bind to " + source.text());
    }
  }
  set_no_delay(fd);
  return fd;
}

void set_quick_ack(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

void set_no_delay(int fd) { set_option(fd, IPPROTO_TCP, TCP_NODELAY); }

}  // namespace ringpost::tools
