#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/app/cli_commands.h"
#include "core/app/cli_config.h"
#include "core/app/cli_progress.h"
#include "core/app/cli_talk.h"
#include "core/app/dkim_findings.h"
#include "core/app/doctor_lookup.h"
#include "core/base/text.h"

namespace ringpost::app {
namespace {

void print_text(const std::vector<DkimFinding>& findings) {
  for (const DkimFinding& one : findings) {
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

void print_json(const std::vector<DkimFinding>& findings, const KeyRing& ring) {
  nlohmann::json keys = nlohmann::json::array();
  for (const DkimFinding& one : findings) {
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
  ToolLookup dns(snapshot->global().name_servers);
  std::vector<DkimFinding> findings;
  bool wildcards = false;
  ProgressLine progress;
  for (const KeyRing::Entry& entry : ring.entries()) {
    if (asked.empty() && entry.domain.starts_with("*")) {
      wildcards = true;
    } else if (asked.empty() || key_fits(entry.domain, asked)) {
      progress.show("looking at " + entry.selector + "._domainkey." + entry.domain);
      findings.push_back(look_at_key(entry, asked, dns));
    }
  }
  progress.clear();
  bool good = ring.warnings().empty() && code == kDone;
  for (const DkimFinding& one : findings) {
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
