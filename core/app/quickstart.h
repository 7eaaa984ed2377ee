#pragma once

#include <string>

#include "core/app/daemon.h"

namespace ringpost::app {

/// The embedded configuration of `ringpostd --quickstart FOLDER`: loopback only, unprivileged
/// ports, spool and logs in the folder, all mail to one sink.
std::string quickstart_config(const DaemonOptions& options);

}  // namespace ringpost::app
