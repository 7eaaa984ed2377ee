#pragma once

#include <string>

#include "core/app/daemon.h"
#include "core/base/result.h"

namespace ringpost::app {

/// Whether the addresses and the folder can stand in a configuration; else the text to print.
Status check_quickstart(const DaemonOptions& options);

/// The embedded configuration of `ringpostd --quickstart FOLDER`: loopback only, unprivileged
/// ports, spool and logs in the folder, all mail to one sink. Requires: check_quickstart holds.
std::string quickstart_config(const DaemonOptions& options);

}  // namespace ringpost::app
