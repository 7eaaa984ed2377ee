// Commands that change queues and jobs, and moves of mail.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "core/app/control_answers.h"
#include "core/app/control_room.h"
#include "core/app/log.h"
#include "core/base/text.h"
#include "core/schedule/job_rules.h"
#include "core/schedule/queue_pattern.h"

namespace ringpost::app {

using Json = nlohmann::json;

std::string ControlRoom::jobs(const std::string& pattern) {
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::jobs;
  task->job = pattern.empty() ? "*" : pattern;
  auto done = ask(std::move(task));
  return done ? answer_jobs(**done) : answer_error(done.error().describe());
}

std::string ControlRoom::change_queues(const std::string& verb, const std::string& pattern,
                                       bool dry_run) {
  auto parsed = schedule::QueuePattern::parse(pattern);
  if (!parsed) {
    return answer_error(parsed.error().describe());
  }
  auto task = std::make_unique<ControlTask>();
  task->pattern = *parsed;
  return change(verb, std::move(task), dry_run);
}

std::string ControlRoom::change_jobs(const std::string& verb, const std::string& job,
                                     bool dry_run) {
  if (auto good = schedule::JobRules::check(job); !good) {
    return answer_error(good.error().describe());
  }
  auto task = std::make_unique<ControlTask>();
  task->job = job;
  return change(verb, std::move(task), dry_run);
}

std::string ControlRoom::change(const std::string& verb, TaskRef task, bool dry_run) {
  task->kind = verb == "pause"    ? ControlKind::pause
               : verb == "resume" ? ControlKind::resume
               : verb == "delete" ? ControlKind::cancel
                                  : ControlKind::retry_now;
  task->dry_run = dry_run;
  const bool by_job = !task->job.empty();
  const bool rules_change = !dry_run && (verb == "pause" || verb == "resume");
  auto done = ask(std::move(task));
  if (!done) {
    return answer_error(done.error().describe());
  }
  if (rules_change) {
    const auto& part = (*done)->parts.front();
    const Status saved = by_job ? save_rules(facts_.job_file, part.job_rules)
                                : save_rules(facts_.pause_file, part.pause_rules);
    if (!saved) {
      return answer_error("done, but it will not survive a restart: " + saved.error().describe());
    }
  }
  return answer_change(**done);
}

namespace {

/// VMTA, or NAME/VMTA.
Status read_target(const config::Snapshot& snapshot, const std::string& to, ControlTask& task) {
  const std::size_t slash = to.find('/');
  task.move.vmta = slash == std::string::npos ? to : to.substr(slash + 1);
  task.move.name = slash == std::string::npos ? "" : to_lower(to.substr(0, slash));
  const config::VmtaRef ref = snapshot.find_vmta(task.move.vmta);
  const bool named = slash == std::string::npos || schedule::QueuePattern::parse(to).ok();
  if (ref.kind == config::VmtaRef::Kind::none || !named || to.find('*') != std::string::npos) {
    return Error::of(ErrorCode::invalid,
                     "'" + to +
                         "': expected VMTA or DOMAIN/VMTA, of a virtual MTA or pool that "
                         "the configuration has");
  }
  if (ref.kind == config::VmtaRef::Kind::vmta) {
    task.takers.push_back(to_lower(snapshot.virtual_mtas()[ref.id].name));
    return {};
  }
  for (const config::VmtaId member : snapshot.pools()[ref.id].members) {
    task.takers.push_back(to_lower(snapshot.virtual_mtas()[member].name));
  }
  return {};
}

}  // namespace

// It is on disk before any of it is done: a start after a crash in the middle goes on with it. All
// shards are asked first whether they can.
std::string ControlRoom::move(const Json& request) {
  const auto make = [&](bool dry_run) -> Result<TaskRef> {
    auto task = std::make_unique<ControlTask>();
    task->kind = ControlKind::move;
    task->dry_run = dry_run;
    task->move.by_job = request.contains("job");
    task->move.job = request.value("job", std::string());
    task->move.before = read_clocks().wall;
    Status good = task->move.by_job ? schedule::JobRules::check(task->move.job) : Status{};
    if (!task->move.by_job) {
      auto parsed = schedule::QueuePattern::parse(request.value("pattern", std::string()));
      good = parsed ? Status{} : Status(parsed.error());
      task->move.queues = parsed ? *parsed : schedule::QueuePattern{};
    }
    if (good) {
      good = read_target(*reloader_.current(), request.value("to", std::string()), *task);
    }
    if (!good) {
      return good.error();
    }
    return task;
  };
  auto counting = make(true);
  if (!counting) {
    return answer_error(counting.error().describe());
  }
  auto counted = ask(std::move(*counting));
  if (!counted) {
    return answer_error(counted.error().describe());
  }
  const bool busy = std::any_of((*counted)->parts.begin(), (*counted)->parts.end(),
                                [](const auto& part) { return !part.error.empty(); });
  if (busy || request.value("dry_run", false)) {
    return answer_change(**counted);
  }
  auto task = make(false);
  const MoveRule rule = (*task)->move;
  MoveRules all = moves_;
  Status kept = all.add(rule, rule.before);
  kept = kept ? save_rules(facts_.move_file, all.serialized()) : kept;
  if (!kept) {
    return answer_error("nothing was moved: " + kept.error().describe());
  }
  moves_ = std::move(all);
  auto done = ask(std::move(*task));
  if (!done) {
    return answer_error(done.error().describe());
  }
  log_info("mail of " + (rule.by_job ? "job " + rule.job : rule.queues.text()) + " moves to " +
           (rule.name.empty() ? "" : rule.name + "/") + rule.vmta);
  return answer_change(**done);
}

std::string answer_jobs(const ControlTask& task) {
  std::map<std::string, schedule::JobRow> jobs;
  for (const auto& part : task.parts) {
    for (const schedule::JobRow& row : part.jobs) {
      schedule::JobRow& sum = jobs[row.name];
      sum.queues += row.queues;
      sum.ready += row.ready;
      sum.deferred += row.deferred;
      sum.in_flight += row.in_flight;
      sum.paused = sum.paused || row.paused;
    }
  }
  Json rows = Json::array();
  for (const auto& [name, sum] : jobs) {
    rows.push_back({{"job", name},
                    {"state", sum.paused ? "paused" : "active"},
                    {"queues", sum.queues},
                    {"queued", sum.ready + sum.deferred + sum.in_flight},
                    {"ready", sum.ready},
                    {"deferred", sum.deferred},
                    {"in_flight", sum.in_flight},
                    {"paused", sum.paused}});
  }
  return answer_ok(std::move(rows));
}

}  // namespace ringpost::app
