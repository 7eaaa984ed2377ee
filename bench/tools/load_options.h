#pragma once

#include <cstdint>
#include <string>

#include "core/base/address.h"

namespace ringpost::tools {

/// How much of a transaction is sent without waiting for replies (RFC 2920, RFC 3030).
enum class Pipelining : std::uint8_t {
  none,      ///< one command at a time
  envelope,  ///< MAIL, RCPT and DATA in one group
  next,      ///< and the next envelope in one group with the content before it
};

/// What ringpost-load does; filled from the command line, then read by all threads.
struct LoadOptions {
  SocketAddress to;
  IpAddress source;
  unsigned threads = 1;
  unsigned connections = 16;
  std::uint64_t messages = 1000;
  double duration_seconds = 0;  ///< no new message after this; 0: no limit
  double rate = 0;              ///< messages a second over all threads; 0: as fast as it goes
  std::uint64_t size_min = 4096;
  std::uint64_t size_max = 4096;
  bool mix = false;
  unsigned domains = 1;
  std::string domain_suffix = "example";
  unsigned recipients = 1;
  std::string recipient;  ///< a fixed one in place of made-up ones
  std::string sender = "sender@load.example";
  std::string helo = "load.example";
  Pipelining pipelining = Pipelining::envelope;
  unsigned bdat_window = 0;  ///< transactions under way with BDAT; 0: DATA
  bool tls = false;          ///< STARTTLS, with any certificate
  std::string ledger;
  bool times = false;
  bool quick_acks = false;  ///< TCP acknowledges at once, always
  bool json = false;
  bool progress = false;
  bool allow_failures = false;
  std::uint64_t seed = 1;
  double give_up_seconds = 10;  ///< without any connection
};

}  // namespace ringpost::tools
