// ringpostd: the daemon. Runs in the foreground; systemd or a terminal keeps it.

#include <CLI/CLI.hpp>

#include <iostream>
#include <string>

#include "core/app/daemon.h"
#include "core/app/version.h"

int main(int argc, char** argv) {
  CLI::App app{"Ringpost mail transfer agent, the daemon"};
  app.set_version_flag("--version", ringpost::app::version_text());
  ringpost::app::DaemonOptions options;
  app.add_option("-c,--config", options.config_file, "configuration file");
  app.add_option("--quickstart", options.quickstart_folder,
                 "run on the embedded trial configuration with spool and logs in this folder");
  app.add_option("--listen", options.quickstart_listen,
                 "with --quickstart: where mail is taken (default 127.0.0.1:2525)");
  app.add_option("--sink", options.quickstart_sink,
                 "with --quickstart: where all mail goes (default 127.0.0.1:2526)");
  app.add_flag("--debug", options.debug, "verbose event log");
  app.add_flag("--lenient", options.lenient, "unknown directives are warnings");
  app.add_flag("--print-config", options.print_config,
               "with --quickstart: print the trial configuration and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  if (options.config_file.empty() == options.quickstart_folder.empty()) {
    std::cerr << "ringpostd: give either -c FILE or --quickstart FOLDER\n";
    return 2;
  }
  return ringpost::app::run_daemon(options);
}
