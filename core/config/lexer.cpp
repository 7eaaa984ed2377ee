#include "core/config/lexer.h"

#include <algorithm>
#include <cctype>
#include <string>

#include "core/config/limits.h"

namespace ringpost::config {
namespace {

constexpr std::string_view kComment = "<!--";
constexpr std::string_view kCommentEnd = "-->";

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r'; }

bool ends_section(std::string_view rest) {
  return rest.size() > 2 && rest[0] == '<' && rest[1] == '/' &&
         std::isalpha(static_cast<unsigned char>(rest[2])) != 0;
}

std::size_t first_word(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && is_blank(text[at])) {
    ++at;
  }
  return at;
}

}  // namespace

Lexer::Lexer(SourceMap& sources, DiagnosticLog& log, std::uint32_t file)
    : sources_(&sources), log_(&log), file_(file) {}

std::string_view Lexer::line_text(std::uint32_t line) const { return sources_->line(file_, line); }

bool Lexer::next_line() {
  if (line_ >= sources_->line_count(file_)) {
    position_ = text_.size();
    return false;
  }
  ++line_;
  text_ = line_text(line_);
  position_ = 0;
  fresh_ = true;
  return true;
}

void Lexer::skip(std::size_t bytes) {
  position_ = std::min(text_.size(), position_ + bytes);
  fresh_ = false;
}

Span Lexer::span(std::size_t from, std::size_t to) const {
  return {file_, line_, static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to - from)};
}

bool Lexer::skip_comment() {
  const std::size_t end = text_.find(kCommentEnd, position_);
  if (end == std::string_view::npos) {
    in_comment_ = true;
    position_ = text_.size();
    return false;
  }
  in_comment_ = false;
  position_ = end + kCommentEnd.size();
  return true;
}

bool Lexer::skip_blanks(bool slashes_comment) {
  if (in_comment_ && !skip_comment()) {
    return false;
  }
  for (;;) {
    while (position_ < text_.size() && is_blank(text_[position_])) {
      ++position_;
    }
    const std::string_view left = rest();
    if (left.empty()) {
      return false;
    }
    const bool line_comment =
        fresh_ && (left.front() == ';' || (slashes_comment && left.substr(0, 2) == "//"));
    if (left.front() == '#' || line_comment) {
      position_ = text_.size();
      return false;
    }
    if (left.substr(0, kComment.size()) != kComment) {
      return true;
    }
    comment_start_ = here(kComment.size());
    position_ += kComment.size();
    if (!skip_comment()) {
      return false;
    }
  }
}

/// Returns the position behind the closing quote of the string that opens at `from`.
std::size_t Lexer::quoted(std::size_t from, std::string* unescaped) {
  std::size_t at = from + 1;
  while (at < text_.size()) {
    const char c = text_[at];
    const char next = at + 1 < text_.size() ? text_[at + 1] : '\0';
    if (c == '\\' && (next == '"' || next == '\\')) {
      *unescaped += next;
      at += 2;
    } else if (c == '"' && next == '"' && at > from + 1) {
      *unescaped += '"';
      at += 2;
    } else if (c == '"') {
      return at + 1;
    } else {
      *unescaped += c;
      ++at;
    }
  }
  log_->error(span(from, text_.size()), "a double quote is not closed on this line");
  return at;
}

Word Lexer::word(std::string_view stops) {
  const std::size_t start = position_;
  Word word;
  std::string text;
  bool has_quotes = false;
  word.quoted = peek() == '"';
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c == '"') {
      has_quotes = true;
      position_ = quoted(position_, &text);
      continue;
    }
    if (is_blank(c) || c == '#' || stops.find(c) != std::string_view::npos ||
        (position_ > start && ends_section(text_.substr(position_)))) {
      break;
    }
    text += c;
    ++position_;
  }
  word.span = span(start, position_);
  word.text = has_quotes ? sources_->keep(std::move(text)) : text_.substr(start, position_ - start);
  fresh_ = false;
  return word;
}

std::size_t Lexer::closing_slash(std::string_view text, std::size_t from, bool first) const {
  std::size_t found = std::string_view::npos;
  for (std::size_t i = from; i < text.size() && text[i] != '#'; ++i) {
    if (text[i] == '\\') {
      ++i;
      continue;
    }
    const bool end_tag = i > 0 && text[i - 1] == '<' && i + 1 < text.size() &&
                         std::isalpha(static_cast<unsigned char>(text[i + 1])) != 0;
    if (text[i] == '/' && !end_tag) {
      found = i;
      if (first) {
        break;
      }
    }
  }
  return found;
}

bool Lexer::pattern(Word& out, bool first_slash) {
  const std::size_t start = position_;
  out = Word{};
  out.pattern = true;
  out.span = span(start, text_.size());
  fresh_ = false;
  std::size_t end = closing_slash(text_, start + 1, first_slash);
  if (end != std::string_view::npos) {
    out.text = text_.substr(start + 1, end - start - 1);
    out.span = span(start, end + 1);
    position_ = end + 1;
    return true;
  }
  // The pattern was broken over lines: it goes on up to the line that has its closing slash. A
  // line that begins another rule, a tag or a comment shows that there is none.
  std::string joined(text_.substr(start + 1, text_.find('#', start) - start - 1));
  for (std::uint32_t ahead = 1; ahead < kMaxPatternLines; ++ahead) {
    if (line_ + ahead > sources_->line_count(file_)) {
      break;
    }
    const std::string_view next = line_text(line_ + ahead);
    const std::size_t begin = first_word(next);
    const char c = begin < next.size() ? next[begin] : '#';
    const std::size_t slash = closing_slash(next, begin, false);
    const bool other_rule =
        c == '/' || (slash != std::string_view::npos && next.find(" /") < slash);
    if (c == '#' || c == '<' || other_rule) {
      break;
    }
    if (slash != std::string_view::npos) {
      joined += next.substr(begin, slash - begin);
      out.text = sources_->keep(std::move(joined));
      line_ += ahead;
      text_ = next;
      position_ = slash + 1;
      return true;
    }
    joined += next.substr(begin);
  }
  log_->warning(out.span, "the pattern has no closing slash; the rule is left out");
  skip_line();
  return false;
}

std::string_view Lexer::word_ahead(std::size_t& lines) const {
  for (std::uint32_t line = line_ + 1; line <= sources_->line_count(file_); ++line) {
    const std::string_view text = line_text(line);
    const std::size_t begin = first_word(text);
    if (begin == text.size() || text[begin] == '#') {
      continue;
    }
    lines = line - line_;
    if (text[begin] == '<' || text[begin] == '}') {
      return {};
    }
    const std::size_t end = std::min(text.find_first_of(" \t\r#", begin), text.size());
    return text.substr(begin, end - begin);
  }
  return {};
}

void Lexer::finish() {
  if (in_comment_) {
    log_->error(comment_start_, "a comment that begins here is not closed by -->");
  }
}

}  // namespace ringpost::config
