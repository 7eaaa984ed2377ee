#include <algorithm>

#include "core/base/text.h"
#include "core/config/builder.h"
#include "core/config/limits.h"
#include "core/config/suggest.h"

namespace ringpost::config {
namespace {

/// Digits with dots, colons and slashes were meant as an address; as a name they would silently
/// apply to nobody.
bool meant_as_address(std::string_view text) {
  const bool only = text.find_first_not_of("0123456789abcdefABCDEF.:/") == std::string_view::npos;
  return only && text.find_first_of(".:/") != std::string_view::npos;
}

bool is_reserved(std::string_view name) {
  return equals_ignoring_case(name, "{auth}") || equals_ignoring_case(name, "{pickup}") ||
         equals_ignoring_case(name, "{transmissions-api}") || name.starts_with("{relay ");
}

bool asks_to_relay(const SourceEntry& source) {
  return std::any_of(source.settings.begin(), source.settings.end(), [](const Setting& setting) {
    return setting.id == OptionId::always_allow_relaying && std::get<bool>(setting.value);
  });
}

/// Whether it takes rights away from clients.
bool restricts(const SourceEntry& source) {
  return std::any_of(source.settings.begin(), source.settings.end(), [](const Setting& setting) {
    const auto* yes = std::get_if<bool>(&setting.value);
    const bool grants =
        setting.id == OptionId::always_allow_relaying || setting.id == OptionId::smtp_service;
    return yes != nullptr && ((grants && !*yes) || (setting.id == OptionId::require_auth && *yes));
  });
}

}  // namespace

/// The entry that a section fills; sections of the same network or name add up.
SourceEntry* Builder::source_entry(const Section& section) {
  if (section.arguments.empty()) {
    return nullptr;
  }
  const Word& name = section.arguments[0];
  const Result<IpNetwork> network = IpNetwork::parse(name.text);
  if (!network.ok() && meant_as_address(name.text)) {
    log_->refuse(name.span, "not an address or network");
    return nullptr;
  }
  if (name.text.empty() || name.text.size() > kMaxNameBytes) {
    log_->error(name.span, "the name is empty or too long");
    return nullptr;
  }
  std::vector<SourceEntry>& list = network.ok() ? snapshot_->by_address_ : snapshot_->by_name_;
  for (SourceEntry& known : list) {
    if (network.ok() ? known.network == *network : equals_ignoring_case(known.name, name.text)) {
      return &known;
    }
  }
  SourceEntry& entry = list.emplace_back();
  entry.name = values_.keep(name.text);
  entry.by_address = network.ok();
  entry.origin = origin_of(section.kind.span);
  if (network.ok()) {
    entry.network = *network;
  }
  return &entry;
}

void Builder::add_source(const Section& section) {
  SourceEntry* entry = source_entry(section);
  for (const Directive& directive : section.directives) {
    const OptionRow* row = accept(directive, Scope::source);
    if (row == nullptr) {
      continue;
    }
    const std::optional<Value> value = values_.read(*row, directive);
    if (!value || entry == nullptr) {
      continue;
    }
    store(entry->settings, *row, *value, directive);
    if (row->id == OptionId::default_virtual_mta &&
        !equals_ignoring_case(directive.values[0].text, "by-smtp-source-ip")) {
      vmta_uses_.emplace_back(directive.values[0].text, directive.values[0].span);
    } else if (row->id == OptionId::allow_virtual_mta) {
      for (const Word& name : ValueReader::list_of(directive.values)) {
        vmta_uses_.emplace_back(name.text, name.span);
      }
    } else if (row->id == OptionId::auth_mechanisms) {
      check_mechanisms(directive);
    } else if (row->id == OptionId::source_pattern_list) {
      routing_list_uses_.emplace_back(std::get<std::string_view>(*value), directive.values[0].span);
    } else if (row->id == OptionId::source_group) {
      group_uses_.emplace_back(directive.values[0].text, directive.values[0].span);
    } else if (row->id == OptionId::suppression_lists) {
      for (const Word& name : ValueReader::list_of(directive.values)) {
        address_list_uses_.emplace_back(name.text, name.span);
      }
    }
  }
  for (const Section& inner : section.sections) {
    skip_inert_section(inner);
  }
}

void Builder::finish_sources() {
  std::vector<SourceEntry>& sources = snapshot_->by_address_;
  // Applied in this order, so that what a narrow network says comes last and stays.
  std::stable_sort(sources.begin(), sources.end(), [](const SourceEntry& a, const SourceEntry& b) {
    return a.network.prefix_bits < b.network.prefix_bits;
  });
  for (const SourceEntry& source : sources) {
    if (source.network.prefix_bits == 0 && asks_to_relay(source)) {
      log_->warning({source.origin.file, source.origin.line, 0, kWholeLine},
                    "every client may send to any recipient: this is an open relay");
    }
  }
  for (const SourceEntry& source : snapshot_->by_name_) {
    const auto uses = [&source](const SourceUse& use) {
      return equals_ignoring_case(use.name, source.name);
    };
    const bool used = std::any_of(user_sources_.begin(), user_sources_.end(), uses) ||
                      std::any_of(listener_sources_.begin(), listener_sources_.end(),
                                  [&uses](const auto& use) { return uses(use.second); });
    if (!used && !is_reserved(source.name)) {
      log_->warning({source.origin.file, source.origin.line, 0, kWholeLine},
                    "no listener or user refers to the source '" + std::string(source.name) + "'");
    }
  }
}

void Builder::resolve_listener_sources() {
  for (const auto& [index, use] : listener_sources_) {
    const SourceId id = snapshot_->find_source(use.name);
    if (id != kNoSource) {
      snapshot_->global_.listeners[index].source = id;
      if (is_pending(OptionId::listener_source) && restricts(snapshot_->by_name_[id])) {
        log_->refuse(use.span, "the source forbids what rules by client address may allow, and " +
                                   std::string(pending_reason(OptionId::listener_source)));
      }
      continue;
    }
    std::vector<std::string_view> names;
    for (const SourceEntry& source : snapshot_->by_name_) {
      names.push_back(source.name);
    }
    log_->error(use.span, "there is no source of this name", nearest_name(use.name, names));
  }
}

}  // namespace ringpost::config
