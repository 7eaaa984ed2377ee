#pragma once

#include <string>
#include <vector>

#include "core/loop/disk.h"
#include "core/loop/ports.h"

namespace ringpost::spool {

/// A disk for a tool that runs a log alone: operations are done when they are handed in, by the
/// synchronous calls of another disk, and completed in the next turn. Files are given their size,
/// not zeroes: what this writes is not appended to afterwards.
class PromptDisk final : public Disk {
 public:
  explicit PromptDisk(Disk& disk) : disk_(disk) {}

  Result<FileId> open(const std::string& path, bool writable) override {
    return disk_.open(path, writable);
  }
  Result<FileId> create(const std::string& path) override { return disk_.create(path); }
  void close(FileId file) override { disk_.close(file); }
  Result<std::uint64_t> size(FileId file) override { return disk_.size(file); }
  Result<std::size_t> read(FileId file, std::uint64_t offset, std::span<char> out) override {
    return disk_.read(file, offset, out);
  }
  Status write_now(FileId file, std::uint64_t offset, std::string_view bytes,
                   bool durable) override {
    return disk_.write_now(file, offset, bytes, durable);
  }
  Result<MappingRef> map(FileId file) override { return disk_.map(file); }
  Result<std::vector<std::string>> list(const std::string& folder) override {
    return disk_.list(folder);
  }
  Status make_folder(const std::string& folder) override { return disk_.make_folder(folder); }
  Status rename(const std::string& from, const std::string& to) override {
    return disk_.rename(from, to);
  }
  Status unlink(const std::string& path) override { return disk_.unlink(path); }
  Status sync_folder(const std::string& folder) override { return disk_.sync_folder(folder); }
  Result<std::uint64_t> free_bytes(const std::string& folder) override {
    return disk_.free_bytes(folder);
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, std::string_view note) override {
    return disk_.lock(path, note);
  }

  void write(WriteOp& op) override;
  void sync(SyncOp& op) override;
  void prepare(PrepareOp& op) override;
  void populate(PopulateOp& op) override { done(op, 0); }

  /// Some operation failed.
  bool failed() const noexcept { return failed_; }
  /// Moves what is done to `ready`; false: nothing was.
  bool hand_over(ReadyList& ready);

 private:
  void done(Completion& op, std::int32_t result);

  Disk& disk_;
  std::string gathered_;
  std::vector<std::pair<Completion*, std::int32_t>> done_;
  bool failed_ = false;
};

/// Its time stands still while there is work, and jumps where the loop would sleep.
class PromptDriver final : public Driver {
 public:
  PromptDriver(PromptDisk& disk, Now start) : disk_(disk), now_(start) {}

  Now now() override { return now_; }
  void wait(ReadyList& ready, Instant until) override;
  void finish(Completion&, std::int32_t) override {}
  void wake_peer(unsigned) override {}
  void wake() override {}

 private:
  PromptDisk& disk_;
  Now now_;
};

}  // namespace ringpost::spool
