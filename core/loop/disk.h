#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/completion.h"
#include "core/base/result.h"
#include "core/base/slice.h"

namespace ringpost {

struct FileId {
  std::uint32_t value = ~0U;
  bool valid() const { return value != ~0U; }
};

/// Vectored write at an offset. result: bytes written, which may be fewer than asked (treat as an
/// error to retry at will), or negative errno. With `durable` the bytes are on stable storage
/// when it completes with the full count (RWF_DSYNC); without, only sync makes them so.
struct WriteOp : Completion {
  FileId file;
  std::uint64_t offset = 0;
  const Slice* slices = nullptr;  ///< live until completion; at most kWriteSlicesMax
  std::uint32_t slice_count = 0;
  bool durable = false;
};
inline constexpr std::uint32_t kWriteSlicesMax = 1024;

/// fdatasync. result 0, or negative errno: then what was not synced must be taken for lost.
struct SyncOp : Completion {
  FileId file;
};

/// Makes a segment file ready off-thread: creates `path` (or takes the existing file), allocates
/// and writes zeroes over `size` bytes, syncs the file and its folder. result 0 or negative errno.
/// An existing file keeps its content unless `zero` is set; then a longer one is cut to `size`.
struct PrepareOp : Completion {
  std::string path;
  std::uint64_t size = 0;
  bool zero = true;
  /// Somebody waits for it, or will. Without, the zeroes are written at leisure, so that commits
  /// do not wait behind them for the disk. Set it before, or by Disk::hurry().
  bool urgent = false;
};

/// Brings a range of a mapped file into memory off-thread. result 0, or negative errno when the
/// medium failed (then the range must not be touched through the mapping).
struct PopulateOp : Completion {
  const void* address = nullptr;
  std::uint64_t size = 0;
};

/// A read-only view of a whole file. Bytes written through the Disk appear in it. Unmapped when
/// the last reference goes.
class Mapping {
 public:
  virtual ~Mapping() = default;
  virtual std::string_view bytes() const = 0;
};
using MappingRef = std::shared_ptr<const Mapping>;

/// Holds an exclusive lock on a file until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// Files of one shard. The synchronous calls may block and belong to start-up, tools and worker
/// threads; the operations are for the ring. Paths are absolute or relative to the process.
class Disk {
 public:
  virtual ~Disk() = default;

  // Synchronous.

  /// Opens an existing file for reading and writing (or reading only).
  virtual Result<FileId> open(const std::string& path, bool writable) = 0;
  /// Creates an empty file; already_exists if there is one.
  virtual Result<FileId> create(const std::string& path) = 0;
  virtual void close(FileId file) = 0;
  virtual Result<std::uint64_t> size(FileId file) = 0;
  /// Reads up to out.size() bytes; fewer only at the end of the file.
  virtual Result<std::size_t> read(FileId file, std::uint64_t offset, std::span<char> out) = 0;
  /// Writes all bytes and, where `durable`, syncs them.
  virtual Status write_now(FileId file, std::uint64_t offset, std::string_view bytes,
                           bool durable) = 0;
  virtual Result<MappingRef> map(FileId file) = 0;
  /// Plain names in a folder, sorted; not_found when there is no such folder.
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;
  virtual Status make_folder(const std::string& folder) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status unlink(const std::string& path) = 0;
  /// Makes names created, renamed or unlinked in `folder` durable.
  virtual Status sync_folder(const std::string& folder) = 0;
  /// Bytes that can still be allocated on the file system of `folder`.
  virtual Result<std::uint64_t> free_bytes(const std::string& folder) = 0;
  /// Takes the lock and writes `note` (the process id) into the file; locked: another process
  /// holds it and the error's detail is that process's note.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path,
                                                 std::string_view note) = 0;

  // On the ring.

  virtual void write(WriteOp& op) = 0;
  virtual void sync(SyncOp& op) = 0;
  virtual void prepare(PrepareOp& op) = 0;
  /// A prepare that may be under way has become urgent.
  virtual void hurry(PrepareOp& op) { op.urgent = true; }
  virtual void populate(PopulateOp& op) = 0;
};

}  // namespace ringpost
