#include <unistd.h>

#include <cstdio>
#include <ctime>

#include "core/app/cli_commands.h"
#include "core/app/cli_talk.h"
#include "net/wire/ring_driver.h"

// drain: no more mail in, what is there out, with progress, and then the end.

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

constexpr Duration kTellEvery = Duration::seconds(5);

struct Progress {
  std::uint64_t queued = 0;
  std::uint64_t deferred = 0;
  std::uint64_t sessions_in = 0;
  std::uint64_t final = 0;
};

Progress progress_of(const Json& status) {
  const Json& totals = status["totals"];
  const auto count = [&](const char* key) { return totals.value(key, std::uint64_t{0}); };
  return {count("queued_recipients"), count("deferred_recipients"), count("sessions_in"),
          count("delivered") + count("bounced") + count("expired") + count("cancelled")};
}

void tell(const CliOptions& options, const Progress& now, const Progress& before,
          Duration between) {
  const auto seconds = std::max<std::int64_t>(between.whole_seconds(), 1);
  const std::uint64_t rate = (now.final - before.final) / static_cast<std::uint64_t>(seconds);
  if (options.json) {
    print(Json{{"queued", now.queued},
               {"deferred", now.deferred},
               {"sessions_in", now.sessions_in},
               {"per_second", rate}}
              .dump() +
          "\n");
  } else {
    std::string text = std::to_string(now.queued) + " recipients left";
    text += now.deferred > 0 ? ", " + std::to_string(now.deferred) + " of them put off" : "";
    text += ", " + std::to_string(rate) + "/s";
    const std::uint64_t going = now.queued - std::min(now.queued, now.deferred);
    text += rate > 0 && going > 0 ? ", about " + std::to_string(going / rate) + " s" : "";
    print(text + "\n");
  }
  std::fflush(stdout);
}

}  // namespace

int drain(const CliOptions& options, const DrainOptions& wanted) {
  int code = 0;
  if (!ask(options, {{"command", "drain"}}, code)) {
    return code;
  }
  const Instant begun = read_clocks().instant;
  const Instant end =
      wanted.seconds > 0 ? begun + Duration::seconds(wanted.seconds) : Instant::never();
  Progress told;
  Instant told_at = begun;
  bool first = true;
  while (true) {
    const auto status = ask(options, {{"command", "status"}}, code);
    if (!status) {
      return code;
    }
    const Progress now = progress_of(*status);
    const Instant at = read_clocks().instant;
    const bool done = now.sessions_in == 0 &&
                      now.queued <= (wanted.leave_deferred ? now.deferred : std::uint64_t{0});
    if (first || done || at - told_at >= kTellEvery) {
      tell(options, now, first ? now : told, at - told_at);
      told = now;
      told_at = at;
      first = false;
    }
    if (done || at >= end) {
      break;
    }
    const timespec pause{0, 250'000'000};
    ::nanosleep(&pause, nullptr);
  }
  if (wanted.keep_running) {
    return 0;
  }
  if (!ask(options, {{"command", "end"}}, code)) {
    return code;
  }
  if (!options.json) {
    print(told.queued == 0 ? "all is delivered; the daemon ends\n"
                           : "the daemon ends; what is left stays in the spool\n");
  }
  return 0;
}

}  // namespace ringpost::app
