#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/loop/disk.h"
#include "core/loop/ports.h"
#include "net/wire/file_tasks.h"
#include "net/wire/ring.h"

namespace ringpost {

struct RingDiskOptions {
  unsigned file_mode = 0640;
  unsigned folder_mode = 0750;
  FillPace* pace = nullptr;  ///< of prepare(); none: as fast as the device takes the zeroes
};

/// The Disk of production. Writes and syncs go through the shard's ring, populating to its worker,
/// preparing, which takes its time, to `filler`; all outlive it. The synchronous calls may also be
/// made before the ring is enabled. One thread.
class RingDisk final : public Disk {
 public:
  RingDisk(Ring& ring, Worker& worker, Worker& filler, const RingDiskOptions& options);
  ~RingDisk() override;

  Result<FileId> open(const std::string& path, bool writable) override;
  Result<FileId> create(const std::string& path) override;
  void close(FileId file) override;
  Result<std::uint64_t> size(FileId file) override;
  Result<std::size_t> read(FileId file, std::uint64_t offset, std::span<char> out) override;
  Status write_now(FileId file, std::uint64_t offset, std::string_view bytes,
                   bool durable) override;
  Result<MappingRef> map(FileId file) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  /// A folder that exists already is good.
  Status make_folder(const std::string& folder) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status unlink(const std::string& path) override;
  Status sync_folder(const std::string& folder) override;
  Result<std::uint64_t> free_bytes(const std::string& folder) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, std::string_view note) override;

  void write(WriteOp& op) override;
  void sync(SyncOp& op) override;
  void prepare(PrepareOp& op) override;
  void hurry(PrepareOp& op) override;
  void populate(PopulateOp& op) override;

 private:
  struct File {
    int descriptor = -1;
    std::uint16_t generation = 0;
    std::uint32_t operations = 0;  ///< on the ring
    std::string path;
  };
  /// A prepare or populate on its way through the worker.
  struct Job;

  Result<FileId> add(int descriptor, const std::string& path);
  File& file_at(FileId id);
  Job& claim_job();
  void await(Job& job) noexcept;
  void on_written(const RingEvent& event);
  void on_synced(const RingEvent& event);
  void on_job(Completion& completion);

  Ring& ring_;
  Worker& worker_;
  Worker& filler_;
  RingDiskOptions options_;
  std::vector<File> files_;
  std::vector<std::unique_ptr<Job>> jobs_;
  std::vector<Job*> idle_jobs_;
};

}  // namespace ringpost
