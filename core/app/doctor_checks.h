#pragma once

#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "net/audit/lookup.h"

namespace ringpost::app {

/// One thing that the doctor looked at.
struct Finding {
  enum class Level : std::uint8_t { ok, note, warning, error };
  Level level = Level::ok;
  std::string check;    ///< reverse-dns, helo, spf, dkim, dmarc, mx, tlsa, mta-sts, port-25, clock
  std::string subject;  ///< an address, a domain, a host
  std::string text;
  std::string mend;  ///< what to do; empty where there is nothing
};
std::string_view name_of(Finding::Level level) noexcept;
using Findings = std::vector<Finding>;

/// An address that mail leaves from.
struct SendingAddress {
  std::string vmta;
  IpAddress ip;  ///< family none: the host chooses
  std::string helo;
};

/// The address that the host would leave from towards the world; family none: it has no route.
IpAddress address_chosen_by_host(bool v4);

/// Forward-confirmed reverse DNS of the address, against the name it says in EHLO.
void check_reverse_dns(audit::Lookup& dns, const SendingAddress& source, Findings& out);
/// What receivers think of mail of `domain` from the address.
void check_spf_of(audit::Lookup& dns, const SendingAddress& source, const std::string& domain,
                  Findings& out);
/// DMARC is published; `signers` are the d= of the keys that sign mail of this domain.
void check_dmarc_of(audit::Lookup& dns, const std::string& domain,
                    const std::vector<std::string>& signers, Findings& out);

/// Where mail of a domain is to be delivered.
struct Destination {
  std::string domain;
  std::uint16_t port = 25;
  bool allow_private = false;
  std::vector<SendingAddress> sources;
  std::string authorities;  ///< file that the policy's web server is checked against
  Duration patience = Duration::seconds(5);
};
/// Mail hosts, their TLSA records, MTA-STS, and whether they answer from each address.
void check_destination(audit::Lookup& dns, const Destination& destination, Findings& out);

/// Whether somebody keeps the clock right: DKIM, TLS and DNSSEC depend on it.
void check_clock(Findings& out);

}  // namespace ringpost::app
