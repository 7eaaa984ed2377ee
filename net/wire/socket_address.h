#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/base/address.h"

namespace ringpost {

/// Room for the kernel's form of a SocketAddress; half the size of sockaddr_storage.
union KernelAddress {
  ::sockaddr any;
  ::sockaddr_in v4;
  ::sockaddr_in6 v6;
};

/// Fills `out` and returns its length.
::socklen_t to_kernel(const SocketAddress& address, KernelAddress& out) noexcept;
/// IPv4-mapped addresses come back as IPv4; an unknown family as an invalid address.
SocketAddress from_kernel(const KernelAddress& address) noexcept;

/// The two ends of a socket. Invalid where the kernel knows none.
SocketAddress local_end(int descriptor) noexcept;
SocketAddress remote_end(int descriptor) noexcept;

}  // namespace ringpost
