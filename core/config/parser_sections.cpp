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
  if (row == nullptr) {
    const Scope parent = open_.back().section.scope;
    log_->add(lenient_ ? Severity::warning : Severity::error, where,
              "unknown section '" + std::string(kind.text) + "'",
              nearest_section(kind.text, parent));
  } else {
    check_placement(row, where);
  }
  if (row != nullptr && arguments.size() < row->min_arguments) {
    log_->error(where,
                "section <" + std::string(row->kind) + "> needs " + std::string(row->argument));
  } else if (row != nullptr && arguments.size() > row->max_arguments) {
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
      log_->error(open_.back().where, "section <" + std::string(open_.back().section.kind.text) +
                                          "> is not closed before <" + std::string(row->kind) +
                                          "> begins");
      close_section(open_.size() - 1);
    }
    return;
  }
  log_->error(where,
              "section <" + std::string(row->kind) + "> cannot stand " + located(parent.scope));
  row = nullptr;
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
      log_->error(top().where,
                  "section <" + std::string(top().section.kind.text) + "> is not closed");
      close_section(open_.size() - 1);
    }
    return close_section(depth);
  }
  log_->warning(where, "no block is open here");
}

}  // namespace ringpost::config
