#include "core/account/file_calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace ringpost::account {
namespace {

template <class Call>
auto retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) {
    result = call();
  }
  return result < 0 ? static_cast<decltype(result)>(-errno) : result;
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

int PosixFiles::open(const std::string& path, mode_t mode) {
  return retried(
      [&] { return ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, mode); });
}

int PosixFiles::open_index(const std::string& path, mode_t mode, bool fresh) {
  const int flags = O_RDWR | O_CLOEXEC | (fresh ? O_CREAT | O_TRUNC : 0);
  return retried([&] { return ::open(path.c_str(), flags, mode); });
}

void PosixFiles::close(int file) { ::close(file); }

int PosixFiles::status(int file, FileStatus& out) {
  struct stat status {};
  const int result = retried([&] { return ::fstat(file, &status); });
  out.size = static_cast<std::uint64_t>(status.st_size);
  out.device = status.st_dev;
  out.inode = status.st_ino;
  out.modified_s = status.st_mtim.tv_sec;
  return result;
}

ssize_t PosixFiles::append(int file, std::string_view bytes) {
  return retried([&] { return ::write(file, bytes.data(), bytes.size()); });
}

ssize_t PosixFiles::write_at(int file, std::uint64_t offset, std::string_view bytes) {
  return retried(
      [&] { return ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
}

ssize_t PosixFiles::read_at(int file, std::uint64_t offset, char* out, std::size_t size) {
  return retried([&] { return ::pread(file, out, size, static_cast<off_t>(offset)); });
}

int PosixFiles::truncate(int file, std::uint64_t size) {
  return retried([&] { return ::ftruncate(file, static_cast<off_t>(size)); });
}

int PosixFiles::sync(int file) {
  return retried([&] { return ::fdatasync(file); });
}

int PosixFiles::rename(const std::string& from, const std::string& to) {
  return retried([&] { return ::rename(from.c_str(), to.c_str()); });
}

int PosixFiles::sync_folder_of(const std::string& path) {
  const std::string folder = folder_of(path);
  const int file =
      retried([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (file < 0) {
    return file;
  }
  const int result = retried([&] { return ::fsync(file); });
  ::close(file);
  return result;
}

bool PosixFiles::exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string PosixFiles::find_inode(const std::string& path, std::uint64_t device,
                                   std::uint64_t inode) {
  const std::string folder = folder_of(path);
  DIR* entries = ::opendir(folder.c_str());
  std::string found;
  while (entries != nullptr && found.empty()) {
    const dirent* entry = ::readdir(entries);
    if (entry == nullptr) {
      break;
    }
    if (entry->d_ino != inode) {
      continue;
    }
    const std::string candidate = folder + "/" + entry->d_name;
    struct stat status {};
    if (::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_dev == device && status.st_ino == inode) {
      found = candidate;
    }
  }
  if (entries != nullptr) {
    ::closedir(entries);
  }
  return found;
}

bool PosixFiles::is_volatile(const std::string& path) {
  struct statfs status {};
  const std::string folder = folder_of(path);
  return ::statfs(folder.c_str(), &status) == 0 &&
         (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC);
}

WallTime PosixFiles::wall() {
  struct timespec time {};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return {static_cast<std::int64_t>(time.tv_sec) * 1'000'000 + time.tv_nsec / 1'000};
}

}  // namespace ringpost::account
