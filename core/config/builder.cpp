#include "core/config/builder.h"

#include <algorithm>
#include <optional>

#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/config/suggest.h"

namespace ringpost::config {
namespace {

/// Names in messages are cut: a line of garbage is one word.
std::string quoted(std::string_view name) {
  constexpr std::size_t kShown = 60;
  std::string out = "'" + std::string(name.substr(0, kShown));
  return out + (name.size() > kShown ? "...'" : "'");
}

std::string shown_scopes(ScopeSet scopes) {
  std::string out;
  for (unsigned i = 0; i < static_cast<unsigned>(Scope::count_); ++i) {
    const auto scope = static_cast<Scope>(i);
    if (has(scopes, scope)) {
      out.append(out.empty() ? "" : ", ").append(shown(scope));
    }
  }
  return out;
}

/// What a setting that protects somebody means as long as nothing enforces it. Mail must wait, or
/// the file be refused, rather than anything happen that the configuration forbids.
struct Consequence {
  std::string_view text;
  bool refuse = false;
};

Consequence consequence_of(OptionId id) {
  switch (id) {
    case OptionId::delivery_type:
      return {"this version posts no mail by HTTP: mail of these queues is held"};
    case OptionId::require_auth:
      return {"there is no authentication in this version: these clients get no service"};
    case OptionId::suppression_lists:
      return {"this version would send to the recipients of the lists", true};
    case OptionId::source_proxy_protocol:
      return {"this version would take the proxy for the client", true};
    default: return {};
  }
}

bool posts(OptionId id, const Value& value) {
  const auto* type = std::get_if<std::int64_t>(&value);
  return id == OptionId::delivery_type && type != nullptr &&
         *type == static_cast<std::int64_t>(DeliveryType::http);
}

bool demands(const Value& value) {
  const auto* yes = std::get_if<bool>(&value);
  const auto* choice = std::get_if<std::int64_t>(&value);
  const auto* list = std::get_if<std::span<const std::string_view>>(&value);
  return (yes != nullptr && *yes) || (choice != nullptr && *choice != 0) ||
         (list != nullptr && !list->empty());
}

std::string more_of(std::size_t times) {
  return times > 1 ? " (and " + std::to_string(times - 1) + " more)" : "";
}

}  // namespace

Builder::Builder(const SourceMap& sources, DiagnosticLog& log, std::string host_name, bool lenient)
    : sources_(&sources),
      log_(&log),
      host_name_(std::move(host_name)),
      lenient_(lenient),
      snapshot_(std::make_shared<Snapshot>()),
      values_(*snapshot_, log) {}

std::shared_ptr<const Snapshot> Builder::build(const Section& root) {
  for (std::size_t i = 0; i < sources_->file_count(); ++i) {
    snapshot_->files_.push_back(sources_->path(static_cast<std::uint32_t>(i)));
  }
  set_defaults();
  collect_names(root);
  add_global(root);
  for (const Section& section : root.sections) {
    if (section.row == nullptr) {
      continue;
    }
    switch (section.scope) {
      case Scope::domain: add_domain(section, 0, ""); break;
      case Scope::virtual_mta: add_virtual_mta(section); break;
      case Scope::virtual_mta_pool: add_pool(section); break;
      case Scope::source: add_source(section); break;
      case Scope::spool: add_spool(section); break;
      case Scope::acct_file: add_acct_file(section); break;
      case Scope::smtp_user: add_user(section); break;
      case Scope::source_group: add_group(section); break;
      case Scope::sender: add_sender(section); break;
      case Scope::routing: add_routing(section); break;
      case Scope::relay: add_relay(section); break;
      case Scope::route: add_route(section); break;
      case Scope::dkim_signature: add_signature(section); break;
      case Scope::domain_key_list: add_key_list(section); break;
      case Scope::smtp_pattern_list: add_reply_patterns(section); break;
      case Scope::bounce_category_patterns: add_bounce_categories(section); break;
      case Scope::pattern_list: add_routing_list(section); break;
      case Scope::mx_rollup_list: add_mx_rollup(section); break;
      case Scope::address_list: add_address_list(section); break;
      case Scope::smtp_listener:
        add_listener(section.arguments.empty() ? section.kind : section.arguments[0], {}, &section);
        break;
      default: skip_inert_section(section); break;
    }
  }
  place_macro_sections();
  finish_lists();
  finish_virtual_mtas();
  finish_sources();
  finish_access();
  resolve_listener_sources();
  choose_spool();
  check_queue_targets();
  check_delivery_types();
  check_cold();
  check_pointless_warmups();
  record_written(root, "");
  report_inert();
  return snapshot_;
}

void Builder::set_defaults() {
  snapshot_->layers_.emplace_back();
  // The limited broadcast address: a connection to it fails at once and leaves the host never.
  RouteHop nowhere;
  nowhere.kind = RouteHop::Kind::address;
  nowhere.address = IpAddress::v4(255, 255, 255, 255);
  nowhere.port = 1;
  snapshot_->nowhere_.hops.push_back(nowhere);
  for (const OptionRow& row : option_rows()) {
    if (!row.is_read() || row.fallback.empty()) {
      continue;
    }
    const Value value = values_.fallback_of(row);
    if (has(row.scopes, Scope::domain)) {
      apply(snapshot_->policy_defaults_, row.id, value);
    }
    if (has(row.scopes, Scope::source)) {
      apply(snapshot_->source_defaults_, row.id, value);
    }
    if (has(row.scopes, Scope::global)) {
      if (!apply(snapshot_->global_, row.id, value)) {
        apply(snapshot_->global_.server_tls, row.id, value);
      }
    }
  }
}

std::string_view Builder::argument_of(const Section& section) {
  return section.arguments.empty() ? std::string_view{} : section.arguments[0].text;
}

/// The row of a directive whose value is kept; everything else is reported here.
const OptionRow* Builder::accept(const Directive& directive, Scope scope) {
  const OptionRow* row = find_option(directive.name.text, scope);
  if (row == nullptr) {
    report_unknown(directive, scope);
    return nullptr;
  }
  if (row->id == OptionId::warmup) {
    log_->error(ValueReader::span_of(directive),
                "warmup opens a block: warmup { period P start-rate A end-rate B }");
    return nullptr;
  }
  if (!row->is_read()) {
    values_.check_inert(*row, directive);
  }
  // What protects somebody is judged by its value, when that is known.
  if (!row->acts() && !row->is(kGuards)) {
    note_inert(*row, directive.name.span);
  }
  return row->is_read() ? row : nullptr;
}

void Builder::note_inert(const OptionRow& row, const Span& span) {
  Inert& inert = inert_options_[&row];
  inert.first = inert.times == 0 ? span : inert.first;
  ++inert.times;
}

/// Reads the directives of a section of which each sets one member of `target`.
template <class Target>
void Builder::read_fields(const Section& section, Target& target) {
  std::vector<Setting> written;
  for (const Directive& directive : section.directives) {
    const OptionRow* row = accept(directive, section.scope);
    const std::optional<Value> value =
        row == nullptr ? std::nullopt : values_.read(*row, directive);
    if (value) {
      apply(target, row->id, *value);
      store(written, *row, *value, directive);
    }
  }
}

template void Builder::read_fields(const Section&, SpoolFolder&);
template void Builder::read_fields(const Section&, SmtpUser&);
template void Builder::read_fields(const Section&, SourceGroup&);
template void Builder::read_fields(const Section&, SenderRule&);
template void Builder::read_fields(const Section&, SmartRoute&);
template void Builder::read_fields(const Section&, DkimKey&);
template void Builder::read_fields(const Section&, Warmup&);

void Builder::report_unknown(const Directive& directive, Scope scope) {
  const Severity severity = lenient_ ? Severity::warning : Severity::error;
  if (directive.name.text.empty()) {
    constexpr std::size_t kFew = 8;
    const std::vector<std::string_view> known = names_in(scope);
    std::string names;
    for (std::size_t i = 0; i < known.size() && known.size() <= kFew; ++i) {
      names.append(i == 0 ? ": " : ", ").append(known[i]);
    }
    log_->add(severity, ValueReader::span_of(directive),
              "the name of a directive is missing before this" + names);
    return;
  }
  const SectionRow* section = find_section(directive.name.text, directive.values.size());
  if (section != nullptr && has(section->parents, scope)) {
    log_->add(severity, directive.name.span,
              quoted(directive.name.text) + " opens a section: written '<" +
                  std::string(section->kind) + " ...>', or with '{' at the end of the line");
    return;
  }
  const ScopeSet elsewhere = scopes_of(directive.name.text);
  if (elsewhere != 0) {
    log_->add(severity, directive.name.span,
              quoted(directive.name.text) + " belongs in " + shown_scopes(elsewhere) + ", not " +
                  located(scope));
    return;
  }
  std::string message = "unknown directive " + quoted(directive.name.text) + " " + located(scope);
  std::string suggestion;
  if (!log_->full()) {
    suggestion = nearest_name(directive.name.text, names_in(scope));
  }
  if (suggestion.empty() && !log_->full()) {
    std::vector<std::string_view> all;
    for (const OptionRow& row : option_rows()) {
      all.push_back(row.name);
    }
    suggestion = nearest_name(directive.name.text, all);
    if (!suggestion.empty()) {
      message += "; the nearest one belongs in " + shown_scopes(scopes_of(suggestion));
    }
  }
  log_->add(severity, directive.name.span, std::move(message), std::move(suggestion));
}

/// Keeps one value per setting, the last one; what it replaces is told.
void Builder::store(std::vector<Setting>& list, const OptionRow& row, Value value,
                    const Directive& directive) {
  const Span& span = directive.name.span;
  if ((!row.acts() && row.is(kGuards)) || posts(row.id, value)) {
    guard(row, value, span);
  }
  note_delivery(row.id, value, span);
  const auto old =
      std::find_if(list.begin(), list.end(), [&row](const Setting& s) { return s.id == row.id; });
  if (old == list.end()) {
    list.push_back({row.id, std::move(value), origin_of(span)});
    return;
  }
  const std::string message =
      quoted(directive.name.text) + " replaces the value of " +
      (old->origin.file == span.file ? "line " + std::to_string(old->origin.line)
                                     : snapshot_->place(old->origin));
  if (row.is(kRepeats) && extend(old->value, value)) {
    return;
  }
  const bool same = format_value(row, old->value) == format_value(row, value);
  const bool by_another_name = &row_of(row.id) != &row;
  const bool suspicious = !same && !by_another_name && old->origin.file == span.file;
  log_->add(suspicious ? Severity::warning : Severity::note, span,
            message + (same ? ", which was the same" : ""));
  old->value = std::move(value);
  old->origin = origin_of(span);
}

/// A setting that protects somebody and that nothing enforces.
void Builder::guard(const OptionRow& row, const Value& value, const Span& span) {
  const Consequence consequence = consequence_of(row.id);
  if (!demands(value) || consequence.text.empty()) {
    note_inert(row, span);
  } else if (consequence.refuse) {
    log_->refuse(span, quoted(row.name) + " cannot be kept: " + std::string(consequence.text));
  } else {
    Inert& inert = consequences_[row.id];
    inert.first = inert.times == 0 ? span : inert.first;
    ++inert.times;
  }
}

/// Joins two lists of limits by address.
bool Builder::extend(Value& value, const Value& more) {
  const auto* old = std::get_if<std::span<const SourceIpLimit>>(&value);
  const auto* next = std::get_if<std::span<const SourceIpLimit>>(&more);
  if (old == nullptr || next == nullptr) {
    return false;
  }
  std::vector<SourceIpLimit>& both = snapshot_->ip_limits_.emplace_back();
  for (const SourceIpLimit& limit : *old) {
    const bool replaced = std::any_of(next->begin(), next->end(), [&](const SourceIpLimit& other) {
      return other.network == limit.network;
    });
    if (!replaced) {
      both.push_back(limit);
    }
  }
  both.insert(both.end(), next->begin(), next->end());
  value = std::span<const SourceIpLimit>(both);
  return true;
}

void Builder::skip_inert_section(const Section& section) {
  if (section.row == nullptr) {
    return;
  }
  Inert& inert = inert_sections_[section.row];
  inert.first = inert.times == 0 ? section.kind.span : inert.first;
  ++inert.times;
  inert.lines += check_names(section);
}

/// Keeps what stands outside the queues' sections as it was written, for comparing with another
/// configuration. Of secrets only a digest.
void Builder::record_written(const Section& section, const std::string& label) {
  for (const Directive& directive : section.directives) {
    const OptionRow* row = find_option(directive.name.text, section.scope);
    if (row == nullptr) {
      continue;
    }
    const std::string text = ValueReader::joined(directive);
    WrittenDirective written;
    written.row = static_cast<std::uint32_t>(row - option_rows().data());
    written.section = label.empty() ? std::string_view{} : values_.keep(label);
    written.digest = hash64(text);
    written.origin = origin_of(directive.name.span);
    const bool tail = row->is(kSecretTail) && directive.values.size() > 1;
    written.value = row->is(kSecret) ? std::string_view("**")
                    : tail           ? values_.keep(std::string(directive.values[0].text) + " **")
                                     : values_.keep(text);
    snapshot_->written_.push_back(written);
  }
  for (const Section& inner : section.sections) {
    const bool of_queues = inner.scope == Scope::domain || inner.scope == Scope::virtual_mta ||
                           inner.scope == Scope::virtual_mta_pool;
    if (inner.row != nullptr && !of_queues) {
      std::string name = label + "<" + std::string(inner.row->kind);
      for (const Word& argument : inner.arguments) {
        name += " " + std::string(argument.text);
      }
      record_written(inner, name + ">");
    }
  }
}

/// Directives of a section without effect are still held against the table.
std::size_t Builder::check_names(const Section& section) {
  std::size_t lines = section.directives.size();
  for (const Directive& directive : section.directives) {
    const OptionRow* row = find_option(directive.name.text, section.scope);
    if (row == nullptr && !directive.name.text.empty()) {
      report_unknown(directive, section.scope);
    } else if (row != nullptr && !row->acts()) {
      values_.check_inert(*row, directive);
    }
  }
  for (const Section& inner : section.sections) {
    lines += inner.row == nullptr ? 0 : check_names(inner);
  }
  return lines;
}

void Builder::report_inert() {
  for (const auto& [row, inert] : inert_options_) {
    log_->warning(inert.first,
                  quoted(row->name) +
                      (row->is_read() ? " has no effect in this version: " : " has no effect: ") +
                      std::string(row->no_effect) + more_of(inert.times));
  }
  for (const auto& [row, inert] : inert_sections_) {
    std::string message = "section <" + std::string(row->kind) +
                          "> has no effect: " + std::string(row->no_effect) + more_of(inert.times);
    if (inert.lines > 0) {
      message += "; " + std::to_string(inert.lines) +
                 (inert.lines == 1 ? " directive is passed over" : " directives are passed over");
    }
    log_->warning(inert.first, std::move(message));
  }
  for (const auto& [id, inert] : consequences_) {
    log_->warning(inert.first, quoted(row_of(id).name) + ": " +
                                   std::string(consequence_of(id).text) + more_of(inert.times));
  }
}

}  // namespace ringpost::config
