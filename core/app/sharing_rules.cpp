#include "core/app/sharing_rules.h"

#include <string_view>
#include <variant>

#include "core/base/hash.h"

namespace ringpost::app {

SharingRules sharing_rules(const config::Snapshot& snapshot) {
  SharingRules out;
  std::string text;
  const auto add = [&text](std::string_view part) { text.append(part).push_back('\n'); };
  for (const config::DomainEntry& entry : snapshot.entries()) {
    for (const config::Setting& setting : entry.settings) {
      if (setting.id == config::OptionId::queue_to) {
        const auto target = std::get<std::string_view>(setting.value);
        add(target);
        if (!target.empty() && !snapshot.is_group(target)) {
          out.names.emplace(to_lower(target));
        }
      } else if (setting.id == config::OptionId::disable_mx_rollup) {
        add(std::get<bool>(setting.value) ? "alone" : "rolled up");
      } else {
        continue;
      }
      add(entry.owner);
      add(entry.pattern);
      for (const std::string& name : snapshot.names_of_macro(entry.pattern)) {
        add(name);
      }
    }
  }
  for (const config::MxRollupRule& rule : snapshot.mx_rollup()) {
    add(rule.pattern);
    add(rule.by_ip ? "by ip" : "");
    add(rule.queue);
    out.names.emplace(rule.queue);
  }
  out.hash = hash64(text);
  return out;
}

}  // namespace ringpost::app
