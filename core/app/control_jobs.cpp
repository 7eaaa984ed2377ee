// Commands that change queues and jobs, and moves of mail.

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/app/control_answers.h"
#include "core/app/control_room.h"
#include "core/app/log.h"
#include "core/app/sharing_rules.h"
#include "core/base/text.h"
#include "core/schedule/job_rules.h"
#include "core/schedule/queue_pattern.h"

namespace ringpost::app {

namespace {

constexpr Duration kAwaitTime = Duration::seconds(15);

}  // namespace

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
  if (Status named = verb == "resume" ? Status{} : check_named(*parsed); !named) {
    return answer_error(named.error().describe());
  }
  auto task = std::make_unique<ControlTask>();
  task->pattern = *parsed;
  return verb == "schedule" ? try_now(std::move(task), dry_run)
                            : change(verb, std::move(task), dry_run);
}

namespace {

Status waits_elsewhere(std::string_view domain, std::string_view queue, std::string_view vmta) {
  return Error::of(ErrorCode::invalid, "nothing was done: the mail of " + std::string(domain) +
                                           " waits in the queue " + std::string(queue) +
                                           ", which it shares with others; name that one, " +
                                           std::string(queue) + "/" + std::string(vmta));
}

}  // namespace

/// invalid: the queues' name is that of a destination whose mail is in a queue of another name. A
/// command that did nothing would look as if it had been obeyed.
Status ControlRoom::check_named(const schedule::QueuePattern& queues) {
  const std::shared_ptr<const config::Snapshot> in_force = settings();
  if (queues.domain.find('*') != std::string::npos || in_force->is_group(queues.domain)) {
    return {};
  }
  for (config::VmtaId id = 0; id < in_force->virtual_mtas().size(); ++id) {
    const std::string_view name = in_force->queue_name(queues.domain, id);
    const bool meant = schedule::glob_matches(queues.vmta, in_force->virtual_mtas()[id].name);
    if (meant && !equals_ignoring_case(name, queues.domain) && !in_force->is_group(name)) {
      return waits_elsewhere(queues.domain, to_lower(name), queues.vmta);
    }
  }
  if (in_force->mx_rollup().empty()) {
    return {};
  }
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::rolled_up;
  task->pattern = queues;
  auto done = ask(std::move(task));
  if (!done) {
    return done.error();
  }
  for (const auto& part : (*done)->parts) {
    if (!part.rolled.empty()) {
      return waits_elsewhere(queues.domain, part.rolled.front().queue, queues.vmta);
    }
  }
  return {};
}

std::string ControlRoom::change_jobs(const std::string& verb, const std::string& job,
                                     bool dry_run) {
  if (auto good = schedule::JobRules::check(job); !good) {
    return answer_error(good.error().describe());
  }
  auto task = std::make_unique<ControlTask>();
  task->job = job;
  return verb == "schedule" ? try_now(std::move(task), dry_run)
                            : change(verb, std::move(task), dry_run);
}

std::string ControlRoom::change(const std::string& verb, TaskRef task, bool dry_run) {
  task->kind = verb == "pause"    ? ControlKind::pause
               : verb == "resume" ? ControlKind::resume
                                  : ControlKind::cancel;
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
  if (verb == "delete" && !dry_run && !await_endings()) {
    return answer_error("deleted, but that is not all on disk yet: a crash now brings some back");
  }
  return answer_change(**done);
}

/// Whether all that was deleted has its end in the journals, within some seconds: what was answered
/// stays so.
bool ControlRoom::await_endings() {
  return await_status({}, [](const ControlTask&, const ControlTask& now) {
    return std::none_of(now.parts.begin(), now.parts.end(),
                        [](const auto& part) { return part.status.ends; });
  });
}

/// Asks for the shards' status until it is good beside `then`. False: it took too long.
bool ControlRoom::await_status(const ControlTask& then,
                               bool (*good)(const ControlTask&, const ControlTask&)) {
  const Instant deadline = read_clocks().instant + kAwaitTime;
  for (;;) {
    auto task = std::make_unique<ControlTask>();
    task->kind = ControlKind::status;
    auto told = ask(std::move(task));
    if (told && good(then, **told)) {
      return true;
    }
    if (read_clocks().instant >= deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

namespace {

/// VMTA, or NAME/VMTA.
Status read_target(const config::Snapshot& snapshot, const std::string& to, ControlTask& task) {
  const std::size_t slash = to.find('/');
  task.move.vmta = slash == std::string::npos ? to : to.substr(slash + 1);
  task.move.name = slash == std::string::npos ? "" : to_lower(to.substr(0, slash));
  task.move.shared = sharing_rules(snapshot).names.contains(task.move.name);
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

/// Whose mail is in shared queues that the move names; false: nothing that it did not know.
bool add_rolled(const ControlTask& told, MoveRule& rule) {
  bool any = false;
  for (const auto& part : told.parts) {
    any = rule.add_rolled(part.rolled) || any;
  }
  return any;
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
      good = good ? check_named(task->move.queues) : good;
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
  add_rolled(**counted, (*task)->move);
  MoveRule rule = (*task)->move;
  if (auto kept = keep_move(rule); !kept) {
    return answer_error("nothing was moved: " + kept.error().describe());
  }
  auto done = ask(std::move(*task));
  if (!done) {
    return answer_error(done.error().describe());
  }
  // What shards have learned of mail hosts since they were asked first.
  if (add_rolled(**done, rule)) {
    moves_.learn(rule.rolled);
    if (auto saved = save_rules(facts_.move_file, moves_.serialized()); !saved) {
      return answer_error("moved, but part of it may not survive a restart: " +
                          saved.error().describe());
    }
  }
  log_info("mail of " + (rule.by_job ? "job " + rule.job : rule.queues.text()) + " moves to " +
           (rule.name.empty() ? "" : rule.name + "/") + rule.vmta);
  return answer_change(**done);
}

// Likewise: the journals go on saying until when the mail was put off.
std::string ControlRoom::try_now(TaskRef task, bool dry_run) {
  task->kind = ControlKind::retry_now;
  task->dry_run = true;
  MoveRule rule;
  rule.at_once = true;
  rule.by_job = !task->job.empty();
  rule.job = task->job;
  rule.queues = task->pattern;
  auto counted = ask(std::move(task));
  if (!counted) {
    return answer_error(counted.error().describe());
  }
  if (dry_run) {
    return answer_change(**counted);
  }
  add_rolled(**counted, rule);
  rule.before = read_clocks().wall;
  if (auto kept = keep_move(rule); !kept) {
    return answer_error("nothing was scheduled: " + kept.error().describe());
  }
  auto order = std::make_unique<ControlTask>();
  order->kind = ControlKind::retry_now;
  order->pattern = rule.queues;
  order->job = rule.job;
  order->move = rule;
  auto done = ask(std::move(order));
  return done ? answer_change(**done) : answer_error(done.error().describe());
}

Status ControlRoom::keep_move(const MoveRule& rule) {
  MoveRules all = moves_;
  Status kept = all.add(rule, rule.before);
  kept = kept ? save_rules(facts_.move_file, all.serialized()) : kept;
  if (kept) {
    moves_ = std::move(all);
  }
  return kept;
}

// On disk before any of it is done, like a move.
std::string ControlRoom::prioritize(const Json& request) {
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::priority;
  task->dry_run = request.value("dry_run", false);
  MoveRule& rule = task->move;
  rule.before = read_clocks().wall;
  rule.job = request.value("job", std::string("*"));
  if (auto good = schedule::JobRules::check(rule.job); !good) {
    return answer_error(good.error().describe());
  }
  auto queues = schedule::QueuePattern::parse(request.value("pattern", std::string("*")));
  if (!queues) {
    return answer_error(queues.error().describe());
  }
  if (Status named = check_named(*queues); !named) {
    return answer_error(named.error().describe());
  }
  rule.queues = *queues;
  const auto wanted = request.value("priority", std::int64_t{-1});
  if (wanted < 0 || wanted > kPriorityMax) {
    return answer_error("a priority is a number from 0 to 100; mail has 50 by itself");
  }
  rule.priority = static_cast<std::uint8_t>(wanted);
  if (Status kept = task->dry_run ? Status{} : keep_move(rule); !kept) {
    return answer_error("nothing was changed: " + kept.error().describe());
  }
  const std::string said = "mail of job " + rule.job + " in " + rule.queues.text() +
                           " gets priority " + std::to_string(wanted);
  auto done = ask(std::move(task));
  if (!done) {
    return answer_error(done.error().describe());
  }
  if (!(*done)->dry_run) {
    log_info(said);
  }
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
      sum.lowest = std::min(sum.lowest, row.lowest);
      sum.highest = std::max(sum.highest, row.highest);
      sum.paused = sum.paused || row.paused;
    }
  }
  Json rows = Json::array();
  for (const auto& [name, sum] : jobs) {
    const std::string lowest = std::to_string(sum.lowest);
    rows.push_back(
        {{"job", name},
         {"state", sum.paused ? "paused" : "active"},
         {"queues", sum.queues},
         {"queued", sum.ready + sum.deferred + sum.in_flight},
         {"ready", sum.ready},
         {"deferred", sum.deferred},
         {"in_flight", sum.in_flight},
         {"priority",
          sum.lowest == sum.highest ? lowest : lowest + "-" + std::to_string(sum.highest)},
         {"paused", sum.paused}});
  }
  return answer_ok(std::move(rows));
}

}  // namespace ringpost::app
