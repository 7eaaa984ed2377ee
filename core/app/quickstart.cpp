#include "core/app/quickstart.h"

namespace ringpost::app {

std::string quickstart_config(const DaemonOptions& options) {
  const std::string& folder = options.quickstart_folder;
  return "# Ringpost trial configuration: nothing leaves this host.\n"
         "host-name quickstart.invalid\n"
         "smtp-listener 127.0.0.1:2525\n"
         "spool " +
         folder +
         "/spool\n"
         "control-socket " +
         folder +
         "/control\n"
         "shards 2\n"
         "total-max-smtp-out 200\n"
         "\n"
         "<acct-file " +
         folder +
         "/acct.csv>\n"
         "</acct-file>\n"
         "\n"
         "<source 127.0.0.1>\n"
         "    always-allow-relaying yes\n"
         "</source>\n"
         "\n"
         "<domain *>\n"
         "    route [" +
         options.quickstart_sink.substr(0, options.quickstart_sink.rfind(':')) + "]" +
         options.quickstart_sink.substr(options.quickstart_sink.rfind(':')) +
         "\n"
         "    max-smtp-out 20\n"
         "    retry-after 10s\n"
         "</domain>\n";
}

}  // namespace ringpost::app
