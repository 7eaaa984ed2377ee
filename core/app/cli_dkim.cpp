#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/app/cli_commands.h"
#include "core/app/cli_config.h"
#include "core/app/cli_talk.h"
#include "core/app/signing.h"
#include "core/base/text.h"
#include "net/sign/key_record.h"
#include "net/wire/text_lookup.h"

namespace ringpost::app {
namespace {

constexpr Duration kPatience = Duration::seconds(9);

/// One key as published for one domain.
struct Finding {
  const KeyRing::Entry* entry = nullptr;
  std::string domain;
  std::string name;  ///< where its record is
  bool good = false;
  std::string state;
  std::string text;
  std::vector<std::string> notes;
};

std::string_view name_of(sign::RecordState state) {
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

bool fits(std::string_view pattern, std::string_view domain) {
  if (pattern == "*") {
    return true;
  }
  if (pattern.starts_with("*.")) {
    return domain != pattern.substr(2) && sign::is_within(domain, pattern.substr(2));
  }
  return sign::is_within(domain, pattern);
}

Finding look(const KeyRing::Entry& entry, std::string_view asked,
             const std::vector<SocketAddress>& servers) {
  Finding out;
  out.entry = &entry;
  const bool wildcard = entry.domain.starts_with("*");
  out.domain = wildcard ? std::string(asked) : entry.domain;
  out.name = entry.selector + "._domainkey." + out.domain;
  const auto records = look_up_text(out.name, servers, kPatience);
  if (!records.ok()) {
    out.state = "unknown";
    out.text = records.error().describe();
    return out;
  }
  const bool below = !asked.empty() && asked != out.domain;
  const sign::RecordCheck check = sign::check_records(*entry.key, *records, below);
  out.good = check.state == sign::RecordState::matches;
  out.state = name_of(check.state);
  out.text = check.text;
  out.notes = check.notes;
  return out;
}

void print_text(const std::vector<Finding>& findings) {
  for (const Finding& one : findings) {
    const sign::SigningKey& key = *one.entry->key;
    std::printf("%s: %s: %s (%s, %u bits; %s)\n", one.name.c_str(), one.state.c_str(),
                one.text.c_str(), std::string(sign::name_of(key.algorithm())).c_str(), key.bits(),
                one.entry->place.c_str());
    for (const std::string& note : one.notes) {
      std::printf("  note: %s\n", note.c_str());
    }
    if (!one.good && one.state != "unknown") {
      std::printf("  publish: %s\n", key.zone_line(one.entry->selector, one.domain).c_str());
    }
  }
}

void print_json(const std::vector<Finding>& findings, const KeyRing& ring) {
  nlohmann::json keys = nlohmann::json::array();
  for (const Finding& one : findings) {
    const sign::SigningKey& key = *one.entry->key;
    keys.push_back({{"name", one.name},
                    {"domain", one.domain},
                    {"selector", one.entry->selector},
                    {"algorithm", sign::name_of(key.algorithm())},
                    {"bits", key.bits()},
                    {"state", one.state},
                    {"text", one.text},
                    {"notes", one.notes},
                    {"record", key.record()},
                    {"place", one.entry->place}});
  }
  const nlohmann::json out = {{"keys", std::move(keys)}, {"warnings", ring.warnings()}};
  const auto replace = nlohmann::json::error_handler_t::replace;
  std::printf("%s\n", out.dump(-1, ' ', false, replace).c_str());
}

}  // namespace

int check_dkim(const CliOptions& options, const std::string& file, const std::string& domain) {
  int code = kDone;
  const auto snapshot = read_snapshot(file, code);
  if (snapshot == nullptr) {
    return code;
  }
  const KeyRing ring(snapshot);
  const std::string asked = to_lower(domain);
  std::vector<Finding> findings;
  bool wildcards = false;
  for (const KeyRing::Entry& entry : ring.entries()) {
    if (asked.empty() && entry.domain.starts_with("*")) {
      wildcards = true;
    } else if (asked.empty() || fits(entry.domain, asked)) {
      findings.push_back(look(entry, asked, snapshot->global().name_servers));
    }
  }
  bool good = ring.warnings().empty() && code == kDone;
  for (const Finding& one : findings) {
    good = good && one.good;
  }
  if (options.json) {
    print_json(findings, ring);
    return good ? kDone : kFaulty;
  }
  for (const std::string& warning : ring.warnings()) {
    std::printf("warning: %s\n", warning.c_str());
  }
  print_text(findings);
  if (wildcards) {
    std::printf("keys for * are compared for a domain: ringpost check dkim DOMAIN\n");
  }
  if (findings.empty() && !wildcards) {
    std::printf("no key %s\n", asked.empty() ? "is configured" : ("fits " + asked).c_str());
    return kFaulty;
  }
  return good ? kDone : kFaulty;
}

}  // namespace ringpost::app
