#pragma once

#include <string>

namespace ringpost::app {

struct DaemonOptions {
  std::string config_file;
  std::string quickstart_folder;
  std::string quickstart_listen = "127.0.0.1:2525";
  std::string quickstart_sink = "127.0.0.1:2526";
  bool debug = false;
  bool lenient = false;
  bool print_config = false;
};

/// Runs until SIGTERM or SIGINT. 0: clean end; 1: could not start or failed; 2: the configuration
/// is faulty. Every refusal has been printed.
int run_daemon(const DaemonOptions& options);

}  // namespace ringpost::app
