#include <utility>

#include "core/base/text.h"
#include "core/config/parser.h"
#include "core/config/suggest.h"

namespace ringpost::config {
namespace {

std::string nearest_section(std::string_view kind, Scope parent) {
  std::vector<std::string_view> kinds;
  for (const SectionRow& row : section_rows()) {
    if (has(row.parents, parent)) {
      kinds.push_back(row.kind);
    }
  }
  return nearest_name(kind, kinds);
}

}  // namespace

void Parser::open_section(Word kind, std::vector<Word> arguments, bool brace) {
  const Span where = kind.span;
  if (open_.size() > limits_.nesting) {
    log_->error(where, "sections are nested too deeply; the rest of the file is not read");
    while (reading_.back().lexer.next_line()) {
    }
    return;
  }
  const SectionRow* row = find_section(kind.text, arguments.size());
  const Scope parent = open_.back().section.scope;
  if (row == nullptr && parent != Scope::count_) {
    log_->add(lenient_ ? Severity::warning : Severity::error, where,
              "unknown section '" + std::string(kind.text) + "'",
              nearest_section(kind.text, parent));
  } else if (row != nullptr) {
    check_placement(row, where);
  }
  if (row != nullptr && arguments.size() < row->min_arguments) {
    log_->error(where,
                "section <" + std::string(row->kind) + "> needs " + std::string(row->argument));
  } else if (row != nullptr && arguments.size() > row->max_arguments) {
    for (Word& argument : arguments) {  // as if of a list; the commas are no faults of their own
      argument.text.remove_suffix(argument.text.ends_with(',') && !argument.quoted ? 1 : 0);
    }
    log_->error(arguments[row->max_arguments].span,
                "section <" + std::string(row->kind) + "> takes " +
                    (row->max_arguments == 0 ? "no argument" : "one argument"));
  }
  OpenSection& opened = open_.emplace_back();
  opened.section.row = row;
  opened.section.scope = row == nullptr ? Scope::count_ : row->scope;
  opened.section.kind = kind;
  opened.section.arguments = std::move(arguments);
  opened.where = where;
  opened.line = reading_.back().lexer.line();
  opened.file = reading_.back().lexer.file();
  opened.brace = brace;
}

/// A section where it cannot stand usually means that the one before it was not closed. Those are
/// closed, as far as this file opened them; where that does not help, its content is left out.
void Parser::check_placement(const SectionRow*& row, const Span& where) {
  const Section& parent = open_.back().section;
  if (parent.scope == Scope::count_ || has(row->parents, parent.scope)) {
    return;
  }
  const std::size_t base = reading_.back().base_depth;
  for (std::size_t depth = open_.size(); depth-- > base - 1;) {
    if (!has(row->parents, open_[depth].section.scope)) {
      continue;
    }
    while (open_.size() > depth + 1) {
      report_unclosed("is not closed before <" + std::string(row->kind) + "> begins");
    }
    return;
  }
  log_->error(where,
              "section <" + std::string(row->kind) + "> cannot stand " + located(parent.scope));
  row = nullptr;
}

/// An end tag that fits no open section: a misspelt one closes the section it stands in; of another
/// one it is seen later whether that section has its own end.
void Parser::stray_end(const Word& kind) {
  const bool in_section = open_.size() > reading_.back().base_depth && !top().brace;
  const std::string_view open = in_section ? top().section.kind.text : std::string_view{};
  if (in_section && find_section(kind.text, top().section.arguments.size()) == nullptr &&
      !nearest_name(kind.text, {{open}}).empty()) {
    log_->error(kind.span, "unknown section '" + std::string(kind.text) + "'",
                "</" + std::string(open) + ">");
    return close_section(open_.size() - 1);
  }
  if (in_section && top().stray.span.length == 0) {
    top().stray = kind;
    return;
  }
  log_->warning(kind.span, "no section of this kind is open here");
}

/// The innermost section ends without its end tag; where another one stood, that is the fault.
void Parser::report_unclosed(const std::string& how) {
  const std::string kind(top().section.kind.text);
  if (top().stray.span.length > 0) {
    log_->error(top().stray.span, "this does not close section <" + kind + ">", "</" + kind + ">");
  } else {
    log_->error(top().where, "section <" + kind + "> " + how);
  }
  close_section(open_.size() - 1);
}

void Parser::close_section(std::size_t depth) {
  Section closed = std::move(open_[depth].section);
  open_.resize(depth);
  open_.back().section.sections.push_back(std::move(closed));
}

void Parser::close_brace(const Span& where) {
  const std::size_t base = reading_.back().base_depth;
  for (std::size_t depth = open_.size(); depth-- > base;) {
    if (!open_[depth].brace) {
      continue;
    }
    while (open_.size() > depth + 1) {
      report_unclosed("is not closed");
    }
    return close_section(depth);
  }
  log_->warning(where, "no block is open here");
}

}  // namespace ringpost::config
