// `ringpost top`: a screen that renews itself, with what each core does.

#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "core/app/cli_talk.h"
#include "core/app/cli_views.h"
#include "core/app/table.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

/// Counters of a shard whose growth is shown, as messages or events a second.
constexpr std::array<ViewColumn, 5> kRates = {{
    {"accepted /s", "accepted_messages"},
    {"delivered /s", "delivered"},
    {"deferred /s", "deferred"},
    {"bounced /s", "bounced"},
    {"commits /s", "commits"},
}};
/// Figures that are shown as they are.
constexpr std::array<ViewColumn, 4> kLevels = {{
    {"in", "sessions_in"},
    {"out", "sessions_out"},
    {"queued", "queued_recipients"},
    {"queues", "queues"},
}};

std::vector<std::string> cells_of(const Json& now, const Json& before, unsigned seconds) {
  std::vector<std::string> cells;
  for (const ViewColumn& rate : kRates) {
    const auto fresh = now.value(rate.key, std::uint64_t{0});
    const auto old = before.value(rate.key, std::uint64_t{0});
    cells.push_back(std::to_string(fresh >= old ? (fresh - old) / seconds : 0));
  }
  for (const ViewColumn& level : kLevels) {
    cells.push_back(count_of(now, level.key));
  }
  return cells;
}

void add_row(Table& table, std::string name, std::vector<std::string> cells) {
  cells.insert(cells.begin(), std::move(name));
  table.add(std::move(cells));
}

void draw(const Json& now, const Json& before, unsigned seconds) {
  std::vector<std::string> titles = {"core"};
  for (const ViewColumn& rate : kRates) {
    titles.emplace_back(rate.title);
  }
  for (const ViewColumn& level : kLevels) {
    titles.emplace_back(level.title);
  }
  Table table(std::move(titles));
  const Json none = Json::object();
  const auto& shards = now["by_shard"];
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const bool known = before.contains("by_shard") && i < before["by_shard"].size();
    add_row(table, std::to_string(i),
            cells_of(shards[i], known ? before["by_shard"][i] : shards[i], seconds));
  }
  add_row(table, "all",
          cells_of(now["totals"], before.contains("totals") ? before["totals"] : now["totals"],
                   seconds));
  const std::string version = now.value("version", std::string());
  std::string out = version.substr(0, version.find(" (")) + ", pid " + count_of(now, "pid") +
                    ", up " + count_of(now, "uptime_seconds") + " s\n";
  for (const auto& alarm : now.value("alarms", Json::array())) {
    out += "ALARM: " + alarm.get<std::string>() + "\n";
  }
  print(out + table.text(terminal_width()));
}

}  // namespace

int show_top(const CliOptions& options, unsigned seconds, unsigned rounds) {
  const bool screen = terminal_width() != 0;
  Json before = Json::object();
  const View* queues = find_view("topqueues");
  for (unsigned round = 0; rounds == 0 || round < rounds; ++round) {
    int code = 0;
    const auto now = ask(options, {{"command", "status"}}, code);
    if (!now) {
      return code;
    }
    if (screen) {
      print("\x1b[H\x1b[2J");  // home, clear
    }
    draw(*now, before, seconds);
    print("\n");
    ViewOptions how;
    how.limit = 10;
    if (const int shown = show_view(options, *queues, how); shown != 0) {
      return shown;
    }
    std::fflush(stdout);
    before = *now;
    if (rounds == 0 || round + 1 < rounds) {
      ::sleep(seconds);
    }
  }
  return 0;
}

}  // namespace ringpost::app
