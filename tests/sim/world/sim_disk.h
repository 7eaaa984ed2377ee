#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/loop/disk.h"

namespace ringpost::sim {

class SimDisk;

/// How often what goes wrong, in percent of operations; and how much room there is.
struct DiskFaults {
  unsigned write_error = 0;  ///< -EIO; some of the bytes may have been written
  unsigned short_write = 0;
  unsigned sync_error = 0;  ///< -EIO; what was not synced is lost although reads see it
  unsigned prepare_error = 0;
  unsigned populate_error = 0;
  std::int32_t write_errno = 5;   ///< of write_error
  bool never_at_leisure = false;  ///< a prepare that is not urgent never ends
};

/// The files of one simulated machine: what readers see, and what would survive a power cut.
/// Shared by the disks of all its shards.
class SimFiles {
 public:
  explicit SimFiles(std::uint64_t seed) : random_(seed) {}

  /// Power is cut: of the sectors and names not synced any subset survives. Operations under way
  /// are cut in their middle. Disks that were in use are dead afterwards; make new ones.
  void crash();
  /// The process is killed: what was written stays, what was only asked for may have happened.
  void kill();

  std::uint64_t capacity = ~std::uint64_t{0};  ///< bytes that can be allocated in all
  DiskFaults faults;

  // For tests that damage what is durable.

  std::vector<std::string> names(const std::string& folder) const;
  std::string read(const std::string& path) const;
  void overwrite(const std::string& path, std::uint64_t offset, std::string_view bytes);
  /// Reads and populates of the range fail from now on.
  void break_medium(const std::string& path, std::uint64_t offset, std::uint64_t size);
  void mend_medium() { broken_.clear(); }
  std::uint64_t used() const;

 private:
  friend class SimDisk;

  struct Inode {
    /// Seen by readers and mappings; never moves while someone holds it.
    std::shared_ptr<std::string> seen = std::make_shared<std::string>();
    std::string durable;
    std::vector<bool> dirty;  ///< sectors of `seen` not yet synced
    bool folder = false;

    void put(std::uint64_t offset, std::string_view bytes);
    void settle(std::uint64_t begin, std::uint64_t end, bool keep);
    /// What lies behind is gone at once and for good. Nobody may have it mapped.
    void cut(std::uint64_t size);
  };
  using InodeRef = std::shared_ptr<Inode>;
  struct Broken {
    std::string path;
    std::uint64_t begin;
    std::uint64_t end;
  };

  bool is_broken(const std::string& path, std::uint64_t begin, std::uint64_t end) const;
  void end_disks(bool power_cut);

  Random random_;
  std::map<std::string, InodeRef> names_;
  std::map<std::string, InodeRef> durable_names_;
  std::map<std::string, std::string> locks_;
  std::vector<Broken> broken_;
  std::vector<SimDisk*> disks_;  ///< in the order of their making: a seed repeats itself
  std::uint64_t epoch_ = 0;
};

/// The disk of one simulated shard. Operations wait inside until step() ends one of them, chosen
/// at random, so that they finish late and out of order.
class SimDisk : public Disk {
 public:
  SimDisk(SimFiles& files, std::uint64_t seed);
  ~SimDisk() override;

  /// Ends one waiting operation; false when there is none.
  bool step(ReadyList& ready);
  std::size_t waiting() const { return waiting_.size(); }
  /// Called with each operation as it is handed in; a driver that has its own notion of time sets
  /// it, to be told that there is something to step().
  void on_work(void (*notice)(void*), void* context) {
    notice_ = notice;
    notice_context_ = context;
  }

  Result<FileId> open(const std::string& path, bool writable) override;
  Result<FileId> create(const std::string& path) override;
  void close(FileId file) override;
  Result<std::uint64_t> size(FileId file) override;
  Result<std::size_t> read(FileId file, std::uint64_t offset, std::span<char> out) override;
  Status write_now(FileId file, std::uint64_t offset, std::string_view bytes,
                   bool durable) override;
  Result<MappingRef> map(FileId file) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Status make_folder(const std::string& folder) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status unlink(const std::string& path) override;
  Status sync_folder(const std::string& folder) override;
  Result<std::uint64_t> free_bytes(const std::string& folder) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, std::string_view note) override;

  void write(WriteOp& op) override;
  void sync(SyncOp& op) override;
  void prepare(PrepareOp& op) override;
  void populate(PopulateOp& op) override;

 private:
  friend class SimFiles;

  struct File {
    std::string path;
    SimFiles::InodeRef inode;
    bool writable = false;
    std::uint64_t unsynced_at_start = 0;
  };
  struct Waiting {
    Completion* completion = nullptr;
    WriteOp* write = nullptr;
    SyncOp* sync = nullptr;
    PrepareOp* prepare = nullptr;
    PopulateOp* populate = nullptr;
  };

  void add(Waiting waiting);
  File& at(FileId id);
  std::int32_t finish_write(WriteOp& op);
  std::int32_t finish_sync(SyncOp& op);
  std::int32_t finish_prepare(PrepareOp& op);
  std::int32_t finish_populate(PopulateOp& op);
  /// A crash in the middle of what is under way.
  void cut_short();

  SimFiles* files_;
  std::uint64_t epoch_;
  Random random_;
  std::map<std::uint32_t, File> open_;
  std::uint32_t next_id_ = 1;
  std::vector<Waiting> waiting_;
  void (*notice_)(void*) = nullptr;
  void* notice_context_ = nullptr;
};

}  // namespace ringpost::sim
