#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace ringpost::app {

/// The event log: readable lines with time and level to standard error, or to a file. Written by a
/// thread of its own; under pressure the oldest lines are dropped rather than anyone made to wait.
/// For rare events; never for each message. Any thread.
struct LogOptions {
  std::string file;  ///< empty: standard error
  bool debug = false;
};

Status start_log(const LogOptions& options);
/// Writes out what is queued and ends the thread.
void stop_log();

void log_debug(std::string_view line);
void log_info(std::string_view line);
void log_warning(std::string_view line);
void log_error(std::string_view line);

}  // namespace ringpost::app
