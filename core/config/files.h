#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace ringpost::config {

/// A file as it was read.
struct LoadedFile {
  std::string identity;  ///< the same for the same file, however it is named
  std::string text;
  bool others_can_read = false;
};

/// Where configuration files come from: the disk, or memory in tests and fuzzing.
class FileSource {
 public:
  virtual ~FileSource() = default;
  /// Errors: not_found, denied, io_failed, unsupported (not a regular file), out_of_range (larger
  /// than `max_bytes`).
  virtual Result<LoadedFile> load(const std::string& path, std::size_t max_bytes) = 0;
  /// Paths that fit a shell pattern, sorted; the pattern itself where it holds no wildcard.
  virtual std::vector<std::string> expand(const std::string& pattern) = 0;
  /// Whether every user may read the file; false where it does not exist.
  virtual bool readable_by_others(const std::string& path) = 0;
};

class DiskFiles final : public FileSource {
 public:
  Result<LoadedFile> load(const std::string& path, std::size_t max_bytes) override;
  std::vector<std::string> expand(const std::string& pattern) override;
  bool readable_by_others(const std::string& path) override;
};

/// Files by path; wildcards are not expanded but fit every path with their beginning and end
/// around the first asterisk.
class MemoryFiles final : public FileSource {
 public:
  void put(std::string path, std::string text) { files_[std::move(path)] = std::move(text); }
  Result<LoadedFile> load(const std::string& path, std::size_t max_bytes) override;
  std::vector<std::string> expand(const std::string& pattern) override;
  bool readable_by_others(const std::string&) override { return false; }

 private:
  std::map<std::string, std::string> files_;
};

/// `path` as seen from the folder of `from`; absolute paths stay.
std::string relative_to(const std::string& path, const std::string& from);

}  // namespace ringpost::config
