#include "core/app/cli_views.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "core/app/cli_talk.h"
#include "core/app/table.h"
#include "core/base/text.h"
#include "net/wire/ring_driver.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLeastOfName = 18;
constexpr std::size_t kLeastOfState = 22;  // with the gate it waits at

constexpr ViewColumn kQueueColumns[] = {
    {"queue", "queue", CellKind::text, false, nullptr, kLeastOfName},
    {"state", "state", CellKind::text, false, nullptr, kLeastOfState},
    {"ready", "ready", CellKind::count},
    {"deferred", "deferred", CellKind::count},
    {"in flight", "in_flight", CellKind::count},
    {"sessions", "sessions", CellKind::count},
    {"next attempt", "next_attempt", CellKind::time, true},
    {"last error", "last_error", CellKind::text, true},
};
constexpr ViewColumn kDomainColumns[] = {
    {"domain", "domain", CellKind::text, false, nullptr, kLeastOfName},
    {"queues", "queues", CellKind::count},
    {"ready", "ready", CellKind::count},
    {"deferred", "deferred", CellKind::count},
    {"in flight", "in_flight", CellKind::count},
    {"sessions", "sessions", CellKind::count},
};
constexpr ViewColumn kVmtaColumns[] = {
    {"virtual MTA", "vmta", CellKind::text, false, nullptr, kLeastOfName},
    {"queues", "queues", CellKind::count},
    {"ready", "ready", CellKind::count},
    {"deferred", "deferred", CellKind::count},
    {"in flight", "in_flight", CellKind::count},
    {"sessions", "sessions", CellKind::count},
};
constexpr ViewColumn kJobColumns[] = {
    {"job", "job", CellKind::text, false, nullptr, kLeastOfName},
    {"state", "state"},
    {"queues", "queues", CellKind::count},
    {"ready", "ready", CellKind::count},
    {"deferred", "deferred", CellKind::count},
    {"in flight", "in_flight", CellKind::count},
    {"priority", "priority", CellKind::text, true},
};
constexpr ViewColumn kSessionColumns[] = {
    {"queue", "queue", CellKind::text, false, nullptr, kLeastOfName},
    {"stage", "stage"},
    {"host", "host", CellKind::text, true},
    {"address", "remote"},
    {"from", "local", CellKind::text, true},
    {"messages", "messages", CellKind::count},
    {"since", "since", CellKind::time},
};
constexpr ViewColumn kHostColumns[] = {
    {"host", "host", CellKind::text, false, nullptr, kLeastOfName},
    {"state", "state"},
    {"clean transactions", "clean", CellKind::count},
    {"bad until", "bad_until", CellKind::time},
    {"no pipelining until", "doubt_until", CellKind::time, true},
    {"shards", "shards", CellKind::count},
};

constexpr ViewColumn kBackoffColumns[] = {
    {"id", "id", CellKind::name},
    {"since", "since", CellKind::time},
    {"until", "until", CellKind::time},
    {"reason", "reason", CellKind::text, true},
};
constexpr ViewColumn kBounceColumns[] = {
    {"category", "category"},
    {"bounced", "bounced", CellKind::count},
    {"deferred", "deferred", CellKind::count},
};
constexpr ViewColumn kWarmupColumns[] = {
    {"queue", "queue", CellKind::text, false, nullptr, kLeastOfName},
    {"source", "source", CellKind::text, true},
    {"day", "progress", CellKind::text, false, "day"},
    {"rate now", "rate"},
    {"next step", "next_step", CellKind::text, true},
    {"sent today", "sent_today", CellKind::count},
    {"of", "allowance", CellKind::count},
    {"day counts", "counting"},
    {"since", "began", CellKind::time, true},
    {"place", "place", CellKind::text, true},
};
constexpr ViewColumn kColdColumns[] = {
    {"queue", "queue", CellKind::text, false, nullptr, kLeastOfName},
    {"today", "today", CellKind::count},
    {"of", "max", CellKind::count},
    {"for later days", "later", CellKind::count},
};
constexpr ViewColumn kSourceColumns[] = {
    {"virtual MTA", "vmta", CellKind::text, false, nullptr, kLeastOfName},
    {"address", "address"},
    {"HELO", "helo", CellKind::text, true},
    {"state", "state"},
    {"queue", "queue", CellKind::text, true},
    {"until", "until", CellKind::time},
    {"text", "text", CellKind::text, true},
};

void spread_warmup(const Json& row, std::vector<Json>& out) {
  Json& shown = out.emplace_back(row);
  const bool done = row.value("done", false);
  shown["progress"] = done ? "done" : count_of(row, "day") + " of " + count_of(row, "days");
  shown["next_step"] = done ? "none" : text_of(row, "next");
  shown["counting"] = row.value("counts", false) ? "yes" : "not yet";
}

/// One line for each reason that an address is out of use.
void spread_source(const Json& row, std::vector<Json>& out) {
  const Json offs = row.value("off", Json::array());
  const auto add = [&](const std::string& state, const Json& off) {
    Json& shown = out.emplace_back(row);
    shown["state"] = state;
    for (const char* key : {"queue", "until", "text"}) {
      if (off.contains(key)) {
        shown[key] = off[key];
      }
    }
  };
  if (offs.empty()) {
    add("in use", Json::object());
  }
  for (const Json& off : offs) {
    add(off.value("reason", std::string()), off);
  }
}

constexpr const char* kQueuePattern = "DOMAIN[/VMTA], * as wildcard";

constexpr View kViews[] = {
    {"queues", "Queues: destination/virtual MTA", "queues", kQueuePattern, kQueueColumns, "queue",
     false, 0, "no queues"},
    {"topqueues", "The queues with the most mail", "queues", kQueuePattern, kQueueColumns, "queued",
     true, 20, "no queues"},
    {"domains", "Destinations over all virtual MTAs", "domains", "DOMAIN, * as wildcard",
     kDomainColumns, "domain", false, 0, "no queues"},
    {"vmtas", "Virtual MTAs that have queues", "vmtas", kQueuePattern, kVmtaColumns, "vmta", false,
     0, "no queues"},
    {"jobs", "Jobs that have mail", "jobs", "job id, * as wildcard", kJobColumns, "job", false, 0,
     "no jobs"},
    {"sessions", "Outgoing SMTP sessions", "sessions", kQueuePattern, kSessionColumns, "queue",
     false, 0, "no sessions"},
    {"hosts", "What is remembered of receiving hosts", "hosts", nullptr, kHostColumns, "host",
     false, 0, "no hosts are remembered"},
    {"sources", "Source addresses of the virtual MTAs, and which are out of use", "sources",
     nullptr, kSourceColumns, "vmta", false, 0, "no virtual MTA has source addresses", nullptr,
     spread_source},
    {"backoff", "Queues in back-off mode, and why", "decisions", nullptr, kBackoffColumns, "id",
     false, 0, "none", "backoff"},
    {"bounces", "Categories of bounces and failed attempts since the start", "bounces", nullptr,
     kBounceColumns, "bounced", true, 0, "none since the start"},
    {"warmup", "How queues warm up: day, rate, sent", "warmup", kQueuePattern, kWarmupColumns,
     "queue", false, 0, "no queue warms up", nullptr, spread_warmup},
    {"cold", "What cold virtual MTAs were given today, and of how much", "cold", kQueuePattern,
     kColdColumns, "queue", false, 0, "no queue is given so many a day"},
};

/// A time in UTC for short lines: of today the time alone, else no seconds.
std::string short_time_of(const Json& row, const char* key, WallTime now) {
  const std::string whole = time_of(row, key);
  const std::string today = time_of({{key, now.unix_seconds()}}, key);
  constexpr std::size_t kDate = sizeof "2026-11-22 " - 1;
  if (whole.size() != today.size()) {
    return whole;  // no time
  }
  return whole.substr(0, kDate) == today.substr(0, kDate) ? whole.substr(kDate, 8)
                                                          : whole.substr(5, kDate);
}

std::string cell_of(const Json& row, const ViewColumn& column, bool short_times = false,
                    WallTime now = {}) {
  switch (column.kind) {
    case CellKind::count: return count_of(row, column.key);
    case CellKind::time:
      return short_times ? short_time_of(row, column.key, now) : time_of(row, column.key);
    case CellKind::text:
    case CellKind::name: break;
  }
  return text_of(row, column.key);
}

bool row_matches(const Json& row, const View& view, const std::string& match) {
  return match.empty() ||
         std::any_of(view.columns.begin(), view.columns.end(), [&](const ViewColumn& column) {
           return to_lower(cell_of(row, column)).find(to_lower(match)) != std::string::npos;
         });
}

struct Order {
  std::string key;
  bool descending = false;
};

Result<Order> order_of(const View& view, const std::string& asked) {
  if (asked.empty()) {
    return Order{view.sort, view.descending};
  }
  const bool descending = asked.front() == '-';
  const std::string_view name = std::string_view(asked).substr(descending ? 1 : 0);
  std::string names;
  for (const ViewColumn& column : view.columns) {
    if (equals_ignoring_case(name, column.title) || equals_ignoring_case(name, column.key)) {
      return Order{column.sort_by != nullptr ? column.sort_by : column.key, descending};
    }
    names += names.empty() ? column.key : std::string(", ") + column.key;
  }
  return Error::of(ErrorCode::invalid, "--sort: '" + asked + "' is no column; there are: " + names);
}

/// A row as the columns show it, and which of the daemon's it is.
struct Shown {
  Json row;
  std::size_t origin = 0;
};

/// The rows that are asked for, in their order; `all` is how many there would be without a limit.
Result<std::vector<Shown>> select(const View& view, const Json& rows, const ViewOptions& how,
                                  std::size_t& all) {
  const auto order = order_of(view, how.sort);
  if (!order) {
    return order.error();
  }
  std::vector<Shown> chosen;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<Json> spread;
    if (view.spread != nullptr) {
      view.spread(rows[i], spread);
    } else {
      spread.push_back(rows[i]);
    }
    for (Json& row : spread) {
      if (row_matches(row, view, how.match)) {
        chosen.push_back({std::move(row), i});
      }
    }
  }
  std::stable_sort(chosen.begin(), chosen.end(), [&](const Shown& a, const Shown& b) {
    const Json none;
    const Json& left = a.row.contains(order->key) ? a.row[order->key] : none;
    const Json& right = b.row.contains(order->key) ? b.row[order->key] : none;
    return order->descending ? right < left : left < right;
  });
  all = chosen.size();
  const std::size_t limit = how.limit != 0 ? how.limit : view.limit;
  if (limit != 0 && chosen.size() > limit) {
    chosen.erase(chosen.begin() + static_cast<std::ptrdiff_t>(limit), chosen.end());
  }
  return chosen;
}

Table table_of(const View& view, const std::vector<Shown>& rows, bool short_times, WallTime now) {
  std::vector<std::string> titles;
  for (const ViewColumn& column : view.columns) {
    titles.emplace_back(column.title);
  }
  Table table(std::move(titles));
  for (std::size_t i = 0; i < view.columns.size(); ++i) {
    if (view.columns[i].below) {
      table.may_go_below(i);
    }
    table.at_least(i, view.columns[i].least);
    if (view.columns[i].kind == CellKind::name) {
      table.never_cut(i);
    }
  }
  for (const Shown& shown : rows) {
    std::vector<std::string> cells;
    for (const ViewColumn& column : view.columns) {
      cells.push_back(cell_of(shown.row, column, short_times, now));
    }
    table.add(std::move(cells));
  }
  return table;
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

Result<std::string> view_text(const View& view, const Json& rows, const ViewOptions& how,
                              std::size_t width, WallTime now) {
  std::size_t all = 0;
  const auto chosen = select(view, rows, how, all);
  if (!chosen) {
    return chosen.error();
  }
  if (chosen->empty()) {
    return std::string(view.none) + "\n";
  }
  Table table = table_of(view, *chosen, false, now);
  if (!table.fits(width)) {
    table = table_of(view, *chosen, true, now);
  }
  std::string text = table.text(width);
  if (chosen->size() < all) {
    text += std::to_string(chosen->size()) + " of " + std::to_string(all) +
            " rows; --limit shows more\n";
  }
  return text;
}

Result<std::string> view_json(const View& view, const Json& rows, const ViewOptions& how) {
  std::size_t all = 0;
  const auto chosen = select(view, rows, how, all);
  if (!chosen) {
    return chosen.error();
  }
  Json kept = Json::array();
  std::vector<bool> there(rows.size());
  for (const Shown& shown : *chosen) {
    if (!there[shown.origin]) {
      there[shown.origin] = true;
      kept.push_back(rows[shown.origin]);
    }
  }
  return kept.dump(2) + "\n";
}

void clear_screen(const CliOptions& options, unsigned watch) {
  if (watch != 0 && !options.json) {
    print("\x1b[H\x1b[2J");  // home, clear
  }
}

void wait_for_next(unsigned seconds) {
  std::fflush(stdout);
  ::sleep(seconds);
}

int show_view(const CliOptions& options, const View& view, const ViewOptions& how) {
  return repeat(options, how.watch, [&] {
    int code = 0;
    const auto rows = ask(options,
                          {{"command", view.command},
                           {"pattern", how.pattern},
                           {"kind", view.kind == nullptr ? "" : view.kind}},
                          code);
    if (!rows) {
      return code;
    }
    const auto told = options.json
                          ? view_json(view, *rows, how)
                          : view_text(view, *rows, how, terminal_width(), read_clocks().wall);
    if (!told) {
      return fail(1, told.error().detail);
    }
    print(*told);
    return 0;
  });
}

}  // namespace ringpost::app
