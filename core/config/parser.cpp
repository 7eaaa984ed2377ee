#include "core/config/parser.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/config/suggest.h"

namespace ringpost::config {
namespace {

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

bool is_name(std::string_view text) {
  return !text.empty() && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ||
                  c == '.';
         });
}

bool is_tag(std::string_view rest) {
  return rest.size() > 1 && rest[0] == '<' && is_letter(rest[1]);
}

bool is_end_tag(std::string_view rest) {
  return rest.size() > 1 && rest[0] == '<' && rest[1] == '/';
}

/// Why it cannot be a configuration; empty: it can.
std::string fault_of_text(std::string_view text) {
  const std::size_t zero = text.find('\0');
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    return "it is in UTF-16; save it in UTF-8";
  }
  if (zero == std::string_view::npos) {
    return {};
  }
  const auto line =
      1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(zero), '\n');
  return "it is not a text file: line " + std::to_string(line) + " has a zero octet";
}

bool same_kind(const Section& section, const Word& kind) {
  if (equals_ignoring_case(section.kind.text, kind.text)) {
    return true;
  }
  const SectionRow* row = find_section(kind.text, section.arguments.size());
  return row != nullptr && row == section.row;
}

}  // namespace

Section Parser::parse(const std::string& path) {
  open_.clear();
  OpenSection& root = open_.emplace_back();
  root.section.scope = Scope::global;
  open_file(path, Span{});
  while (!reading_.empty()) {
    step();
  }
  for (const std::uint32_t file : readable_by_others_) {
    if (sources_->has_secrets(file)) {
      exposed_.push_back(file);
    }
  }
  Section tree = std::move(open_.front().section);
  open_.clear();
  return tree;
}

void Parser::open_file(const std::string& path, const Span& where) {
  // A file named on the command line stands in the map even if it cannot be read, so that the
  // diagnostic has a file to name.
  const auto refuse = [&](const std::string& why) {
    if (reading_.empty()) {
      sources_->add(path, "");
    }
    const std::string message = "cannot read '" + path + "': " + why;
    if (reading_.empty()) {
      log_->refuse(where, message);
    } else {
      log_->error(where, message);
    }
  };
  if (sources_->file_count() >= limits_.files) {
    return refuse("too many files are included");
  }
  if (reading_.size() >= limits_.include_depth) {
    return refuse("files include each other too deeply");
  }
  Result<LoadedFile> loaded = files_->load(path, limits_.file_bytes);
  if (!loaded.ok()) {
    return refuse(loaded.error().code == ErrorCode::unsupported
                      ? "it is no regular file"
                      : std::string(text_of(loaded.error().code)));
  }
  for (const Reading& reading : reading_) {
    if (reading.identity == loaded->identity) {
      return refuse("the file includes itself");
    }
  }
  total_bytes_ += loaded->text.size();
  if (total_bytes_ > limits_.total_bytes) {
    return refuse("all files together are too large");
  }
  if (const std::string fault = fault_of_text(loaded->text); !fault.empty()) {
    return refuse(fault);
  }
  if (loaded->text.compare(0, 3, "\xef\xbb\xbf") == 0) {
    loaded->text.erase(0, 3);
  }
  const std::uint32_t file = sources_->add(path, std::move(loaded->text));
  if (loaded->others_can_read) {
    readable_by_others_.push_back(file);
  }
  reading_.push_back({Lexer(*sources_, *log_, file), open_.size(), loaded->identity, {}, {}});
}

void Parser::end_file() {
  Reading& reading = reading_.back();
  reading.lexer.finish();
  while (open_.size() > reading.base_depth) {
    report_unclosed("is not closed in this file");
  }
  reading_.pop_back();
}

/// Reads one tag, one directive or the start of one file.
void Parser::step() {
  if (!reading_.back().pending.empty()) {
    const std::string path = std::move(reading_.back().pending.back());
    reading_.back().pending.pop_back();
    return open_file(path, reading_.back().included_at);
  }
  Lexer& lexer = reading_.back().lexer;
  if (!lexer.skip_blanks(!in_patterns())) {
    if (!lexer.next_line()) {
      end_file();
    } else if (lexer.rest().size() > limits_.line_bytes) {
      log_->error(lexer.here(1), "the line is too long and is left out");
      lexer.skip_line();
    }
    return;
  }
  const std::string_view rest = lexer.rest();
  if (is_end_tag(rest)) {
    read_end_tag(lexer);
  } else if (is_tag(rest)) {
    read_tag(lexer);
  } else if (rest.front() == '}' && (rest.size() == 1 || !is_letter(rest[1])) &&
             rest.substr(0, 2) != "}}") {
    const Span where = lexer.here(1);
    lexer.skip(1);
    close_brace(where);
  } else if (!opens_last(lexer)) {
    read_line_item(lexer);
  }
}

/// A `{` on a line of its own, below the kind and the argument of the section that it opens.
bool Parser::opens_last(Lexer& lexer) {
  std::vector<Directive>& directives = top().section.directives;
  if (!opens_block(lexer) || directives.empty()) {
    return false;
  }
  Directive& last = directives.back();
  const Span& where = last.name.span;
  constexpr std::uint32_t kLinesBetween = 2;
  if (where.file != lexer.file() || lexer.line() > where.line + kLinesBetween ||
      find_section(last.name.text, last.values.size()) == nullptr ||
      find_option(last.name.text, top().section.scope) != nullptr) {
    return false;
  }
  Directive header = std::move(last);
  directives.pop_back();
  lexer.skip(1);
  open_section(header.name, std::move(header.values), true);
  return true;
}

void Parser::read_tag(Lexer& lexer) {
  const std::size_t start = lexer.position();
  lexer.skip(1);
  Word kind = lexer.word(">");
  std::vector<Word> arguments;
  bool closed = false;
  while (lexer.skip_blanks(false)) {
    if (lexer.peek() == '>') {
      lexer.skip(1);
      closed = true;
      break;
    }
    arguments.push_back(lexer.word(">"));
  }
  kind.span = lexer.span(start, lexer.position());
  if (!closed) {
    log_->error(kind.span, "the tag is not closed by '>'");
  }
  open_section(std::move(kind), std::move(arguments), false);
}

void Parser::read_end_tag(Lexer& lexer) {
  const std::size_t start = lexer.position();
  lexer.skip(2);
  Word kind = lexer.word(">");
  bool closed = false;
  while (!closed && lexer.skip_blanks(false)) {
    closed = lexer.peek() == '>';
    if (closed) {
      lexer.skip(1);
    } else {
      lexer.word(">");
    }
  }
  kind.span = lexer.span(start, lexer.position());
  if (!closed) {
    log_->error(kind.span, "the tag is not closed by '>'");
  }
  const std::size_t base = reading_.back().base_depth;
  for (std::size_t depth = open_.size(); depth-- > base;) {
    if (same_kind(open_[depth].section, kind)) {
      while (open_.size() > depth + 1) {
        report_unclosed("is not closed");
      }
      if (top().stray.span.length > 0) {
        log_->warning(top().stray.span, "no section of this kind is open here");
      }
      return close_section(depth);
    }
  }
  stray_end(kind);
}

bool Parser::inline_section(const Lexer& lexer) const {
  const OpenSection& section = open_.back();
  return open_.size() > 1 && section.line == lexer.line() && section.file == lexer.file();
}

/// Whether the cursor is at a `{` that opens a block.
bool Parser::opens_block(Lexer& lexer) const {
  const std::string_view rest = lexer.rest();
  return !in_patterns() && rest.front() == '{' &&
         (rest.size() == 1 || rest[1] == ' ' || rest[1] == '\t' || rest[1] == '\r');
}

/// In a section that opened on this line, whether the word under the cursor is not another value
/// but the name of the next directive or block.
bool Parser::starts_next(Lexer& lexer, const Directive& directive, const OptionRow* row) {
  if (!inline_section(lexer) || lexer.peek() == '"') {
    return false;
  }
  const bool complete =
      !directive.values.empty() || (row != nullptr && row->type == ValueType::flag);
  const std::string_view rest = lexer.rest();
  const std::size_t end = std::min(rest.find_first_of(" \t#<"), rest.size());
  const std::string_view word = rest.substr(0, end);
  if (complete && find_option(word, top().section.scope) != nullptr) {
    return true;
  }
  const SectionRow* section = find_section(word, 0);
  const std::size_t next = rest.find_first_not_of(" \t", end);
  return complete && section != nullptr && has(section->parents, top().section.scope) &&
         next != std::string_view::npos && rest[next] == '{';
}

bool Parser::read_pattern_line(Lexer& lexer, Directive& directive) {
  Word pattern;
  if (!lexer.pattern(pattern, inline_section(lexer))) {
    return false;
  }
  directive.values.push_back(pattern);
  return true;
}

void Parser::read_line_item(Lexer& lexer) {
  Directive directive;
  const OptionRow* row = nullptr;
  if (in_patterns() && lexer.peek() == '/') {
    directive.name.span = lexer.here(1);
    if (!read_pattern_line(lexer, directive)) {
      return;
    }
  } else {
    directive.name = lexer.word(in_patterns() ? "" : "=");
    if (directive.name.span.length == 0) {
      // Nothing but a stop sign: an assignment without a name.
      directive.name.span = lexer.here(1);
      lexer.skip(1);
    } else if (lexer.skip_blanks(false) && lexer.peek() == '=' && is_name(directive.name.text)) {
      lexer.skip(1);
    }
    row = find_option(directive.name.text, top().section.scope);
  }
  switch (read_values(lexer, directive, row)) {
    case LineEnd::directive: return finish_directive(std::move(directive));
    case LineEnd::block: return open_section(directive.name, std::move(directive.values), true);
    case LineEnd::faulty: return;
  }
}

Parser::LineEnd Parser::read_values(Lexer& lexer, Directive& directive, const OptionRow* row) {
  std::size_t joined = 0;
  for (;;) {
    while (lexer.skip_blanks(false)) {
      const std::string_view rest = lexer.rest();
      if (is_tag(rest) || is_end_tag(rest) || starts_next(lexer, directive, row)) {
        return LineEnd::directive;
      }
      if (opens_block(lexer)) {
        lexer.skip(1);
        return LineEnd::block;
      }
      if (rest.front() == '}' && top().brace) {
        return LineEnd::directive;
      }
      const bool is_path = row != nullptr && row->type == ValueType::path;
      if (in_patterns() && rest.front() == '/' && !is_path) {
        if (!read_pattern_line(lexer, directive)) {
          return LineEnd::faulty;
        }
        continue;
      }
      Word word = lexer.word("");
      const bool glued = !word.quoted && word.text.size() > 1 && word.text.front() != '{' &&
                         word.text.back() == '{' && !in_patterns() && !lexer.skip_blanks(false);
      if (glued) {
        word.text.remove_suffix(1);
        --word.span.length;
      }
      directive.values.push_back(word);
      if (glued) {
        return LineEnd::block;
      }
    }
    if (!continue_list(lexer, directive, row, joined)) {
      return LineEnd::directive;
    }
  }
}

/// A list goes on in the next line after a comma; a macro's list may also begin there.
bool Parser::continue_list(Lexer& lexer, const Directive& directive, const OptionRow* row,
                           std::size_t& joined) {
  if (row == nullptr || !row->is(kContinues)) {
    return false;
  }
  const bool comma = !directive.values.empty() && !directive.values.back().quoted &&
                     directive.values.back().text.ends_with(',');
  const bool bare_macro = row->id == OptionId::domain_macro && directive.values.size() == 1;
  std::size_t lines = 0;
  std::string_view ahead = comma || bare_macro ? lexer.word_ahead(lines) : std::string_view{};
  ahead = in_patterns() && ahead.starts_with('/') ? std::string_view{} : ahead;
  const bool block = find_section(ahead, 0) != nullptr || find_section(ahead, 1) != nullptr;
  if (ahead.empty() || block || find_option(ahead, top().section.scope) != nullptr ||
      ++joined > limits_.joined_lines) {
    return false;
  }
  for (std::size_t i = 0; i < lines; ++i) {
    lexer.next_line();
  }
  return lexer.rest().size() <= limits_.line_bytes;
}

void Parser::finish_directive(Directive directive) {
  hide_secret(directive);
  const OptionRow* row = find_option(directive.name.text, top().section.scope);
  if (row != nullptr && row->id == OptionId::include) {
    return include(directive);
  }
  top().section.directives.push_back(std::move(directive));
}

/// Secrets are marked before anything can report on their line. A directive that is unknown but
/// sounds like a secret may be a misspelt one.
void Parser::hide_secret(const Directive& directive) {
  const std::string name = to_lower(directive.name.text);
  const OptionRow* row = find_option(name, top().section.scope);
  const std::size_t first = row != nullptr && row->is(kSecretTail) ? 1 : 0;
  bool secret = row != nullptr && (row->is(kSecret) || row->is(kSecretTail));
  if (row == nullptr) {
    for (const std::string_view part : {"pass", "pwd", "secret", "token", "key", "auth"}) {
      secret = secret || name.find(part) != std::string::npos;
    }
    for (const OptionRow& candidate : option_rows()) {
      secret = secret || (candidate.is(kSecret) && edit_distance(name, candidate.name, 4) < 4);
    }
  }
  if (secret) {
    for (std::size_t i = first; i < directive.values.size(); ++i) {
      sources_->mask(directive.values[i].span);
    }
  }
}

void Parser::include(const Directive& directive) {
  std::string path;
  for (const Word& value : directive.values) {
    path += (path.empty() ? "" : " ") + std::string(value.text);
  }
  const Span where = directive.values.empty() ? directive.name.span : directive.values[0].span;
  if (path.empty()) {
    return log_->error(where, "include needs the name of a file");
  }
  if (starts_ignoring_case(path, "http://") || starts_ignoring_case(path, "https://")) {
    return log_->error(where, "files cannot be included over the network");
  }
  const std::string& from = sources_->path(where.file);
  const std::vector<std::string> paths = files_->expand(relative_to(path, from));
  if (paths.empty()) {
    log_->warning(where, "no file fits this pattern");
  }
  reading_.back().pending.assign(paths.rbegin(), paths.rend());
  reading_.back().included_at = where;
}

}  // namespace ringpost::config
