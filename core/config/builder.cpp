#include "core/config/builder.h"

#include <algorithm>
#include <optional>

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

/// What an acting setting means for mail as long as the feature behind it is not built. Mail must
/// wait rather than leave in a way that the configuration forbids.
std::string_view consequence_of(OptionId id) {
  switch (id) {
    case OptionId::require_starttls: return "TLS is not built yet: mail of these queues waits";
    case OptionId::delivery_type:
      return "only delivery by SMTP is built: mail of these queues waits";
    case OptionId::require_auth:
      return "SMTP authentication is not built yet: these clients cannot send";
    default: return {};
  }
}

bool demands(const Value& value) {
  const auto* yes = std::get_if<bool>(&value);
  const auto* choice = std::get_if<std::int64_t>(&value);
  return (yes != nullptr && *yes) || (choice != nullptr && *choice != 0);
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
      case Scope::smtp_listener:
        add_listener(section.arguments.empty() ? section.kind : section.arguments[0], {}, &section);
        break;
      default: skip_inert_section(section); break;
    }
  }
  place_macro_sections();
  finish_virtual_mtas();
  finish_sources();
  resolve_listener_sources();
  check_queue_targets();
  report_inert();
  return snapshot_;
}

void Builder::set_defaults() {
  snapshot_->layers_.emplace_back();
  for (const OptionRow& row : option_rows()) {
    if (!row.acts() || row.fallback.empty()) {
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
      apply(snapshot_->global_, row.id, value);
    }
  }
}

std::string_view Builder::argument_of(const Section& section) {
  return section.arguments.empty() ? std::string_view{} : section.arguments[0].text;
}

/// The row of a directive that acts; everything else is reported here.
const OptionRow* Builder::accept(const Directive& directive, Scope scope) {
  const OptionRow* row = find_option(directive.name.text, scope);
  if (row == nullptr) {
    report_unknown(directive, scope);
    return nullptr;
  }
  if (row->acts()) {
    return row;
  }
  values_.check_inert(*row, directive);
  Inert& inert = inert_options_[row];
  inert.first = inert.times == 0 ? directive.name.span : inert.first;
  ++inert.times;
  return nullptr;
}

void Builder::report_unknown(const Directive& directive, Scope scope) {
  const Severity severity = lenient_ ? Severity::warning : Severity::error;
  const ScopeSet elsewhere = scopes_of(directive.name.text);
  if (elsewhere != 0) {
    log_->add(severity, directive.name.span,
              quoted(directive.name.text) + " belongs in " + shown_scopes(elsewhere) + ", not " +
                  located(scope));
    return;
  }
  std::string suggestion;
  if (!log_->full()) {
    suggestion = nearest_name(directive.name.text, names_in(scope));
  }
  log_->add(severity, directive.name.span,
            "unknown directive " + quoted(directive.name.text) + " " + located(scope),
            std::move(suggestion));
}

/// Keeps one value per setting, the last one; what it replaces is told.
void Builder::store(std::vector<Setting>& list, const OptionRow& row, Value value,
                    const Directive& directive) {
  const Span& span = directive.name.span;
  if (demands(value)) {
    warn_of_consequence(row.id, value, span);
  }
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
  const bool same = format_value(row, old->value) == format_value(row, value);
  const bool by_another_name = &row_of(row.id) != &row;
  const bool suspicious = !same && !by_another_name && old->origin.file == span.file;
  log_->add(suspicious ? Severity::warning : Severity::note, span,
            message + (same ? ", which was the same" : ""));
  old->value = std::move(value);
  old->origin = origin_of(span);
}

void Builder::warn_of_consequence(OptionId id, const Value&, const Span& span) {
  if (consequence_of(id).empty()) {
    return;
  }
  Inert& inert = consequences_[id];
  inert.first = inert.times == 0 ? span : inert.first;
  ++inert.times;
}

void Builder::skip_inert_section(const Section& section) {
  if (section.row == nullptr) {
    return;
  }
  Inert& inert = inert_sections_[section.row];
  inert.first = inert.times == 0 ? section.kind.span : inert.first;
  ++inert.times;
  inert.lines += check_names(section);
  if (section.scope == Scope::smtp_user) {
    for (const Directive& directive : section.directives) {
      if (equals_ignoring_case(directive.name.text, "source") && !directive.values.empty()) {
        const Word& name = directive.values[0];
        user_sources_.push_back({std::string(name.text), name.span});
      }
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
    log_->warning(inert.first, quoted(row->name) + " has no effect: " +
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
    log_->warning(inert.first, quoted(row_of(id).name) + ": " + std::string(consequence_of(id)) +
                                   more_of(inert.times));
  }
}

}  // namespace ringpost::config
