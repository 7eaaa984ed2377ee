#include "core/config/diagnostic.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

namespace ringpost::config {
namespace {

constexpr std::size_t kShownCharacters = 160;

/// Length in bytes of the well-formed UTF-8 character at the start of `text`, 0 if there is none.
std::size_t character_bytes(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) {
    return 1;
  }
  const std::size_t size = lead >= 0xf0 && lead <= 0xf4  ? 4
                           : lead >= 0xe0 && lead < 0xf0 ? 3
                           : lead >= 0xc2 && lead < 0xe0 ? 2
                                                         : 0;
  if (size == 0 || text.size() < size) {
    return 0;
  }
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) {
      return 0;
    }
  }
  const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool beyond = (lead == 0xf4 && byte(1) > 0x8f) || (lead == 0xed && byte(1) > 0x9f);
  return overlong || beyond ? 0 : size;
}

/// Splits into printable characters: a tab becomes a space, what cannot be shown a '?'.
std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> characters;
  while (!text.empty()) {
    const std::size_t size = character_bytes(text);
    const auto lead = static_cast<unsigned char>(text.front());
    if (size == 0 || (size == 1 && (lead < 0x20 || lead == 0x7f)) ||
        (size == 2 && lead == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0)) {
      characters.push_back(lead == '\t' ? " " : "?");
    } else {
      characters.push_back(text.substr(0, size));
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return characters;
}

std::string printable(std::string_view text) {
  std::string out;
  for (const std::string_view character : characters_of(text)) {
    out += character;
  }
  return out;
}

std::uint32_t characters_in(std::string_view text) {
  return static_cast<std::uint32_t>(characters_of(text).size());
}

/// Appends the source line, clipped around the fault, and the line that underlines it.
void append_excerpt(std::string& out, const Diagnostic& diagnostic) {
  const auto characters = characters_of(diagnostic.source_line);
  const std::size_t column = diagnostic.column > 0 ? diagnostic.column - 1 : 0;
  const std::size_t first = column > kShownCharacters / 2 ? column - kShownCharacters / 2 : 0;
  const std::size_t last = std::min(characters.size(), first + kShownCharacters);
  std::string text;
  for (std::size_t i = first; i < last; ++i) {
    text += characters[i];
  }
  const std::size_t shown = first + kShownCharacters;
  const std::size_t end = std::clamp(column + diagnostic.length, column + 1, shown);
  std::string mark(column - first, ' ');
  mark += '^';
  mark.append(end - column - 1, '~');
  out.append("    ").append(text).append("\n    ").append(mark).append("\n");
}

}  // namespace

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::note: return "note";
    case Severity::warning: return "warning";
    case Severity::error: return "error";
  }
  return "error";
}

void DiagnosticLog::add(Severity severity, const Span& span, std::string message,
                        std::string suggestion) {
  if (entries_.size() >= limit_) {
    ++dropped_;
    dropped_error_ = dropped_error_ || severity == Severity::error;
    return;
  }
  entries_.push_back({severity, span, std::move(message), std::move(suggestion)});
}

std::vector<Diagnostic> DiagnosticLog::finish(bool strict) {
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.span.file, a.span.line, a.span.column) <
           std::tie(b.span.file, b.span.line, b.span.column);
  });
  std::vector<Diagnostic> out;
  for (Entry& entry : entries_) {
    Diagnostic& diagnostic = out.emplace_back();
    const bool raised = strict && entry.severity == Severity::warning;
    diagnostic.severity = raised ? Severity::error : entry.severity;
    diagnostic.message = std::move(entry.message);
    diagnostic.suggestion = std::move(entry.suggestion);
    diagnostic.line = entry.span.line;
    if (entry.span.file < sources_->file_count()) {
      diagnostic.file = sources_->path(entry.span.file);
    }
    if (entry.span.line > 0) {
      const std::string_view line = sources_->line(entry.span.file, entry.span.line);
      const std::string_view before = line.substr(
          0, entry.span.length == kWholeLine ? line.find_first_not_of(" \t") : entry.span.column);
      const std::string_view marked =
          line.substr(before.size(), entry.span.length)
              .substr(0, line.find_last_not_of(" \t\r") - before.size() + 1);
      diagnostic.column = characters_in(before) + 1;
      diagnostic.length = std::max<std::uint32_t>(1, characters_in(marked));
      diagnostic.source_line = sources_->shown_line(entry.span.file, entry.span.line);
    }
  }
  if (dropped_ > 0) {
    Diagnostic& rest = out.emplace_back();
    rest.severity = dropped_error_ || strict ? Severity::error : Severity::warning;
    rest.file = sources_->file_count() > 0 ? sources_->path(0) : "";
    rest.message = std::to_string(dropped_) + " more findings are not shown";
  }
  entries_.clear();
  return out;
}

std::string render_text(const std::vector<Diagnostic>& diagnostics) {
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics) {
    out += printable(diagnostic.file);
    if (diagnostic.line > 0) {
      out += ":" + std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column);
    }
    out.append(": ").append(name_of(diagnostic.severity)).append(": ");
    out += printable(diagnostic.message);
    if (!diagnostic.suggestion.empty()) {
      out += "; did you mean '" + printable(diagnostic.suggestion) + "'?";
    }
    out += '\n';
    if (diagnostic.line > 0) {
      append_excerpt(out, diagnostic);
    }
  }
  return out;
}

std::string render_json(const std::vector<Diagnostic>& diagnostics) {
  using Json = nlohmann::ordered_json;
  try {
    Json list = Json::array();
    for (const Diagnostic& diagnostic : diagnostics) {
      Json item;
      item["severity"] = name_of(diagnostic.severity);
      item["file"] = diagnostic.file;
      item["line"] = diagnostic.line;
      item["column"] = diagnostic.column;
      item["length"] = diagnostic.length;
      item["message"] = diagnostic.message;
      if (!diagnostic.suggestion.empty()) {
        item["suggestion"] = diagnostic.suggestion;
      }
      list.push_back(std::move(item));
    }
    return list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  } catch (const nlohmann::json::exception&) {
    return "[]\n";
  }
}

std::size_t count_of(const std::vector<Diagnostic>& diagnostics, Severity severity) {
  return static_cast<std::size_t>(
      std::count_if(diagnostics.begin(), diagnostics.end(),
                    [severity](const Diagnostic& d) { return d.severity == severity; }));
}

}  // namespace ringpost::config
