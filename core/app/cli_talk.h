#pragma once

#include <nlohmann/json.hpp>

#include <optional>
#include <string>

#include "core/app/cli_commands.h"

namespace ringpost::app {

// What the commands of the tool share: asking the daemon, and cells of tables.

// Exit codes of commands on files: done, faults were found, cannot be read.
inline constexpr int kDone = 0;
inline constexpr int kFaulty = 1;
inline constexpr int kUnreadable = 2;

/// Prints the error and gives `code` back.
int fail(int code, const std::string& text);
void print(const std::string& text);

/// Asks the daemon; prints the error and sets `code` where there is no result.
std::optional<nlohmann::json> ask(const CliOptions& options, const nlohmann::json& request,
                                  int& code);

/// A number of the row, 0 where it has none.
std::string count_of(const nlohmann::json& row, const char* key);
/// Unix seconds as a date in UTC, `-` for 0.
std::string time_of(const nlohmann::json& row, const char* key);
/// A text, `-` where it is empty.
std::string text_of(const nlohmann::json& row, const char* key);

/// Columns of the terminal on standard output; 0 where it is none, and lines may be of any length.
std::size_t terminal_width();

}  // namespace ringpost::app
