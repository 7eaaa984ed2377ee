#include "core/schedule/scheduler.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/schedule/connect_rates.h"
#include "core/schedule/late_permits.h"
#include "core/schedule/sender_traffic.h"
#include "core/schedule/source_traffic.h"

namespace ringpost::schedule {

namespace {

/// Clocks that disagree by less than this are the same: WallTime is cut to microseconds, timers
/// are rounded to ticks.
constexpr Duration kClockSlack = Duration::seconds(1);

}  // namespace

SchedulerParts::SchedulerParts(Scheduler& whole, const SchedulerOptions& options,
                               const Doors& doors, Now now)
    : options_(options),
      doors_(doors),
      // In delivery a run of recipients may break up into single ones, which need entries of their
      // own when they come back: admission keeps to entries_max, returning mail never fails.
      entries_(kNil - 1),
      places_(entries_, options.entries_max),
      wheel_(entries_),
      shares_(entries_),
      table_(options.queues_max),
      leases_(options.shard, options.shards),
      hosts_(whole, leases_),
      warmups_(now, options.shard == 0),
      rates_(options.shard, options.shards, doors.policies, warmups_, positions_),
      jobs_(options.jobs_max),
      global_(doors.policies.global_limits()),
      total_(&leases_.scope(Scheduler::scope_key("total", ""), global_.connections_max,
                            global_.version)) {}

Scheduler::Scheduler(const SchedulerOptions& options, const Doors& doors, Now now)
    : SchedulerParts(*this, options, doors, now) {
  rates_.refresh(global_.version, Instant{INT64_MIN});
  RP_ASSERT(options.shard < options.shards && options.backlog_per_session > 0);
  std::uint32_t budget = 1;
  wheel_.take_due(now.instant, budget);
}

std::uint64_t Scheduler::scope_key(std::string_view kind, std::string_view name) noexcept {
  return queue_hash(name, kind);
}

// ---- queues ------------------------------------------------------------------------------------

Queue* Scheduler::queue_for(std::string_view name, std::string_view vmta, Now now) {
  if (Queue* queue = table_.find(name, vmta)) {
    return queue;
  }
  Queue* queue = table_.make(name, table_.vmta(vmta));
  if (queue != nullptr) {
    queue->weight = 1;
    queue->backoff = decisions_.backoff_of(queue->name, queue->vmta->name) != nullptr;
    apply_settings(*queue, now);
    positions_.begin(queue->messages, queue->name, queue->vmta->name, "m", now.instant);
    positions_.begin(queue->connects, queue->name, queue->vmta->name, "c", now.instant);
    SourceTraffic::begin(*this, *queue, now);
    if (queue->octets() != nullptr) {
      positions_.begin(*queue->octets(), queue->name, queue->vmta->name, RatePositions::kOctets,
                       now.instant);
    }
    clocks_.begin(*queue, now.instant);
    queue->paused = pauses_.paused(queue->name, queue->vmta->name, queue->policy->group);
    if (queue->paused) {
      place(*queue, QueueState::paused, Gate::paused, Instant::never(), nullptr);
    }
  }
  return queue;
}

void Scheduler::apply(Queue& queue, const QueueSettings& settings, Now now) {
  RP_ASSERT_NOTE(settings.policy != nullptr && !settings.policy->retry_after.empty(),
                 "a queue without settings");
  queue.policy = settings.policy;
  const RateLimit messages = settings.limits.messages;
  queue.messages.configure(messages, now.instant,
                           messages.burst ? ConnectRates::slack_of(messages) : Duration{});
  queue.connects.configure(settings.limits.connects, now.instant,
                           ConnectRates::slack_of(settings.limits.connects));
  queue.connect_gap_ms = static_cast<std::uint32_t>(
      std::min<std::int64_t>((settings.limits.connect_gap.ns + 999'999) / 1'000'000, UINT32_MAX));
  if (settings.limits.octets.limited() || queue.octets() != nullptr) {
    queue.rare_limits().octets.configure(settings.limits.octets, now.instant);
  }
  if (queue.in_line()) {
    SourceTraffic::leave(*this, queue);
    if (queue.state == QueueState::waiting && rate_waited_for(queue) != nullptr) {
      place(queue, QueueState::ready, Gate::none, Instant::never(), &ring_);
    }
  }
  if (settings.limits.by_source != nullptr || queue.sources() != nullptr) {
    queue.rare_limits().sources.configure(settings.limits.by_source, now.instant);
  }
  queue.weight =
      static_cast<std::uint8_t>(std::clamp<std::uint16_t>(settings.limits.weight, 1, 100));
  queue.expire_while_paused = settings.limits.expire_while_paused;
  set_priority(queue, settings.limits);
  apply_shared(queue, settings.limits);
  apply_group(queue, settings.limits);
  queue.vmta->connections = &leases_.scope(scope_key("vmta", queue.vmta->name),
                                           settings.limits.vmta_connections_max, global_.version);
  queue.shared = settings.shared;
  set_move(queue, settings.move, now);
}

// ---- entries -----------------------------------------------------------------------------------

bool Scheduler::admit(const Admission& admission, std::string_view queue_name, Now now) {
  Admission kept = admission;
  kept.overflow = {};  // what does not fall to today waits here
  return admit_some(kept, queue_name, now) == Taken::all;
}

Taken Scheduler::admit_some(Admission& admission, std::string_view queue_name, Now now) {
  RP_ASSERT_NOTE(queue_hash(queue_name, admission.vmta) % options_.shards == options_.shard,
                 "mail was admitted at a shard that is not its queue's home");
  RP_ASSERT(admission.count > 0);
  if (!admission.moved && places_.full()) {
    return Taken::none;
  }
  Queue* queue = queue_for(queue_name, admission.vmta, now);
  if (queue == nullptr) {
    return Taken::none;
  }
  if (admission.counted) {
    return admit_counted(*queue, admission, now);
  }
  add(*queue, admission, now);
  return Taken::all;
}

void Scheduler::add(Queue& queue, const Admission& admission, Now now) {
  Entry model;
  model.received_us = admission.received.us;
  model.log = admission.message.log;
  model.slot = admission.message.slot;
  model.generation = admission.message.generation;
  model.first = admission.first;
  model.count = admission.count;
  model.attempts = admission.attempts;
  model.ambiguous = admission.ambiguous_before;
  model.pooled = admission.pooled;
  model.era = admission.era % GlobalLimits::kEras;
  model.alone = admission.alone;
  model.epoch = queue.epoch;
  model.share = shares_.share_for(queue, admission.job, admission.priority, admission.tenant);
  const bool later = admission.next_attempt > now.wall;
  const std::uint32_t index =
      add_entry(queue, model, later ? admission.next_attempt : WallTime{}, now);
  senders_.facts(index) = {admission.size_bytes, senders_.number_of(admission.sender_rule)};
  if (later) {
    queue.deferred.push_back(entries_, index);
  } else {
    shares_.push(queue, index, false);
    if (queue.policy->retry_upon_new_mail && admission.attempts == 0 &&
        queue.deferred_until > now.instant && !queue.deferred_by_rule) {
      queue.deferred_until = {};
      evaluate(queue, now);
    }
    on_new_ready(queue, now);
  }
  leave_soon(queue, index, now);
}

std::uint32_t Scheduler::add_entry(Queue& queue, const Entry& model, WallTime next_attempt,
                                   Now now) {
  const std::uint32_t index = entries_.take();
  RP_ASSERT(index != kNil);
  Entry& entry = entries_[index];
  entry = model;
  senders_.forget(index);
  shares_.use(entry.share, entry.count);
  entry.queue = queue.slot;
  entry.state = next_attempt.us == 0 ? EntryState::ready : EntryState::deferred;
  arm(index, queue, next_attempt, now);
  return index;
}

WallTime Scheduler::expires(const Queue& queue, WallTime received) const {
  return received + queue.policy->bounce_after;
}

void Scheduler::arm(std::uint32_t index, Queue& queue, WallTime next_attempt, Now now) {
  Entry& entry = entries_[index];
  const WallTime end = expires(queue, entry.received());
  entry.due_is_expiry = next_attempt.us == 0 || end <= next_attempt;
  if (entry.due_is_expiry && queue.policy->bounce_after.is_forever()) {
    return;
  }
  const WallTime due = entry.due_is_expiry ? end : next_attempt;
  wheel_.arm(index, now.instant + (due - now.wall));
}

void Scheduler::remove_from_list(std::uint32_t index, Queue& queue) {
  const Entry& entry = entries_[index];
  switch (entry.state) {
    case EntryState::ready: shares_.remove(queue, index); break;
    case EntryState::deferred:
      if (queue.rush_tail == index) {
        queue.rush_tail = entry.prev;
      }
      queue.deferred.remove(entries_, index);
      SenderTraffic::leave(*this, queue, index);
      break;
    case EntryState::over_age: queue.over_age.remove(entries_, index); break;
    case EntryState::free:
    case EntryState::ending: RP_ASSERT_NOTE(false, "the entry is in no list of its queue");
  }
}

void Scheduler::promote(std::uint32_t index, Queue& queue, Now now) {
  remove_from_list(index, queue);
  wheel_.disarm(index);
  Entry& entry = entries_[index];
  entry.state = EntryState::ready;
  arm(index, queue, WallTime{}, now);
  // What is being ended stands in front.
  shares_.push(queue, index, queue.doom_kind != Ending::none && entry.epoch != queue.epoch);
  on_new_ready(queue, now);
  if (queue.move != nullptr && moves_away(queue, entry)) {
    begin_move(queue);
  }
}

void Scheduler::end_entry(std::uint32_t index, Queue& queue, Ending ending) {
  remove_from_list(index, queue);
  wheel_.disarm(index);
  Entry& entry = entries_[index];
  shares_.leave_entry(queue, entry);
  entry.state = EntryState::ending;
  entry.ending = ending;
  queue.ending += entry.count;
  endings_.push_back(entries_, index);
}

void Scheduler::on_due(std::uint32_t index, Now now) {
  Entry& entry = entries_[index];
  Queue& queue = table_.at(entry.queue);
  if (!entry.due_is_expiry) {
    promote(index, queue, now);
    return;
  }
  if (now.wall + kClockSlack < expires(queue, entry.received())) {
    // The settings give it longer by now, or the clock was set back.
    if (entry.state == EntryState::deferred) {
      promote(index, queue, now);
    } else {
      arm(index, queue, WallTime{}, now);
    }
    return;
  }
  const Share* const share = shares_.find(entry.share);
  const bool held = queue.paused || (share != nullptr && share->paused);
  if (held && !queue.expire_while_paused && queue.doom_kind == Ending::none) {
    remove_from_list(index, queue);
    if (!queue.paused) {
      entry.state = EntryState::ready;  // when its job goes on it is found to be over age
      shares_.push(queue, index, false);
      return;
    }
    entry.state = EntryState::over_age;
    queue.over_age.push_back(entries_, index);
    return;
  }
  end_entry(index, queue, Ending::expired);
  if (queue.ready.empty() &&
      (queue.state == QueueState::ready || queue.state == QueueState::waiting)) {
    evaluate(queue, now);
  }
}

void Scheduler::on_new_ready(Queue& queue, Now now) {
  const bool may_grow = queue.state == QueueState::waiting && queue.gate == Gate::sessions_busy &&
                        wants_session(queue, now);
  if (queue.state == QueueState::idle || may_grow) {
    evaluate(queue, now);
  }
}

// ---- drive -------------------------------------------------------------------------------------

bool Scheduler::run(Now now) {
  std::uint32_t budget = kEntriesPerRun;
  while (budget > 0) {
    const std::uint32_t index = wheel_.take_due(now.instant, budget);
    if (index == kNil) {
      break;
    }
    on_due(index, now);
  }
  bool more = budget == 0;
  end_decisions_due(now);
  if (warmups_.roll(now)) {
    warm_up(now);
  }
  for (std::uint32_t n = kVisitsPerRun; n > 0; --n) {
    Queue* queue = timers_.pop_due(now.instant);
    if (queue == nullptr) {
      break;
    }
    on_timer(*queue, now);
  }
  LatePermits::call_due(*this, now);
  budget = kEntriesPerRun;
  sweep(budget, now);
  sweep_entries(budget, now);
  drain_ending(budget, now);
  drain_rush(budget, now);
  drain_moves(budget, now);
  for (std::uint32_t n = kVisitsPerRun; n > 0 && make_ending_job(now); --n) {
  }
  std::uint32_t visits = kVisitsPerRun;
  if (!held_) {
    serve_job_waiters(now, visits);
    serve_room(now);
    for (; visits > 0 && !ring_.empty(); --visits) {
      Waiter* next = ring_.pop_front();
      next->place = nullptr;
      visit(static_cast<Queue&>(*next), now);
    }
  }
  std::uint32_t served = kVisitsPerRun;
  for (int round = 0; round < 4; ++round) {
    leases_.flush(doors_.leases);
    const bool rates_go_on = drive_rates(now, served);
    if (held_ || (!leases_.has_open() && !rates_go_on)) {
      break;
    }
    serve_scopes(now, served);
  }
  relieve(now);
  return more || next_wakeup(now) <= now.instant;
}

Instant Scheduler::next_wakeup(Now now) const {
  const bool starts = !held_ && (!ring_.empty() || leases_.has_open() || rates_.has_stirred() ||
                                 (!job_waiters_.empty() && jobs_.delivery_places() > turns_out_));
  const bool ends = (!endings_.empty() && jobs_.room_for_ending()) || !ending_queues_.empty();
  if (starts || ends || sweeping_ || !rush_.empty() || !leases_.quiet() || !rates_.quiet()) {
    return now.instant;
  }
  if (!moving_.empty() && move_retry_ <= now.instant) {
    return now.instant;
  }
  const bool sweeps = sweep_.cursor != kNil || !stragglers_.empty();
  if (sweeps && !sweep_waits(now)) {
    return now.instant;
  }
  const Instant moves = moving_.empty() && !sweeps ? Instant::never() : move_retry_;
  const Instant room = held_ || room_waiters_.empty() ? Instant::never() : room_retry_;
  return std::min({timers_.next(), wheel_.next_wakeup(), rates_.next_wakeup(),
                   decisions_.next_due(), warmups_.next_roll(), payers_.next(), room, moves});
}

void Scheduler::on_lease(const LeaseMessage& message, unsigned from) {
  if (message.kind >= LeaseMessage::Kind::rate_want) {
    rates_.on_message(message, from);
  } else {
    leases_.on_message(message, from);
  }
}

void Scheduler::refresh(Now now) {
  global_ = doors_.policies.global_limits();
  total_ = &leases_.scope(scope_key("total", ""), global_.connections_max, global_.version);
  rates_.refresh(global_.version, now.instant);
  leases_.distrust_hosts(global_.version);
  SenderTraffic::stir_all(*this);
  sweep_queue_ = sweep_entry_ = 0;
  sweeping_ = true;
}

}  // namespace ringpost::schedule
