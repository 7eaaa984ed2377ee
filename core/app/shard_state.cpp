// What a shard keeps over restarts beside its mail.

#include "core/app/log.h"
#include "core/app/shard.h"

namespace ringpost::app {
namespace {

/// Changes of this time are written together.
constexpr Duration kGather = Duration::milliseconds(200);
constexpr Duration kAfterFailure = Duration::seconds(5);

}  // namespace

Status Shard::open_state() {
  scheduler_->restore_decisions(settings_.kept.lines, loop_.now());
  kept_changes_ = scheduler_->decisions().changes();
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
  if (kept_->failed() && keep_after_ <= now.instant) {
    log_error("the modes of queues could not be written to " + settings_.spool_folder);
    kept_changes_ = ~std::uint64_t{0};
  }
  const schedule::DecisionBook& decisions = scheduler_->decisions();
  if (decisions.changes() == kept_changes_ || keep_after_ > now.instant) {
    return;
  }
  std::string lines;
  decisions.for_all([&](const schedule::Decision& decision) {
    lines.append(schedule::write_decision(decision)).append("\n");
  });
  kept_changes_ = decisions.changes();
  keep_after_ = now.instant + (kept_->failed() ? kAfterFailure : kGather);
  kept_->write(lines);
}

/// Nothing has changed that is not on disk, or nothing can be done about it.
bool Shard::state_kept() const {
  if (kept_ == nullptr) {
    return true;
  }
  return kept_->idle() && (kept_changes_ == scheduler_->decisions().changes() ||
                           (kept_->failed() && stage_ != Stage::running));
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
  if (task.dry_run) {
    part.touched = scheduler_->count(task.pattern);
    return;
  }
  switch (task.kind) {
    case ControlKind::mode:
      part.touched = scheduler_->set_mode(task.pattern, !task.use, now);
      break;
    case ControlKind::source: {
      auto done = scheduler_->use_source(task.address, task.pattern, task.use, now);
      if (done) {
        part.touched = *done;
      } else {
        part.error = done.error().describe();
      }
      part.source_rules = scheduler_->source_rules().serialized();
      break;
    }
    case ControlKind::undo: part.undone = scheduler_->cancel_decision(task.decision, now); break;
    default:
      scheduler_->decisions().for_all([&](const schedule::Decision& decision) {
        if (part.decisions.size() < task.rows_max) {
          part.decisions.push_back(decision);
        }
      });
      part.source_rules = scheduler_->source_rules().serialized();
  }
}

}  // namespace ringpost::app
