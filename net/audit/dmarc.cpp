#include "net/audit/dmarc.h"

#include <algorithm>
#include <vector>

#include "core/base/text.h"

namespace ringpost::audit {
namespace {

constexpr std::size_t kStepsMax = 8;

bool read_policy(std::string_view text, DmarcRecord::Policy& out) {
  using Policy = DmarcRecord::Policy;
  for (const Policy policy : {Policy::none, Policy::quarantine, Policy::reject}) {
    if (equals_ignoring_case(text, name_of(policy))) {
      out = policy;
      return true;
    }
  }
  return false;
}

std::string parent_of(const std::string& domain) {
  const std::size_t dot = domain.find('.');
  return dot == domain.npos ? std::string() : domain.substr(dot + 1);
}

/// What one step of a walk finds.
DmarcAnswer record_at(Lookup& dns, const std::string& domain) {
  DmarcAnswer out;
  out.place = domain;
  const Answer answer = dns.look_up("_dmarc." + domain, RecordType::txt);
  if (answer.failed()) {
    out.state = DmarcAnswer::State::failed;
    out.text = answer.failure;
    return out;
  }
  for (const std::string& text : answer.texts) {
    std::string fault;
    DmarcRecord record;
    const bool good = read_dmarc(text, record, fault);
    if (!good && fault.empty()) {
      continue;
    }
    if (out.state != DmarcAnswer::State::missing) {
      out.state = DmarcAnswer::State::faulty;
      out.text = "more than one DMARC record, which count as none";
      return out;
    }
    out.state = good ? DmarcAnswer::State::found : DmarcAnswer::State::faulty;
    out.record = record;
    out.text = good ? text : fault;
  }
  return out;
}

/// Domains from this one upwards; of very long names the middle is skipped.
std::vector<std::string> path_of(const std::string& domain) {
  std::vector<std::string> path;
  for (std::string at = domain; !at.empty(); at = parent_of(at)) {
    path.push_back(at);
  }
  if (path.size() > kStepsMax) {
    path.erase(path.begin() + 1, path.end() - (kStepsMax - 1));
  }
  return path;
}

}  // namespace

std::string_view name_of(DmarcRecord::Policy policy) noexcept {
  static constexpr std::string_view kNames[] = {"none", "quarantine", "reject"};
  return kNames[static_cast<std::size_t>(policy)];
}

bool read_dmarc(std::string_view text, DmarcRecord& out, std::string& fault) {
  out = {};
  bool first = true;
  bool has_policy = false;
  bool has_subdomain_policy = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view tag = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = std::min(tag.find('='), tag.size());
    const std::string_view name = trimmed(tag.substr(0, equals));
    const std::string_view value =
        equals == tag.size() ? std::string_view{} : trimmed(tag.substr(equals + 1));
    if (first) {
      if (!equals_ignoring_case(name, "v") || value != "DMARC1") {
        return false;
      }
      first = false;
    } else if (equals_ignoring_case(name, "p")) {
      has_policy = true;
      if (!read_policy(value, out.policy)) {
        fault = "p= is none of none, quarantine and reject";
        return false;
      }
    } else if (equals_ignoring_case(name, "sp")) {
      has_subdomain_policy = read_policy(value, out.subdomain_policy);
    } else if (equals_ignoring_case(name, "adkim")) {
      out.strict_dkim = equals_ignoring_case(value, "s");
    } else if (equals_ignoring_case(name, "aspf")) {
      out.strict_spf = equals_ignoring_case(value, "s");
    } else if (equals_ignoring_case(name, "rua")) {
      out.reports = !value.empty();
    } else if (equals_ignoring_case(name, "psd") && !value.empty()) {
      out.public_suffix = ascii_lower(value[0]);
    }
  }
  if (!has_policy) {
    fault = "p= is missing";
  }
  if (!has_subdomain_policy) {
    out.subdomain_policy = out.policy;
  }
  return !first && has_policy;
}

DmarcAnswer find_dmarc(Lookup& dns, const std::string& domain) {
  const std::vector<std::string> path = path_of(domain);
  DmarcAnswer first;
  for (const std::string& place : path) {
    DmarcAnswer here = record_at(dns, place);
    // Of the name that all share at the top nothing depends on one server's bad day.
    const bool top_failed =
        here.state == DmarcAnswer::State::failed && place.find('.') == place.npos;
    if (here.state != DmarcAnswer::State::missing && !top_failed) {
      return here;
    }
    first = place == domain ? std::move(here) : std::move(first);
  }
  return first;
}

std::string organisation_of(Lookup& dns, const std::string& domain) {
  const std::vector<std::string> path = path_of(domain);
  std::string best;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const DmarcAnswer here = record_at(dns, path[i]);
    if (here.state != DmarcAnswer::State::found) {
      continue;
    }
    if (here.record.public_suffix == 'n') {
      return path[i];
    }
    if (here.record.public_suffix == 'y') {
      // The suffix belongs to others: the name below it is the organisation's.
      return i > 0 ? path[i - 1] : path[i];
    }
    best = path[i];
  }
  return best.empty() ? domain : best;
}

}  // namespace ringpost::audit
