#include <algorithm>
#include <unordered_set>
#include <utility>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/schedule/matching.h"
#include "core/schedule/scheduler.h"

// Commands on jobs, and moves that an operator asks for: what they say holds at once, what they do
// to each entry is done by a sweep over all entries, a bounded piece a run.

namespace ringpost::schedule {

// ---- jobs --------------------------------------------------------------------------------------

namespace {

template <class Counts>
Touched count_shares(ShareBook& shares, std::string_view pattern, Counts counts) {
  Touched touched;
  std::unordered_set<std::uint32_t> queues;
  shares.for_matching(pattern, [&](const Share& share) {
    if (counts(share)) {
      queues.insert(share.queue);
      touched.recipients += share.waiting;
    }
  });
  touched.queues = static_cast<std::uint32_t>(queues.size());
  return touched;
}

}  // namespace

Touched Scheduler::count_jobs(std::string_view pattern) {
  return count_shares(shares_, pattern, [](const Share&) { return true; });
}

void Scheduler::hold_share(Share& share, bool Share::*reason, bool on, Now now) {
  Queue& queue = table_.at(share.queue);
  shares_.hold(queue, share, reason, on);
  settle_ready(queue, now);
}

// Its ready mail has become more or less without any entry coming or going.
void Scheduler::settle_ready(Queue& queue, Now now) {
  const bool starts = queue.state == QueueState::ready || queue.state == QueueState::waiting;
  if (queue.ready.empty() ? starts : queue.state == QueueState::idle) {
    evaluate(queue, now);
  }
}

Result<Touched> Scheduler::pause_jobs(std::string_view pattern, bool pause, Now now, bool dry_run) {
  const Touched touched =
      count_shares(shares_, pattern, [&](const Share& share) { return share.paused != pause; });
  if (dry_run) {
    return touched;
  }
  if (Status added = shares_.rules().add(pattern, pause); !added) {
    return added.error();
  }
  shares_.apply_rules(
      [&](Share& share, bool paused) { hold_share(share, &Share::paused, paused, now); });
  return touched;
}

Touched Scheduler::cancel_jobs(std::string_view pattern, Now now) {
  const Touched touched = count_jobs(pattern);
  shares_.for_matching(pattern, [&](Share& share) {
    Queue& queue = table_.at(share.queue);
    shares_.doom(queue, share);
    settle_ready(queue, now);
  });
  begin_sweep();
  return touched;
}

Touched Scheduler::schedule_jobs(std::string_view pattern, Now now) {
  const Touched touched = count_jobs(pattern);
  const std::uint32_t round = begin_sweep();
  shares_.for_matching(pattern, [&](Share& share) {
    share.rush_round = round;
    wake(table_.at(share.queue), now);
  });
  return touched;
}

// The ladders keep their steps: what fails again waits as long as it would have.
void Scheduler::wake(Queue& queue, Now now) {
  queue.deferred_until = {};
  queue.deferred_by_rule = false;
  queue.open_after = queue.grow_after = {};
  const bool timed = queue.state == QueueState::waiting && queue.place == nullptr;
  if (queue.state == QueueState::deferred || timed) {
    evaluate(queue, now);
  }
}

// ---- moves -------------------------------------------------------------------------------------

// Mail that is where it is to go stays.
bool Scheduler::takes(const LeaveOrder& order, const Queue& queue) {
  const bool named = order.to.name.empty() || queue.name == order.to.name;
  return named && std::any_of(order.takers.begin(), order.takers.end(), [&](const auto& vmta) {
           return equals_ignoring_case(vmta, queue.vmta->name);
         });
}

template <class OfQueue, class OfShare>
void Scheduler::for_leaving(const LeaveOrder& order, OfQueue of_queue, OfShare of_share) {
  if (order.by_job) {
    shares_.for_matching(order.job, [&](Share& share) {
      if (!takes(order, table_.at(share.queue))) {
        of_share(share);
      }
    });
    return;
  }
  for (std::uint32_t slot = 0; slot < table_.slots(); ++slot) {
    Queue& queue = table_.at(slot);
    if (queue.live && !takes(order, queue) &&
        order.queues.matches(queue.name, queue.vmta->name, queue.policy->group)) {
      of_queue(queue);
    }
  }
}

Touched Scheduler::count_leaving(const LeaveOrder& order) {
  Touched touched;
  for_leaving(
      order,
      [&](const Queue& queue) {
        touched.queues += waiting_in(queue) > 0 ? 1 : 0;
        touched.recipients += waiting_in(queue);
      },
      [&](const Share& share) {
        ++touched.queues;
        touched.recipients += share.waiting;
      });
  return touched;
}

Result<Touched> Scheduler::move_away(const LeaveOrder& order, Now now) {
  if (moving_away()) {
    return Error::of(ErrorCode::no_capacity, "an earlier move still goes on, try again");
  }
  const Touched touched = count_leaving(order);
  leaving_ = std::make_shared<const LeaveOrder>(order);
  begin_sweep();
  for_leaving(
      order,
      [&](Queue& queue) {
        queue.leaving = true;
        leaving_queues_.push_back(queue.id());
        if (queue.state == QueueState::waiting) {
          evaluate(queue, now);
        }
      },
      [&](Share& share) {
        shares_.use(share.index, 0);
        leaving_shares_.push_back(share.index);
        hold_share(share, &Share::leaving, true, now);
      });
  for (std::uint32_t i = 0; i < jobs_.size(); ++i) {
    PooledJob& job = jobs_[i];
    const Queue* queue =
        job.stage == PooledJob::Stage::free || job.ending ? nullptr : table_.find(job.queue);
    const Share* share = shares_.find(job.share);
    const bool goes = queue != nullptr && job.message_received <= order.before &&
                      (queue->leaving || (share != nullptr && share->leaving));
    // One that it comes back by already is done first; this one follows where that leads.
    job.leaving = goes && job.leaving == nullptr ? leaving_ : job.leaving;
  }
  return touched;
}

bool Scheduler::leaves(const Queue& queue, const Entry& entry) {
  if (leaving_ == nullptr || entry.received() > leaving_->before) {
    return false;
  }
  const Share* share = shares_.find(entry.share);
  return queue.leaving || (share != nullptr && share->leaving);
}

/// False: the taker has no room.
bool Scheduler::send_away(const LeaveOrder& order, std::uint32_t index, Queue& queue, Now now) {
  if (!hand_on(order.to, queue, index, now, order.serial + 1)) {
    move_retry_ = now.instant + kMoveRetry;
    return false;
  }
  gone(queue, index);
  settle_ready(queue, now);  // it may have been the last one
  return true;
}

// Mail that was in transit when the move began and has come back.
bool Scheduler::drain_stragglers(std::uint32_t& budget, Now now) {
  while (!stragglers_.empty()) {
    if (budget == 0) {
      return false;
    }
    --budget;
    const Straggler& one = stragglers_.back();
    const Entry& entry = entries_[one.entry];
    const bool here = (entry.state == EntryState::ready || entry.state == EntryState::deferred) &&
                      entry.message() == one.message && entry.first == one.first;
    if (here && !send_away(*one.order, one.entry, table_.at(entry.queue), now)) {
      return false;
    }
    stragglers_.pop_back();
  }
  return true;
}

void Scheduler::end_leaving(Now now) {
  for (const QueueId id : leaving_queues_) {
    if (Queue* queue = table_.find(id)) {
      queue->leaving = false;
      evaluate(*queue, now);
    }
  }
  leaving_queues_.clear();
  for (const std::uint32_t index : leaving_shares_) {
    Share& share = *shares_.find(index);
    Queue& queue = table_.at(share.queue);
    hold_share(share, &Share::leaving, false, now);
    shares_.leave(queue, index, 0);
    if (queue.state == QueueState::idle) {
      evaluate(queue, now);  // it may be forgotten again
    }
  }
  leaving_shares_.clear();
}

// ---- the sweep ---------------------------------------------------------------------------------

/// Its round: what it is told now is done by it or by the one that follows at once.
std::uint32_t Scheduler::begin_sweep() {
  sweep_.again = sweep_.cursor != kNil && sweep_.cursor != 0;
  sweep_.cursor = sweep_.again ? sweep_.cursor : 0;
  return ++sweep_.round;
}

/// False: the taker of what moves has no room.
bool Scheduler::sweep_entry(std::uint32_t index, Now now) {
  const Entry& entry = entries_[index];
  if (entry.state == EntryState::free || entry.state == EntryState::ending) {
    return true;
  }
  Queue& queue = table_.at(entry.queue);
  const Share* share = shares_.find(entry.share);
  if (share != nullptr && share->doomed) {
    end_entry(index, queue, Ending::cancelled);
  } else if (leaves(queue, entry)) {
    return send_away(*leaving_, index, queue, now);
  } else if (share != nullptr && share->rush_round > sweep_.done &&
             entry.state == EntryState::deferred) {
    promote(index, queue, now);
  }
  return true;
}

void Scheduler::sweep_entries(std::uint32_t& budget, Now now) {
  if (move_retry_ > now.instant && leaving_ != nullptr) {
    return;
  }
  if (!drain_stragglers(budget, now)) {
    return;
  }
  if (sweep_.cursor == kNil) {
    return;
  }
  for (; budget > 0 && sweep_.cursor < entries_.made(); --budget, ++sweep_.cursor) {
    if (!sweep_entry(sweep_.cursor, now)) {
      return;
    }
  }
  if (sweep_.cursor < entries_.made()) {
    return;
  }
  const bool again = std::exchange(sweep_.again, false);
  sweep_.done = again ? sweep_.done : sweep_.round;
  sweep_.cursor = again ? 0 : kNil;
  if (!again) {
    end_leaving(now);
  }
}

bool Scheduler::sweep_waits(Now now) const {
  return leaving_ != nullptr && move_retry_ > now.instant;
}

}  // namespace ringpost::schedule
