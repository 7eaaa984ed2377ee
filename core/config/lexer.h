#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/config/diagnostic.h"
#include "core/config/source.h"
#include "core/config/tree.h"

namespace ringpost::config {

/// Reads words off the lines of one file: blanks, comments, quotes and patterns are its matter,
/// the meaning of words is not. One per file being read.
class Lexer {
 public:
  Lexer(SourceMap& sources, DiagnosticLog& log, std::uint32_t file);

  /// Goes to the next line; false at the end of the file.
  bool next_line();
  std::uint32_t file() const { return file_; }
  std::uint32_t line() const { return line_; }

  /// Skips blanks and comments. False when nothing is left on the line. `slashes_comment` says
  /// whether `//` at the start of the line begins one; `;` does there.
  bool skip_blanks(bool slashes_comment);
  /// The unread part of the line.
  std::string_view rest() const { return text_.substr(position_); }
  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
  bool at_line_start() const { return fresh_; }
  void skip(std::size_t bytes);
  void skip_line() { position_ = text_.size(); }

  /// The next word: up to a blank, `#`, or one of `stops` outside quotes.
  Word word(std::string_view stops);
  /// A pattern that begins at the slash under the cursor. Its end is the last slash of the line,
  /// or with `first_slash` the next one; it is looked for in following lines where there is none.
  /// False, with a diagnostic, if none is found.
  bool pattern(Word& out, bool first_slash);

  Span span(std::size_t from, std::size_t to) const;
  Span here(std::size_t length) const { return span(position_, position_ + length); }
  std::size_t position() const { return position_; }

  /// The first word of the next line that has one, without moving; empty at the end of the file
  /// or where a tag follows. `lines` receives how far away it is.
  std::string_view word_ahead(std::size_t& lines) const;

  /// Reports what is still open at the end of the file.
  void finish();

 private:
  bool skip_comment();
  std::size_t quoted(std::size_t from, std::string* unescaped);
  std::string_view line_text(std::uint32_t line) const;
  std::size_t closing_slash(std::string_view text, std::size_t from, bool first) const;

  SourceMap* sources_;
  DiagnosticLog* log_;
  std::uint32_t file_;
  std::uint32_t line_ = 0;
  std::string_view text_;
  std::size_t position_ = 0;
  bool fresh_ = true;
  bool in_comment_ = false;
  Span comment_start_;
};

}  // namespace ringpost::config
