#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <span>

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
      macro.shared = true;
      if (is_pending(OptionId::group_member)) {
        log_->warning(item.span, "'shared' has no effect: " +
                                     std::string(pending_reason(OptionId::group_member)) +
                                     "; each domain has the limits for itself");
      }
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
    old->second.shared = old->second.shared || macro.shared;
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
  const auto named = macros_.find(to_lower(argument.text.substr(1)));
  if (argument.text.front() == '$' && named != macros_.end() && named->second.shared &&
      !is_pending(OptionId::group_member)) {
    // One queue for all of them, of the macro's name and with the same settings.
    snapshot_->entries_[macro.entry].settings.push_back(
        {OptionId::queue_to, values_.keep(named->first), origin_of(argument.span)});
    snapshot_->groups_.insert(named->first);
    DomainPattern queue;
    queue.kind = DomainPattern::Kind::exact;
    queue.name = named->first;
    macro.patterns.push_back(std::move(queue));
  }
  snapshot_->macros_.emplace(std::string(argument.text), texts);
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
    note_names(*row, *value, entry, ValueReader::span_of(directive));
    if (row->id == OptionId::disable_acct_records) {
      check_hidden_records(directive);
    }
  }
  for (const Section& inner : section.sections) {
    if (inner.row == nullptr || inner.scope != Scope::warmup) {
      skip_inert_section(inner);
    } else if (entry != DomainIndex::kNone) {
      add_warmup(inner, snapshot_->entries_[entry].settings, nullptr);
    }
  }
}

/// Values that name something which must exist.
void Builder::note_names(const OptionRow& row, const Value& value, std::uint32_t entry,
                         const Span& span) {
  const auto* name = std::get_if<std::string_view>(&value);
  if (name == nullptr || name->empty()) {
    return;
  }
  switch (row.id) {
    case OptionId::queue_to: queue_targets_.emplace_back(entry, span); break;
    case OptionId::reroute:
    case OptionId::backoff_reroute: vmta_uses_.emplace_back(*name, span); break;
    case OptionId::smtp_pattern_list: pattern_list_uses_.emplace_back(*name, span); break;
    case OptionId::dkim_key_file: key_files_.emplace_back(*name, span); break;
    default: break;
  }
}

/// A block that stands in a domain or a virtual MTA. Where the same section sets a fixed rate, the
/// warm-up takes its place.
void Builder::add_warmup(const Section& section, std::vector<Setting>& settings, VirtualMta* vmta) {
  Warmup warmup;
  warmup.file = section.kind.span.file;
  warmup.line = section.kind.span.line;
  read_fields(section, warmup);
  if (!row_of(OptionId::warmup).acts()) {
    note_inert(row_of(OptionId::warmup), section.kind.span);
  }
  if (warmup.period.ns <= 0 || warmup.start_rate.unlimited() || warmup.end_rate.unlimited()) {
    return log_->error(section.kind.span, "a warm-up needs period, start-rate and end-rate");
  }
  const auto per_day = [](const Rate& rate) {
    return static_cast<double>(rate.count) / static_cast<double>(rate.period.ns);
  };
  if (per_day(warmup.end_rate) < per_day(warmup.start_rate)) {
    log_->warning(section.kind.span, "the end-rate is lower than the start-rate");
  }
  snapshot_->warmups_.push_back(warmup);
  const Warmup* kept = &snapshot_->warmups_.back();
  const auto fixed = vmta != nullptr ? OptionId::vmta_max_msg_rate : OptionId::max_msg_rate;
  const auto replaced = std::find_if(settings.begin(), settings.end(),
                                     [fixed](const Setting& s) { return s.id == fixed; });
  if (replaced != settings.end() && !is_pending(OptionId::warmup)) {
    log_->note(section.kind.span, "the warm-up replaces max-msg-rate of line " +
                                      std::to_string(replaced->origin.line));
    settings.erase(replaced);
    if (vmta != nullptr) {
      vmta->max_msg_rate = Rate{};
    }
  }
  const auto old = std::find_if(settings.begin(), settings.end(),
                                [](const Setting& s) { return s.id == OptionId::warmup; });
  if (old != settings.end()) {
    log_->warning(section.kind.span,
                  "this warm-up replaces that of line " + std::to_string(old->origin.line));
    settings.erase(old);
  }
  settings.push_back({OptionId::warmup, kept, origin_of(section.kind.span)});
  if (vmta != nullptr) {
    vmta->warmup = kept;
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
  const std::uint32_t whole = domain_entry(section, layer, owner);
  snapshot_->groups_.insert(name->name);
  for (const Word& member : ValueReader::list_of(directive.values)) {
    Result<DomainPattern> pattern = DomainPattern::parse(member.text);
    if (!pattern.ok()) {
      log_->error(member.span, pattern.error().detail);
      continue;
    }
    if (is_pending(OptionId::group_member)) {
      // The settings for each, as a macro gives them, while one queue cannot take several domains.
      macro_sections_.push_back({layer, whole, {std::move(pattern).value()}});
      continue;
    }
    const std::uint32_t entry = entry_for(*pattern, member.text, layer, owner);
    store(snapshot_->entries_[entry].settings, row_of(OptionId::queue_to),
          Value(values_.keep(name->name)), directive);
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

void Builder::note_delivery(OptionId id, const Value& value, const Span& span) {
  if (id == OptionId::delivery_type) {
    const auto type = static_cast<DeliveryType>(std::get<std::int64_t>(value));
    file_type_ = type == DeliveryType::file && !file_type_ ? std::optional(span) : file_type_;
    pipe_type_ = type == DeliveryType::pipe && !pipe_type_ ? std::optional(span) : pipe_type_;
  }
  has_destination_ = has_destination_ || id == OptionId::file_destination;
  has_command_ = has_command_ || id == OptionId::command;
}

/// Mail for files that have no folder, and for a command that is not there.
void Builder::check_delivery_types() {
  if (file_type_ && !has_destination_) {
    log_->error(*file_type_, "type file needs a folder: no domain section has file-destination");
  }
  if (pipe_type_ && !has_command_) {
    log_->error(*pipe_type_, "type pipe needs a program: no domain section has command");
  }
}

/// A cold virtual MTA that cannot do anything.
void Builder::check_cold() {
  const Snapshot& snapshot = *snapshot_;
  std::vector<bool> pooled(snapshot.vmtas_.size(), false);
  for (const VmtaPool& pool : snapshot.pools_) {
    for (const VmtaId member : pool.members) {
      pooled[member] = pooled[member] || pool.members.size() > 1;
    }
  }
  for (VmtaId id = 1; id < snapshot.vmtas_.size(); ++id) {
    if (pooled[id] || !snapshot.vmtas_[id].cold.empty() ||
        snapshot.vmta_layer_[id] == DomainIndex::kNone) {
      continue;
    }
    const std::uint32_t all = snapshot.layers_[snapshot.vmta_layer_[id]].defaults;
    if (all == DomainIndex::kNone) {
      continue;
    }
    for (const Setting& setting : snapshot.entries_[all].settings) {
      if (setting.id == OptionId::max_cold_msgs) {
        log_->note({setting.origin.file, setting.origin.line, 0, kWholeLine},
                   "the virtual MTA has neither a cold-virtual-mta nor a pool: beyond this number "
                   "there is nowhere for mail to go");
      }
    }
  }
}

namespace {

/// A fixed rate that lies over a warm-up.
struct FixedRate {
  const Setting* setting = nullptr;
  std::string whose;  ///< " of the pool 'p'"; empty: of the domain sections
};

/// The first setting of that kind is in force.
const Setting* first_of(std::span<const Setting> settings, OptionId id) {
  const auto found = std::find_if(settings.begin(), settings.end(),
                                  [id](const Setting& setting) { return setting.id == id; });
  return found == settings.end() ? nullptr : &*found;
}

bool never_higher(const Setting* limit, const Warmup& warmup) {
  const Rate* const fixed = limit == nullptr ? nullptr : std::get_if<Rate>(&limit->value);
  if (fixed == nullptr || fixed->unlimited()) {
    return false;
  }
  const Rate& start = warmup.start_rate;
  return static_cast<double>(fixed->count) * static_cast<double>(start.period.ns) <=
         static_cast<double>(start.count) * static_cast<double>(fixed->period.ns);
}

/// Names that the pattern fits. Where it fits any below a domain, one that no exact pattern names.
void add_probes(const DomainPattern& pattern, std::set<std::string>& probes) {
  using Kind = DomainPattern::Kind;
  if (pattern.kind == Kind::exact || pattern.kind == Kind::subtree) {
    probes.insert(pattern.name);
  }
  if (pattern.kind == Kind::subdomains || pattern.kind == Kind::subtree) {
    probes.insert("-." + pattern.name);
  }
}

/// A rate over all queues of the virtual MTA that makes a warm-up in it pointless.
FixedRate rate_over_vmta(const Snapshot& snapshot, VmtaId vmta, const Warmup& warmup) {
  const VirtualMta& identity = snapshot.virtual_mtas()[vmta];
  const Setting* const own = first_of(snapshot.vmta_written(vmta), OptionId::vmta_max_msg_rate);
  if (never_higher(own, warmup)) {
    return {own, " of the virtual MTA '" + std::string(identity.name) + "'"};
  }
  for (std::size_t i = 0; i < snapshot.pools().size(); ++i) {
    const VmtaPool& pool = snapshot.pools()[i];
    const Setting* const all = first_of(snapshot.pool_written(i), OptionId::pool_max_msg_rate);
    if (never_higher(all, warmup) &&
        std::find(pool.members.begin(), pool.members.end(), vmta) != pool.members.end()) {
      return {all, " of the pool '" + std::string(pool.name) + "'"};
    }
  }
  return {};
}

/// What was found about one warm-up so far.
struct WarmupUse {
  FixedRate limit;
  bool several = false;
  bool useful = false;  ///< somewhere nothing lies over it

  void add(FixedRate found) {
    useful = useful || found.setting == nullptr;
    several = several || (limit.setting != nullptr && limit.setting != found.setting);
    limit = limit.setting == nullptr ? std::move(found) : std::move(limit);
  }
};

}  // namespace

/// Names for which all settings of rates and warm-ups come to bear, in each way that they do.
std::set<std::string> Builder::rate_probes() const {
  const auto matters = [](const DomainEntry& entry) {
    return first_of(entry.settings, OptionId::warmup) != nullptr ||
           first_of(entry.settings, OptionId::max_msg_rate) != nullptr;
  };
  std::set<std::string> probes = {"-"};
  for (const DomainEntry& entry : snapshot_->entries_) {
    const Result<DomainPattern> pattern = DomainPattern::parse(entry.pattern);
    if (pattern.ok() && matters(entry)) {
      add_probes(*pattern, probes);
    }
  }
  for (const MacroSection& macro : macro_sections_) {
    for (const DomainPattern& pattern : macro.patterns) {
      if (matters(snapshot_->entries_[macro.entry])) {
        add_probes(pattern, probes);
      }
    }
  }
  return probes;
}

/// Warm-ups over which a lower rate lies wherever they are in force.
void Builder::check_pointless_warmups() {
  const Snapshot& snapshot = *snapshot_;
  if (is_pending(OptionId::warmup) || snapshot.warmups_.empty()) {
    return;
  }
  constexpr std::size_t kMostChecks = 200'000;  // beyond it nothing is said
  const std::set<std::string> probes = rate_probes();
  if (probes.size() > kMostChecks / snapshot.vmtas_.size()) {
    return;
  }
  std::map<const Warmup*, WarmupUse> uses;
  for (VmtaId id = 0; id < snapshot.vmtas_.size(); ++id) {
    if (const Warmup* const whole = snapshot.vmtas_[id].warmup) {
      uses[whole].add(rate_over_vmta(snapshot, id, *whole));
    }
    for (const std::string& name : probes) {
      const Setting* warmup = nullptr;
      const Setting* fixed = nullptr;
      snapshot.for_each_entry(name, {VmtaRef::Kind::vmta, id}, [&](std::uint32_t index) {
        const auto& settings = snapshot.entries_[index].settings;
        warmup = warmup != nullptr ? warmup : first_of(settings, OptionId::warmup);
        fixed = fixed != nullptr ? fixed : first_of(settings, OptionId::max_msg_rate);
      });
      if (warmup == nullptr) {
        continue;
      }
      const Warmup& one = *std::get<const Warmup*>(warmup->value);
      WarmupUse& use = uses[&one];
      if (!use.useful) {
        use.add(never_higher(fixed, one) ? FixedRate{fixed, {}}
                                         : rate_over_vmta(snapshot, id, one));
      }
    }
  }
  for (const Warmup& warmup : snapshot.warmups_) {
    const auto use = uses.find(&warmup);
    if (use != uses.end() && !use->second.useful) {
      const FixedRate& limit = use->second.limit;
      log_->warning({warmup.file, warmup.line, 0, kWholeLine},
                    "the warm-up is pointless: max-msg-rate" + limit.whose + " of " +
                        snapshot.place(limit.setting->origin) +
                        (use->second.several ? ", or another one," : "") + " is never higher");
    }
  }
}

}  // namespace ringpost::config
