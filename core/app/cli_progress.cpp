#include "core/app/cli_progress.h"

#include <unistd.h>

#include <cstdio>

#include "net/wire/ring_driver.h"

namespace ringpost::app {
namespace {

constexpr Duration kInterval = Duration::milliseconds(200);
constexpr const char* kFreshLine = "\r\x1b[K";  // to its begin, and erased

}  // namespace

ProgressLine::ProgressLine() : terminal_(::isatty(STDERR_FILENO) != 0) {}

void ProgressLine::show(const std::string& line) {
  if (!terminal_) {
    return;
  }
  const Instant now = read_clocks().instant;
  if (shown_ && now < next_) {
    return;
  }
  shown_ = true;
  next_ = now + kInterval;
  std::fprintf(stderr, "%s%s", kFreshLine, line.c_str());
  std::fflush(stderr);
}

void ProgressLine::clear() {
  if (shown_) {
    shown_ = false;
    std::fputs(kFreshLine, stderr);
    std::fflush(stderr);
  }
}

void ProgressLine::on_segment(std::string_view purpose, std::uint16_t log, std::size_t done,
                              std::size_t total) {
  if (terminal_) {
    show("log " + std::to_string(log) + ": " + std::string(purpose) + ", segment " +
         std::to_string(done + 1) + " of " + std::to_string(total));
  }
}

}  // namespace ringpost::app
