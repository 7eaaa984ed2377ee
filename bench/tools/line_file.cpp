#include "bench/tools/line_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace ringpost::tools {

LineFile::~LineFile() {
  if (fd_ >= 0) {
    flush();
    ::close(fd_);
  }
}

Status LineFile::open(const std::string& path) {
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) {
    return Error::from_errno(errno, "open " + path);
  }
  return {};
}

void LineFile::flush() {
  std::string_view rest = batch_;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      std::fprintf(stderr, "cannot append to the record: %s\n", std::strerror(errno));
      std::exit(4);
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  batch_.clear();
}

void append_hex(std::string& text, std::uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) {
    text.push_back(kDigits[(value >> shift) & 15]);
  }
}

}  // namespace ringpost::tools
