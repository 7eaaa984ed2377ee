#include "core/config/files.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

namespace ringpost::config {
namespace {

/// Closes its descriptor at the end of the scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<std::string> read_all(int fd, std::size_t max_bytes, const std::string& path,
                             std::size_t expected) {
  std::string text;
  // In one piece, so that no copy of a secret stays behind where the text has grown out of.
  text.reserve(std::min(max_bytes, expected + 1));
  char block[65536];
  for (;;) {
    const ssize_t got = ::read(fd, block, sizeof block);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return Error::from_errno(errno, "read " + path);
    }
    if (got == 0) {
      return text;
    }
    text.append(block, static_cast<std::size_t>(got));
    if (text.size() > max_bytes) {
      return Error::of(ErrorCode::out_of_range, path + " is larger than the limit");
    }
  }
}

std::string identity_of(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) {
    return path;
  }
  std::string out(resolved);
  std::free(resolved);
  return out;
}

}  // namespace

Result<LoadedFile> DiskFiles::load(const std::string& path, std::size_t max_bytes) {
  // Non-blocking, so that naming a pipe does not wait for its writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) {
    return Error::from_errno(errno, "open " + path);
  }
  if (!S_ISREG(info.st_mode)) {
    return Error::of(ErrorCode::unsupported, path + " is not a regular file");
  }
  Result<std::string> text = read_all(file.get(), max_bytes, path,
                                      static_cast<std::size_t>(std::max<off_t>(info.st_size, 0)));
  if (!text.ok()) {
    return text.error();
  }
  LoadedFile loaded;
  loaded.identity = identity_of(path);
  loaded.text = std::move(text).value();
  loaded.others_can_read = (info.st_mode & S_IROTH) != 0;
  return loaded;
}

std::vector<std::string> DiskFiles::expand(const std::string& pattern) {
  std::vector<std::string> paths;
  if (pattern.find_first_of("*?[") == std::string::npos) {
    paths.push_back(pattern);
    return paths;
  }
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      paths.emplace_back(found.gl_pathv[i]);
    }
  }
  ::globfree(&found);
  return paths;
}

bool DiskFiles::readable_by_others(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & S_IROTH) != 0;
}

Result<LoadedFile> MemoryFiles::load(const std::string& path, std::size_t max_bytes) {
  const auto found = files_.find(path);
  if (found == files_.end()) {
    return Error::of(ErrorCode::not_found, path);
  }
  if (found->second.size() > max_bytes) {
    return Error::of(ErrorCode::out_of_range, path + " is larger than the limit");
  }
  return LoadedFile{path, found->second, false};
}

std::vector<std::string> MemoryFiles::expand(const std::string& pattern) {
  const std::size_t star = pattern.find('*');
  if (star == std::string::npos) {
    return {pattern};
  }
  const std::string tail = pattern.substr(star + 1);
  std::vector<std::string> paths;
  for (const auto& [path, text] : files_) {
    if (path.size() >= star + tail.size() && path.compare(0, star, pattern, 0, star) == 0 &&
        path.compare(path.size() - tail.size(), tail.size(), tail) == 0) {
      paths.push_back(path);
    }
  }
  return paths;
}

std::string relative_to(const std::string& path, const std::string& from) {
  const std::size_t slash = from.rfind('/');
  if (path.empty() || path.front() == '/' || slash == std::string::npos) {
    return path;
  }
  return from.substr(0, slash + 1) + path;
}

}  // namespace ringpost::config
