#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace ringpost::tools {

/// A file that several threads append whole batches of lines to, each through its own LineFile.
/// A batch is one write(2) with O_APPEND, so it survives the kill of any process but this one's
/// before the call. Not synced: it is a witness of other programs' crashes, not of this host's.
class LineFile {
 public:
  LineFile() = default;
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  ~LineFile();

  Status open(const std::string& path);
  bool is_open() const { return fd_ >= 0; }
  /// Lines not yet written; append to it, each with its newline.
  std::string& batch() { return batch_; }
  /// Writes the batch; ends the process if the file cannot take it, since a measuring tool with
  /// holes in its record would accuse the wrong program.
  void flush();

 private:
  int fd_ = -1;
  std::string batch_;
};

/// Appends `value` as 16 hexadecimal digits.
void append_hex(std::string& text, std::uint64_t value);

}  // namespace ringpost::tools
