#include "core/app/quickstart.h"

#include "core/base/address.h"

namespace ringpost::app {

Status check_quickstart(const DaemonOptions& options) {
  for (const auto& [name, text] : {std::pair{"--sink", options.quickstart_sink},
                                   std::pair{"--listen", options.quickstart_listen}}) {
    if (const auto address = SocketAddress::parse(text, 0); !address || address->port == 0) {
      return Error::of(ErrorCode::invalid, std::string(name) + " takes ADDRESS:PORT, as in " +
                                               "127.0.0.1:2526; '" + text + "' is not that");
    }
  }
  if (options.quickstart_folder.find_first_of("\"\\<>#\r\n") != std::string::npos) {
    return Error::of(ErrorCode::invalid, "the name of the --quickstart folder has a character " +
                                             std::string("that means something in the file"));
  }
  return {};
}

std::string quickstart_config(const DaemonOptions& options) {
  const std::string& folder = options.quickstart_folder;
  const SocketAddress sink = *SocketAddress::parse(options.quickstart_sink, 0);
  const SocketAddress listen = *SocketAddress::parse(options.quickstart_listen, 0);
  return "# Ringpost trial configuration: nothing leaves this host.\n"
         "host-name quickstart.invalid\n"
         "smtp-listener " +
         listen.text() +
         "\n"
         "spool \"" +
         folder +
         "/spool\"\n"
         "control-socket \"" +
         folder +
         "/control\"\n"
         "shards 2\n"
         "total-max-smtp-out 200\n"
         "\n"
         "<acct-file \"" +
         folder +
         "/acct.csv\">\n"
         "    records d,b,t\n"
         "</acct-file>\n"
         "\n"
         "<source 127.0.0.1>\n"
         "    always-allow-relaying yes\n"
         "</source>\n"
         "\n"
         "<domain *>\n"
         "    route [" +
         sink.ip.text() + "]:" + std::to_string(sink.port) +
         "\n"
         "    max-smtp-out 20\n"
         "    idle-timeout 5s\n"
         "    retry-after 10s\n"
         "</domain>\n";
}

}  // namespace ringpost::app
