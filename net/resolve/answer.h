#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/base/tls.h"
#include "core/loop/dns.h"

namespace ringpost::resolve {

/// What a look-up of one name and type came to.
enum class AnswerKind : std::uint8_t {
  found,
  no_data,    ///< the name exists, without records of this type
  no_domain,  ///< the name does not exist (NXDOMAIN; at the end of an alias chain too, RFC 6604)
  temporary,  ///< SERVFAIL, time-out, nonsense: nothing is known
  alias,      ///< a CNAME whose target the response did not cover: `canonical` is to be asked
};

struct MxRecord {
  std::uint16_t preference = 0;
  std::string exchange;  ///< lower case; empty: the root, as in a null MX (RFC 7505)
};

/// Immutable once made; shared by the cache and whoever uses it.
struct Answer {
  AnswerKind kind = AnswerKind::temporary;
  std::string_view reason;  ///< of a temporary failure, a static text
  std::string canonical;    ///< where the alias chain ended; the name itself without one
  std::vector<MxRecord> mx;
  std::vector<IpAddress> addresses;
  std::vector<TlsaRecord> tlsa;
  std::vector<std::string> texts;
  bool authentic = false;  ///< the response had AD set
  bool has_ttl = false;    ///< false: nothing said how long this may be kept
  Duration ttl;            ///< lowest of all records used (RFC 2308 for negative answers)
  Instant expires;         ///< set by whoever keeps it

  /// Rough size in memory, for the cache's limit.
  std::size_t bytes() const;
};
using AnswerRef = std::shared_ptr<const Answer>;

/// Aliases followed for one look-up before it is taken for a loop.
inline constexpr unsigned kAliasesMax = 12;

/// Reads the response to a query for `name` (lower case) and `type`. Only records that answer the
/// question are believed: the chain of aliases from `name` and the records at its end.
Answer read_answer(DnsStatus status, std::span<const std::uint8_t> response, std::string_view name,
                   DnsType type);

}  // namespace ringpost::resolve
