#pragma once

#include <cstdint>

namespace ringpost::ingest {

/// What a shard's sessions count.
struct IngestStats {
  std::uint64_t connections = 0;
  std::uint64_t accept_failed = 0;  ///< for want of descriptors or memory: tried again later
  std::int32_t accept_error = 0;    ///< errno of the last of these
  std::uint64_t turned_away = 0;    ///< no session or too many of the address: 421
  std::uint64_t not_served = 0;     ///< the address may not use this service: 554
  std::uint64_t messages = 0;       ///< answered 250
  std::uint64_t recipients = 0;     ///< of these
  std::uint64_t bytes = 0;          ///< of these, in wire form
  std::uint64_t relay_denied = 0;
  std::uint64_t sender_busy = 0;  ///< MAIL refused for the number of its sender's sessions
  std::uint64_t suppressed = 0;   ///< recipients that lists forbid
  std::uint64_t authenticated = 0;
  std::uint64_t auth_failed = 0;
  std::uint64_t proxy_refused = 0;    ///< connections of proxies without a good header
  std::uint64_t no_room = 0;          ///< 452 for want of memory or disk
  std::uint64_t store_failed = 0;     ///< 451
  std::uint64_t content_refused = 0;  ///< by limits, line ends, header commands
  std::uint64_t timeouts = 0;
  std::uint64_t tls_sessions = 0;  ///< handshakes that succeeded
  std::uint64_t tls_failed = 0;
  std::uint64_t lost_in_transaction = 0;
};

}  // namespace ringpost::ingest
