#pragma once

#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/completion.h"
#include "core/base/tls.h"
#include "net/resolve/sts_policy.h"

namespace ringpost::resolve {

/// Asks for the policy of a domain: of those kept, or from its web server. Owned by the asker until
/// the completion has run.
struct StsFetchOp : Completion {
  // In:
  std::string domain;
  std::string id;                    ///< of the record in DNS; empty: only what is kept counts
  std::vector<IpAddress> addresses;  ///< of the web server `mta-sts.DOMAIN`
  std::string authorities;           ///< file of those it is checked against; empty: the system's

  // Out:
  /// The newest there is, fetched now or earlier; null: none, or it has expired.
  StsPolicyRef policy;
  TlsFailure failure = TlsFailure::none;  ///< why it could not be fetched now
  std::string reason;                     ///< the same in words
};

/// Policies of all domains, kept for all shards and over restarts. Takes its time; never on the
/// shard's own thread.
class StsSource {
 public:
  virtual ~StsSource() = default;
  virtual void fetch(StsFetchOp& op) = 0;
};

}  // namespace ringpost::resolve
