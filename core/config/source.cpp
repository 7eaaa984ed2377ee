#include "core/config/source.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/base/text.h"

namespace ringpost::config {

SourceMap::~SourceMap() {
  if (masks_.empty()) {
    return;
  }
  for (File& file : files_) {
    wipe(file.text.data(), file.text.size());
  }
  for (std::string& text : kept_) {
    wipe(text.data(), text.size());
  }
}

std::uint32_t SourceMap::add(std::string path, std::string text) {
  File& file = files_.emplace_back();
  file.path = std::move(path);
  file.text = std::move(text);
  std::size_t start = 0;
  const char end_of_line = file.text.find('\n') == std::string::npos ? '\r' : '\n';
  while (start < file.text.size()) {
    file.line_starts.push_back(static_cast<std::uint32_t>(start));
    const std::size_t end = file.text.find(end_of_line, start);
    start = end == std::string::npos ? file.text.size() : end + 1;
  }
  return static_cast<std::uint32_t>(files_.size() - 1);
}

std::string_view SourceMap::line(std::uint32_t file, std::uint32_t line) const {
  RP_ASSERT(file < files_.size());
  const File& source = files_[file];
  if (line == 0 || line > source.line_starts.size()) {
    return {};
  }
  const std::size_t start = source.line_starts[line - 1];
  const std::size_t end =
      line < source.line_starts.size() ? source.line_starts[line] : source.text.size();
  std::string_view text = std::string_view(source.text).substr(start, end - start);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

std::string_view SourceMap::keep(std::string text) { return kept_.emplace_back(std::move(text)); }

bool SourceMap::has_secrets(std::uint32_t file) const {
  return std::any_of(masks_.begin(), masks_.end(),
                     [file](const Span& mask) { return mask.file == file; });
}

std::string SourceMap::shown_line(std::uint32_t file, std::uint32_t line_number) const {
  std::string shown(line(file, line_number));
  for (const Span& mask : masks_) {
    if (mask.file != file || mask.line != line_number) {
      continue;
    }
    const std::size_t end = std::min<std::size_t>(shown.size(), mask.column + mask.length);
    for (std::size_t i = mask.column; i < end; ++i) {
      shown[i] = '*';
    }
  }
  return shown;
}

}  // namespace ringpost::config
