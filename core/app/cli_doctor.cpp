#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/app/cli_commands.h"
#include "core/app/cli_config.h"
#include "core/app/cli_progress.h"
#include "core/app/cli_talk.h"
#include "core/app/dkim_findings.h"
#include "core/app/doctor_checks.h"
#include "core/app/doctor_lookup.h"
#include "core/app/signing.h"
#include "core/base/text.h"

namespace ringpost::app {
namespace {

constexpr std::size_t kSourcesMax = 256;  ///< looked at in one run

/// What was asked for, found in the configuration.
class Visit {
 public:
  Visit(const config::Snapshot& snapshot, const KeyRing& ring, std::string subject)
      : snapshot_(snapshot),
        ring_(ring),
        subject_(to_lower(subject)),
        dns_(snapshot.global().name_servers) {}

  Findings run();

 private:
  std::vector<config::VmtaId> vmtas() const;
  std::vector<SendingAddress> sources() const;
  void add_source(const config::VirtualMta& vmta, const IpAddress& ip, std::string_view helo,
                  std::vector<SendingAddress>& out) const;
  std::set<std::string> sending_domains(const std::vector<SendingAddress>& sources) const;
  bool is_ours(const std::string& domain) const;
  void see_keys(const std::string& domain);
  void see_sender(const std::string& domain, const std::vector<SendingAddress>& sources);
  void see_destination(const std::vector<SendingAddress>& sources);

  const config::Snapshot& snapshot_;
  const KeyRing& ring_;
  std::string subject_;
  ToolLookup dns_;
  ProgressLine progress_;
  Findings out_;
};

/// Those named; all where the subject is a domain or nothing.
std::vector<config::VmtaId> Visit::vmtas() const {
  const config::VmtaRef ref = snapshot_.find_vmta(subject_);
  if (!subject_.empty() && ref.kind == config::VmtaRef::Kind::vmta) {
    return {ref.id};
  }
  if (!subject_.empty() && ref.kind == config::VmtaRef::Kind::pool) {
    return snapshot_.pools()[ref.id].members;
  }
  std::vector<config::VmtaId> all;
  const auto count = static_cast<config::VmtaId>(snapshot_.virtual_mtas().size());
  for (config::VmtaId id = count > 1 ? 1 : 0; id < count; ++id) {
    all.push_back(id);
  }
  return all;
}

void Visit::add_source(const config::VirtualMta& vmta, const IpAddress& ip, std::string_view helo,
                       std::vector<SendingAddress>& out) const {
  SendingAddress source{std::string(vmta.name), ip, std::string(helo)};
  if (source.helo.empty()) {
    source.helo = vmta.helo.empty() ? snapshot_.global().host_names.front() : vmta.helo;
  }
  const bool known = std::any_of(out.begin(), out.end(), [&](const SendingAddress& other) {
    return other.ip == source.ip && other.helo == source.helo;
  });
  if (source.ip.valid() && !known && out.size() < kSourcesMax) {
    out.push_back(std::move(source));
  }
}

std::vector<SendingAddress> Visit::sources() const {
  std::vector<SendingAddress> out;
  for (const config::VmtaId id : vmtas()) {
    const config::VirtualMta& vmta = snapshot_.virtual_mtas()[id];
    for (const config::SourceHost& host : vmta.sources) {
      const bool any =
          host.address == IpAddress::v4(0, 0, 0, 0) || host.address == *IpAddress::parse("::");
      add_source(vmta, any ? address_chosen_by_host(host.address.is_v4()) : host.address, host.helo,
                 out);
    }
    if (vmta.sources.empty()) {
      add_source(vmta, address_chosen_by_host(true), "", out);
      add_source(vmta, address_chosen_by_host(false), "", out);
    }
  }
  return out;
}

bool Visit::is_ours(const std::string& domain) const {
  return std::any_of(ring_.entries().begin(), ring_.entries().end(),
                     [&](const KeyRing::Entry& entry) {
                       return entry.domain != "*" && key_fits(entry.domain, domain);
                     });
}

/// The domain asked for where it is ours, else those of the keys; the names in EHLO are senders of
/// what has none.
std::set<std::string> Visit::sending_domains(const std::vector<SendingAddress>& sources) const {
  std::set<std::string> out;
  if (is_ours(subject_)) {
    return {subject_};
  }
  for (const KeyRing::Entry& entry : ring_.entries()) {
    if (entry.domain.rfind('*', 0) != 0) {
      out.insert(entry.domain);
    }
  }
  for (const SendingAddress& source : sources) {
    out.insert(to_lower(source.helo));
  }
  return out;
}

void Visit::see_keys(const std::string& domain) {
  for (const KeyRing::Entry& entry : ring_.entries()) {
    if (!key_fits(entry.domain, domain)) {
      continue;
    }
    const DkimFinding one = look_at_key(entry, domain, dns_);
    const auto level = one.good                 ? Finding::Level::ok
                       : one.state == "unknown" ? Finding::Level::warning
                                                : Finding::Level::error;
    out_.push_back({level, "dkim", one.name, one.state + ": " + one.text,
                    level == Finding::Level::error
                        ? "publish " + entry.key->zone_line(entry.selector, one.domain)
                        : ""});
  }
}

void Visit::see_sender(const std::string& domain, const std::vector<SendingAddress>& sources) {
  std::vector<std::string> signers;
  for (const KeyRing::Entry& entry : ring_.entries()) {
    if (key_fits(entry.domain, domain)) {
      signers.push_back(entry.domain.rfind('*', 0) == 0 ? domain : entry.domain);
    }
  }
  std::sort(signers.begin(), signers.end());
  signers.erase(std::unique(signers.begin(), signers.end()), signers.end());
  for (const SendingAddress& source : sources) {
    check_spf_of(dns_, source, domain, out_);
  }
  if (signers.empty()) {
    return;  // a name in EHLO: it signs nothing and stands in no From field
  }
  see_keys(domain);
  check_dmarc_of(dns_, domain, signers, out_);
}

void Visit::see_destination(const std::vector<SendingAddress>& sources) {
  const config::PathPolicy policy = snapshot_.path_policy(subject_, config::kDefaultVmta);
  Destination destination;
  destination.domain = subject_;
  destination.port = static_cast<std::uint16_t>(policy.default_smtp_port);
  destination.allow_private = policy.allow_private_mx;
  destination.sources = sources;
  destination.authorities = policy.tls_ca_file;
  if (policy.route != nullptr) {
    out_.push_back({Finding::Level::note, "mx", subject_,
                    "the configuration sends its mail to smart hosts; DNS is not asked then", ""});
  }
  check_destination(dns_, destination, out_);
}

Findings Visit::run() {
  const bool is_vmta =
      !subject_.empty() && snapshot_.find_vmta(subject_).kind != config::VmtaRef::Kind::none;
  const std::vector<SendingAddress> from = sources();
  const bool is_destination = !subject_.empty() && !is_vmta && !is_ours(subject_);
  check_clock(out_);
  for (const std::string& warning : ring_.warnings()) {
    out_.push_back({Finding::Level::warning, "dkim", "configuration", warning, ""});
  }
  if (is_destination) {
    progress_.show("looking at " + subject_);
    see_destination(from);
    return std::move(out_);
  }
  for (const SendingAddress& source : from) {
    progress_.show("looking at the addresses of " + source.vmta);
    check_reverse_dns(dns_, source, out_);
  }
  for (const std::string& domain : sending_domains(from)) {
    progress_.show("looking at " + domain);
    see_sender(domain, from);
  }
  return std::move(out_);
}

void print_findings(const Findings& findings) {
  std::size_t counts[4] = {};
  for (const Finding& one : findings) {
    ++counts[static_cast<std::size_t>(one.level)];
    std::printf("%-8s%-13s%s: %s\n", std::string(name_of(one.level)).c_str(), one.check.c_str(),
                one.subject.c_str(), one.text.c_str());
    if (!one.mend.empty()) {
      std::printf("%-21s-> %s\n", "", one.mend.c_str());
    }
  }
  std::printf("%zu errors, %zu warnings, %zu notes, %zu good\n", counts[3], counts[2], counts[1],
              counts[0]);
}

void print_findings_json(const Findings& findings) {
  nlohmann::json list = nlohmann::json::array();
  for (const Finding& one : findings) {
    list.push_back({{"level", name_of(one.level)},
                    {"check", one.check},
                    {"subject", one.subject},
                    {"text", one.text},
                    {"mend", one.mend}});
  }
  const nlohmann::json out = {{"findings", std::move(list)}};
  const auto replace = nlohmann::json::error_handler_t::replace;
  std::printf("%s\n", out.dump(-1, ' ', false, replace).c_str());
}

}  // namespace

int doctor(const CliOptions& options, const std::string& file, const std::string& subject) {
  int code = kDone;
  const auto snapshot = read_snapshot(file, code);
  if (snapshot == nullptr) {
    return code;
  }
  const KeyRing ring(snapshot);
  const Findings findings = Visit(*snapshot, ring, subject).run();
  options.json ? print_findings_json(findings) : print_findings(findings);
  const bool good = std::none_of(findings.begin(), findings.end(), [](const Finding& one) {
    return one.level == Finding::Level::error;
  });
  return good && code == kDone ? kDone : kFaulty;
}

}  // namespace ringpost::app
