#include "core/config/explain.h"

#include <algorithm>
#include <array>
#include <map>

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/config/options.h"

namespace ringpost::config {
namespace {

std::string section_text(const DomainEntry& entry) {
  if (entry.pattern.empty()) {
    return std::string(entry.owner);
  }
  std::string out = "<domain " + std::string(entry.pattern) + ">";
  return entry.owner.empty() ? out : out + " in " + std::string(entry.owner);
}

ExplainedValue explained(const Snapshot& snapshot, const Setting& setting, std::string section) {
  return {format_value(row_of(setting.id), setting.value), snapshot.place(setting.origin),
          std::move(section)};
}

/// Whether the row stands for its setting in domain sections.
bool is_first(const OptionRow& row) {
  static const std::array<const OptionRow*, kOptionCount> kFirst = [] {
    std::array<const OptionRow*, kOptionCount> first{};
    for (const OptionRow& candidate : option_rows()) {
      const OptionRow*& slot = first[static_cast<std::size_t>(candidate.id)];
      slot = slot == nullptr && has(candidate.scopes, Scope::domain) ? &candidate : slot;
    }
    return first;
  }();
  return kFirst[static_cast<std::size_t>(row.id)] == &row;
}

/// The default, which for some settings follows from others.
std::string default_of(const OptionRow& row, const PathPolicy& policy) {
  switch (row.id) {
    case OptionId::backoff_max_smtp_out: return format_count(policy.backoff_max_smtp_out);
    case OptionId::backoff_max_msg_rate: return format_rate(policy.backoff_max_msg_rate);
    case OptionId::backoff_max_connect_rate: return format_rate(policy.backoff_max_connect_rate);
    case OptionId::backoff_max_data_rate: return format_data_rate(policy.backoff_max_data_rate);
    case OptionId::smtp_pattern_list:
      return policy.reply_patterns == nullptr ? "\"\"" : std::string(policy.reply_patterns->name);
    default: return row.fallback.empty() ? "\"\"" : std::string(row.fallback);
  }
}

}  // namespace

std::vector<ExplainedSetting> explain_queue(const Snapshot& snapshot, std::string_view queue,
                                            VmtaId vmta) {
  std::map<OptionId, std::vector<ExplainedValue>> written;
  snapshot.for_each_entry(queue, {VmtaRef::Kind::vmta, vmta}, [&](std::uint32_t index) {
    const DomainEntry& entry = snapshot.entry(index);
    for (const Setting& setting : entry.settings) {
      written[setting.id].push_back(explained(snapshot, setting, section_text(entry)));
    }
  });
  const PathPolicy policy = snapshot.path_policy(queue, vmta);
  std::vector<ExplainedSetting> out;
  for (const OptionRow& row : option_rows()) {
    const bool first = row.is_read() && has(row.scopes, Scope::domain) && is_first(row);
    if (!first || row.id == OptionId::include || row.id == OptionId::group_member) {
      continue;
    }
    ExplainedSetting& setting = out.emplace_back();
    setting.name = row.name;
    setting.no_effect = row.no_effect;
    std::vector<ExplainedValue>& values = written[row.id];
    if (values.empty()) {
      setting.effective = {default_of(row, policy), "default", ""};
      continue;
    }
    setting.effective = std::move(values.front());
    setting.overridden.assign(std::make_move_iterator(values.begin() + 1),
                              std::make_move_iterator(values.end()));
  }
  return out;
}

std::vector<ExplainedSetting> explain_vmta(const Snapshot& snapshot, VmtaId vmta) {
  std::vector<ExplainedSetting> out;
  const std::string section =
      "<virtual-mta " + std::string(snapshot.virtual_mtas()[vmta].name) + "> or its pool";
  for (const OptionRow& row : option_rows()) {
    const bool wide = row.is_read() && has(row.scopes, Scope::virtual_mta) &&
                      !has(row.scopes, Scope::domain) && !row.is(kRepeats) &&
                      row.id != OptionId::helo_domain && row.id != OptionId::source_hash;
    if (!wide || &row_of(row.id) != &row) {
      continue;
    }
    ExplainedSetting& setting = out.emplace_back();
    setting.name = row.name;
    setting.effective = {std::string(row.fallback), "default", ""};
    setting.no_effect = row.no_effect;
    for (const Setting& written : snapshot.vmta_written(vmta)) {
      if (written.id == row.id) {
        setting.effective = explained(snapshot, written, section);
      }
    }
  }
  return out;
}

namespace {

void append_table(std::string& out, const std::vector<ExplainedSetting>& settings) {
  std::size_t names = 0;
  std::size_t values = 0;
  for (const ExplainedSetting& setting : settings) {
    names = std::max(names, setting.name.size());
    values = std::max(values, std::min<std::size_t>(setting.effective.value.size(), 24));
  }
  const auto padded = [](std::string text, std::size_t width) {
    text.resize(std::max(text.size(), width), ' ');
    return text;
  };
  for (const ExplainedSetting& setting : settings) {
    const ExplainedValue& value = setting.effective;
    out += "  " + padded(setting.name, names) + "  " + padded(value.value, values) + "  " +
           value.place + (value.section.empty() ? "" : "  " + value.section) +
           (setting.no_effect.empty() || value.place == "default" ? "" : "  (no effect yet)") +
           "\n";
    for (const ExplainedValue& old : setting.overridden) {
      out += "  " + std::string(names, ' ') + "  overrides " + old.value + "  " + old.place + "  " +
             old.section + "\n";
    }
  }
}

using Json = nlohmann::ordered_json;

Json json_of(const ExplainedValue& value) {
  Json item;
  item["value"] = value.value;
  item["place"] = value.place;
  if (!value.section.empty()) {
    item["section"] = value.section;
  }
  return item;
}

Json json_of(const std::vector<ExplainedSetting>& settings) {
  Json out = Json::object();
  for (const ExplainedSetting& setting : settings) {
    Json item = json_of(setting.effective);
    if (!setting.no_effect.empty()) {
      item["no_effect"] = setting.no_effect;
    }
    for (const ExplainedValue& old : setting.overridden) {
      item["overrides"].push_back(json_of(old));
    }
    out[setting.name] = std::move(item);
  }
  return out;
}

}  // namespace

namespace {

/// The virtual MTA that the rules choose: for the sender, else for the domain.
VmtaRef choose(const Snapshot& snapshot, std::string_view domain, const SenderRule* rule,
               std::string& reason) {
  VmtaRef chosen;
  if (rule != nullptr && rule->vmta_ref.kind != VmtaRef::Kind::none) {
    chosen = rule->vmta_ref;
    reason = "<sender " + std::string(rule->address) + "> (" + snapshot.place(rule->origin) + ")";
  } else if (chosen = snapshot.routed_vmta(domain); chosen.kind != VmtaRef::Kind::none) {
    reason = "the source block, by recipient domain";
  }
  if (chosen.kind == VmtaRef::Kind::pool && !snapshot.pools()[chosen.id].members.empty()) {
    reason += ", as a member of the pool " + std::string(snapshot.pools()[chosen.id].name);
    chosen = {VmtaRef::Kind::vmta, snapshot.pools()[chosen.id].members.front()};
  }
  return chosen.kind == VmtaRef::Kind::vmta ? chosen : VmtaRef{VmtaRef::Kind::vmta, kDefaultVmta};
}

/// What the rule for a sender says.
std::vector<ExplainedSetting> explain_sender(const Snapshot& snapshot, const SenderRule* rule) {
  std::vector<ExplainedSetting> out;
  if (rule == nullptr) {
    return out;
  }
  const std::string section = "<sender " + std::string(rule->address) + ">";
  for (const WrittenDirective& written : snapshot.written()) {
    const OptionRow& row = option_rows()[written.row];
    if (has(row.scopes, Scope::sender) && equals_ignoring_case(written.section, section)) {
      ExplainedSetting& setting = out.emplace_back();
      setting.name = row.name;
      setting.no_effect = row.no_effect;
      setting.effective = {std::string(written.value), snapshot.place(written.origin), section};
    }
  }
  return out;
}

}  // namespace

Result<Explanation> explain(const Snapshot& snapshot, std::string_view domain,
                            std::string_view vmta, std::string_view sender) {
  Explanation out;
  const SenderRule* rule = sender.empty() ? nullptr : snapshot.sender_rule(sender);
  const VmtaRef ref =
      vmta.empty() ? choose(snapshot, domain, rule, out.vmta_chosen_by) : snapshot.find_vmta(vmta);
  if (ref.kind != VmtaRef::Kind::vmta) {
    return Error::of(ErrorCode::not_found,
                     ref.kind == VmtaRef::Kind::pool
                         ? "'" + std::string(vmta) + "' is a pool; name one of its members"
                         : "there is no virtual MTA '" + std::string(vmta) + "'");
  }
  if (domain.empty() || domain.size() > kMaxNameBytes) {
    return Error::of(ErrorCode::invalid, "not a domain name");
  }
  out.domain = FoldedName(domain).view();
  const std::string_view queue = snapshot.queue_name(out.domain, ref.id);
  out.queue = std::string(queue) + "/" + std::string(snapshot.virtual_mtas()[ref.id].name);
  if (queue != out.domain) {
    snapshot.for_each_entry(out.domain, ref, [&](std::uint32_t index) {
      for (const Setting& setting : snapshot.entry(index).settings) {
        if (setting.id == OptionId::queue_to && out.redirected_by.empty()) {
          out.redirected_by = snapshot.place(setting.origin);
        }
      }
    });
  }
  out.held = snapshot.path_policy(queue, ref.id).held;
  out.queue_settings = explain_queue(snapshot, queue, ref.id);
  out.sender_settings = explain_sender(snapshot, rule);
  out.vmta_settings = explain_vmta(snapshot, ref.id);
  for (const SourceHost& host : snapshot.virtual_mtas()[ref.id].sources) {
    out.source_hosts.push_back(host.address.text() + " " + std::string(host.helo));
  }
  return out;
}

std::string render_text(const Explanation& explanation) {
  std::string out = explanation.domain + " is delivered by the queue " + explanation.queue;
  if (!explanation.redirected_by.empty()) {
    out += " (" + explanation.redirected_by + ")";
  }
  out += "\n";
  if (!explanation.vmta_chosen_by.empty()) {
    out += "The virtual MTA is chosen by " + explanation.vmta_chosen_by + "\n";
  }
  if (explanation.held) {
    out += "Its mail is held: this version cannot deliver it as the configuration demands\n";
  }
  if (!explanation.sender_settings.empty()) {
    out += "\nSettings of the sender:\n";
    append_table(out, explanation.sender_settings);
  }
  out += "\nSettings of the queue:\n";
  append_table(out, explanation.queue_settings);
  out += "\nLimits over all queues of the virtual MTA:\n";
  append_table(out, explanation.vmta_settings);
  out += "\nSource addresses:\n";
  for (const std::string& host : explanation.source_hosts) {
    out += "  " + host + "\n";
  }
  if (explanation.source_hosts.empty()) {
    out += "  chosen by the system\n";
  }
  return out;
}

std::string render_json(const Explanation& explanation) {
  try {
    Json out;
    out["domain"] = explanation.domain;
    out["queue"] = explanation.queue;
    if (!explanation.redirected_by.empty()) {
      out["redirected_by"] = explanation.redirected_by;
    }
    if (!explanation.vmta_chosen_by.empty()) {
      out["vmta_chosen_by"] = explanation.vmta_chosen_by;
    }
    out["held"] = explanation.held;
    if (!explanation.sender_settings.empty()) {
      out["sender"] = json_of(explanation.sender_settings);
    }
    out["settings"] = json_of(explanation.queue_settings);
    out["virtual_mta"] = json_of(explanation.vmta_settings);
    out["source_hosts"] = explanation.source_hosts;
    return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  } catch (const nlohmann::json::exception&) {
    return "{}\n";
  }
}

}  // namespace ringpost::config
