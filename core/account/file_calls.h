#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/time.h"

namespace ringpost::account {

struct FileStatus {
  std::uint64_t size = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t modified_s = 0;  ///< seconds since 1970
};

/// The file calls of the log writer. Blocking; made by its thread only. Results below zero are
/// negative errno. In production PosixFiles; tests put failures in between.
class FileCalls {
 public:
  virtual ~FileCalls() = default;
  /// Opens for reading and appending, creating the file with `mode` where it is missing.
  virtual int open(const std::string& path, mode_t mode) = 0;
  /// Opens for reading and writing at any place; with `fresh` the file is created or emptied.
  virtual int open_index(const std::string& path, mode_t mode, bool fresh) = 0;
  virtual void close(int file) = 0;
  virtual int status(int file, FileStatus& out) = 0;
  /// Octets written, possibly fewer than asked.
  virtual ssize_t append(int file, std::string_view bytes) = 0;
  virtual ssize_t write_at(int file, std::uint64_t offset, std::string_view bytes) = 0;
  virtual ssize_t read_at(int file, std::uint64_t offset, char* out, std::size_t size) = 0;
  virtual int truncate(int file, std::uint64_t size) = 0;
  virtual int sync(int file) = 0;
  virtual int rename(const std::string& from, const std::string& to) = 0;
  /// Makes the names in the folder of `path` durable.
  virtual int sync_folder_of(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  /// Path of the file with this inode in the folder of `path`, or empty.
  virtual std::string find_inode(const std::string& path, std::uint64_t device,
                                 std::uint64_t inode) = 0;
  /// Whether the file system of `path` is lost with the power (tmpfs).
  virtual bool is_volatile(const std::string& path) = 0;
  virtual WallTime wall() = 0;
};

class PosixFiles : public FileCalls {
 public:
  int open(const std::string& path, mode_t mode) override;
  int open_index(const std::string& path, mode_t mode, bool fresh) override;
  void close(int file) override;
  int status(int file, FileStatus& out) override;
  ssize_t append(int file, std::string_view bytes) override;
  ssize_t write_at(int file, std::uint64_t offset, std::string_view bytes) override;
  ssize_t read_at(int file, std::uint64_t offset, char* out, std::size_t size) override;
  int truncate(int file, std::uint64_t size) override;
  int sync(int file) override;
  int rename(const std::string& from, const std::string& to) override;
  int sync_folder_of(const std::string& path) override;
  bool exists(const std::string& path) override;
  std::string find_inode(const std::string& path, std::uint64_t device,
                         std::uint64_t inode) override;
  bool is_volatile(const std::string& path) override;
  WallTime wall() override;
};

}  // namespace ringpost::account
