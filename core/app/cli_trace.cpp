#include <csignal>
#include <cstdio>
#include <ctime>

#include "core/app/cli_commands.h"
#include "core/app/cli_talk.h"
#include "net/wire/ring_driver.h"

// trace --live: what sessions say, as they say it.

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

constexpr long kPauseNanoseconds = 250'000'000;

volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(int) { interrupted = 1; }

}  // namespace

int trace_live(const CliOptions& options, const std::string& what, const TraceOptions& wanted) {
  int code = 0;
  const auto opened = ask(options,
                          {{"command", "trace-live"},
                           {"action", "open"},
                           {"what", what},
                           {"data", wanted.data},
                           {"json", options.json}},
                          code);
  if (!opened) {
    return code;
  }
  const auto id = opened->value("id", std::uint32_t{0});
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  std::fprintf(stderr, "watching %s; ends with Ctrl-C\n", what.c_str());
  const Instant end = wanted.seconds > 0 ? read_clocks().instant + Duration::seconds(wanted.seconds)
                                         : Instant::never();
  std::uint64_t lines = 0;
  while (interrupted == 0 && read_clocks().instant < end) {
    const auto read =
        ask(options, {{"command", "trace-live"}, {"action", "read"}, {"id", id}}, code);
    if (!read) {
      return code;
    }
    for (const Json& line : (*read)["lines"]) {
      print(line.get<std::string>());
      ++lines;
    }
    if (const auto dropped = read->value("dropped", std::uint64_t{0}); dropped > 0) {
      std::fprintf(stderr, "(%llu lines dropped)\n", static_cast<unsigned long long>(dropped));
    }
    std::fflush(stdout);
    if (wanted.lines > 0 && lines >= wanted.lines) {
      break;
    }
    const timespec pause{0, kPauseNanoseconds};
    ::nanosleep(&pause, nullptr);
  }
  ask(options, {{"command", "trace-live"}, {"action", "close"}, {"id", id}}, code);
  return code;
}

}  // namespace ringpost::app
