#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/account/file_calls.h"
#include "core/base/random.h"

namespace ringpost::sim {

/// The accounting files of one simulated machine, in memory. A kill leaves what was written, a
/// power cut any part of what was not synced.
class MemoryFiles final : public account::FileCalls {
 public:
  explicit MemoryFiles(std::uint64_t seed) : random_(seed) {}

  /// The power is cut; files open then must not be used any more.
  void crash();
  std::string text_of(const std::string& path) const;

  int open(const std::string& path, mode_t mode) override;
  int open_index(const std::string& path, mode_t mode, bool fresh) override;
  void close(int file) override { open_.erase(file); }
  int status(int file, account::FileStatus& out) override;
  ssize_t append(int file, std::string_view bytes) override;
  ssize_t write_at(int file, std::uint64_t offset, std::string_view bytes) override;
  ssize_t read_at(int file, std::uint64_t offset, char* out, std::size_t size) override;
  int truncate(int file, std::uint64_t size) override;
  int sync(int file) override;
  int rename(const std::string& from, const std::string& to) override;
  int sync_folder_of(const std::string& path) override;
  bool exists(const std::string& path) override { return names_.count(path) != 0; }
  std::string find_inode(const std::string& path, std::uint64_t device,
                         std::uint64_t inode) override;
  bool is_volatile(const std::string&) override { return false; }
  /// One instant for ever: files of the simulation are not rotated by time.
  WallTime wall() override { return {}; }

 private:
  struct Inode {
    std::uint64_t number = 0;
    std::string seen;
    std::string durable;
  };
  using InodeRef = std::shared_ptr<Inode>;

  int add_open(InodeRef inode);
  InodeRef make(const std::string& path);
  std::string survivor(const Inode& inode);

  Random random_;
  std::map<std::string, InodeRef> names_;
  std::map<std::string, InodeRef> durable_names_;
  std::map<int, InodeRef> open_;
  int next_file_ = 3;
  std::uint64_t next_inode_ = 1;
};

}  // namespace ringpost::sim
