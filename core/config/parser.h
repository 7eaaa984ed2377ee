#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config/diagnostic.h"
#include "core/config/files.h"
#include "core/config/lexer.h"
#include "core/config/limits.h"
#include "core/config/source.h"
#include "core/config/tree.h"

namespace ringpost::config {

/// Turns files into one tree of sections and directives. All dialects meet here: `<kind x>`,
/// `kind x {` and their ends give sections, `name value` and `name = value` give directives.
/// Knows from the option table which words are directives, never what their values mean. Goes on
/// after every fault, so that one run reports them all.
class Parser {
 public:
  /// `lenient`: unknown sections are warnings.
  Parser(SourceMap& sources, DiagnosticLog& log, FileSource& files, const ParseLimits& limits,
         bool lenient)
      : sources_(&sources), log_(&log), files_(&files), limits_(limits), lenient_(lenient) {}

  /// Reads `path` and what it includes; the result is the global level. A file that cannot be
  /// read is a diagnostic like any other.
  Section parse(const std::string& path);

  /// Files that hold secrets and may be read by every user.
  const std::vector<std::uint32_t>& exposed_files() const { return exposed_; }

 private:
  struct OpenSection {
    Section section;
    Span where;
    std::uint32_t line = 0;  ///< of its opening, for sections that stand on one line
    std::uint32_t file = 0;
    bool brace = false;
    Word stray;  ///< an end tag of another kind that stood in it
  };
  /// A file being read; included ones lie on top of the including one.
  struct Reading {
    Lexer lexer;
    std::size_t base_depth;  ///< sections below belong to the including file
    std::string identity;
    std::vector<std::string> pending;  ///< files to include next, the first one last
    Span included_at;
  };

  void open_file(const std::string& path, const Span& where);
  void end_file();
  void step();

  void read_tag(Lexer& lexer);
  void read_end_tag(Lexer& lexer);
  void read_line_item(Lexer& lexer);
  bool read_pattern_line(Lexer& lexer, Directive& directive);
  enum class LineEnd : std::uint8_t {
    directive,  ///< all words are its values
    block,      ///< they open a brace block
    faulty      ///< reported; to be left out
  };
  LineEnd read_values(Lexer& lexer, Directive& directive, const OptionRow* row);
  bool continue_list(Lexer& lexer, const Directive& directive, const OptionRow* row,
                     std::size_t& joined);
  bool starts_next(Lexer& lexer, const Directive& directive, const OptionRow* row);
  bool opens_block(Lexer& lexer) const;

  bool opens_last(Lexer& lexer);
  void open_section(Word kind, std::vector<Word> arguments, bool brace);
  void check_placement(const SectionRow*& row, const Span& where);
  void stray_end(const Word& kind);
  void report_unclosed(const std::string& how);
  void close_section(std::size_t depth);
  void close_brace(const Span& where);
  void finish_directive(Directive directive);
  void hide_secret(const Directive& directive);
  void include(const Directive& directive);

  OpenSection& top() { return open_.back(); }
  bool inline_section(const Lexer& lexer) const;
  bool in_patterns() const {
    return open_.back().section.row != nullptr && open_.back().section.row->patterns;
  }

  SourceMap* sources_;
  DiagnosticLog* log_;
  FileSource* files_;
  ParseLimits limits_;
  bool lenient_;
  std::vector<OpenSection> open_;  ///< [0] is the global level
  std::vector<Reading> reading_;
  std::size_t total_bytes_ = 0;
  std::vector<std::uint32_t> readable_by_others_;
  std::vector<std::uint32_t> exposed_;
};

}  // namespace ringpost::config
