#include "net/wire/file_tasks.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

namespace ringpost {
namespace {

constexpr std::size_t kStep = 256 * 1024;
// Synced this often on the way, so that the final sync does not flush a whole segment at once
// into the path of somebody's commit.
constexpr std::uint64_t kSyncEvery = 8 * 1024 * 1024;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) {
      ::close(value_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value() const { return value_; }

 private:
  int value_;
};

/// Zeroes to write from, one copy for all threads, aligned for writes past the page cache.
alignas(4096) constinit char zeroes[kStep] = {};

// A second descriptor of the same file whose writes go past the page cache: filling a segment then
// costs the processor next to nothing and no memory. -1 where the file system has no such thing.
int open_direct(const std::string& path) {
  return ::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC);
}

std::int32_t write_zeroes(int file, const PrepareTask& task) {
  const Descriptor direct(open_direct(task.path));
  bool past_cache = direct.value() >= 0;
  std::uint64_t done = 0;
  std::uint64_t unsynced = 0;
  while (done < task.size) {
    const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(kStep, task.size - done));
    past_cache = past_cache && step == kStep && done % kStep == 0;
    const ::ssize_t written =
        ::pwrite(past_cache ? direct.value() : file, zeroes, step, static_cast<::off_t>(done));
    if (written < 0 && errno == EINVAL && past_cache) {
      past_cache = false;  // this file system aligns more strictly
      continue;
    }
    if (written < 0 && errno != EINTR) {
      return -errno;
    }
    done += static_cast<std::uint64_t>(std::max<::ssize_t>(written, 0));
    unsynced += static_cast<std::uint64_t>(std::max<::ssize_t>(written, 0));
    if (unsynced >= kSyncEvery) {
      if (::fdatasync(file) != 0) {
        return -errno;
      }
      unsynced = 0;
    }
    if (task.pace != nullptr && task.pace->awaited.load(std::memory_order_relaxed) == 0) {
      // This thread does nothing else; it spaces its steps evenly.
      const std::uint64_t pause = step * 1000 / std::max<std::uint64_t>(task.pace->rate, 1);
      ::poll(nullptr, 0, static_cast<int>(std::min<std::uint64_t>(pause, 1000)));
    }
  }
  return 0;
}

std::int32_t fill_file(int file, const PrepareTask& task) {
  struct ::stat facts {};
  if (task.zero && ::fstat(file, &facts) == 0 &&
      static_cast<std::uint64_t>(facts.st_size) > task.size &&
      ::ftruncate(file, static_cast<::off_t>(task.size)) != 0) {
    return -errno;
  }
  if (::fallocate(file, 0, 0, static_cast<::off_t>(task.size)) != 0 && errno != EOPNOTSUPP) {
    return -errno;
  }
  if (task.zero) {
    if (const std::int32_t result = write_zeroes(file, task); result < 0) {
      return result;
    }
  }
  return ::fsync(file) == 0 ? 0 : -errno;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::int32_t prepare_file(const PrepareTask& task) {
  bool created = true;
  int descriptor = ::open(task.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, task.file_mode);
  if (descriptor < 0 && errno == EEXIST) {
    created = false;
    descriptor = ::open(task.path.c_str(), O_RDWR | O_CLOEXEC);
  }
  if (descriptor < 0) {
    return -errno;
  }
  const Descriptor file(descriptor);
  std::int32_t result = fill_file(file.value(), task);
  if (result == 0) {
    result = sync_folder_now(folder_of(task.path));
  }
  if (result < 0 && created) {
    ::unlink(task.path.c_str());
  }
  return result;
}

std::int32_t populate_range(const void* address, std::uint64_t size) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto start = reinterpret_cast<std::uintptr_t>(address);
  const std::uintptr_t first = start & ~(page - 1);
  const std::uintptr_t length = start + size - first;
  if (size == 0) {
    return 0;
  }
  if (::madvise(reinterpret_cast<void*>(first), length, MADV_POPULATE_READ) == 0) {
    return 0;
  }
  // EFAULT is what remains of the SIGBUS that touching the page would have raised.
  return errno == EFAULT ? -EIO : -errno;
}

std::int32_t sync_folder_now(const std::string& folder) {
  const Descriptor file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.value() < 0) {
    return -errno;
  }
  return ::fsync(file.value()) == 0 ? 0 : -errno;
}

}  // namespace ringpost
