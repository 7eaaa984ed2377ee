#include "core/app/dkim_findings.h"

#include "net/sign/key_record.h"

namespace ringpost::app {
namespace {

std::string_view word_of(sign::RecordState state) {
  switch (state) {
    case sign::RecordState::matches: return "matches";
    case sign::RecordState::missing: return "missing";
    case sign::RecordState::malformed: return "malformed";
    case sign::RecordState::revoked: return "revoked";
    case sign::RecordState::other_key: return "other_key";
    case sign::RecordState::unusable: return "unusable";
  }
  return "unknown";
}

}  // namespace

bool key_fits(std::string_view pattern, std::string_view domain) {
  if (pattern == "*") {
    return true;
  }
  if (pattern.starts_with("*.")) {
    return domain != pattern.substr(2) && sign::is_within(domain, pattern.substr(2));
  }
  return sign::is_within(domain, pattern);
}

DkimFinding look_at_key(const KeyRing::Entry& entry, std::string_view asked, audit::Lookup& dns) {
  DkimFinding out;
  out.entry = &entry;
  const bool wildcard = entry.domain.starts_with("*");
  out.domain = wildcard ? std::string(asked) : entry.domain;
  out.name = entry.selector + "._domainkey." + out.domain;
  const audit::Answer answer = dns.look_up(out.name, audit::RecordType::txt);
  if (answer.failed()) {
    out.state = "unknown";
    out.text = answer.failure;
    return out;
  }
  const bool below = !asked.empty() && asked != out.domain;
  const sign::RecordCheck check = sign::check_records(*entry.key, answer.texts, below);
  out.good = check.state == sign::RecordState::matches;
  out.state = word_of(check.state);
  out.text = check.text;
  out.notes = check.notes;
  return out;
}

}  // namespace ringpost::app
