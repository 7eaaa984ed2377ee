#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/app/cli_commands.h"

namespace ringpost::app {

/// How a cell of a view is written.
enum class CellKind : std::uint8_t { text, count, time };

struct ViewColumn {
  const char* title;
  const char* key;  ///< in the daemon's rows
  CellKind kind = CellKind::text;
};

/// A table of the running daemon: a row of `ringpost show`. The table of views is the only place
/// that knows them; the command line and its help come from it.
struct View {
  const char* name;
  const char* help;
  const char* command;                  ///< what is asked of the daemon
  const char* pattern;                  ///< what its argument names; nullptr: it takes none
  std::span<const ViewColumn> columns;  ///< the first one names the row
  const char* sort;                     ///< key of the column it is sorted by
  bool descending;
  std::size_t limit;  ///< rows, unless told otherwise; 0: all
  const char* none;   ///< what is said instead of an empty table
};

std::span<const View> views();
/// nullptr: there is none of this name.
const View* find_view(std::string_view name);

/// What the user asks of a view beside its argument.
struct ViewOptions {
  std::string pattern;
  std::string sort;       ///< a column's title or key, `-` before it: descending; empty: the view's
  std::string match;      ///< only rows with this text in some column, without regard to case
  std::size_t limit = 0;  ///< 0: the view's
  unsigned watch = 0;     ///< seconds between repetitions; 0: once
};

/// Prints the view, again and again with `watch` until interrupted. The exit code.
int show_view(const CliOptions& options, const View& view, const ViewOptions& how);

}  // namespace ringpost::app
