#include "core/app/cli_views.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <vector>

#include "core/app/cli_talk.h"
#include "core/app/table.h"
#include "core/base/text.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

constexpr ViewColumn kQueueColumns[] = {
    {"queue", "queue"},
    {"state", "state"},
    {"ready", "ready", CellKind::count},
    {"deferred", "deferred", CellKind::count},
    {"in flight", "in_flight", CellKind::count},
    {"sessions", "sessions", CellKind::count},
    {"next attempt", "next_attempt", CellKind::time},
    {"last error", "last_error"},
};
constexpr ViewColumn kDomainColumns[] = {
    {"domain", "domain"},
    {"queues", "queues", CellKind::count},
    {"ready", "ready", CellKind::count},
    {"deferred", "deferred", CellKind::count},
    {"in flight", "in_flight", CellKind::count},
    {"sessions", "sessions", CellKind::count},
};
constexpr ViewColumn kVmtaColumns[] = {
    {"virtual MTA", "vmta"},
    {"queues", "queues", CellKind::count},
    {"ready", "ready", CellKind::count},
    {"deferred", "deferred", CellKind::count},
    {"in flight", "in_flight", CellKind::count},
    {"sessions", "sessions", CellKind::count},
};
constexpr ViewColumn kJobColumns[] = {
    {"job", "job"},
    {"state", "state"},
    {"queues", "queues", CellKind::count},
    {"ready", "ready", CellKind::count},
    {"deferred", "deferred", CellKind::count},
    {"in flight", "in_flight", CellKind::count},
    {"priority", "priority"},
};
constexpr ViewColumn kSessionColumns[] = {
    {"queue", "queue"},
    {"stage", "stage"},
    {"host", "host"},
    {"address", "remote"},
    {"from", "local"},
    {"messages", "messages", CellKind::count},
    {"since", "since", CellKind::time},
};
constexpr ViewColumn kHostColumns[] = {
    {"host", "host"},
    {"state", "state"},
    {"clean transactions", "clean", CellKind::count},
    {"bad until", "bad_until", CellKind::time},
    {"no pipelining until", "doubt_until", CellKind::time},
    {"shards", "shards", CellKind::count},
};

constexpr View kViews[] = {
    {"queues", "Queues: destination/virtual MTA", "queues", "DOMAIN[/VMTA], * as wildcard",
     kQueueColumns, "queue", false, 0, "no queues"},
    {"topqueues", "The queues with the most mail", "queues", "DOMAIN[/VMTA], * as wildcard",
     kQueueColumns, "queued", true, 20, "no queues"},
    {"domains", "Destinations over all virtual MTAs", "domains", "DOMAIN, * as wildcard",
     kDomainColumns, "domain", false, 0, "no queues"},
    {"vmtas", "Virtual MTAs that have queues", "vmtas", "DOMAIN[/VMTA], * as wildcard",
     kVmtaColumns, "vmta", false, 0, "no queues"},
    {"jobs", "Jobs that have mail", "jobs", "job id, * as wildcard", kJobColumns, "job", false, 0,
     "no jobs"},
    {"sessions", "Outgoing SMTP sessions", "sessions", "DOMAIN[/VMTA], * as wildcard",
     kSessionColumns, "queue", false, 0, "no sessions"},
    {"hosts", "What is remembered of receiving hosts", "hosts", nullptr, kHostColumns, "host",
     false, 0, "no hosts are remembered"},
};

std::string cell_of(const Json& row, const ViewColumn& column) {
  switch (column.kind) {
    case CellKind::count: return count_of(row, column.key);
    case CellKind::time: return time_of(row, column.key);
    case CellKind::text: break;
  }
  return text_of(row, column.key);
}

/// The key to sort by; nullopt where no column has such a name.
std::optional<std::string> sort_key(const View& view, std::string_view asked) {
  for (const ViewColumn& column : view.columns) {
    if (equals_ignoring_case(asked, column.title) || equals_ignoring_case(asked, column.key)) {
      return column.key;
    }
  }
  return std::nullopt;
}

bool row_matches(const Json& row, const View& view, const std::string& match) {
  return match.empty() ||
         std::any_of(view.columns.begin(), view.columns.end(), [&](const ViewColumn& column) {
           return to_lower(cell_of(row, column)).find(to_lower(match)) != std::string::npos;
         });
}

void arrange(Json& rows, const std::string& key, bool descending, std::size_t limit) {
  std::stable_sort(rows.begin(), rows.end(), [&](const Json& a, const Json& b) {
    const Json none;
    const Json& left = a.contains(key) ? a[key] : none;
    const Json& right = b.contains(key) ? b[key] : none;
    return descending ? right < left : left < right;
  });
  if (limit != 0 && rows.size() > limit) {
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(limit), rows.end());
  }
}

int show_once(const CliOptions& options, const View& view, const ViewOptions& how,
              const std::string& key, bool descending) {
  int code = 0;
  auto rows = ask(options, {{"command", view.command}, {"pattern", how.pattern}}, code);
  if (!rows) {
    return code;
  }
  Json kept = Json::array();
  for (auto& row : *rows) {
    if (row_matches(row, view, how.match)) {
      kept.push_back(std::move(row));
    }
  }
  const std::size_t all = kept.size();
  arrange(kept, key, descending, how.limit != 0 ? how.limit : view.limit);
  if (options.json) {
    print(kept.dump(2) + "\n");
    return 0;
  }
  std::vector<std::string> titles;
  for (const ViewColumn& column : view.columns) {
    titles.emplace_back(column.title);
  }
  Table table(std::move(titles));
  for (const Json& row : kept) {
    std::vector<std::string> cells;
    for (const ViewColumn& column : view.columns) {
      cells.push_back(cell_of(row, column));
    }
    table.add(std::move(cells));
  }
  print(table.empty() ? std::string(view.none) + "\n" : table.text(terminal_width()));
  if (kept.size() < all) {
    print(std::to_string(kept.size()) + " of " + std::to_string(all) +
          " rows; --limit shows more\n");
  }
  return 0;
}

}  // namespace

std::span<const View> views() { return kViews; }

const View* find_view(std::string_view name) {
  for (const View& view : kViews) {
    if (name == view.name) {
      return &view;
    }
  }
  return nullptr;
}

int show_view(const CliOptions& options, const View& view, const ViewOptions& how) {
  std::string key = view.sort;
  bool descending = view.descending;
  if (!how.sort.empty()) {
    descending = how.sort.front() == '-';
    const auto found = sort_key(view, std::string_view(how.sort).substr(descending ? 1 : 0));
    if (!found) {
      std::string names;
      for (const ViewColumn& column : view.columns) {
        names += names.empty() ? column.key : std::string(", ") + column.key;
      }
      return fail(1, "--sort: '" + how.sort + "' is no column; there are: " + names);
    }
    key = *found;
  }
  for (;;) {
    if (how.watch != 0 && !options.json) {
      print("\x1b[H\x1b[2J");  // home, clear
    }
    const int code = show_once(options, view, how, key, descending);
    if (how.watch == 0 || code != 0) {
      return code;
    }
    std::fflush(stdout);
    ::sleep(how.watch);
  }
}

}  // namespace ringpost::app
