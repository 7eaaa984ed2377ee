// Commands on modes of queues and on source addresses.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "core/app/control_answers.h"
#include "core/app/control_room.h"
#include "core/app/decision_log.h"
#include "core/app/log.h"

namespace ringpost::app {

using Json = nlohmann::json;

namespace {

constexpr const char* kNotKept = "done, but that is not on disk yet: a crash now undoes it";

}  // namespace

std::string ControlRoom::set_mode(const std::string& pattern, const std::string& mode,
                                  bool dry_run) {
  auto parsed = schedule::QueuePattern::parse(pattern);
  if (!parsed) {
    return answer_error(parsed.error().describe());
  }
  if (mode != "normal" && mode != "backoff") {
    return answer_error("'" + mode + "' is no mode: normal or backoff");
  }
  if (Status named = mode == "normal" ? Status{} : check_named(*parsed); !named) {
    return answer_error(named.error().describe());
  }
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::mode;
  task->pattern = *parsed;
  task->use = mode == "normal";
  task->dry_run = dry_run;
  auto done = ask(std::move(task));
  if (!done) {
    return answer_error(done.error().describe());
  }
  return dry_run || await_kept(**done) ? answer_change(**done) : answer_error(kNotKept);
}

/// Whether what the shards have decided is on disk, within some seconds: what was answered outlives
/// a crash.
bool ControlRoom::await_kept(const ControlTask& done) {
  return await_status(done, [](const ControlTask& then, const ControlTask& now) {
    return std::equal(then.parts.begin(), then.parts.end(), now.parts.begin(), now.parts.end(),
                      [](const auto& one, const auto& other) {
                        return other.status.kept_changes >= one.changes;
                      });
  });
}

std::string ControlRoom::use_source(const std::string& what, bool use, bool dry_run) {
  const std::size_t comma = std::min(what.find(','), what.size());
  const auto address = IpAddress::parse(what.substr(0, comma));
  if (!address) {
    return answer_error("'" + what + "': expected an address, IP or IP,VMTA or IP,DOMAIN/VMTA");
  }
  std::string pattern = comma == what.size() ? "*/*" : what.substr(comma + 1);
  if (pattern.find('/') == std::string::npos) {
    pattern = "*/" + pattern;
  }
  auto parsed = schedule::QueuePattern::parse(pattern);
  if (!parsed) {
    return answer_error(parsed.error().describe());
  }
  if (Status named = use ? Status{} : check_named(*parsed); !named) {
    return answer_error(named.error().describe());
  }
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::source;
  task->pattern = *parsed;
  task->address = *address;
  task->use = use;
  task->dry_run = dry_run;
  auto done = ask(std::move(task));
  if (!done) {
    return answer_error(done.error().describe());
  }
  if (!dry_run) {
    log_info("source address " + address->text() + (use ? " enabled for " : " disabled for ") +
             parsed->text());
    if (auto saved = save_rules(facts_.source_file, (*done)->parts.front().source_rules); !saved) {
      return answer_error("done, but it will not survive a restart: " + saved.error().describe());
    }
  }
  if (!dry_run && !await_kept(**done)) {
    return answer_error(kNotKept);
  }
  return answer_change(**done);
}

std::string ControlRoom::decisions(const std::string& kind) {
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::decisions;
  auto done = ask(std::move(task));
  return done ? answer_decisions(**done, kind) : answer_error(done.error().describe());
}

// Categories of all shards together, those with the most mail first.
std::string ControlRoom::bounces() {
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::status;
  auto done = ask(std::move(task));
  if (!done) {
    return answer_error(done.error().describe());
  }
  std::map<std::string, account::CategoryCount> sums;
  for (const auto& part : (*done)->parts) {
    for (const account::CategoryCount& count : part.status.categories) {
      sums[count.name].bounced += count.bounced;
      sums[count.name].deferred += count.deferred;
    }
  }
  std::vector<std::pair<std::string, account::CategoryCount>> sorted(sums.begin(), sums.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second.bounced, a.second.deferred) >
           std::pair(b.second.bounced, b.second.deferred);
  });
  Json rows = Json::array();
  for (const auto& [name, count] : sorted) {
    rows.push_back({{"category", name}, {"bounced", count.bounced}, {"deferred", count.deferred}});
  }
  return answer_ok(std::move(rows));
}

std::string ControlRoom::ask_about(ControlKind kind, const std::string& pattern,
                                   std::string (*told)(const ControlTask&)) {
  auto parsed = schedule::QueuePattern::parse(pattern.empty() ? "*" : pattern);
  if (!parsed) {
    return answer_error(parsed.error().describe());
  }
  auto task = std::make_unique<ControlTask>();
  task->kind = kind;
  task->pattern = *parsed;
  auto done = ask(std::move(task));
  return done ? told(**done) : answer_error(done.error().describe());
}

std::string ControlRoom::warmups(const std::string& pattern) {
  return ask_about(ControlKind::warmups, pattern, answer_warmups);
}

std::string ControlRoom::day_counts(const std::string& pattern) {
  return ask_about(ControlKind::day_counts, pattern, answer_day_counts);
}

std::string ControlRoom::undo(const std::string& id) {
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::undo;
  task->decision = id;
  auto done = ask(std::move(task));
  if (!done) {
    return answer_error(done.error().describe());
  }
  for (const auto& part : (*done)->parts) {
    if (part.undone) {
      return await_kept(**done) ? answer_ok({{"id", id}}) : answer_error(kNotKept);
    }
  }
  return answer_error("no decision '" + id + "' holds; 'ringpost automation list' names them");
}

namespace {

std::string rate_text(schedule::RateLimit rate) {
  const std::int64_t seconds = rate.period.whole_seconds();
  const std::string unit = seconds == 1       ? "s"
                           : seconds == 60    ? "min"
                           : seconds == 3600  ? "h"
                           : seconds == 86400 ? "d"
                                              : std::to_string(seconds) + "s";
  return std::to_string(rate.count) + "/" + unit;
}

Json json_of(const schedule::WarmupRow& row) {
  return {{"queue", row.name + "/" + row.vmta},
          {"source", row.source},
          {"day", row.day},
          {"days", row.of},
          {"done", row.done},
          {"rate", rate_text(row.rate)},
          {"next", rate_text(row.next)},
          {"sent_today", row.sent},
          {"allowance", row.allowance},
          {"counts", row.counts},
          {"began", row.began.unix_seconds()},
          {"place", row.place}};
}

}  // namespace

/// What is shared has one shard that paces it; another one may have paced it before a reload.
std::string answer_warmups(const ControlTask& task) {
  std::map<std::string, Json> rows;
  for (const auto& part : task.parts) {
    for (const schedule::WarmupRow& one : part.warmups) {
      if (task.pattern.matches(one.name, one.vmta)) {
        Json& row = rows[one.name + "/" + one.vmta + " " + one.source];
        Json other = json_of(one);
        if (row.is_null() || std::pair(row["day"], row["sent_today"]) <
                                 std::pair(other["day"], other["sent_today"])) {
          row = std::move(other);
        }
      }
    }
  }
  Json list = Json::array();
  for (auto& [key, row] : rows) {
    list.push_back(std::move(row));
  }
  return answer_ok(std::move(list));
}

std::string answer_day_counts(const ControlTask& task) {
  Json rows = Json::array();
  for (const auto& part : task.parts) {
    for (const schedule::DayCountRow& one : part.day_counts) {
      if (task.pattern.matches(one.name, one.vmta)) {
        rows.push_back({{"queue", one.name + "/" + one.vmta},
                        {"today", one.given},
                        {"max", one.max},
                        {"later", one.later}});
      }
    }
  }
  std::sort(rows.begin(), rows.end(),
            [](const Json& a, const Json& b) { return a["queue"] < b["queue"]; });
  return answer_ok(std::move(rows));
}

std::string answer_decisions(const ControlTask& task, const std::string& kind) {
  Json rows = Json::array();
  for (const auto& part : task.parts) {
    for (const schedule::Decision& one : part.decisions) {
      const bool backoff = one.kind == schedule::Decision::Kind::backoff;
      if (!kind.empty() && kind != (backoff ? "backoff" : "source")) {
        continue;
      }
      rows.push_back({{"id", one.id()},
                      {"kind", backoff ? "backoff" : "source"},
                      {"queue", one.name + "/" + one.vmta},
                      {"source", one.source.valid() ? one.source.text() : ""},
                      {"cause", schedule::name_of(one.cause)},
                      {"since", one.since.unix_seconds()},
                      {"until", one.until.unix_seconds()},
                      {"reply", one.reply},
                      {"pattern", one.pattern},
                      {"place", one.place},
                      {"reason", reason_of(one)},
                      {"text", describe(one)}});
    }
  }
  std::sort(rows.begin(), rows.end(),
            [](const Json& a, const Json& b) { return a["id"] < b["id"]; });
  return answer_ok(std::move(rows));
}

}  // namespace ringpost::app
