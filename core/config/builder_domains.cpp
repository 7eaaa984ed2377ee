#include <algorithm>
#include <cctype>
#include <set>

#include "core/base/text.h"
#include "core/config/builder.h"
#include "core/config/suggest.h"

namespace ringpost::config {
namespace {

constexpr std::size_t kMacroDepth = 16;
constexpr std::size_t kMacroDomains = 1'000'000;

bool is_macro_char(char c, bool hyphen) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || (hyphen && c == '-');
}

std::size_t macro_name_length(std::string_view text, bool hyphen) {
  std::size_t size = 0;
  while (size < text.size() && is_macro_char(text[size], hyphen)) {
    ++size;
  }
  return size;
}

}  // namespace

void Builder::add_macro(const Directive& directive) {
  if (directive.values.size() < 2) {
    return log_->error(directive.name.span, "domain-macro needs a name and a list of domains");
  }
  const Word& name = directive.values[0];
  const std::string key = to_lower(name.text);
  if (macro_name_length(key, true) != key.size()) {
    return log_->error(name.span, "the name of a macro has letters, digits, '_' and '-' only");
  }
  Macro macro;
  for (const Word& item : ValueReader::list_of(directive.values, 1)) {
    if (equals_ignoring_case(item.text, "shared")) {
      log_->warning(item.span, "'shared' has no effect: limits shared by a macro are not built");
      continue;
    }
    if (item.text.find('$') == std::string_view::npos) {
      const Result<DomainPattern> pattern = DomainPattern::parse(item.text);
      if (!pattern.ok()) {
        log_->error(item.span, pattern.error().detail);
        continue;
      }
    }
    macro.items.emplace_back(item.text);
  }
  const auto [old, added] = macros_.try_emplace(key, macro);
  if (!added) {
    log_->warning(name.span, "the macro is defined again; it stands for both lists");
    std::vector<std::string>& items = old->second.items;
    items.insert(items.end(), macro.items.begin(), macro.items.end());
  }
}

/// Appends every text that `text` stands for. False, with a diagnostic, if a macro in it is
/// unknown or leads back to itself.
bool Builder::expand_macros(std::string_view text, const Span& span, std::vector<std::string>& out,
                            std::size_t depth) {
  const std::size_t dollar = text.find('$');
  if (dollar == std::string_view::npos) {
    out.emplace_back(text);
    return true;
  }
  if (depth > kMacroDepth || out.size() > kMacroDomains) {
    log_->error(span, "the macro contains itself or stands for too many domains");
    return false;
  }
  const std::string_view after = text.substr(dollar + 1);
  std::size_t size = macro_name_length(after, true);
  auto macro = macros_.find(to_lower(after.substr(0, size)));
  if (macro == macros_.end()) {
    size = macro_name_length(after, false);
    macro = macros_.find(to_lower(after.substr(0, size)));
  }
  if (macro == macros_.end()) {
    std::vector<std::string_view> names;
    for (const auto& [name, unused] : macros_) {
      names.push_back(name);
    }
    log_->warning(span, "there is no domain-macro of this name; the section applies to nothing",
                  nearest_name(after.substr(0, macro_name_length(after, true)), names));
    return false;
  }
  for (const std::string& item : macro->second.items) {
    std::string whole(text.substr(0, dollar));
    whole.append(item).append(after.substr(size));
    if (!expand_macros(whole, span, out, depth + 1)) {
      return false;
    }
  }
  return true;
}

std::uint32_t Builder::add_entry(std::string_view written, std::string_view owner) {
  DomainEntry& entry = snapshot_->entries_.emplace_back();
  entry.pattern = values_.keep(written);
  entry.owner = owner;
  return static_cast<std::uint32_t>(snapshot_->entries_.size() - 1);
}

std::uint32_t Builder::entry_for(const DomainPattern& pattern, std::string_view written,
                                 std::uint32_t layer, std::string_view owner) {
  std::uint32_t& slot = snapshot_->layers_[layer].index.slot(pattern, false);
  if (slot == DomainIndex::kNone) {
    slot = add_entry(written, owner);
  }
  return slot;
}

/// The entry that a section fills, or kNone if its pattern is not one.
std::uint32_t Builder::domain_entry(const Section& section, std::uint32_t layer,
                                    std::string_view owner) {
  if (section.arguments.empty()) {
    return DomainIndex::kNone;
  }
  const Word& argument = section.arguments[0];
  if (argument.text.find('$') == std::string_view::npos) {
    const Result<DomainPattern> pattern = DomainPattern::parse(argument.text);
    if (!pattern.ok()) {
      log_->error(argument.span, pattern.error().detail);
      return DomainIndex::kNone;
    }
    return entry_for(*pattern, argument.text, layer, owner);
  }
  const auto key = std::make_pair(layer, to_lower(argument.text));
  const auto known = macro_entries_.find(key);
  if (known != macro_entries_.end()) {
    return known->second;
  }
  std::vector<std::string> texts;
  if (!expand_macros(argument.text, argument.span, texts, 0)) {
    return DomainIndex::kNone;
  }
  MacroSection macro{layer, add_entry(argument.text, owner), {}};
  for (const std::string& text : texts) {
    Result<DomainPattern> pattern = DomainPattern::parse(text);
    if (pattern.ok()) {
      macro.patterns.push_back(std::move(pattern).value());
    } else {
      log_->error(argument.span, "the macro gives '" + text + "': " + pattern.error().detail);
    }
  }
  macro_entries_.emplace(key, macro.entry);
  macro_sections_.push_back(std::move(macro));
  return macro_sections_.back().entry;
}

void Builder::add_domain(const Section& section, std::uint32_t layer, std::string_view owner) {
  const std::uint32_t entry = domain_entry(section, layer, owner);
  for (const Directive& directive : section.directives) {
    const OptionRow* row = accept(directive, Scope::domain);
    if (row == nullptr) {
      continue;
    }
    if (row->id == OptionId::group_member) {
      add_group_member(section, directive, layer, owner);
      continue;
    }
    const std::optional<Value> value = values_.read(*row, directive);
    if (!value || entry == DomainIndex::kNone) {
      continue;
    }
    store(snapshot_->entries_[entry].settings, *row, *value, directive);
    if (row->id == OptionId::queue_to) {
      queue_targets_.emplace_back(entry, ValueReader::span_of(directive));
    }
  }
  for (const Section& inner : section.sections) {
    skip_inert_section(inner);
  }
}

/// `domain a.example` in the section of a group: mail for it goes to the queue of the group's name.
void Builder::add_group_member(const Section& section, const Directive& directive,
                               std::uint32_t layer, std::string_view owner) {
  const std::string_view group = argument_of(section);
  const Result<DomainPattern> name = DomainPattern::parse(group);
  if (!name.ok() || name->kind != DomainPattern::Kind::exact) {
    return log_->error(directive.name.span, "a group of domains needs a plain name");
  }
  for (const Word& member : ValueReader::list_of(directive.values)) {
    const Result<DomainPattern> pattern = DomainPattern::parse(member.text);
    if (!pattern.ok()) {
      log_->error(member.span, pattern.error().detail);
      continue;
    }
    const std::uint32_t entry = entry_for(*pattern, member.text, layer, owner);
    store(snapshot_->entries_[entry].settings, row_of(OptionId::queue_to),
          Value(values_.keep(to_lower(group))), directive);
  }
}

/// Where two macros name the same domain in one layer, it gets an entry of its own with the
/// settings of both, the later ones replacing the earlier.
void Builder::place_macro_sections() {
  for (const MacroSection& macro : macro_sections_) {
    for (const DomainPattern& pattern : macro.patterns) {
      std::uint32_t& slot = snapshot_->layers_[macro.layer].index.slot(pattern, true);
      if (slot == DomainIndex::kNone || slot == macro.entry) {
        slot = macro.entry;
        continue;
      }
      DomainEntry both = snapshot_->entries_[macro.entry];
      for (const Setting& setting : snapshot_->entries_[slot].settings) {
        const bool replaced =
            std::any_of(both.settings.begin(), both.settings.end(),
                        [&setting](const Setting& s) { return s.id == setting.id; });
        if (!replaced) {
          both.settings.push_back(setting);
        }
      }
      slot = static_cast<std::uint32_t>(snapshot_->entries_.size());
      snapshot_->entries_.push_back(std::move(both));
    }
  }
}

/// A queue that is named by queue-to has no MX of its own.
void Builder::check_queue_targets() {
  std::set<std::string_view> seen;
  for (const auto& [entry, span] : queue_targets_) {
    const DomainEntry& source = snapshot_->entries_[entry];
    if (!source.owner.empty()) {
      continue;
    }
    for (const Setting& setting : source.settings) {
      const auto* target = std::get_if<std::string_view>(&setting.value);
      if (setting.id != OptionId::queue_to || target->empty() || !seen.insert(*target).second) {
        continue;
      }
      if (snapshot_->path_policy(*target, kDefaultVmta).route == nullptr) {
        log_->warning(span, "mail goes to the queue '" + std::string(*target) +
                                "', which has no smtp-hosts in a domain section");
      }
    }
  }
}

}  // namespace ringpost::config
