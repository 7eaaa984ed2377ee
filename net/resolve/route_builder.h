#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/mail/outcome.h"
#include "core/mail/route.h"
#include "net/resolve/answer.h"
#include "net/resolve/options.h"
#include "net/resolve/sts_policy.h"

namespace ringpost::resolve {

/// How the hosts of a destination came to be known; decides what may be refused and how a failure
/// is worded.
enum class RouteKind : std::uint8_t {
  mx,            ///< from MX records
  implicit_mx,   ///< the domain itself, for want of MX records (RFC 5321 section 5.1)
  literal,       ///< the destination is an address literal
  static_route,  ///< from the configuration: any address is right, nothing bounces
};

/// A host to be turned into a RouteHost: either a literal address or what A and AAAA came to. A
/// null answer stands for one that did not come in time.
struct HostFindings {
  std::string name;
  std::uint16_t preference = 0;
  std::uint16_t port = 25;
  IpAddress literal;
  AnswerRef a;
  AnswerRef aaaa;
  bool authentic = false;  ///< the name came from the configuration or from an authentic answer
  bool tlsa_asked = false;
  AnswerRef tlsa;         ///< where it was asked for; null: no answer in time
  std::string tlsa_name;  ///< the base domain it was asked for
};

/// The host's addresses and how they were found are authentic: TLSA records count for it.
bool is_authentic(const HostFindings& host);

struct RouteFindings {
  RouteKind kind = RouteKind::mx;
  std::string_view domain;  ///< as to be named in texts
  bool allow_private = false;
  Instant expires = Instant::never();          ///< of what led to the hosts
  std::vector<HostFindings>* hosts = nullptr;  ///< in ascending preference
  StsPolicyRef sts;                            ///< of the domain; null: it has none
};

/// Either `route`, or a failure with its text.
struct RouteVerdict {
  RouteRef route;
  Outcome failure;
  std::string text;
  std::size_t strangers = 0;  ///< hosts left out because the domain's policy does not name them
  bool no_exchanger = false;  ///< there are no MX records, and the mail waits for some
};

/// A verdict that there is no route. `status` of class 4 defers, of class 5 bounces.
RouteVerdict no_route(EnhancedStatus status, std::string text);

/// Applies the rules to what was found: leaves out hosts that are we ourselves and all that are
/// not preferred to us, refused addresses, hosts without addresses. Pure.
RouteVerdict build_route(const RouteFindings& findings, const ResolverOptions& options,
                         Instant now);

}  // namespace ringpost::resolve
