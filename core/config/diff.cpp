#include "core/config/diff.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <nlohmann/json.hpp>

#include "core/config/explain.h"
#include "core/config/options.h"

namespace ringpost::config {
namespace {

constexpr std::string_view kNone = "(none)";
constexpr std::string_view kAnyDomain = "*";

/// A name that a pattern fits and that no literal pattern names, to stand for all the others.
std::string sample_of(std::string_view pattern) {
  if (pattern.starts_with("*.")) {
    return "any" + std::string(pattern.substr(1));
  }
  if (pattern.starts_with("[*.]")) {
    return "any." + std::string(pattern.substr(4));
  }
  return std::string(pattern);
}

/// Patterns of domain sections by the virtual MTA or pool they stand in.
using Patterns = std::map<std::string, std::set<std::string>, std::less<>>;

void add_patterns(const Snapshot& snapshot, Patterns& patterns) {
  for (const DomainEntry& entry : snapshot.entries()) {
    if (entry.pattern.empty()) {
      continue;
    }
    std::set<std::string>& names = patterns[std::string(entry.owner)];
    if (entry.pattern.find('$') == std::string_view::npos) {
      names.emplace(entry.pattern);
      continue;
    }
    for (std::string& name : snapshot.names_of_macro(entry.pattern)) {
      names.insert(std::move(name));
    }
  }
}

using Values = std::map<std::string, ExplainedValue>;

Values values_of(const std::vector<ExplainedSetting>& settings) {
  Values values;
  for (const ExplainedSetting& setting : settings) {
    values.emplace(setting.name, setting.effective);
  }
  return values;
}

void compare_values(const Values& before, const Values& after, const std::string& where,
                    std::vector<ChangedValue>& out) {
  for (const auto& [name, old] : before) {
    const auto now = after.find(name);
    if (now != after.end() && now->second.value != old.value) {
      out.push_back({name, where, old.value, now->second.value, old.place, now->second.place});
    }
  }
}

void compare_queue(const Snapshot& before, const Snapshot& after, const std::string& pattern,
                   std::string_view vmta, const std::string& shown_vmta, ConfigDiff& diff) {
  const std::string domain = pattern == kAnyDomain ? "any.invalid" : sample_of(pattern);
  const auto old = explain(before, domain, vmta);
  const auto now = explain(after, domain, vmta);
  if (!old.ok() || !now.ok()) {
    return;
  }
  compare_values(values_of(old->queue_settings), values_of(now->queue_settings),
                 pattern + "/" + shown_vmta, diff.queues);
}

void compare_vmtas(const Snapshot& before, const Snapshot& after, ConfigDiff& diff) {
  const auto hosts = [](const Explanation& explanation) {
    std::string out;
    for (const std::string& host : explanation.source_hosts) {
      out += (out.empty() ? "" : ", ") + host;
    }
    return out.empty() ? std::string(kNone) : out;
  };
  for (const VirtualMta& vmta : before.virtual_mtas()) {
    const std::string where = "<virtual-mta " + std::string(vmta.name) + ">";
    if (after.find_vmta(vmta.name).kind != VmtaRef::Kind::vmta) {
      diff.vmtas.push_back({"virtual-mta", where, std::string(vmta.name), std::string(kNone),
                            before.place(vmta.origin), ""});
      continue;
    }
    const auto old = explain(before, "any.invalid", vmta.name);
    const auto now = explain(after, "any.invalid", vmta.name);
    if (!old.ok() || !now.ok()) {
      continue;
    }
    compare_values(values_of(old->vmta_settings), values_of(now->vmta_settings), where, diff.vmtas);
    if (old->source_hosts != now->source_hosts) {
      diff.vmtas.push_back({"smtp-source-host", where, hosts(*old), hosts(*now), "", ""});
    }
  }
  for (const VirtualMta& vmta : after.virtual_mtas()) {
    if (before.find_vmta(vmta.name).kind != VmtaRef::Kind::vmta) {
      diff.vmtas.push_back({"virtual-mta", "<virtual-mta " + std::string(vmta.name) + ">",
                            std::string(kNone), std::string(vmta.name), "",
                            after.place(vmta.origin)});
    }
  }
}

/// Directives outside the queues' sections are compared as they are written: by place, name and
/// value, and with regard to how often.
void compare_process(const Snapshot& before, const Snapshot& after, ConfigDiff& diff) {
  using Key = std::tuple<std::string, std::string, std::uint64_t>;
  struct Seen {
    int count = 0;
    const WrittenDirective* written = nullptr;
  };
  std::map<Key, Seen> seen;
  for (const bool is_new : {false, true}) {
    for (const WrittenDirective& written : (is_new ? after : before).written()) {
      const OptionRow& row = option_rows()[written.row];
      Seen& entry = seen[{std::string(written.section), std::string(row.name), written.digest}];
      entry.count += is_new ? 1 : -1;
      entry.written = &written;
    }
  }
  for (const auto& [key, entry] : seen) {
    if (entry.count == 0) {
      continue;
    }
    const std::string& section = std::get<0>(key);
    const std::string& name = std::get<1>(key);
    const std::string where = section.empty() ? "the global level" : section;
    const std::string value(entry.written->value);
    const bool added = entry.count > 0;
    const std::string place = (added ? after : before).place(entry.written->origin);
    // What went and what came under one name is one change.
    const auto open =
        std::find_if(diff.process.begin(), diff.process.end(), [&](const ChangedValue& change) {
          return change.where == where && change.name == name &&
                 (added ? change.after : change.before) == kNone;
        });
    const bool is_first = open == diff.process.end();
    ChangedValue& change = is_first ? diff.process.emplace_back() : *open;
    if (is_first) {
      change = {name, where, std::string(kNone), std::string(kNone), "", ""};
    }
    (added ? change.after : change.before) = value;
    (added ? change.after_place : change.before_place) = place;
  }
}

}  // namespace

std::vector<std::string> restart_needed(const Snapshot& before, const Snapshot& after) {
  ConfigDiff diff;
  compare_process(before, after, diff);
  std::set<std::string> names;
  for (const ChangedValue& change : diff.process) {
    for (const OptionRow& row : option_rows()) {
      const Scope scope = change.where == "the global level" ? Scope::global : Scope::count_;
      const bool fits = row.name == change.name && row.reload == ReloadClass::restart;
      if (fits && has(row.scopes, Scope::global) == (scope == Scope::global)) {
        names.insert(change.name + (scope == Scope::global ? "" : " in " + change.where));
      }
    }
  }
  return {names.begin(), names.end()};
}

ConfigDiff compare(const Snapshot& before, const Snapshot& after, std::size_t most) {
  ConfigDiff diff;
  Patterns patterns;
  add_patterns(before, patterns);
  add_patterns(after, patterns);
  patterns[""].emplace(kAnyDomain);
  const auto compare_all = [&](const std::set<std::string>& names, std::string_view vmta,
                               const std::string& shown) {
    for (const std::string& name : names) {
      if (diff.queues.size() > most) {
        diff.cut = true;
        return;
      }
      compare_queue(before, after, name, vmta, shown, diff);
    }
  };
  compare_all(patterns[""], "{default}", "*");
  for (const VirtualMta& vmta : before.virtual_mtas()) {
    if (after.find_vmta(vmta.name).kind != VmtaRef::Kind::vmta) {
      continue;
    }
    std::set<std::string> own;
    for (const Snapshot* snapshot : {&before, &after}) {
      for (const std::string_view owner : snapshot->owners_of(vmta.name)) {
        own.emplace(kAnyDomain);
        own.insert(patterns[std::string(owner)].begin(), patterns[std::string(owner)].end());
      }
    }
    compare_all(own, vmta.name, std::string(vmta.name));
  }
  if (diff.queues.size() > most) {
    diff.queues.resize(most);
  }
  compare_vmtas(before, after, diff);
  compare_process(before, after, diff);
  diff.restart = restart_needed(before, after);
  return diff;
}

namespace {

void append(std::string& out, const std::string& title, const std::vector<ChangedValue>& list) {
  if (list.empty()) {
    return;
  }
  out += title + ":\n";
  std::string where;
  for (const ChangedValue& change : list) {
    if (change.where != where) {
      where = change.where;
      out += "  " + where + "\n";
    }
    const std::string& place =
        change.after_place.empty() ? change.before_place : change.after_place;
    out += "    " + change.name + ": " + change.before + " -> " + change.after +
           (place.empty() ? "" : "  (" + place + ")") + "\n";
  }
}

using Json = nlohmann::ordered_json;

Json json_of(const std::vector<ChangedValue>& list) {
  Json out = Json::array();
  for (const ChangedValue& change : list) {
    Json item;
    item["where"] = change.where;
    item["directive"] = change.name;
    item["before"] = change.before;
    item["after"] = change.after;
    item["before_place"] = change.before_place;
    item["after_place"] = change.after_place;
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace

std::string render_text(const ConfigDiff& diff) {
  if (diff.empty()) {
    return "nothing changes\n";
  }
  std::string out;
  append(out, "Queues", diff.queues);
  if (diff.cut) {
    out += "  and more queues, which are not listed\n";
  }
  append(out, "Virtual MTAs", diff.vmtas);
  append(out, "Everything else", diff.process);
  if (!diff.restart.empty()) {
    out += "A restart is needed for:\n";
    for (const std::string& name : diff.restart) {
      out += "  " + name + "\n";
    }
  }
  return out;
}

std::string render_json(const ConfigDiff& diff) {
  try {
    Json out;
    out["queues"] = json_of(diff.queues);
    out["queues_cut"] = diff.cut;
    out["virtual_mtas"] = json_of(diff.vmtas);
    out["other"] = json_of(diff.process);
    out["restart"] = diff.restart;
    return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  } catch (const nlohmann::json::exception&) {
    return "{}\n";
  }
}

}  // namespace ringpost::config
