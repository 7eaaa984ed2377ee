#pragma once

#include <netinet/in.h>

#include "core/base/address.h"
#include "core/base/result.h"

namespace ringpost::tools {

/// A kernel socket address and its length.
struct KernelAddress {
  sockaddr_storage storage{};
  socklen_t bytes = 0;

  static KernelAddress of(const SocketAddress& address);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// A listening TCP socket with SO_REUSEPORT; a port of 0 is replaced by the one chosen.
Result<int> listen_on(SocketAddress& address);
/// A TCP socket for connecting to `peer`, bound to `source` if that is valid.
Result<int> socket_for(const SocketAddress& peer, const IpAddress& source);
void set_no_delay(int fd);
/// Acknowledges what has come without delay; the kernel forgets it after a while.
void set_quick_ack(int fd);

}  // namespace ringpost::tools
