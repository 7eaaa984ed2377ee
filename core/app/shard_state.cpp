// What a shard keeps over restarts beside its mail.

#include <utility>

#include "core/app/log.h"
#include "core/app/shard.h"

namespace ringpost::app {
namespace {

/// Changes of this time are written together.
constexpr Duration kGather = Duration::milliseconds(200);
constexpr Duration kAfterFailure = Duration::seconds(5);
/// How far warm-ups have come is written that often while they are sent from.
constexpr Duration kCounters = Duration::seconds(10);

}  // namespace

Status Shard::open_state() {
  scheduler_->restore(settings_.kept.lines, settings_.kept.clean, loop_.now());
  scheduler_->day_counts().keep(settings_.kept.epoch != 0);
  kept_changes_ = durable_changes_ = scheduler_->changes();
  settings_.kept.lines = {};
  if (settings_.kept.epoch == 0) {
    return {};
  }
  kept_ = std::make_unique<KeptState>(
      ports_.disk, settings_.spool_folder,
      KeptState::Identity{settings_.kept.epoch, settings_.shard, settings_.shards});
  return kept_->open();
}

void Shard::keep_state(Now now) {
  if (kept_ == nullptr || !kept_->idle()) {
    return;
  }
  if (std::exchange(state_under_way_, false)) {
    scheduler_->kept(!kept_->failed(), now);
    durable_changes_ = kept_->failed() ? durable_changes_ : writing_changes_;
  }
  if (kept_->failed() && keep_after_ <= now.instant) {
    log_error("the modes of queues could not be written to " + settings_.spool_folder);
    kept_changes_ = ~std::uint64_t{0};
    last_state_ = false;
  }
  const bool last = stage_ == Stage::draining && !last_state_ && nothing_in_flight();
  if (!last && state_due() > now.instant) {
    return;
  }
  std::string lines;
  scheduler_->write_kept(lines, last, now);
  last_state_ = last;
  kept_changes_ = writing_changes_ = scheduler_->changes();
  kept_sent_ = scheduler_->warmups().sent();
  keep_after_ = now.instant + (kept_->failed() ? kAfterFailure : kGather);
  counters_after_ = now.instant + kCounters;
  state_under_way_ = true;
  kept_->write(lines, last);
}

/// When something is to be written, by what has changed so far.
Instant Shard::state_due() const {
  if (kept_ == nullptr || !kept_->idle() || last_state_) {
    return Instant::never();
  }
  if (kept_->failed() || kept_changes_ != scheduler_->changes()) {
    return keep_after_;
  }
  return kept_sent_ != scheduler_->warmups().sent() ? std::max(keep_after_, counters_after_)
                                                    : Instant::never();
}

/// All is on disk, as it was at the end, or nothing can be done about it.
bool Shard::state_kept() const {
  return kept_ == nullptr || (kept_->idle() && (last_state_ || kept_->failed()));
}

/// What the scheduler leaves out, beside what delivery knows of.
void Shard::add_sources_off(ControlTask::Part& part, Now now) {
  scheduler_->decisions().for_all([&](const schedule::Decision& decision) {
    if (decision.kind == schedule::Decision::Kind::source) {
      const bool ends = decision.until.us != 0;
      part.sources_off.push_back(
          {decision.source, decision.name + "/" + decision.vmta, deliver::SourceReason::reply,
           ends ? now.instant + (decision.until - now.wall) : Instant::never(), decision.since,
           decision.reply});
    }
  });
  for (const schedule::SourceRules::Rule& rule : scheduler_->source_rules().rules()) {
    const std::string queues = rule.pattern.text();
    part.sources_off.push_back({rule.source, queues == "*/*" ? "" : queues,
                                deliver::SourceReason::command, Instant::never(), WallTime{}, ""});
  }
}

void Shard::change_decisions(const ControlTask& task, ControlTask::Part& part, Now now) {
  switch (task.kind) {
    case ControlKind::mode:
      part.touched = scheduler_->set_mode(task.pattern, !task.use, now, task.dry_run);
      break;
    case ControlKind::source: {
      auto done = scheduler_->use_source(task.address, task.pattern, task.use, now, task.dry_run);
      if (done) {
        part.touched = *done;
      } else {
        part.error = done.error().describe();
      }
      part.source_rules = scheduler_->source_rules().serialized();
      break;
    }
    case ControlKind::undo: part.undone = scheduler_->cancel_decision(task.decision, now); break;
    case ControlKind::warmups:
      scheduler_->warmups().for_all([&](const schedule::WarmupState& state) {
        if (part.warmups.size() < task.rows_max) {
          part.warmups.emplace_back(state);
        }
      });
      break;
    case ControlKind::day_counts:
      scheduler_->day_counts().for_all([&](const schedule::DayCount& count) {
        if (part.day_counts.size() < task.rows_max && count.day() == schedule::day_of(now.wall)) {
          part.day_counts.push_back(
              {count.name(), count.vmta(), count.given(), count.max(), count.later()});
        }
      });
      break;
    default:
      scheduler_->decisions().for_all([&](const schedule::Decision& decision) {
        if (part.decisions.size() < task.rows_max) {
          part.decisions.push_back(decision);
        }
      });
      part.source_rules = scheduler_->source_rules().serialized();
  }
  part.changes = scheduler_->changes();
}

}  // namespace ringpost::app
