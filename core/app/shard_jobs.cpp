// Commands on jobs, and mail that operators move to other queues.

#include "core/app/shard.h"
#include "core/schedule/priorities.h"

namespace ringpost::app {

Status Shard::restore_jobs() {
  if (auto restored = scheduler_->shares().rules().restore(settings_.job_rules); !restored) {
    return Error::of(restored.error().code, settings_.spool_folder +
                                                "/paused-jobs: " + restored.error().describe() +
                                                "; mend the file or remove it");
  }
  if (auto restored = moves_.restore(settings_.move_rules, loop_.now().wall); !restored) {
    return Error::of(restored.error().code, settings_.spool_folder +
                                                "/moves: " + restored.error().describe() +
                                                "; mend the file or remove it");
  }
  return {};
}

void Shard::change_jobs(const ControlTask& task, ControlTask::Part& part, Now now) {
  if (task.kind == ControlKind::jobs) {
    scheduler_->shares().rows(task.job, task.rows_max, part.jobs);
    return;
  }
  if (task.dry_run) {
    part.touched = scheduler_->count_jobs(task.job);
    return;
  }
  switch (task.kind) {
    case ControlKind::pause:
    case ControlKind::resume: {
      auto done = scheduler_->pause_jobs(task.job, task.kind == ControlKind::pause, now);
      if (done) {
        part.touched = *done;
      } else {
        part.error = done.error().describe();
      }
      part.job_rules = scheduler_->shares().rules().serialized();
      break;
    }
    case ControlKind::cancel: part.touched = scheduler_->cancel_jobs(task.job, now); break;
    default: part.touched = scheduler_->schedule_jobs(task.job, now);
  }
}

void Shard::move_mail(const ControlTask& task, ControlTask::Part& part, Now now) {
  schedule::LeaveOrder order;
  order.by_job = task.move.by_job;
  order.job = task.move.job;
  order.queues = task.move.queues;
  order.to.vmta = task.move.vmta;
  order.to.name = task.move.name;
  order.before = task.move.before;
  order.takers = task.takers;
  if (task.dry_run) {
    part.touched = scheduler_->count_leaving(order);
    part.error = scheduler_->moving_away() ? "an earlier move still goes on, try again" : "";
    return;
  }
  if (auto added = moves_.add(task.move, now.wall); !added) {
    part.error = added.error().describe();
    return;
  }
  auto done = scheduler_->move_away(order, now);
  if (done) {
    part.touched = *done;
  } else {
    part.error = done.error().describe();
  }
}

void Shard::prioritize(const ControlTask& task, ControlTask::Part& part, Now now) {
  schedule::PriorityOrder order;
  order.queues = task.move.queues;
  order.job = task.move.job;
  order.priority = task.move.priority.value_or(kNormalPriority);
  if (auto added = task.dry_run ? Status{} : moves_.add(task.move, now.wall); !added) {
    part.error = added.error().describe();
    return;
  }
  part.touched = schedule::set_priorities(*scheduler_, order, task.dry_run);
}

// Into a queue of this shard. Mail that was under way when a command changed priorities gets its
// own here, and so does what comes into its queue only when its mail hosts are known.
schedule::Taken Shard::give(Admission& admission, std::string_view name) {
  const std::uint32_t seen = admission.rolled_up ? 0 : admission.rules_seen;
  if (seen >= moves_.next_serial() || !moves_.concern(admission.received)) {
    return scheduler_->admit_some(admission, name, loop_.now());
  }
  const std::string queue(name);
  const std::string_view vmta = admission.vmta;  // of the configuration, or of a parcel
  const std::string group(policies_.settings_of(queue, vmta).policy->group);
  for (const MoveRule& rule : moves_.rules()) {
    if (rule.serial >= seen && rule.priority && admission.received <= rule.before &&
        schedule::glob_matches(rule.job, admission.job) &&
        rule.queues.matches(queue, vmta, group)) {
      admission.priority = *rule.priority;
    }
  }
  return scheduler_->admit_some(admission, queue, loop_.now());
}

std::uint8_t Shard::priority_now(const MessageId& id, const Envelope& envelope,
                                 const Recipient& recipient) {
  if (!moves_.concern(envelope.received)) {
    return recipient.priority;
  }
  Admission admission;
  admission.id = id;
  admission.domain = recipient.domain();
  admission.vmta = recipient.vmta.empty() ? envelope.vmta : recipient.vmta;
  admission.job = envelope.job;
  admission.pool_key = recipient.pool_key;
  admission.priority = recipient.priority;
  admission.received = envelope.received;
  return as_moved(admission).priority;
}

// What a start finds is placed as it was moved, in the order of the moves.
Admission Shard::as_moved(const Admission& admission) {
  const Instant now = loop_.now().instant;
  Admission moved = admission;
  for (const MoveRule& rule : moves_.rules()) {
    if (admission.received > rule.before ||
        (rule.priority && !schedule::glob_matches(rule.job, admission.job))) {
      continue;
    }
    bool fits = false;
    if (rule.by_job) {
      fits = !admission.job.empty() && schedule::glob_matches(rule.job, admission.job);
    } else {
      const Placement place = policies_.place(moved, now);
      const std::string queue(place.queue);
      const std::string vmta(place.vmta);
      fits = rule.queues.matches(queue, vmta, policies_.settings_of(queue, vmta).policy->group);
    }
    if (fits && rule.priority) {
      moved.priority = *rule.priority;
    } else if (fits) {
      moved.vmta = rule.vmta;
      moved.domain = rule.name.empty() ? moved.domain : std::string_view(rule.name);
    }
  }
  return moved;
}

}  // namespace ringpost::app
