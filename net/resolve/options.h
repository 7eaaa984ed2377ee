#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"

namespace ringpost::resolve {

/// Settings of one shard's resolver. The maxima bound its memory.
struct ResolverOptions {
  Duration ttl_min = Duration::seconds(5);  ///< shorter TTLs are taken for this
  Duration ttl_max = Duration::days(1);
  Duration negative_ttl_max = Duration::hours(3);  ///< RFC 2308 section 5
  Duration failure_ttl = Duration::seconds(15);    ///< how long a failure is remembered (RFC 9520)
  Duration deadline = Duration::seconds(60);       ///< for one resolution, whatever DNS does
  std::size_t cache_entries_max = 200'000;
  std::size_t cache_bytes_max = std::size_t{64} << 20;
  std::size_t queries_max = 512;         ///< in flight at the Dns port at once
  std::size_t waiting_max = 16'384;      ///< look-ups waiting for their turn
  std::size_t resolutions_max = 32'768;  ///< route queries not yet completed
  std::size_t hosts_max = 16;            ///< of one destination: the most preferred
  std::size_t addresses_max = 32;        ///< of one host
  std::size_t sts_entries_max = 10'000;  ///< domains whose MTA-STS is remembered

  /// All name servers are on this host, so that AD in an answer may be believed: without, nothing
  /// is authentic and DANE is not done (RFC 7672 section 2.2).
  bool trusts_ad = false;

  /// Who we are, to be recognised in an MX set (RFC 5321 section 5.1).
  std::vector<std::string> own_names;
  /// Our listeners with concrete addresses; port 0 stands for every port.
  std::vector<SocketAddress> own_addresses;
};

}  // namespace ringpost::resolve
