#include <algorithm>

#include "core/app/cli_talk.h"
#include "core/app/cli_views.h"
#include "core/app/table.h"
#include "core/base/text.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

void print_status(const Json& status, const std::string& match) {
  Table totals({"counter", "value"});
  for (const char* key : {"accepted_messages", "delivered", "deferred", "bounced", "expired",
                          "cancelled", "ambiguous", "queued_recipients", "queues", "sessions_in",
                          "sessions_out", "spool_messages", "spool_segments"}) {
    if (match.empty() || std::string_view(key).find(to_lower(match)) != std::string_view::npos) {
      totals.add({key, count_of(status["totals"], key)});
    }
  }
  print("ringpostd " + status.value("version", std::string()) + ", pid " + count_of(status, "pid") +
        ", up " + count_of(status, "uptime_seconds") + " s, " + count_of(status, "shards") +
        " shards: " + status.value("state", std::string("?")) + "\n");
  for (const auto& alarm : status.value("alarms", Json::array())) {
    print("ALARM: " + alarm.get<std::string>() + "\n");
  }
  print(totals.text());
}

/// Lines that contain `match`, without regard to case.
std::string lines_with(const std::string& text, const std::string& match) {
  std::string kept;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string line = text.substr(at, end - at);
    kept += to_lower(line).find(to_lower(match)) != std::string::npos ? line : "";
    at = end;
  }
  return kept;
}

}  // namespace

int show_status(const CliOptions& options, const ViewOptions& how) {
  return repeat(options, how.watch, [&] {
    int code = 0;
    const auto status = ask(options, {{"command", "status"}}, code);
    if (status && options.json) {
      print(status->dump(2) + "\n");
    } else if (status) {
      print_status(*status, how.match);
    }
    return code;
  });
}

int show_settings(const CliOptions& options, const ViewOptions& how, const std::string& sender) {
  return repeat(options, how.watch, [&] {
    int code = 0;
    const auto result =
        ask(options, {{"command", "settings"}, {"pattern", how.pattern}, {"sender", sender}}, code);
    if (!result) {
      return code;
    }
    if (!options.json) {
      print(lines_with(text_of(*result, "text"), how.match));
      return 0;
    }
    Json told = (*result)["settings"];
    Json kept = Json::object();
    for (const auto& [name, setting] : told["settings"].items()) {
      if (to_lower(name + " " + setting.dump()).find(to_lower(how.match)) != std::string::npos) {
        kept[name] = setting;
      }
    }
    told["settings"] = std::move(kept);
    print(told.dump(2) + "\n");
    return 0;
  });
}

int trace(const CliOptions& options, const std::string& id) {
  int code = 0;
  const auto result = ask(options, {{"command", "trace"}, {"id", id}}, code);
  if (!result) {
    return code;
  }
  if (options.json) {
    print(result->dump(2) + "\n");
    return 0;
  }
  print(result->value("message", std::string()) + "\n");
  Table table({"recipient", "state", "queue", "priority", "until", "attempts", "setting", "place",
               "last error"});
  table.at_least(0, 24);
  table.at_least(1, 22);  // a state with its gate
  table.never_cut(4);
  for (const std::size_t column : {2U, 4U, 6U, 7U, 8U}) {
    table.may_go_below(column);
  }
  for (const auto& row : (*result)["recipients"]) {
    table.add({text_of(row, "recipient"), text_of(row, "state"), text_of(row, "queue"),
               row.contains("priority") ? count_of(row, "priority") : "", time_of(row, "until"),
               count_of(row, "attempts"), text_of(row, "setting"), text_of(row, "place"),
               text_of(row, "last_error")});
  }
  print(table.text(terminal_width()));
  return 0;
}

int reload(const CliOptions& options) {
  int code = 0;
  const auto result = ask(options, {{"command", "reload"}}, code);
  if (!result) {
    return code;
  }
  if (options.json) {
    print(result->dump(2) + "\n");
    return 0;
  }
  print(result->value("findings", std::string()));
  print("configuration " + count_of(*result, "version") + " is in force\n");
  for (const auto& name : (*result)["needs_restart"]) {
    print(name.get<std::string>() + " keeps its old value until a restart\n");
  }
  return 0;
}

namespace {

int change(const CliOptions& options, const Json& request) {
  int code = 0;
  const auto result = ask(options, request, code);
  if (!result) {
    return code;
  }
  if (options.json) {
    print(result->dump(2) + "\n");
    return 0;
  }
  print(std::string(options.dry_run ? "would touch " : "touched ") + count_of(*result, "queues") +
        " queues with " + count_of(*result, "recipients") + " recipients\n");
  return 0;
}

}  // namespace

int change_queues(const CliOptions& options, const std::string& verb, const std::string& pattern) {
  return change(options, {{"command", verb}, {"pattern", pattern}, {"dry_run", options.dry_run}});
}

int change_jobs(const CliOptions& options, const std::string& verb, const std::string& job) {
  return change(options, {{"command", verb}, {"job", job}, {"dry_run", options.dry_run}});
}

int move_mail(const CliOptions& options, bool by_job, const std::string& what,
              const std::string& to) {
  return change(options, {{"command", "move"},
                          {by_job ? "job" : "pattern", what},
                          {"to", to},
                          {"dry_run", options.dry_run}});
}

int set_priority(const CliOptions& options, const std::string& queues, const std::string& job,
                 unsigned priority) {
  return change(options, {{"command", "priority"},
                          {"pattern", queues},
                          {"job", job},
                          {"priority", priority},
                          {"dry_run", options.dry_run}});
}

}  // namespace ringpost::app
