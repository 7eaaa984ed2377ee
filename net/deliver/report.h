#pragma once

#include <cstdint>
#include <string>

#include "core/base/address.h"
#include "core/base/time.h"

namespace ringpost::deliver {

/// One open session as `show sessions` shows it. A copy, for cold paths.
struct SessionRow {
  std::string destination;
  std::string vmta;
  const char* stage = "";
  bool idle = false;
  std::string host;  ///< empty before one was chosen
  SocketAddress remote;
  IpAddress local;  ///< family none: the host chooses
  std::uint32_t messages = 0;
  WallTime since;
};

/// What one shard remembers of a receiving host, as `show hosts` shows it.
struct HostRow {
  SocketAddress host;
  std::uint32_t clean = 0;  ///< transactions without a fault, up to what is asked for grouping
  WallTime bad_until;       ///< 0: not bad
  WallTime doubt_until;     ///< PIPELINING is not believed so long; 0: it is
};

}  // namespace ringpost::deliver
