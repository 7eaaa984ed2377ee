#include <algorithm>
#include <array>
#include <utility>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/schedule/late_permits.h"
#include "core/schedule/retry_clock.h"
#include "core/schedule/scheduler.h"
#include "core/schedule/sender_traffic.h"
#include "core/schedule/source_traffic.h"

// Jobs: from entries to a transaction, from outcomes back to entries or to their end.

namespace ringpost::schedule {

namespace {

/// Entries over age that one take() clears away before it gives up for this time.
constexpr int kOverAgePerTake = 64;

/// RFC 3463 X.4.7: delivery time expired.
constexpr EnhancedStatus kExpiredStatus{4, 4, 7};
constexpr EnhancedStatus kCancelledStatus{5, 0, 0};

TextRef keep_expired_text(Job& job, Duration life, std::string_view before) {
  std::array<char, kOutcomeTextMax> room;
  TextBuilder text(room);
  text.add("message expired after ");
  const auto hours = static_cast<std::uint64_t>(life.whole_seconds() / 3600);
  const auto minutes = static_cast<std::uint64_t>(life.whole_seconds() / 60 % 60);
  text.add_number(hours).add("h").add_number(minutes).add("m in the queue");
  if (!before.empty()) {
    text.add("; last failure: ").add(before);
  }
  return job.keep_text(text.view());
}

bool got_through(const Outcome& outcome) {
  switch (outcome.kind) {
    case OutcomeKind::delivered:
    case OutcomeKind::bounced: return true;
    case OutcomeKind::deferred: return outcome.reply_code != 0 && outcome.reply_code != 421;
    default: return false;
  }
}

void name_queue(Job& job, const Queue& queue) {
  job.queue_name.assign(queue.name);
  job.vmta.assign(queue.policy->vmta);
  job.hidden_records = queue.policy->hidden_records;
}

}  // namespace

// Waits that concern the queue as a whole, whatever its sessions do.
bool Scheduler::may_take(Queue& queue, Now now) {
  if (held_) {
    evaluate(queue, now);
    return false;
  }
  if (queue.policy->held) {
    wait_until(queue, held_gate(queue), Instant::never());
    return false;
  }
  if (queue.leaving) {
    wait_until(queue, Gate::moving, Instant::never());
    return false;
  }
  if (leaves_group(queue)) {
    wait_until(queue, Gate::yielding, Instant::never());
    return false;
  }
  return true;
}

/// What a transaction costs that begins with so many RCPTs. Returns when they have to have left.
UsedBy Scheduler::spend(Queue& queue, PooledJob& job, std::uint32_t count, SourceGate* gate,
                        RateScope* scope, Now now) {
  if (ByteGate* const octets = queue.octets()) {
    octets->take(job.mail.size, now.instant);
    note_debt(*octets, now);
  }
  if (gate != nullptr && gate->octets != nullptr) {
    gate->octets->take(job.mail.size, now.instant);
    note_debt(*gate->octets, now);
  }
  if (gate != nullptr) {
    gate->transaction_begins();
  }
  SourceTraffic::began(*this, queue);
  queue.invited = queue.fresh = queue.in_vain = false;
  queue.had_turn = true;
  if (!queue.slow) {
    LatePermits::charge_own(queue, gate, count, now);
  }
  job.kept_lease = {};
  const UsedBy until =
      scope == nullptr ? UsedBy{}
                       : RateBook::take(*scope, count, job.mail.size, now.instant, &job.kept_lease);
  if (scope != nullptr) {
    rates_.hand_back(*scope, false, now.instant);
  }
  return until;
}

Job* Scheduler::take(QueueId id, Now now) { return take(id, {}, Asks::never, now); }

Job* Scheduler::take_from(QueueId id, const IpAddress& source, Now now) {
  return take(id, source, Asks::with_others, now);
}

Job* Scheduler::take_slow(QueueId id, const IpAddress& source, Now now) {
  auto* const job = static_cast<PooledJob*>(take(id, source, Asks::always, now));
  if (job != nullptr) {
    job->one_by_one = true;
  }
  return job;
}

Permits Scheduler::permits(Job& job, std::uint32_t sent, std::uint32_t want, Now now) {
  return LatePermits::ask(*this, static_cast<PooledJob&>(job), sent, want, now);
}

Job* Scheduler::take(QueueId id, const IpAddress& source, Asks asks, Now now) {
  Queue* found = table_.find(id);
  if (found == nullptr) {
    return nullptr;
  }
  Queue& queue = *found;
  queue.offered = false;
  const bool has_turn = queue.job_turns > 0;
  if (has_turn) {
    --queue.job_turns;
    --turns_out_;
  }
  if (queue.state != QueueState::ready && queue.state != QueueState::waiting) {
    if (queue.state == QueueState::idle && queue.place == nullptr &&
        queue.sessions() > queue.yielding) {
      resting_.push_back(queue);  // it falls idle: it may be asked to close
      queue.place = &resting_;
    }
    SenderTraffic::ask(*this, queue, source, now);
    return nullptr;
  }
  RP_ASSERT(!queue.ready.empty());
  if (!may_take(queue, now)) {
    return nullptr;
  }
  // What a connection was made for goes before it is given up: else queues whose greetings or
  // permits take longer than their time would open and close in turn, and send nothing.
  queue.slow =
      asks == Asks::always || (queue.slow && asks == Asks::with_others && queue.sessions() > 1);
  const bool begins = queue.fresh && SenderTraffic::permit_there(*this, queue, source, now);
  if (!begins && must_yield(queue, now)) {
    place(queue, QueueState::waiting, Gate::yielding, Instant::never(),
          doors_.closer != nullptr ? &yielders_ : nullptr);
    return nullptr;
  }
  const bool lapses = queue.slow && LatePermits::fit(*this, queue);
  const std::uint32_t permits = LatePermits::own(*this, queue, now);
  if (permits == 0 || !may_leave_from(queue, source, now)) {
    return nullptr;
  }
  if (jobs_.delivery_places() <= turns_out_ || (!has_turn && !job_waiters_.empty())) {
    place(queue, QueueState::waiting, Gate::jobs, Instant::never(), &job_waiters_);
    return nullptr;
  }
  RateScope* scope = lapses ? queue.shared_messages : nullptr;
  const std::uint32_t shared = lapses ? LatePermits::shared(*this, queue, now)
                                      : SenderTraffic::permits(*this, queue, source, scope, now);
  if (shared == 0 || !octets_open(queue, now) || !may_leave_from(queue, source, now)) {
    return nullptr;
  }
  PooledJob& job = jobs_.take(false);
  SourceGate* const gate = queue.sources() == nullptr ? nullptr : queue.sources()->find(source);
  const std::uint32_t most = std::max(1u, queue.policy->recipients_per_transaction_max);
  const std::uint32_t from_there =
      gate == nullptr ? most : gate->units(now.instant, LatePermits::lead(queue));
  fill(job, queue, std::min({permits, shared, most, from_there}), now);
  const auto count = static_cast<std::uint32_t>(job.recipients.size());
  if (queue.ready.empty() || count == 0) {
    evaluate(queue, now);
  }
  if (count == 0) {
    jobs_.give_back(job);
    return nullptr;
  }
  const UsedBy good = spend(queue, job, count, gate, lapses ? nullptr : scope, now);
  LatePermits::begin(queue, job, source, scope, lapses, good, now);
  queue.in_flight += count;
  places_.begin_delivery(count);
  return &job;
}

/// The next entry needs other permits, or larger ones, than one with these facts.
bool Scheduler::needs_more(const Queue& queue, const EntryFacts& facts) {
  if (queue.ready.empty()) {
    return false;
  }
  const EntryFacts& next = senders_.facts(shares_.next(queue));
  const bool counted = queue.octets() != nullptr || queue.sources() != nullptr ||
                       (queue.shared_messages != nullptr && queue.shared_messages->octets);
  return next.sender != facts.sender || (counted && next.size > facts.size);
}

void Scheduler::fill(PooledJob& job, Queue& queue, std::uint32_t room, Now now) {
  int over_age = 0;
  while (!queue.ready.empty() && room > 0) {
    const std::uint32_t index = shares_.next(queue);
    Entry& entry = entries_[index];
    const WallTime end = expires(queue, entry.received());
    if (now.wall >= end) {
      const EntryFacts facts = senders_.facts(index);
      if (++over_age > kOverAgePerTake) {
        break;
      }
      end_entry(index, queue, Ending::expired);
      if (job.recipients.empty() && needs_more(queue, facts)) {
        break;
      }
      continue;
    }
    if (job.recipients.empty()) {
      job.message = entry.message();
      job.queue = queue.id();
      job.home_shard = static_cast<std::uint16_t>(options_.shard);
      job.message_received = entry.received();
      job.message_expires = end;
      name_queue(job, queue);
      job.epoch = queue.epoch;
      job.pooled = entry.pooled;
      job.era = entry.era;
      job.alone = entry.alone;
      job.mail = senders_.facts(index);
      job.share = entry.share;
      shares_.use(job.share, 0);
    } else if (job.message != entry.message() || job.share != entry.share ||
               job.pooled != entry.pooled || job.era != entry.era || job.alone || entry.alone) {
      break;
    }
    const std::uint32_t count = std::min(entry.count, room);
    for (std::uint32_t i = 0; i < count; ++i) {
      JobRecipient recipient;
      recipient.index = entry.first + i;
      recipient.attempts = entry.attempts;
      recipient.ambiguous_before = entry.ambiguous;
      job.recipients.push_back(recipient);
    }
    room -= count;
    if (count == entry.count) {
      shares_.remove(queue, index);
      wheel_.disarm(index);
      shares_.leave_entry(queue, entry);
      entry.state = EntryState::free;
      senders_.forget(index);
      entries_.give_back(index);
    } else {
      shares_.shorten(queue, index, count);
    }
  }
  if (const auto count = static_cast<std::uint32_t>(job.recipients.size()); count > 0) {
    shares_.charge(queue, job.share, count);
    if (Share* const share = shares_.find(job.share)) {
      share->in_flight += count;
    }
  }
}

void Scheduler::finished(Job& given, Now now) {
  auto& job = static_cast<PooledJob&>(given);
  RP_ASSERT_NOTE(job.stage == PooledJob::Stage::in_delivery, "a job was finished twice");
  Queue* queue = table_.find(job.queue);
  RP_ASSERT(queue != nullptr && !job.recipients.empty());
  for (JobRecipient& recipient : job.recipients) {
    decide(job, *queue, recipient, now);
  }
  LatePermits::over(*this, *queue, job, now);
  job.stage = PooledJob::Stage::settling;
  doors_.settle.settle(job);
}

void Scheduler::decide(PooledJob& job, Queue& queue, JobRecipient& recipient, Now now) {
  Outcome& outcome = recipient.outcome;
  RP_ASSERT_NOTE(outcome.kind != OutcomeKind::pending, "a recipient came back without outcome");
  if (got_through(outcome)) {
    queue.lost_streak = 0;
  }
  if (outcome.kind == OutcomeKind::delivered) {
    queue.clock_step = 0;
    queue.rule_deferrals = 0;
    queue.spared = 0;
    queue.delivered_s = whole_seconds_of(now);
    if (queue.backoff && queue.ends_on_delivery) {
      end_backoff(queue, "a delivery", now);
    }
    if (!queue.deferred_by_rule && queue.deferred_until > now.instant) {
      queue.deferred_until = {};
      evaluate(queue, now);
    }
  }
  if (outcome.kind != OutcomeKind::deferred) {
    return;
  }
  if (now.wall >= job.message_expires) {
    const std::string_view text = job.text_of(outcome.text);
    // Copied first: keeping a text may move the arena it lies in.
    std::array<char, kOutcomeTextMax> copy;
    const std::size_t size = text.copy(copy.data(), copy.size());
    outcome.text = keep_expired_text(job, now.wall - job.message_received, {copy.data(), size});
    outcome.kind = OutcomeKind::expired;
    outcome.phase = Phase::queue;
    outcome.reply_code = 0;
    outcome.status = kExpiredStatus;
    return;
  }
  const QueuePolicy& policy = *queue.policy;
  const auto& ladder =
      policy.retry_recipients_after.empty() ? policy.retry_after : policy.retry_recipients_after;
  // All recipients of a message draw alike: runs of them stay one entry.
  const std::uint64_t salt = std::uint64_t{job.message.log} << 32 | job.message.slot;
  recipient.next_attempt =
      now.wall + retry_wait(ladder, policy.retry_curve, recipient.attempts, salt);
}

void Scheduler::retire(Job& given, Now now) {
  auto& job = static_cast<PooledJob&>(given);
  RP_ASSERT_NOTE(job.stage == PooledJob::Stage::settling, "a job was retired that did not settle");
  Queue* found = table_.find(job.queue);
  RP_ASSERT(found != nullptr);
  Queue& queue = *found;
  const auto count = static_cast<std::uint32_t>(job.recipients.size());
  if (job.ending) {
    queue.ending -= count;
    if (queue.ending == 0 && queue.doom_kind == Ending::none) {
      queue.doom.reset();
    }
  } else {
    queue.in_flight -= count;
    places_.end_delivery(count);
    requeue(job, queue, now);
    end_share(job, queue, count);
  }
  jobs_.give_back(job);
  if (queue.empty() && (queue.state == QueueState::idle || queue.state == QueueState::paused)) {
    evaluate(queue, now);
  }
}

void Scheduler::requeue(PooledJob& job, Queue& queue, Now now) {
  // Mail whose queue was ended meanwhile shares that end if it is still going on; else it is as
  // good as new.
  const std::uint8_t epoch = queue.doom_kind != Ending::none ? job.epoch : queue.epoch;
  const auto same = [](const JobRecipient& a, const JobRecipient& b) {
    return a.index + 1 == b.index && a.outcome.kind == b.outcome.kind && a.attempts == b.attempts &&
           a.next_attempt == b.next_attempt &&
           (a.ambiguous_before || a.outcome.ambiguous) ==
               (b.ambiguous_before || b.outcome.ambiguous);
  };
  // From the last run to the first, so that those put at the front end up in order.
  for (std::size_t end = job.recipients.size(); end > 0;) {
    std::size_t begin = end - 1;
    while (begin > 0 && same(job.recipients[begin - 1], job.recipients[begin])) {
      --begin;
    }
    const JobRecipient& first = job.recipients[begin];
    const OutcomeKind kind = first.outcome.kind;
    if (kind == OutcomeKind::deferred || kind == OutcomeKind::returned) {
      Entry model;
      model.received_us = job.message_received.us;
      model.log = job.message.log;
      model.slot = job.message.slot;
      model.generation = job.message.generation;
      model.first = first.index;
      model.count = static_cast<std::uint32_t>(end - begin);
      model.ambiguous = first.ambiguous_before || first.outcome.ambiguous;
      model.epoch = epoch;
      model.attempts = first.attempts;
      model.pooled = job.pooled;
      model.era = job.era % GlobalLimits::kEras;
      model.alone = job.alone;
      model.share = job.share;
      if (kind == OutcomeKind::returned) {
        const std::uint32_t index = add_entry(queue, model, WallTime{}, now);
        senders_.facts(index) = job.mail;
        shares_.push(queue, index, true);
        come_back(job, queue, index);
        leave_soon(queue, index, now);
      } else {
        model.attempts += model.attempts < 0xffff ? 1 : 0;
        const std::uint32_t index = add_entry(queue, model, first.next_attempt, now);
        senders_.facts(index) = job.mail;
        queue.deferred.push_back(entries_, index);
        if (epoch != queue.epoch) {
          promote(index, queue, now);  // to the front, where what is being ended stands
        }
        come_back(job, queue, index);
        leave_soon(queue, index, now);
      }
    }
    end = begin;
  }
  if (!queue.ready.empty()) {
    on_new_ready(queue, now);
  }
  if (queue.move != nullptr) {
    begin_move(queue);
  }
}

// Its job was deleted meanwhile, or its queue's mail moved.
void Scheduler::come_back(const PooledJob& job, Queue& queue, std::uint32_t index) {
  const Share* const share = shares_.find(job.share);
  if (share != nullptr && share->doomed) {
    end_entry(index, queue, Ending::cancelled);
  } else if (job.leaving != nullptr) {
    stragglers_.push_back({index, job.message, entries_[index].first, job.leaving});
  }
}

void Scheduler::end_share(PooledJob& job, Queue& queue, std::uint32_t count) {
  if (Share* const share = shares_.find(job.share)) {
    share->in_flight -= count;
    shares_.leave(queue, std::exchange(job.share, 0), 0);
  }
}

// ---- final outcomes decided in the queue -------------------------------------------------------

bool Scheduler::make_ending_job(Now now) {
  if (endings_.empty() || !jobs_.room_for_ending()) {
    return false;
  }
  const Entry& head = entries_[endings_.head];
  Queue& queue = table_.at(head.queue);
  const Ending ending = head.ending;
  PooledJob& job = jobs_.take(true);
  job.message = head.message();
  job.queue = queue.id();
  job.home_shard = static_cast<std::uint16_t>(options_.shard);
  job.message_received = head.received();
  job.message_expires = expires(queue, head.received());
  name_queue(job, queue);
  std::uint32_t room = kRecipientsPerEndingJob;
  while (!endings_.empty() && room > 0) {
    const std::uint32_t index = endings_.head;
    Entry& entry = entries_[index];
    if (entry.queue != queue.slot || entry.message() != job.message || entry.ending != ending) {
      break;
    }
    const std::uint32_t count = std::min(entry.count, room);
    for (std::uint32_t i = 0; i < count; ++i) {
      JobRecipient recipient;
      recipient.index = entry.first + i;
      recipient.attempts = entry.attempts;
      recipient.ambiguous_before = entry.ambiguous;
      job.recipients.push_back(recipient);
    }
    room -= count;
    if (count == entry.count) {
      endings_.remove(entries_, index);
      entry.state = EntryState::free;
      entries_.give_back(index);
    } else {
      entry.first += count;
      entry.count -= count;
      endings_.recipients -= count;
    }
  }
  set_ending(job, queue, ending, now);
  doors_.settle.settle(job);
  return true;
}

void Scheduler::set_ending(PooledJob& job, const Queue& queue, Ending ending, Now now) {
  Outcome outcome;
  outcome.phase = Phase::queue;
  switch (ending) {
    case Ending::queue_failed:
    case Ending::no_exchanger:
      RP_ASSERT(queue.doom != nullptr);
      outcome = queue.doom->outcome;
      outcome.kind = OutcomeKind::bounced;
      outcome.text = job.keep_text(queue.doom->text);
      break;
    case Ending::cancelled:
      outcome.kind = OutcomeKind::cancelled;
      outcome.status = kCancelledStatus;
      outcome.text = job.keep_text("deleted by an operator");
      break;
    case Ending::expired:
    case Ending::none:
      outcome.kind = OutcomeKind::expired;
      outcome.status = kExpiredStatus;
      outcome.text = keep_expired_text(
          job, now.wall - job.message_received,
          queue.last_failure ? std::string_view(queue.last_failure->text) : std::string_view{});
      break;
  }
  job.facts.started = job.facts.ended = now.wall;
  for (JobRecipient& recipient : job.recipients) {
    recipient.outcome = outcome;
  }
}

}  // namespace ringpost::schedule
