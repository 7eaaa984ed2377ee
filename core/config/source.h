#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace ringpost::config {

/// Length of a span that is its whole line, blanks at both ends left out.
inline constexpr std::uint32_t kWholeLine = 0xffffffff;

/// A run of bytes on one line of one file.
struct Span {
  std::uint32_t file = 0;    ///< index in the SourceMap
  std::uint32_t line = 0;    ///< from 1; 0 means "the file as a whole"
  std::uint32_t column = 0;  ///< bytes from the start of the line
  std::uint32_t length = 0;  ///< bytes
};

/// The text of every file of one load. Words of the tree are views into it, so it outlives the
/// tree; the snapshot keeps nothing of it. Also remembers where secrets stand, so that no
/// rendering of a source line shows one. One thread.
class SourceMap {
 public:
  SourceMap() = default;
  SourceMap(const SourceMap&) = delete;
  SourceMap& operator=(const SourceMap&) = delete;
  /// Overwrites all text if there is a secret in it.
  ~SourceMap();

  /// Returns the new file's index. Views into the text stay valid while the map lives.
  std::uint32_t add(std::string path, std::string text);

  std::size_t file_count() const { return files_.size(); }
  const std::string& path(std::uint32_t file) const { return files_[file].path; }
  std::string_view text(std::uint32_t file) const { return files_[file].text; }
  std::size_t line_count(std::uint32_t file) const { return files_[file].line_starts.size(); }
  /// Line `line` (from 1) without its line end.
  std::string_view line(std::uint32_t file, std::uint32_t line) const;

  /// Keeps text that is not in a file as such: unescaped quotes, joined patterns.
  std::string_view keep(std::string text);

  /// Declares the span a secret.
  void mask(const Span& span) { masks_.push_back(span); }
  bool has_secrets(std::uint32_t file) const;
  /// The line with each byte of a secret replaced by an asterisk.
  std::string shown_line(std::uint32_t file, std::uint32_t line) const;

 private:
  struct File {
    std::string path;
    std::string text;
    std::vector<std::uint32_t> line_starts;
  };

  std::deque<File> files_;
  std::deque<std::string> kept_;
  std::vector<Span> masks_;
};

}  // namespace ringpost::config
