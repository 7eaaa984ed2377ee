#include "net/wire/ring_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "net/wire/file_tasks.h"

namespace ringpost {
namespace {

class FileMapping final : public Mapping {
 public:
  FileMapping(void* base, std::size_t size) : base_(base), size_(size) {}
  ~FileMapping() override {
    if (size_ > 0) {
      ::munmap(base_, size_);
    }
  }
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  std::string_view bytes() const override { return {static_cast<const char*>(base_), size_}; }

 private:
  void* base_;
  std::size_t size_;
};

class HeldLock final : public FileLock {
 public:
  explicit HeldLock(int descriptor) : descriptor_(descriptor) {}
  ~HeldLock() override { ::close(descriptor_); }
  HeldLock(const HeldLock&) = delete;
  HeldLock& operator=(const HeldLock&) = delete;

 private:
  int descriptor_;
};

Error failed(const char* call, const std::string& path) {
  return Error::from_errno(errno, std::string(call) + " " + path);
}

// What is not to be synced and no longer than this is copied by the caller's own thread.
constexpr std::uint64_t kWrittenAtOnceMax = 32 * 1024;

std::uint64_t bytes_of(const WriteOp& op) {
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < op.slice_count; ++i) {
    bytes += op.slices[i].size;
  }
  return bytes;
}

// Into the page cache, at once. The ring would hand it to a kernel thread, as it does with every
// buffered write to ext4: two switches of threads for a copy of a few kilobytes.
std::int32_t write_to_cache(int descriptor, const WriteOp& op) {
  ::ssize_t written = 0;
  do {
    written = ::pwritev(descriptor, reinterpret_cast<const ::iovec*>(op.slices),
                        static_cast<int>(op.slice_count), static_cast<::off_t>(op.offset));
  } while (written < 0 && errno == EINTR);
  return written < 0 ? -errno : static_cast<std::int32_t>(written);
}

// Writes everything, continuing short writes. 0 or a positive errno.
int write_all(int descriptor, std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ::ssize_t written =
        ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<::off_t>(offset));
    if (written < 0) {
      if (errno != EINTR) {
        return errno;
      }
      continue;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return 0;
}

std::string note_in(int descriptor) {
  std::array<char, 128> buffer{};
  const ::ssize_t got = ::pread(descriptor, buffer.data(), buffer.size(), 0);
  std::string note(buffer.data(), static_cast<std::size_t>(std::max<::ssize_t>(got, 0)));
  while (!note.empty() && (note.back() == '\n' || note.back() == '\0')) {
    note.pop_back();
  }
  return note;
}

}  // namespace

struct RingDisk::Job : WorkOp {
  PrepareTask task;
  PrepareOp* prepare = nullptr;
  PopulateOp* populate = nullptr;
  bool awaited = false;  ///< it is counted in the pace

  static std::int32_t work_on(void* context) {
    Job& job = *static_cast<Job*>(context);
    if (job.prepare != nullptr) {
      return prepare_file(job.task);
    }
    return populate_range(job.populate->address, job.populate->size);
  }
};

RingDisk::RingDisk(Ring& ring, Worker& worker, Worker& filler, const RingDiskOptions& options)
    : ring_(ring), worker_(worker), filler_(filler), options_(options) {
  ring.attach(RingTag::disk_write, this, [](void* self, const RingEvent& event) {
    static_cast<RingDisk*>(self)->on_written(event);
  });
  ring.attach(RingTag::disk_sync, this, [](void* self, const RingEvent& event) {
    static_cast<RingDisk*>(self)->on_synced(event);
  });
}

RingDisk::~RingDisk() {
  // Writes that the kernel still works on read our callers' memory.
  ring_.stop();
  for (const File& file : files_) {
    if (file.descriptor >= 0) {
      ::close(file.descriptor);
    }
  }
}

Result<FileId> RingDisk::add(int descriptor, const std::string& path) {
  std::size_t index = 0;
  while (index < files_.size() && files_[index].descriptor >= 0) {
    ++index;
  }
  if (index > 0xfffe) {
    ::close(descriptor);
    return Error::of(ErrorCode::no_capacity, "too many open files");
  }
  if (index == files_.size()) {
    files_.emplace_back();
  }
  File& file = files_[index];
  file.descriptor = descriptor;
  file.path = path;
  return FileId{static_cast<std::uint32_t>(file.generation) << 16 |
                static_cast<std::uint32_t>(index)};
}

RingDisk::File& RingDisk::file_at(FileId id) {
  const std::size_t index = id.value & 0xffff;
  RP_ASSERT(index < files_.size());
  File& file = files_[index];
  RP_ASSERT_NOTE(file.descriptor >= 0 && file.generation == id.value >> 16, "this file is closed");
  return file;
}

Result<FileId> RingDisk::open(const std::string& path, bool writable) {
  const int descriptor = ::open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  return descriptor >= 0 ? add(descriptor, path) : failed("open", path);
}

Result<FileId> RingDisk::create(const std::string& path) {
  const int descriptor =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, options_.file_mode);
  return descriptor >= 0 ? add(descriptor, path) : failed("create", path);
}

void RingDisk::close(FileId id) {
  File& file = file_at(id);
  RP_ASSERT_NOTE(file.operations == 0, "closed with writes in flight");
  ::close(file.descriptor);
  file.descriptor = -1;
  file.path.clear();
  ++file.generation;
}

Result<std::uint64_t> RingDisk::size(FileId id) {
  const File& file = file_at(id);
  struct ::stat status {};
  if (::fstat(file.descriptor, &status) != 0) {
    return failed("fstat", file.path);
  }
  return static_cast<std::uint64_t>(status.st_size);
}

Result<std::size_t> RingDisk::read(FileId id, std::uint64_t offset, std::span<char> out) {
  const File& file = file_at(id);
  std::size_t done = 0;
  while (done < out.size()) {
    const ::ssize_t got = ::pread(file.descriptor, out.data() + done, out.size() - done,
                                  static_cast<::off_t>(offset + done));
    if (got < 0 && errno != EINTR) {
      return failed("read", file.path);
    }
    if (got == 0) {
      break;
    }
    done += static_cast<std::size_t>(std::max<::ssize_t>(got, 0));
  }
  return done;
}

Status RingDisk::write_now(FileId id, std::uint64_t offset, std::string_view bytes, bool durable) {
  const File& file = file_at(id);
  if (const int error = write_all(file.descriptor, offset, bytes); error != 0) {
    return Error::from_errno(error, "write " + file.path);
  }
  if (durable && ::fdatasync(file.descriptor) != 0) {
    return failed("fdatasync", file.path);
  }
  return {};
}

Result<MappingRef> RingDisk::map(FileId id) {
  const File& file = file_at(id);
  const auto length = size(id);
  if (!length) {
    return length.error();
  }
  const auto bytes = static_cast<std::size_t>(*length);
  if (bytes == 0) {
    return MappingRef(std::make_shared<FileMapping>(nullptr, 0));
  }
  void* base = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.descriptor, 0);
  if (base == MAP_FAILED) {
    return failed("mmap", file.path);
  }
  // People's mail has no place in a core dump.
  ::madvise(base, bytes, MADV_DONTDUMP);
  return MappingRef(std::make_shared<FileMapping>(base, bytes));
}

Result<std::vector<std::string>> RingDisk::list(const std::string& folder) {
  ::DIR* directory = ::opendir(folder.c_str());
  if (directory == nullptr) {
    return failed("opendir", folder);
  }
  std::vector<std::string> names;
  errno = 0;
  for (const ::dirent* entry = ::readdir(directory); entry != nullptr;
       entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
  }
  const int error = errno;
  ::closedir(directory);
  if (error != 0) {
    return Error::from_errno(error, "readdir " + folder);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status RingDisk::make_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), options_.folder_mode) == 0) {
    return {};
  }
  struct ::stat status {};
  const int error = errno;
  if (error == EEXIST && ::stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return {};
  }
  return Error::from_errno(error, "mkdir " + folder);
}

Status RingDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return Error::from_errno(errno, "rename " + from + " to " + to);
  }
  return {};
}

Status RingDisk::unlink(const std::string& path) {
  if (::unlink(path.c_str()) != 0) {
    return failed("unlink", path);
  }
  return {};
}

Status RingDisk::sync_folder(const std::string& folder) {
  if (const std::int32_t result = sync_folder_now(folder); result < 0) {
    return Error::from_errno(-result, "fsync " + folder);
  }
  return {};
}

Result<std::uint64_t> RingDisk::free_bytes(const std::string& folder) {
  struct ::statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) {
    return failed("statvfs", folder);
  }
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

Result<std::unique_ptr<FileLock>> RingDisk::lock(const std::string& path, std::string_view note) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, options_.file_mode);
  if (descriptor < 0) {
    return failed("open", path);
  }
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    const std::string holder = note_in(descriptor);
    ::close(descriptor);
    if (error == EWOULDBLOCK) {
      return Error::of(ErrorCode::locked, holder);
    }
    return Error::from_errno(error, "flock " + path);
  }
  int error = ::ftruncate(descriptor, 0) == 0 ? 0 : errno;
  error = error == 0 ? write_all(descriptor, 0, note) : error;
  if (error != 0) {
    ::close(descriptor);
    return Error::from_errno(error, "write " + path);
  }
  return std::unique_ptr<FileLock>(std::make_unique<HeldLock>(descriptor));
}

void RingDisk::write(WriteOp& op) {
  File& file = file_at(op.file);
  RP_ASSERT(op.slice_count > 0 && op.slice_count <= kWriteSlicesMax);
  op.start();
  ++ring_.stats().disk_writes;
  if (!op.durable && bytes_of(op) <= kWrittenAtOnceMax) {
    const std::int32_t result = write_to_cache(file.descriptor, op);
    ring_.stats().disk_errors += result < 0 ? 1 : 0;
    ring_.complete(op, result);
    return;
  }
  ++file.operations;
  ::io_uring_prep_writev2(
      ring_.next_entry(RingTag::disk_write, reinterpret_cast<std::uintptr_t>(&op)), file.descriptor,
      reinterpret_cast<const ::iovec*>(op.slices), op.slice_count, op.offset,
      op.durable ? RWF_DSYNC : 0);
}

void RingDisk::on_written(const RingEvent& event) {
  WriteOp& op = *reinterpret_cast<WriteOp*>(static_cast<std::uintptr_t>(event.payload));
  --file_at(op.file).operations;
  ring_.stats().disk_errors += event.result < 0 ? 1 : 0;
  ring_.complete(op, event.result);
}

void RingDisk::sync(SyncOp& op) {
  File& file = file_at(op.file);
  op.start();
  ++file.operations;
  ++ring_.stats().disk_syncs;
  ::io_uring_prep_fsync(ring_.next_entry(RingTag::disk_sync, reinterpret_cast<std::uintptr_t>(&op)),
                        file.descriptor, IORING_FSYNC_DATASYNC);
}

void RingDisk::on_synced(const RingEvent& event) {
  SyncOp& op = *reinterpret_cast<SyncOp*>(static_cast<std::uintptr_t>(event.payload));
  --file_at(op.file).operations;
  ring_.stats().disk_errors += event.result < 0 ? 1 : 0;
  ring_.complete(op, event.result);
}

RingDisk::Job& RingDisk::claim_job() {
  if (idle_jobs_.empty()) {
    jobs_.push_back(std::make_unique<Job>());
    Job& job = *jobs_.back();
    job.bind<&RingDisk::on_job>(this);
    job.work = &Job::work_on;
    job.context = &job;
    idle_jobs_.push_back(&job);
  }
  Job& job = *idle_jobs_.back();
  idle_jobs_.pop_back();
  job.prepare = nullptr;
  job.populate = nullptr;
  return job;
}

void RingDisk::prepare(PrepareOp& op) {
  op.start();
  Job& job = claim_job();
  job.prepare = &op;
  job.task = {op.path, op.size, op.zero, options_.file_mode, options_.pace};
  job.awaited = false;
  if (op.urgent) {
    await(job);
  }
  filler_.run(job);
}

void RingDisk::hurry(PrepareOp& op) {
  op.urgent = true;
  for (const auto& job : jobs_) {
    if (job->prepare == &op) {
      await(*job);
    }
  }
}

void RingDisk::await(Job& job) noexcept {
  if (options_.pace != nullptr && !job.awaited) {
    job.awaited = true;
    options_.pace->awaited.fetch_add(1, std::memory_order_relaxed);
  }
}

void RingDisk::populate(PopulateOp& op) {
  op.start();
  Job& job = claim_job();
  job.populate = &op;
  worker_.run(job);
}

void RingDisk::on_job(Completion& completion) {
  Job& job = static_cast<Job&>(completion);
  ring_.stats().disk_errors += job.result < 0 ? 1 : 0;
  Completion& op = job.prepare != nullptr ? static_cast<Completion&>(*job.prepare)
                                          : static_cast<Completion&>(*job.populate);
  if (std::exchange(job.awaited, false)) {
    options_.pace->awaited.fetch_sub(1, std::memory_order_relaxed);
  }
  job.prepare = nullptr;
  idle_jobs_.push_back(&job);
  ring_.complete(op, job.result);
}

}  // namespace ringpost
