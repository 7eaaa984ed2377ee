#pragma once

#include <string>

#include "core/base/address.h"
#include "core/base/time.h"

namespace ringpost::app {

/// What came of one attempt to talk to a mail host.
struct ProbeResult {
  bool connected = false;
  bool our_fault = false;  ///< the address to leave from is not of this host
  bool starttls = false;
  std::string banner;  ///< its first line, printable
  std::string fault;   ///< empty: it greeted and took EHLO
};

/// Connects, reads the greeting, says EHLO and QUIT. Blocks for `patience` at most for each of the
/// three. `from` of family none: the host chooses.
ProbeResult probe_smtp(const IpAddress& from, const SocketAddress& to, const std::string& helo,
                       Duration patience);

}  // namespace ringpost::app
