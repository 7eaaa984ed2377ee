#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/completion.h"

namespace ringpost {

/// Record types asked for (RFC 1035, 3596, 6698).
enum class DnsType : std::uint16_t { a = 1, cname = 5, mx = 15, txt = 16, aaaa = 28, tlsa = 52 };

/// How a query ended, before anyone reads the answer.
enum class DnsStatus : std::uint8_t {
  answered,   ///< a response with RCODE 0 came; it may still hold no record (NODATA)
  no_domain,  ///< NXDOMAIN
  failed,     ///< SERVFAIL, REFUSED and other error codes
  timed_out,  ///< no server answered in time
  malformed,  ///< what came is no DNS response to this query
};

/// One question to the configured resolver. Owned by the asker until the completion has run.
struct DnsQueryOp : Completion {
  std::string name;  ///< absolute, without the trailing dot
  DnsType type = DnsType::mx;
  DnsStatus status = DnsStatus::timed_out;
  /// The whole response message as it came (also for no_domain: its SOA tells the negative TTL).
  std::vector<std::uint8_t> response;
};

/// Stub resolver of one shard. Queries carry AD (RFC 6840 section 5.7); whether to believe AD in
/// the answer is for the reader to decide.
class Dns {
 public:
  virtual ~Dns() = default;
  virtual void query(DnsQueryOp& op) = 0;
};

}  // namespace ringpost
