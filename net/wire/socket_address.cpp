#include "net/wire/socket_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace ringpost {

::socklen_t to_kernel(const SocketAddress& address, KernelAddress& out) noexcept {
  std::memset(&out, 0, sizeof out);
  if (address.ip.is_v4()) {
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(address.port);
    std::memcpy(&out.v4.sin_addr, address.ip.octets.data(), sizeof out.v4.sin_addr);
    return sizeof out.v4;
  }
  out.v6.sin6_family = AF_INET6;
  out.v6.sin6_port = htons(address.port);
  std::memcpy(&out.v6.sin6_addr, address.ip.octets.data(), sizeof out.v6.sin6_addr);
  return sizeof out.v6;
}

SocketAddress from_kernel(const KernelAddress& address) noexcept {
  SocketAddress result;
  if (address.any.sa_family == AF_INET) {
    result.ip.family = IpAddress::Family::v4;
    std::memcpy(result.ip.octets.data(), &address.v4.sin_addr, sizeof address.v4.sin_addr);
    result.port = ntohs(address.v4.sin_port);
  } else if (address.any.sa_family == AF_INET6) {
    result.port = ntohs(address.v6.sin6_port);
    const std::uint8_t* octets = address.v6.sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&address.v6.sin6_addr)) {
      result.ip.family = IpAddress::Family::v4;
      std::copy_n(octets + 12, 4, result.ip.octets.begin());
    } else {
      result.ip.family = IpAddress::Family::v6;
      std::copy_n(octets, 16, result.ip.octets.begin());
    }
  }
  return result;
}

SocketAddress local_end(int descriptor) noexcept {
  KernelAddress address{};
  ::socklen_t length = sizeof address;
  ::getsockname(descriptor, &address.any, &length);
  return from_kernel(address);
}

SocketAddress remote_end(int descriptor) noexcept {
  KernelAddress address{};
  ::socklen_t length = sizeof address;
  ::getpeername(descriptor, &address.any, &length);
  return from_kernel(address);
}

}  // namespace ringpost
