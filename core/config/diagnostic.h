#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config/source.h"

namespace ringpost::config {

/// Errors refuse the file; warnings tell of something without effect or suspicious; notes explain
/// a choice that the file leaves open.
enum class Severity : std::uint8_t { note, warning, error };

std::string_view name_of(Severity severity);

/// One finding, complete in itself: it outlives the source text. Secrets in the source line are
/// already replaced by asterisks.
struct Diagnostic {
  Severity severity = Severity::error;
  std::string file;
  std::uint32_t line = 0;    ///< from 1; 0 concerns the file as a whole
  std::uint32_t column = 0;  ///< from 1, in characters
  std::uint32_t length = 0;  ///< characters underlined
  std::string message;
  std::string suggestion;  ///< the nearest valid name, or empty
  std::string source_line;
};

/// Collects the findings of one load.
class DiagnosticLog {
 public:
  /// `lenient`: faults that can be left out are warnings.
  DiagnosticLog(const SourceMap& sources, std::size_t limit, bool lenient = false)
      : sources_(&sources), limit_(limit), lenient_(lenient) {}

  void add(Severity severity, const Span& span, std::string message, std::string suggestion = {});
  /// What is at fault is left out: it refuses the file, or lenient reading goes on without it.
  void error(const Span& span, std::string message, std::string suggestion = {}) {
    add(lenient_ ? Severity::warning : Severity::error, span, std::move(message),
        std::move(suggestion));
  }
  /// A fault that no reading may pass over, because somebody would be left without protection.
  void refuse(const Span& span, std::string message, std::string suggestion = {}) {
    add(Severity::error, span, std::move(message), std::move(suggestion));
  }
  void warning(const Span& span, std::string message, std::string suggestion = {}) {
    add(Severity::warning, span, std::move(message), std::move(suggestion));
  }
  void note(const Span& span, std::string message) {
    add(Severity::note, span, std::move(message));
  }

  /// Whether further findings are counted only; then costly suggestions are not worth making.
  bool full() const { return entries_.size() >= limit_; }

  /// Findings in the order of files, lines and columns, with their source lines. With `strict`,
  /// warnings become errors. Ends the log.
  std::vector<Diagnostic> finish(bool strict);

 private:
  struct Entry {
    Severity severity;
    Span span;
    std::string message;
    std::string suggestion;
  };

  const SourceMap* sources_;
  std::size_t limit_;
  bool lenient_;
  std::size_t dropped_ = 0;
  bool dropped_error_ = false;
  std::vector<Entry> entries_;
};

/// `FILE:LINE:COLUMN: error: MESSAGE`, the source line, and the fault underlined. Control
/// characters and broken UTF-8 of the source are shown as question marks.
std::string render_text(const std::vector<Diagnostic>& diagnostics);
/// A JSON array of objects with the fields of Diagnostic, without the source line.
std::string render_json(const std::vector<Diagnostic>& diagnostics);

std::size_t count_of(const std::vector<Diagnostic>& diagnostics, Severity severity);

}  // namespace ringpost::config
