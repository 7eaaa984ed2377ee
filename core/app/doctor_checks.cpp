#include "core/app/doctor_checks.h"

#include <sys/timex.h>

#include <algorithm>

#include "core/app/doctor_probe.h"
#include "core/base/text.h"
#include "net/audit/dmarc.h"
#include "net/audit/reverse_name.h"
#include "net/audit/spf.h"
#include "net/resolve/sts_policy.h"
#include "net/wire/https_get.h"

namespace ringpost::app {
namespace {

using audit::Answer;
using audit::RecordType;
using Level = Finding::Level;

constexpr std::size_t kHostsMax = 8;  ///< of one destination that are tried

std::string list_of(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

std::string_view record_of(const IpAddress& ip) { return ip.is_v4() ? "A" : "AAAA"; }

Answer addresses_of(audit::Lookup& dns, const std::string& name, const IpAddress& like) {
  return dns.look_up(name, like.is_v4() ? RecordType::a : RecordType::aaaa);
}

bool holds(const Answer& answer, const IpAddress& ip) {
  return std::find(answer.addresses.begin(), answer.addresses.end(), ip) != answer.addresses.end();
}

std::string subject_of(const SendingAddress& source) {
  return source.ip.text() + " (" + source.vmta + ")";
}

void check_helo(audit::Lookup& dns, const SendingAddress& source,
                const std::vector<std::string>& confirmed, Findings& out) {
  const std::string subject = subject_of(source);
  const std::string helo = to_lower(source.helo);
  if (helo.find('.') == helo.npos) {
    out.push_back({Level::error, "helo", subject, "'" + helo + "' is not a full host name",
                   "set helo-domain, or the name in smtp-source-host, to a name of this address"});
    return;
  }
  const Answer forward = addresses_of(dns, helo, source.ip);
  if (forward.failed()) {
    out.push_back({Level::warning, "helo", subject, helo + ": " + forward.failure, ""});
  } else if (!holds(forward, source.ip)) {
    out.push_back(
        {Level::error, "helo", subject, helo + " does not lead to the address",
         "publish " + helo + ". " + std::string(record_of(source.ip)) + " " + source.ip.text()});
  } else if (std::find(confirmed.begin(), confirmed.end(), helo) == confirmed.end()) {
    out.push_back({Level::warning, "helo", subject,
                   helo + " leads to the address, which is called " +
                       (confirmed.empty() ? "nothing" : list_of(confirmed)),
                   "publish " + audit::reverse_name(source.ip) + ". PTR " + helo + "."});
  } else {
    out.push_back({Level::ok, "helo", subject, helo + " is the name of the address", ""});
  }
}

void check_tlsa(audit::Lookup& dns, const std::string& host, std::uint16_t port, Findings& out) {
  const Answer answer = dns.look_up("_" + std::to_string(port) + "._tcp." + host, RecordType::tlsa);
  if (answer.failed()) {
    out.push_back(
        {Level::error, "tlsa", host, answer.failure,
         "while this cannot be looked up, mail with use-dane does not leave to the host"});
  } else if (!answer.found()) {
    out.push_back({Level::note, "tlsa", host, "none: the host has no DANE", ""});
  } else if (!answer.authentic) {
    out.push_back({Level::warning, "tlsa", host,
                   "records that are not signed, or not by a resolver on this host: not believed",
                   "name a validating resolver on this host with name-server"});
  } else {
    out.push_back({Level::ok, "tlsa", host,
                   std::to_string(answer.tlsa.size()) + " signed records: use-dane holds to them",
                   ""});
  }
}

/// The policy's file as the daemon would fetch it.
HttpsReply fetch_policy(audit::Lookup& dns, const Destination& destination) {
  HttpsRequest request;
  request.host = "mta-sts." + destination.domain;
  request.path = "/.well-known/mta-sts.txt";
  request.authorities = destination.authorities;
  request.limit = destination.patience;
  for (const RecordType type : {RecordType::a, RecordType::aaaa}) {
    const Answer found = dns.look_up(request.host, type);
    request.addresses.insert(request.addresses.end(), found.addresses.begin(),
                             found.addresses.end());
  }
  if (request.addresses.empty()) {
    HttpsReply none;
    none.reason = request.host + " has no address";
    return none;
  }
  return https_get(request);
}

void check_sts(audit::Lookup& dns, const Destination& destination,
               const std::vector<std::string>& hosts, Findings& out) {
  const std::string& domain = destination.domain;
  const Answer answer = dns.look_up("_mta-sts." + domain, RecordType::txt);
  if (answer.failed()) {
    out.push_back({Level::warning, "mta-sts", domain, answer.failure, ""});
    return;
  }
  if (resolve::sts_record_id(answer.texts).empty()) {
    out.push_back({Level::note, "mta-sts", domain, "none: the domain announces no policy", ""});
    return;
  }
  const HttpsReply reply = fetch_policy(dns, destination);
  if (!reply.done) {
    out.push_back(
        {Level::error, "mta-sts", domain, "announced, but not to be had: " + reply.reason, ""});
    return;
  }
  const auto policy = resolve::parse_sts_policy(reply.body);
  if (!policy.ok()) {
    out.push_back({Level::error, "mta-sts", domain, policy.error().detail, ""});
    return;
  }
  out.push_back(
      {Level::ok, "mta-sts", domain,
       "mode " + std::string(resolve::name_of(policy->mode)) + " for " + list_of(policy->mx), ""});
  for (const std::string& host : hosts) {
    if (!policy->names(host)) {
      out.push_back({Level::warning, "mta-sts", domain, "the policy does not name " + host, ""});
    }
  }
}

/// One connection; true: the host answered like a mail server.
bool try_host(const Destination& destination, const std::string& host, const IpAddress& to,
              const SendingAddress& source, Findings& out) {
  const SocketAddress remote{to, destination.port};
  const ProbeResult result = probe_smtp(source.ip, remote, source.helo, destination.patience);
  const std::string subject = host + " " + remote.text() +
                              (source.ip.valid() ? " from " + source.ip.text() : std::string());
  if (!result.fault.empty()) {
    out.push_back({Level::error, "port-25", subject, result.fault,
                   result.our_fault
                       ? "give the address to this host, or take it out of the virtual "
                         "MTA " +
                             source.vmta
                   : result.connected ? ""
                                      : "see whether the provider or a firewall blocks port " +
                                            std::to_string(destination.port)});
    return false;
  }
  out.push_back({Level::ok, "port-25", subject,
                 result.banner + (result.starttls ? "; STARTTLS" : "; no STARTTLS"), ""});
  return true;
}

}  // namespace

std::string_view name_of(Finding::Level level) noexcept {
  static constexpr std::string_view kNames[] = {"ok", "note", "warning", "error"};
  return kNames[static_cast<std::size_t>(level)];
}

void check_reverse_dns(audit::Lookup& dns, const SendingAddress& source, Findings& out) {
  const std::string subject = subject_of(source);
  const std::string reverse = audit::reverse_name(source.ip);
  const std::string helo = to_lower(source.helo);
  if (source.ip.is_special()) {
    out.push_back({Level::note, "reverse-dns", subject,
                   "an address of a private network: what the world sees is that of a gateway",
                   ""});
  }
  const Answer names = dns.look_up(reverse, RecordType::ptr);
  if (names.failed()) {
    out.push_back({Level::warning, "reverse-dns", subject, names.failure, ""});
    return;
  }
  std::vector<std::string> confirmed;
  for (const std::string& name : names.names) {
    if (holds(addresses_of(dns, name, source.ip), source.ip)) {
      confirmed.push_back(to_lower(name));
    }
  }
  if (names.names.empty()) {
    out.push_back({Level::error, "reverse-dns", subject, "the address has no name",
                   "have its provider publish " + reverse + ". PTR " + helo + "."});
  } else if (confirmed.empty()) {
    out.push_back({Level::error, "reverse-dns", subject,
                   "its name " + list_of(names.names) + " does not lead back to it",
                   "publish " + names.names.front() + ". " + std::string(record_of(source.ip)) +
                       " " + source.ip.text()});
  } else {
    out.push_back({Level::ok, "reverse-dns", subject, list_of(confirmed), ""});
  }
  check_helo(dns, source, confirmed, out);
}

void check_spf_of(audit::Lookup& dns, const SendingAddress& source, const std::string& domain,
                  Findings& out) {
  const audit::SpfAnswer answer =
      audit::check_spf(dns, source.ip, "postmaster@" + domain, source.helo);
  const std::string subject = domain + " from " + source.ip.text();
  const std::string term = (source.ip.is_v4() ? "ip4:" : "ip6:") + source.ip.text();
  const std::string text = std::string(audit::name_of(answer.result)) + " by " + answer.why;
  using audit::SpfResult;
  switch (answer.result) {
    case SpfResult::pass:
      out.push_back({Level::ok, "spf", subject, text, ""});
      if (answer.lookups >= 9) {
        out.push_back({Level::note, "spf", subject,
                       std::to_string(answer.lookups) + " look-ups of the 10 that are allowed",
                       ""});
      }
      return;
    case SpfResult::none:
      out.push_back({Level::error, "spf", subject, answer.why,
                     "publish " + domain + ". TXT \"v=spf1 " + term + " -all\""});
      return;
    case SpfResult::fail:
      out.push_back({Level::error, "spf", subject, text, "add " + term + " to the record"});
      return;
    case SpfResult::softfail:
    case SpfResult::neutral:
      out.push_back({Level::warning, "spf", subject, text, "add " + term + " to the record"});
      return;
    case SpfResult::temperror: out.push_back({Level::warning, "spf", subject, text, ""}); return;
    case SpfResult::permerror:
      out.push_back({Level::error, "spf", subject, text,
                     "mend the record: receivers treat it as if it failed"});
      return;
  }
}

void check_dmarc_of(audit::Lookup& dns, const std::string& domain,
                    const std::vector<std::string>& signers, Findings& out) {
  using State = audit::DmarcAnswer::State;
  const audit::DmarcAnswer answer = audit::find_dmarc(dns, domain);
  const std::string publish =
      "publish _dmarc." + domain + ". TXT \"v=DMARC1; p=none; rua=mailto:dmarc@" + domain + "\"";
  switch (answer.state) {
    case State::failed: out.push_back({Level::warning, "dmarc", domain, answer.text, ""}); return;
    case State::missing:
      out.push_back({Level::error, "dmarc", domain, "there is no record", publish});
      return;
    case State::faulty:
      out.push_back({Level::error, "dmarc", domain, answer.text, publish});
      return;
    case State::found: break;
  }
  const bool own = answer.place == domain;
  const auto policy = own ? answer.record.policy : answer.record.subdomain_policy;
  out.push_back({Level::ok, "dmarc", domain,
                 "policy " + std::string(audit::name_of(policy)) + " of " + answer.place, ""});
  if (!answer.record.reports) {
    out.push_back({Level::note, "dmarc", domain, "nobody gets reports",
                   "add rua=mailto:... to the record of " + answer.place});
  }
  const std::string organisation = audit::organisation_of(dns, domain);
  std::vector<std::string> aligned;
  for (const std::string& signer : signers) {
    if (signer == domain ||
        (!answer.record.strict_dkim && audit::organisation_of(dns, signer) == organisation)) {
      aligned.push_back(signer);
    }
  }
  if (aligned.empty()) {
    out.push_back({Level::warning, "dmarc", domain,
                   signers.empty() ? "no key signs mail of this domain: forwarded mail fails"
                                   : "signatures of " + list_of(signers) + " are not aligned",
                   "sign with a key of " + domain + " (domain-key, dkim-identity)"});
  } else {
    out.push_back({Level::ok, "dmarc", domain, "aligned: signatures of " + list_of(aligned), ""});
  }
}

void check_destination(audit::Lookup& dns, const Destination& destination, Findings& out) {
  const std::string& domain = destination.domain;
  const Answer mx = dns.look_up(domain, RecordType::mx);
  if (mx.failed()) {
    out.push_back({Level::error, "mx", domain, mx.failure, "mail to it waits"});
    return;
  }
  if (mx.names.size() == 1 && mx.names.front().empty()) {
    out.push_back({Level::error, "mx", domain, "a null MX: the domain takes no mail", ""});
    return;
  }
  const std::vector<std::string> hosts = mx.found() ? mx.names : std::vector{domain};
  out.push_back({mx.found() ? Level::ok : Level::note, "mx", domain,
                 mx.found() ? list_of(hosts) : "none: the domain's own address is tried", ""});
  check_sts(dns, destination, hosts, out);
  for (std::size_t i = 0; i < std::min(hosts.size(), kHostsMax); ++i) {
    const std::string& host = hosts[i];
    check_tlsa(dns, host, destination.port, out);
    for (const RecordType type : {RecordType::a, RecordType::aaaa}) {
      const Answer found = dns.look_up(host, type);
      if (found.failed()) {
        out.push_back({Level::error, "mx", host, found.failure, ""});
        continue;
      }
      if (found.addresses.empty()) {
        continue;
      }
      const IpAddress& to = found.addresses.front();
      if (to.is_special() && !destination.allow_private) {
        out.push_back({Level::error, "mx", host, to.text() + " is no address of the open Internet",
                       "allow-private-mx, where it is meant"});
        continue;
      }
      for (const SendingAddress& source : destination.sources) {
        if (!source.ip.valid() || source.ip.is_v4() == to.is_v4()) {
          try_host(destination, host, to, source, out);
        }
      }
    }
  }
}

void check_clock(Findings& out) {
  timex state{};
  const int answer = ::adjtimex(&state);
  const bool kept = answer >= 0 && answer != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
  out.push_back({kept ? Level::ok : Level::warning, "clock", "this host",
                 kept ? "kept by a time service, wrong by at most " +
                            std::to_string(state.maxerror / 1000) + " ms"
                      : std::string("the kernel does not know of a time service"),
                 kept ? ""
                      : "run chrony or systemd-timesyncd; signatures and certificates have "
                        "times in them"});
}

}  // namespace ringpost::app
