// Commands on jobs, and mail that operators move to other queues.

#include "core/app/shard.h"

#include "core/schedule/priorities.h"
#include "core/schedule/retry_clock.h"

namespace ringpost::app {
namespace {

constexpr Duration kJournalStep = Duration::seconds(1);  ///< next attempts are rounded up to it

}  // namespace

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
  const bool pauses = task.kind == ControlKind::pause || task.kind == ControlKind::resume;
  if (task.dry_run && !pauses) {
    part.touched = scheduler_->count_jobs(task.job);
    return;
  }
  switch (task.kind) {
    case ControlKind::pause:
    case ControlKind::resume: {
      auto done =
          scheduler_->pause_jobs(task.job, task.kind == ControlKind::pause, now, task.dry_run);
      if (done) {
        part.touched = *done;
      } else {
        part.error = done.error().describe();
      }
      part.job_rules = scheduler_->shares().rules().serialized();
      break;
    }
    case ControlKind::cancel: part.touched = scheduler_->cancel_jobs(task.job, now); break;
    default:
      if (auto added = task.move.at_once ? moves_.add(task.move, now.wall) : Status{}; !added) {
        part.error = added.error().describe();
        return;
      }
      part.touched = scheduler_->schedule_jobs(task.job, now);
  }
}

void Shard::move_mail(const ControlTask& task, ControlTask::Part& part, Now now) {
  schedule::LeaveOrder order;
  order.by_job = task.move.by_job;
  order.job = task.move.job;
  order.queues = task.move.queues;
  order.to.vmta = task.move.vmta;
  order.to.name = task.move.name;
  order.serial = moves_.next_serial();  // which it gets below
  order.before = task.move.before;
  order.takers = task.takers;
  if (!order.by_job && order.queues.domain != "*") {
    part.rolled = policies_.rolled_up_into(order.queues.domain);
  }
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

// Into a queue of this shard. Mail that was on its way between shards when a command moved mail or
// changed priorities follows here. What comes into its queue only when its mail hosts are known
// gets the queue's priority, too.
schedule::Taken Shard::give(Admission& admission, std::string_view name, Carried* by) {
  const std::uint32_t seen = admission.rolled_up ? 0 : admission.rules_seen;
  if (seen >= moves_.next_serial() || !moves_.concern(admission.received)) {
    return scheduler_->admit_some(admission, name, loop_.now());
  }
  const std::string queue(name);
  const std::string_view vmta = admission.vmta;  // of the configuration, or of a parcel
  const std::string group(policies_.settings_of(queue, vmta).policy->group);
  for (const MoveRule& rule : moves_.rules()) {
    if (rule.serial < seen || !rule.may_concern(admission.received, admission.job) ||
        (!rule.by_job && !rule.queues.matches(queue, vmta, group))) {
      continue;
    }
    if (rule.priority) {
      admission.priority = *rule.priority;
    } else if (rule.at_once) {
      make_due(rule, queue, vmta, admission);
    } else if (rule.serial >= admission.rules_seen && !stays(rule, queue, vmta)) {
      Admission moved = admission;
      moved.domain = queue;
      follow(rule, {}, vmta, moved);
      return place_mail(moved, rule.serial + 1, by) ? schedule::Taken::all : schedule::Taken::none;
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

// What a start finds is placed as it was moved, in the order of the moves, each of which found it
// where those before had put it.
Admission Shard::as_moved(const Admission& admission) {
  const Instant now = loop_.now().instant;
  Admission moved = admission;
  for (const MoveRule& rule : moves_.rules()) {
    if (!rule.may_concern(admission.received, admission.job)) {
      continue;
    }
    const std::string vmta(policies_.place(moved, now).vmta);
    const std::string queue(policies_.queue_name(moved.domain, vmta));
    const std::string_view shared = rule.shared_queue_of(queue);
    const bool fits =
        rule.by_job || (!shared.empty() && rule.queues.matches(shared, vmta)) ||
        rule.queues.matches(queue, vmta, policies_.settings_of(queue, vmta).policy->group);
    if (fits && rule.priority) {
      moved.priority = *rule.priority;
    } else if (fits && rule.at_once) {
      make_due(rule, shared.empty() ? queue : shared, vmta, moved);
    } else if (fits && !stays(rule, shared.empty() ? queue : shared, vmta)) {
      follow(rule, shared, vmta, moved);
    }
  }
  return moved;
}

// The journal says until when mail was put off, not since when: by the time that such a wait takes
// at most, so mail whose waits differ may be tried once more than was meant.
void Shard::make_due(const MoveRule& rule, std::string_view queue, std::string_view vmta,
                     Admission& admission) {
  const schedule::QueueSettings settings = policies_.settings_of(queue, vmta);
  const std::uint32_t step = admission.attempts > 0 ? admission.attempts - 1U : 0;
  Duration wait;
  for (const QueuePolicy* policy :
       {settings.policy.get(),
        settings.backoff != nullptr ? settings.backoff->policy.get() : nullptr}) {
    if (policy != nullptr) {
      const auto& own = policy->retry_recipients_after;
      wait = std::max(wait, schedule::longest_retry_wait(own.empty() ? policy->retry_after : own,
                                                         policy->retry_curve, step));
    }
  }
  if (admission.next_attempt <= rule.before + wait + kJournalStep) {
    admission.next_attempt = {};
  }
}

// It is where it is to go.
bool Shard::stays(const MoveRule& rule, std::string_view queue, std::string_view vmta) const {
  const bool named = !rule.name.empty() && (!rule.shared || policies_.shares(rule.name));
  return (!named || equals_ignoring_case(rule.name, queue)) && policies_.takes(rule.vmta, vmta);
}

// As a queue hands it on (schedule::Scheduler::hand_on), from `vmta`.
void Shard::follow(const MoveRule& rule, std::string_view shared, std::string_view vmta,
                   Admission& admission) {
  // A shared queue that the configuration has no more is no place to go to.
  const bool named = !rule.name.empty() && (!rule.shared || policies_.shares(rule.name));
  admission.domain =
      named ? std::string_view(rule.name) : policies_.leaving_name(admission.domain, vmta, shared);
  admission.vmta = rule.vmta;
  admission.id = stand_in_id(admission.message, admission.received);
  admission.pool_key = 0;
  admission.pooled = false;
  admission.rolled_up = false;
  admission.counted = false;
  admission.overflow = {};
}

}  // namespace ringpost::app
