#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/time.h"

namespace ringpost::app {

/// What a line of the event log looks like.
enum class LogForm : std::uint8_t { text, json };
/// The least that is written.
enum class LogLevel : std::uint8_t { debug, info, warning, error };
std::string_view name_of(LogLevel level) noexcept;

/// The event log: lines with time and level to standard error, or to a file. Rare events are
/// written by a thread of its own; under pressure the oldest lines are dropped and counted rather
/// than anyone made to wait. What happens in each session goes through app::EventLog. Any thread.
struct LogOptions {
  std::string file;  ///< empty: standard error
  LogForm form = LogForm::text;
  LogLevel level = LogLevel::info;
};

Status start_log(const LogOptions& options);
/// Writes out what is queued and ends the thread.
void stop_log();
/// The file was moved away: goes on in a new one of its name.
void reopen_log();
void set_log_level(LogLevel level);
LogLevel log_level();
/// Lines that found no room, or could not be written, since the start.
std::uint64_t log_lines_dropped();

void log_debug(std::string_view line);
void log_info(std::string_view line);
void log_warning(std::string_view line);
void log_error(std::string_view line);

/// Appends whole lines to the log as they are, in the caller's thread.
void write_log(std::string_view lines, std::uint64_t count);
/// Appends the time as the log has it, `2026-11-22T01:02:03.004+01:00`.
void add_log_time(WallTime time, std::string& out);

}  // namespace ringpost::app
