#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/app/cli_commands.h"
#include "core/app/table.h"
#include "core/base/result.h"
#include "core/base/time.h"

namespace ringpost::app {

/// How a cell of a view is written.
enum class CellKind : std::uint8_t {
  text,
  name,  ///< a text that commands take, never cut
  count,
  time,
};

struct ViewColumn {
  const char* title;
  const char* key;  ///< in the daemon's rows
  CellKind kind = CellKind::text;
  bool below = false;                     ///< stands below its row where lines are short
  const char* sort_by = nullptr;          ///< another key that says the same in a form that sorts
  std::size_t least = Table::kNarrowest;  ///< octets that are left where it is cut
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
  std::size_t limit;           ///< rows, unless told otherwise; 0: all
  const char* none;            ///< what is said instead of an empty table
  const char* kind = nullptr;  ///< passed on to the daemon
  /// Makes what the columns show of a row of the daemon, once or several times; without it the row
  /// is shown as it is. JSON has the daemon's.
  void (*spread)(const nlohmann::json& row, std::vector<nlohmann::json>& out) = nullptr;
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

/// What the view shows of the daemon's rows in lines of at most `width` octets (0: any length), or
/// as JSON. Errors: a column to sort by that is none.
Result<std::string> view_text(const View& view, const nlohmann::json& rows, const ViewOptions& how,
                              std::size_t width, WallTime now);
Result<std::string> view_json(const View& view, const nlohmann::json& rows, const ViewOptions& how);

/// Prints the view, again and again with `watch` until interrupted. The exit code.
int show_view(const CliOptions& options, const View& view, const ViewOptions& how);

void clear_screen(const CliOptions& options, unsigned watch);
void wait_for_next(unsigned seconds);

/// Runs `once` again and again with `watch`, on a clear screen unless it prints JSON; ends with the
/// first code that is not 0.
template <class Once>
int repeat(const CliOptions& options, unsigned watch, Once once) {
  for (;;) {
    clear_screen(options, watch);
    const int code = once();
    if (watch == 0 || code != 0) {
      return code;
    }
    wait_for_next(watch);
  }
}

}  // namespace ringpost::app
