#include "core/config/reference.h"

#include "core/base/text.h"
#include "core/config/options.h"

namespace ringpost::config {
namespace {

std::string_view form_of(ValueType type) {
  switch (type) {
    case ValueType::flag: return "none";
    case ValueType::boolean: return "yes or no";
    case ValueType::count: return "number";
    case ValueType::duration: return "duration";
    case ValueType::duration_list: return "durations";
    case ValueType::bool_or_duration: return "yes, no or duration";
    case ValueType::rate: return "rate";
    case ValueType::per_hour: return "number per hour";
    case ValueType::size: return "size";
    case ValueType::choice: return "choice";
    case ValueType::word: return "word";
    case ValueType::text: return "text";
    case ValueType::path: return "path";
    case ValueType::name_list: return "list";
    case ValueType::address_list: return "addresses";
    case ValueType::cidr: return "network";
    case ValueType::host_list: return "hosts";
    case ValueType::domain: return "domain pattern";
    case ValueType::listener: return "ADDRESS:PORT [source=NAME]";
    case ValueType::source_host: return "ADDRESS... [NAME]";
    case ValueType::resolver: return "ADDRESS[:PORT]";
    case ValueType::pattern: return "/pattern/ and result";
    case ValueType::data_rate: return "size per time";
    case ValueType::daily_limits: return "N/d, ...";
    case ValueType::ip_limit: return "NETWORK and limit";
    case ValueType::secret: return "secret";
    case ValueType::certificate: return "path";
    case ValueType::date: return "date";
    case ValueType::words: return "words";
  }
  return "";
}

std::string_view effect_of(ReloadClass reload) {
  switch (reload) {
    case ReloadClass::live: return "at once";
    case ReloadClass::new_sessions: return "for new sessions";
    case ReloadClass::restart: return "after a restart";
  }
  return "";
}

/// A cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '|' ? "\\|" : std::string(1, c);
  }
  return out;
}

std::string code(std::string_view text) {
  return text.empty() ? std::string() : "`" + cell(text) + "`";
}

std::string value_of(const OptionRow& row) {
  if (row.type != ValueType::choice) {
    std::string out(form_of(row.type));
    for (const std::string_view choice : split_words(row.choices)) {
      out += " or " + code(choice);
    }
    return out;
  }
  std::string out;
  for (const std::string_view choice : split_words(row.choices)) {
    out += (out.empty() ? "" : ", ") + code(choice);
  }
  return out;
}

std::string names_of(const OptionRow& row) {
  std::string out = code(row.name);
  for (const std::string_view alias : split_words(row.aliases)) {
    out += ", " + code(alias);
  }
  return out;
}

void append_scope(std::string& out, Scope scope) {
  std::string acting;
  std::string inert;
  for (const OptionRow& row : option_rows()) {
    if (!has(row.scopes, scope)) {
      continue;
    }
    if (row.acts()) {
      acting += "| " + names_of(row) + (row.is(kOwn) ? " (own)" : "") + " | " + value_of(row) +
                " | " + code(row.fallback) + " | " + std::string(effect_of(row.reload)) + " | " +
                cell(row.help) + " |\n";
    } else {
      inert += "| " + names_of(row) + (row.is(kOwn) ? " (own)" : "") + " | " + value_of(row) +
               " | " + code(row.fallback) + " | " + cell(row.help) + " | " + cell(row.no_effect) +
               " |\n";
    }
  }
  if (!acting.empty()) {
    out += "\n| directive | value | default | a change acts | meaning |\n";
    out += "|---|---|---|---|---|\n" + acting;
  }
  if (!inert.empty()) {
    out +=
        "\nAccepted without effect:\n\n"
        "| directive | value | default | meaning | why it has no effect |\n";
    out += "|---|---|---|---|---|\n" + inert;
  }
}

constexpr std::string_view kIntroduction =
    "# Directives\n"
    "\n"
    "Generated from the option table in `core/config`; `RINGPOST_UPDATE_DOCS=1` in the\n"
    "environment of the unit tests of `core/config` writes it anew.\n"
    "\n"
    "A directive that is not listed here is an error. One that is *accepted without effect*\n"
    "costs one warning. Those marked (own) are Ringpost's. Names are read\n"
    "without regard to case, `_` is the same as `-`.\n"
    "\n"
    "| value | form |\n"
    "|---|---|\n"
    "| yes or no | `yes no true false on off 1 0` |\n"
    "| number | decimal; `unlimited` and 0 mean no limit where the directive is a limit |\n"
    "| duration | sums like `4d12h`, `15m`, `90s`, `100ms`, `10 days`; a bare number is seconds |\n"
    "| rate | `200/h`, `83/10m`, `100/s`, `10000/minute`, `unlimited` |\n"
    "| size | bytes, or with K, M, G or T: `50M` |\n"
    "| list | words separated by commas or blanks; goes on in the next line after a comma |\n"
    "| domain pattern | `d`, `*.d` (below d), `[*.]d` (d and below), `*`, `[network]`, `$macro` "
    "|\n";

}  // namespace

std::string render_reference() {
  std::string out(kIntroduction);
  out += "\n## Global level\n";
  append_scope(out, Scope::global);
  for (const SectionRow& section : section_rows()) {
    out += "\n## `<" + std::string(section.kind) +
           (section.argument.empty() ? "" : " " + std::string(section.argument)) + ">`";
    out += section.scope == Scope::routing ? " (choice by domain)\n" : "\n";
    out += "\n" + std::string(section.help);
    if (!section.no_effect.empty()) {
      out += " Accepted without effect: " + std::string(section.no_effect) + ".";
    }
    out += "\n";
    append_scope(out, section.scope);
  }
  return out;
}

std::string value_form(const OptionRow& row) {
  std::string out;
  for (const char c : value_of(row)) {
    out += c == '`' ? "" : std::string(1, c);
  }
  return out;
}

std::string describe_directive(std::string_view name) {
  std::string out;
  for (unsigned i = 0; i < static_cast<unsigned>(Scope::count_); ++i) {
    const auto scope = static_cast<Scope>(i);
    const OptionRow* row = find_option(name, scope);
    if (row == nullptr) {
      continue;
    }
    out += std::string(row->name) + " " + located(scope) + "\n  " + std::string(row->help) +
           "\n  value: " + value_form(*row) + "\n";
    if (!row->acts()) {
      out += "  no effect: " + std::string(row->no_effect) + "\n";
    }
    if (!row->is_read()) {
      continue;
    }
    if (!row->fallback.empty()) {
      out += "  default: " + std::string(row->fallback) + "\n";
    }
    out += "  a change acts " + std::string(effect_of(row->reload)) + "\n";
  }
  for (const SectionRow& section : section_rows()) {
    if (equals_ignoring_case(section.kind, name)) {
      out += "section <" + std::string(section.kind) + " " + std::string(section.argument) +
             ">\n  " + std::string(section.help) + "\n";
    }
  }
  return out;
}

}  // namespace ringpost::config
