#include <algorithm>
#include <array>

#include "core/base/text.h"
#include "core/config/options.h"
#include "core/config/reference.h"

namespace ringpost::config {
namespace {

/// Text as troff takes it: backslashes and leading dots mean nothing to it.
std::string troff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && out.empty()) {
      out += "\\&";
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

constexpr std::string_view kManHead =
    ".\\\" Generated from the option table in core/config.\n"
    ".TH RINGPOST.CONF 5 \"\" \"Ringpost\" \"File formats\"\n"
    ".SH NAME\n"
    "ringpost.conf \\- configuration of the mail transfer agent Ringpost\n"
    ".SH DESCRIPTION\n"
    "The file holds directives, a name and its value on each line, and sections that hold\n"
    "further directives. A section is written in angle brackets,\n"
    ".PP\n"
    ".nf\n"
    "<domain example.com>\n"
    "    max\\-smtp\\-out 5\n"
    "</domain>\n"
    ".fi\n"
    ".PP\n"
    "or in braces:\n"
    ".PP\n"
    ".nf\n"
    "domain example.com { max\\-smtp\\-out 5 }\n"
    ".fi\n"
    ".PP\n"
    "An assignment, name = value, is the same as a directive. Names are read without regard to\n"
    "case, and _ is the same as \\-. A # begins a comment. Values with blanks stand in double\n"
    "quotes.\n"
    ".PP\n"
    "Settings of a queue, the pair of a destination domain and a virtual MTA, come from the first\n"
    "of these that sets them: domain sections in the virtual MTA, those in its pool, those at the\n"
    "global level, and the default. Within one of these the most specific pattern counts for each\n"
    "directive.\n"
    ".B ringpost explain\n"
    "shows the result with the place of each value,\n"
    ".B ringpost check config\n"
    "all faults of a file, and\n"
    ".B ringpost help\n"
    "what is said of one directive below.\n";

void append_man_rows(std::string& out, Scope scope) {
  for (const OptionRow& row : option_rows()) {
    if (!has(row.scopes, scope)) {
      continue;
    }
    out += ".TP\n.B " + troff(row.name);
    for (const std::string_view alias : split_words(row.aliases)) {
      out += ", " + troff(alias);
    }
    const std::string value = value_form(row);
    out += value.empty() || value == "none" ? "\n" : " \\fR" + troff(value) + "\\fP\n";
    out += troff(row.help) + "\n";
    if (!row.fallback.empty()) {
      out += "Default: " + troff(row.fallback) + ".\n";
    }
    if (!row.no_effect.empty()) {
      out += "Accepted without effect: " + troff(row.no_effect) + ".\n";
    } else if (row.reload == ReloadClass::restart) {
      out += "A change needs a restart.\n";
    }
  }
}

bool acts_in(Scope scope) {
  return std::any_of(option_rows().begin(), option_rows().end(), [scope](const OptionRow& row) {
    return row.acts() && has(row.scopes, scope);
  });
}

/// What a section of the example is called there; empty: it is not shown.
std::string_view example_argument(const SectionRow& section) {
  switch (section.scope) {
    case Scope::source: return "10.0.0.0/8";
    case Scope::virtual_mta: return "mta1";
    case Scope::virtual_mta_pool: return "pool1";
    case Scope::domain: return "example.com";
    case Scope::acct_file: return "/var/log/ringpost/acct.csv";
    case Scope::spool: return "/var/spool/ringpost";
    case Scope::route: return "smart-host";
    default: return {};
  }
}

void append_example_rows(std::string& out, Scope scope, const std::string& indent) {
  for (const OptionRow& row : option_rows()) {
    // What makes a pool of a virtual MTA is shown with the pools.
    const bool of_pools = scope == Scope::virtual_mta &&
                          (row.id == OptionId::bind_ip_range || row.id == OptionId::source_hash);
    if (!row.acts() || !has(row.scopes, scope) || row.id == OptionId::include || of_pools) {
      continue;
    }
    std::string line;
    for (const std::string_view word : split_words(row.help)) {
      constexpr std::size_t kWidth = 96;
      if (indent.size() + line.size() + word.size() > kWidth) {
        out += indent + "# " + line + "\n";
        line.clear();
      }
      line.append(line.empty() ? "" : " ").append(word);
    }
    out += indent + "# " + line + "\n";
    out += indent + "#" + std::string(row.name) + " " +
           std::string(row.fallback.empty() ? row.example : row.fallback) + "\n\n";
  }
}

}  // namespace

std::string render_man_page() {
  std::string out(kManHead);
  out += ".SH GLOBAL LEVEL\n";
  append_man_rows(out, Scope::global);
  for (const SectionRow& section : section_rows()) {
    std::string title = to_lower(section.kind);
    out += ".SH \"<" + troff(title) +
           (section.argument.empty() ? "" : " " + troff(section.argument)) + ">\"\n";
    out += troff(section.help) + "\n";
    if (!section.no_effect.empty()) {
      out += "Accepted without effect: " + troff(section.no_effect) + ".\n";
    }
    append_man_rows(out, section.scope);
  }
  out += ".SH SEE ALSO\n.BR ringpost (1),\n.BR ringpostd (8)\n";
  return out;
}

std::string render_example() {
  std::string out =
      "# An annotated configuration: every directive that acts, with its default or an example,\n"
      "# commented out. Generated from the option table in core/config.\n\n";
  append_example_rows(out, Scope::global, "");
  for (const SectionRow& section : section_rows()) {
    const std::string_view argument = example_argument(section);
    if (argument.empty() || !acts_in(section.scope)) {
      continue;
    }
    std::string line = "# " + std::string(section.help) + "\n";
    out += line + "#<" + std::string(section.kind) + " " + std::string(argument) + ">\n\n";
    append_example_rows(out, section.scope, "    ");
    out += "#</" + std::string(section.kind) + ">\n\n";
  }
  return out;
}

}  // namespace ringpost::config
