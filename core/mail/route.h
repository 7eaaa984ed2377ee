#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/completion.h"
#include "core/base/time.h"
#include "core/base/tls_results.h"
#include "core/mail/outcome.h"
#include "core/mail/policy.h"

namespace ringpost {

/// What is demanded of connections to a host. It has authentic TLSA records (RFC 7672), so nothing
/// is ever sent to it in clear; or its domain has a policy of MTA-STS (RFC 8461), so its
/// certificate has to be good. The former outranks the latter.
struct HostTls {
  TlsPolicyKind kind = TlsPolicyKind::tlsa;
  std::string name;                 ///< to be asked for and to be shown; of TLSA the base domain
  std::vector<TlsaRecord> records;  ///< one has to match; none usable: encryption is enough
  bool testing = false;             ///< of MTA-STS: failures are only counted
  bool stranger = false;            ///< and the policy does not name the host
};

/// One mail exchanger with the addresses it has.
struct RouteHost {
  std::string name;              ///< lower case, without trailing dot; a literal's text else
  std::uint16_t preference = 0;  ///< MX preference; hosts of one preference are equals
  std::uint16_t port = 25;
  std::vector<IpAddress> addresses;
  std::shared_ptr<const HostTls> tls;  ///< nullptr: nothing is demanded
};

/// Where mail for a destination can be delivered: hosts in ascending preference, those of equal
/// preference in no order (the user rotates them). Immutable, cached until `expires`.
struct Route {
  std::vector<RouteHost> hosts;
  Instant expires = Instant::never();
};

using RouteRef = std::shared_ptr<const Route>;

/// Asks where mail goes. Owned by the asker, on its shard, until the completion has run.
struct RouteQuery : Completion {
  // In:
  std::string_view destination;  ///< domain or address literal; must live until completion
  QueuePolicyRef policy;
  // Out: either a route, or the outcome that every recipient of the destination now has.
  RouteRef route;   ///< null when there is none
  Outcome failure;  ///< deferred or bounced, phase route; text in failure_text
  std::string failure_text;
  bool no_exchanger = false;  ///< deferred for want of MX records, see QueuePolicy::no_mx_wait
};

/// Door to net/resolve. One per shard.
class RouteSource {
 public:
  virtual ~RouteSource() = default;
  /// Completes `query` in a later turn, from the cache or after asking DNS. Never fails to
  /// complete: time-outs end as a deferred failure.
  virtual void resolve(RouteQuery& query) = 0;
};

}  // namespace ringpost
