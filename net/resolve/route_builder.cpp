#include "net/resolve/route_builder.h"

#include <algorithm>
#include <iterator>

#include "core/base/text.h"

namespace ringpost::resolve {
namespace {

constexpr EnhancedStatus kTemporary{4, 4, 3};    // directory server failure
constexpr EnhancedStatus kUnroutable{5, 4, 4};   // unable to route
constexpr EnhancedStatus kStaticRoute{4, 4, 4};  // the same, while an operator may mend it
constexpr EnhancedStatus kLoop{5, 4, 6};         // routing loop detected
constexpr EnhancedStatus kNotNamed{4, 7, 5};     // cryptographic failure

/// Nothing can be reached at these, whatever the configuration allows.
bool is_no_destination(const IpAddress& address) {
  if (address.is_v4()) {
    return address.octets[0] == 0 || address.octets[0] >= 224;
  }
  return address.octets[0] == 0xff ||
         std::all_of(address.octets.begin(), address.octets.end(), [](auto v) { return v == 0; });
}

bool is_own_address(const IpAddress& address, std::uint16_t port, const ResolverOptions& options) {
  return std::any_of(options.own_addresses.begin(), options.own_addresses.end(),
                     [&](const SocketAddress& own) {
                       return own.ip == address && (own.port == 0 || own.port == port);
                     });
}

bool is_usable(const TlsaRecord& record) {
  const bool form = (record.usage == 2 || record.usage == 3) && record.selector <= 1;
  switch (record.matching) {
    case 0: return form && !record.data.empty();
    case 1: return form && record.data.size() == 32;
    case 2: return form && record.data.size() == 64;
    default: return false;
  }
}

/// RFC 7672 section 2.1: records that are there and authentic demand TLS, usable or not.
std::shared_ptr<const HostTls> demand_of(const HostFindings& host) {
  if (host.tlsa == nullptr || host.tlsa->kind != AnswerKind::found || !host.tlsa->authentic) {
    return nullptr;
  }
  auto tls = std::make_shared<HostTls>();
  tls->name = host.tlsa_name;
  std::copy_if(host.tlsa->tlsa.begin(), host.tlsa->tlsa.end(), std::back_inserter(tls->records),
               is_usable);
  return tls;
}

bool is_authentic(const AnswerRef& answer) {
  return answer != nullptr && answer->authentic && answer->kind != AnswerKind::temporary;
}

/// Turns findings into a route, host after host, and notes why hosts were left out.
class Builder {
 public:
  Builder(const RouteFindings& findings, const ResolverOptions& options, Instant now)
      : findings_(findings), options_(options), now_(now) {}

  RouteVerdict run();

 private:
  void take_answer(const HostFindings& host, const AnswerRef& answer,
                   std::vector<IpAddress>& addresses);
  std::vector<IpAddress> addresses_of(const HostFindings& host);
  bool tlsa_failed(const HostFindings& host);
  bool is_own(const HostFindings& host, const std::vector<IpAddress>& addresses) const;
  std::shared_ptr<const HostTls> policy_of(const HostFindings& host) const;
  void remove_refused(const HostFindings& host, std::vector<IpAddress>& addresses);
  RouteVerdict failure() const;

  const RouteFindings& findings_;
  const ResolverOptions& options_;
  Instant now_;
  std::shared_ptr<Route> route_ = std::make_shared<Route>();
  std::string note_;       ///< why the host last looked at may be found later
  std::string temporary_;  ///< the first such note that matters
  std::string refused_;    ///< first address refused
  std::string stranger_;   ///< first host that the domain's policy does not name
  std::size_t strangers_ = 0;
  bool own_seen_ = false;
};

void Builder::take_answer(const HostFindings& host, const AnswerRef& answer,
                          std::vector<IpAddress>& addresses) {
  const bool failed = answer == nullptr || answer->kind == AnswerKind::temporary;
  if (failed && note_.empty()) {
    note_ = "look-up of " + host.name +
            " failed: " + std::string(answer == nullptr ? "no answer in time" : answer->reason);
  }
  // What failed is asked again soon, even if another host was found.
  const Instant until = answer == nullptr ? now_ + options_.failure_ttl : answer->expires;
  route_->expires = std::min(route_->expires, until);
  if (answer == nullptr) {
    return;
  }
  std::vector<IpAddress> sorted = answer->addresses;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  addresses.insert(addresses.end(), sorted.begin(), sorted.end());
}

std::vector<IpAddress> Builder::addresses_of(const HostFindings& host) {
  std::vector<IpAddress> addresses;
  note_.clear();
  if (host.literal.valid()) {
    addresses.push_back(host.literal);
    return addresses;
  }
  take_answer(host, host.a, addresses);
  take_answer(host, host.aaaa, addresses);
  return addresses;
}

// What cannot be known must not be taken for nothing: an attacker may withhold the answer.
bool Builder::tlsa_failed(const HostFindings& host) {
  if (!host.tlsa_asked) {
    return false;
  }
  const bool failed = host.tlsa == nullptr || host.tlsa->kind == AnswerKind::temporary;
  const Instant until = host.tlsa == nullptr ? now_ + options_.failure_ttl : host.tlsa->expires;
  route_->expires = std::min(route_->expires, until);
  if (failed && temporary_.empty()) {
    temporary_ = "look-up of the TLSA records of " + host.name + " failed: " +
                 std::string(host.tlsa == nullptr ? "no answer in time" : host.tlsa->reason);
  }
  return failed;
}

bool Builder::is_own(const HostFindings& host, const std::vector<IpAddress>& addresses) const {
  if (findings_.kind == RouteKind::static_route) {
    return false;
  }
  const bool name =
      std::any_of(options_.own_names.begin(), options_.own_names.end(),
                  [&host](const std::string& own) { return equals_ignoring_case(own, host.name); });
  return (name && !host.literal.valid()) ||
         std::any_of(addresses.begin(), addresses.end(), [&](const IpAddress& address) {
           return is_own_address(address, host.port, options_);
         });
}

void Builder::remove_refused(const HostFindings& host, std::vector<IpAddress>& addresses) {
  if (findings_.kind == RouteKind::static_route) {
    return;
  }
  const auto refused = [&](const IpAddress& address) {
    const bool refuse = findings_.allow_private ? is_no_destination(address) : address.is_special();
    if (refuse && refused_.empty()) {
      refused_ = host.name + " has the address " + address.text();
    }
    return refuse;
  };
  addresses.erase(std::remove_if(addresses.begin(), addresses.end(), refused), addresses.end());
}

// RFC 8461 section 4: the policy is for hosts that have no TLSA records.
std::shared_ptr<const HostTls> Builder::policy_of(const HostFindings& host) const {
  if (findings_.sts == nullptr || findings_.sts->mode == StsMode::none) {
    return nullptr;
  }
  auto tls = std::make_shared<HostTls>();
  tls->kind = TlsPolicyKind::sts;
  tls->name = host.name;
  tls->testing = findings_.sts->mode == StsMode::testing;
  tls->stranger = !findings_.sts->names(host.name);
  return tls;
}

RouteVerdict Builder::run() {
  std::vector<HostFindings>& hosts = *findings_.hosts;
  std::uint32_t below = 0x10000;  // only hosts of a lower preference value than ours
  std::vector<std::vector<IpAddress>> found;
  std::vector<std::string> notes;
  for (const HostFindings& host : hosts) {
    found.push_back(addresses_of(host));
    notes.push_back(note_);
    if (is_own(host, found.back())) {
      own_seen_ = true;
      below = std::min<std::uint32_t>(below, host.preference);
    }
  }
  route_->expires = std::min(route_->expires, findings_.expires);
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (hosts[i].preference >= below) {
      continue;
    }
    temporary_ = temporary_.empty() ? notes[i] : temporary_;
    remove_refused(hosts[i], found[i]);
    if (found[i].empty() || tlsa_failed(hosts[i])) {
      continue;
    }
    if (found[i].size() > options_.addresses_max) {
      found[i].resize(options_.addresses_max);
    }
    auto tls = demand_of(hosts[i]);
    tls = tls == nullptr ? policy_of(hosts[i]) : std::move(tls);
    if (tls != nullptr && tls->stranger && !tls->testing) {
      ++strangers_;
      stranger_ = stranger_.empty() ? hosts[i].name : stranger_;
      continue;
    }
    route_->hosts.push_back(
        {hosts[i].name, hosts[i].preference, hosts[i].port, std::move(found[i]), std::move(tls)});
  }
  RouteVerdict verdict;
  if (route_->hosts.empty()) {
    verdict = failure();
  } else {
    verdict.route = std::move(route_);
  }
  verdict.strangers = strangers_;
  return verdict;
}

RouteVerdict Builder::failure() const {
  const std::string domain(findings_.domain);
  if (!temporary_.empty()) {
    return no_route(kTemporary, temporary_);
  }
  if (!stranger_.empty()) {
    return no_route(
        kNotNamed, "the MTA-STS policy of " + domain + " does not name its exchanger " + stranger_);
  }
  if (own_seen_) {
    return no_route(kLoop,
                    "mail for " + domain + " loops back to this host: no host is preferred to it");
  }
  if (!refused_.empty()) {
    return no_route(kLoop, "no host of " + domain + " may be connected to: " + refused_);
  }
  switch (findings_.kind) {
    case RouteKind::static_route:
      return no_route(kStaticRoute,
                      "no host of the configured route for " + domain + " has an address");
    case RouteKind::implicit_mx:
      return no_route(kUnroutable, domain + " has neither mail exchangers nor an address");
    case RouteKind::mx:
    case RouteKind::literal: break;
  }
  return no_route(kUnroutable, "no mail exchanger of " + domain + " has an address");
}

}  // namespace

bool is_authentic(const HostFindings& host) {
  const auto settled = [](const AnswerRef& answer) {
    return answer == nullptr || answer->kind != AnswerKind::found || answer->authentic;
  };
  const bool any = is_authentic(host.a) || is_authentic(host.aaaa);
  return host.authentic && !host.literal.valid() && any && settled(host.a) && settled(host.aaaa);
}

RouteVerdict no_route(EnhancedStatus status, std::string text) {
  RouteVerdict verdict;
  verdict.failure.kind = status.klass == 4 ? OutcomeKind::deferred : OutcomeKind::bounced;
  verdict.failure.phase = Phase::route;
  verdict.failure.status = status;
  verdict.text = std::move(text);
  if (verdict.text.size() > kOutcomeTextMax) {
    verdict.text.resize(kOutcomeTextMax);
  }
  for (char& c : verdict.text) {
    c = c < 0x20 || c > 0x7e ? '?' : c;
  }
  return verdict;
}

RouteVerdict build_route(const RouteFindings& findings, const ResolverOptions& options,
                         Instant now) {
  RP_ASSERT(findings.hosts != nullptr);
  return Builder(findings, options, now).run();
}

}  // namespace ringpost::resolve
