// `ringpost list` and `ringpost why RECIPIENT`: searches that go over all spools in rounds.

#include <string>

#include "core/app/cli_progress.h"
#include "core/app/cli_talk.h"
#include "core/app/table.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

/// All rows up to the limit; nullopt: the error was printed.
std::optional<Json> search(const CliOptions& options, const ListOptions& what, bool& more,
                           int& code) {
  Json rows = Json::array();
  Json cursor = Json::array();
  std::uint64_t examined = 0;
  ProgressLine progress;
  for (bool finished = false; !finished && rows.size() <= what.limit;) {
    Json request = {{"command", "list"}, {"recipient", what.recipient}, {"sender", what.sender},
                    {"job", what.job},   {"vmta", what.vmta},           {"limit", what.limit + 1},
                    {"cursor", cursor}};
    if (what.priority) {
      request["priority"] = *what.priority;
    }
    const auto round = ask(options, request, code);
    if (!round) {
      return std::nullopt;
    }
    for (const auto& row : (*round)["rows"]) {
      rows.push_back(row);
    }
    cursor = (*round)["cursor"];
    examined += (*round)["examined"].get<std::uint64_t>();
    finished = (*round)["finished"].get<bool>();
    progress.show(std::to_string(examined) + " messages read, " + std::to_string(rows.size()) +
                  " found");
  }
  more = rows.size() > what.limit;
  if (more) {
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(what.limit), rows.end());
  }
  return rows;
}

}  // namespace

int list_messages(const CliOptions& options, const ListOptions& what) {
  int code = 0;
  bool more = false;
  const auto rows = search(options, what, more, code);
  if (!rows) {
    return code;
  }
  if (options.json) {
    print(rows->dump(2) + "\n");
    return 0;
  }
  Table table({"id", "recipient", "sender", "virtual MTA", "job", "priority", "received",
               "attempts", "next attempt"});
  table.at_least(1, 24);
  for (const std::size_t column : {0U, 6U, 8U}) {
    table.never_cut(column);
  }
  for (const std::size_t column : {2U, 3U, 4U, 6U, 8U}) {
    table.may_go_below(column);
  }
  for (const auto& row : *rows) {
    const std::string next = row.value("under_way", false)       ? "under way"
                             : row.value("next_attempt", 0) == 0 ? "now"
                                                                 : time_of(row, "next_attempt");
    table.add({text_of(row, "id"), text_of(row, "recipient"),
               "<" + row.value("sender", std::string()) + ">", text_of(row, "vmta"),
               text_of(row, "job"), count_of(row, "priority"), time_of(row, "received"),
               count_of(row, "attempts"), next});
  }
  print(table.empty() ? "no such mail is queued\n" : table.text(terminal_width()));
  if (more) {
    print("there is more; --limit shows it\n");
  }
  return 0;
}

int why(const CliOptions& options, const std::string& what) {
  if (what.find('@') == std::string::npos) {
    return trace(options, what);
  }
  ListOptions query;
  query.recipient = what;
  query.limit = 20;
  int code = 0;
  bool more = false;
  const auto rows = search(options, query, more, code);
  if (!rows) {
    return code;
  }
  if (rows->empty()) {
    return fail(1, "no mail for '" + what +
                       "' is queued: it is settled (see the accounting file) or never was here");
  }
  std::string last;
  for (const auto& row : *rows) {
    const std::string id = row.value("id", std::string());
    if (id != last) {
      code = trace(options, id);
      last = id;
    }
    if (code != 0) {
      return code;
    }
  }
  if (more) {
    print("and more; ringpost list --recipient shows all\n");
  }
  return 0;
}

}  // namespace ringpost::app
