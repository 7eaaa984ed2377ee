#include "core/app/daemon.h"
#include "core/app/account_settings.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "core/app/log.h"
#include "core/app/privileges.h"
#include "core/app/process.h"
#include "core/app/quickstart.h"
#include "core/app/settings.h"
#include "core/app/version.h"
#include "core/config/check.h"

namespace ringpost::app {
namespace {

constexpr Duration kSourceCheckInterval = Duration::seconds(15);
constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;
constexpr int kExitConfig = 2;

std::string host_name() {
  char name[256] = "localhost";
  ::gethostname(name, sizeof name - 1);
  return name;
}

/// The file named on the command line, or the embedded default.
class DaemonConfig : public ConfigSource {
 public:
  explicit DaemonConfig(const DaemonOptions& options) : options_(options) {}

  config::CheckResult read() override {
    config::CheckOptions check;
    check.lenient = options_.lenient;
    check.host_name = host_name();
    check.judge_field = &judge_field;
    if (!options_.config_file.empty()) {
      return config::check_file(options_.config_file, check);
    }
    return config::check_text("quickstart.conf", quickstart_config(options_), check);
  }

 private:
  const DaemonOptions& options_;
};

/// Descriptors for ten thousand sessions each way, where the host allows them.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

/// Blocks the signals the main thread reads, before any other thread exists.
int open_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
    sigaddset(&set, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return ::signalfd(-1, &set, SFD_CLOEXEC);
}

/// 0: none came within the time.
int wait_for_signal(int signals, Duration limit) {
  pollfd entry{signals, POLLIN, 0};
  if (::poll(&entry, 1, static_cast<int>(limit.whole_milliseconds())) <= 0) {
    return 0;
  }
  signalfd_siginfo info{};
  while (::read(signals, &info, sizeof info) != sizeof info) {
  }
  return static_cast<int>(info.ssi_signo);
}

int serve(Process& process, int signals) {
  ::sd_notify(0, "READY=1");
  log_info("ready");
  while (true) {
    switch (wait_for_signal(signals, kSourceCheckInterval)) {
      case 0: process.tick(); break;
      case SIGUSR1: process.reopen_logs(); break;
      case SIGHUP: process.reload(); break;
      default:
        log_info("stopping");
        ::sd_notify(0, "STOPPING=1");
        return process.stop() ? kExitDone : kExitFailed;
    }
  }
}

}  // namespace

int run_daemon(const DaemonOptions& options) {
  if (!options.quickstart_folder.empty()) {
    if (const Status fits = check_quickstart(options); !fits) {
      std::fprintf(stderr, "ringpostd: %s\n", fits.error().detail.c_str());
      return kExitConfig;
    }
  }
  if (options.print_config && !options.quickstart_folder.empty()) {
    std::fputs(quickstart_config(options).c_str(), stdout);
    return kExitDone;
  }
  DaemonConfig source(options);
  const config::CheckResult config = source.read();
  std::fputs(config::render_text(config.diagnostics).c_str(), stderr);
  if (!config.ok()) {
    std::fprintf(stderr, "ringpostd: the configuration has errors\n");
    return kExitConfig;
  }
  const int signals = open_signals();
  raise_descriptor_limit();
  Privileges privileges;
  const config::GlobalSettings& global = config.snapshot->global();
  if (!global.run_as_root && ::geteuid() == 0) {
    if (const Status begun = privileges.begin(std::string(global.run_as_user)); !begun) {
      std::fprintf(stderr, "ringpostd: %s\n", begun.error().describe().c_str());
      return kExitFailed;
    }
  } else if (::geteuid() != 0) {
    keep_capability_for_permits();
  }
  const LogOptions log{std::string(global.log_file), log_form_of(global),
                       log_level_of(global, options.debug)};
  if (auto started = start_log(log); !started) {
    std::fprintf(stderr, "ringpostd: %s\n", started.error().describe().c_str());
    return kExitFailed;
  }
  log_info(version_text() + " starts");
  int exit_code = kExitFailed;
  {
    Process process(config.snapshot, source, options.debug);
    Status started = process.start();
    started = started ? privileges.give_up() : started;
    if (started) {
      exit_code = serve(process, signals);
    } else {
      log_error(started.error().describe());
      process.stop();
    }
  }
  log_info(exit_code == kExitDone ? "stopped cleanly" : "ended");
  stop_log();
  return exit_code;
}

}  // namespace ringpost::app
