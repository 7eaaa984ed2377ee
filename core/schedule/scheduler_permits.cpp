#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/schedule/late_permits.h"
#include "core/schedule/sender_traffic.h"

namespace ringpost::schedule {

namespace {

/// A transaction is kept open so long for a permit.
constexpr Duration kPatience = Duration::seconds(5);

/// `act` on each of the queue's own rates.
template <class Act>
void for_own(const Queue& queue, Act act) {
  const auto heed = [&](const RateGate& rate) {
    if (rate.limited()) {
      act(rate);
    }
  };
  heed(queue.messages);
  if (queue.warmup != nullptr) {
    heed(queue.warmup->gate());
  }
}

std::uint32_t own_units(const Queue& queue, Instant now) {
  std::uint32_t units = RateGate::kUnlimited;
  for_own(queue, [&](const RateGate& rate) { units = std::min(units, rate.available(now)); });
  return units;
}

Instant own_opens(const Queue& queue) {
  Instant opens;
  for_own(queue, [&](const RateGate& rate) { opens = std::max(opens, rate.opens_at()); });
  return opens;
}

/// Permits of its own rates leave now, so long after they were taken: its mail had to be read.
void used_late(Queue& queue, Duration late) {
  queue.messages.used_late(late);
  if (queue.warmup != nullptr) {
    queue.warmup->used_late(late);
  }
}

Duration interval_of(const Queue& queue) {
  Duration interval;
  for_own(queue, [&](const RateGate& rate) { interval = std::max(interval, rate.interval()); });
  return interval;
}

Instant good_until(const Queue& queue, Instant now) {
  Duration life = RateBook::kLifeMax;
  for_own(queue, [&](const RateGate& rate) {
    life = std::min(life, RateBook::life_of(rate.limit().period));
  });
  return now + life;
}

/// Its permits could be taken anew.
bool may_lapse(const Queue& queue) {
  const RateScope* const scope = queue.shared_messages;
  return queue.sources() == nullptr && (scope == nullptr || !scope->octets);
}

bool waits_for_rate(const Queue& queue) {
  return queue.state == QueueState::waiting && queue.until == Instant::never() &&
         (queue.gate == Gate::message_rate || queue.gate == Gate::warmup);
}

}  // namespace

// ---- before a transaction ----------------------------------------------------------------------

bool LatePermits::fit(Scheduler& all, Queue& queue) {
  return may_lapse(queue) && !SenderTraffic::leads(all, queue);
}

std::uint32_t LatePermits::own(Scheduler& all, Queue& queue, Now now) {
  constexpr Duration kLead = RateBook::kLead;
  if (all.own_permits(queue, now, kLead) == 0) {
    return 0;
  }
  std::uint32_t due = queue.messages.due(now.instant, kLead);
  if (queue.warmup != nullptr) {
    due = std::min(due, queue.warmup->gate().due(now.instant, kLead));
  }
  const std::uint32_t unpaid = queue.rare_limits().unpaid;
  if (due <= unpaid) {
    all.wait_until(queue, Gate::message_rate, Instant::never());  // over() goes on
    return 0;
  }
  return due - unpaid;
}

std::uint32_t LatePermits::shared(Scheduler& all, Queue& queue, Now now) {
  RateScope* const scope = queue.shared_messages;
  if (scope == nullptr) {
    return RateGate::kUnlimited;
  }
  if (now.instant + RateBook::kLead >= scope->opens && scope->unpaid < scope->ahead_max) {
    return scope->ahead_max - scope->unpaid;
  }
  all.place(queue, QueueState::waiting, Gate::vmta_message_rate, Instant::never(), &scope->hopeful);
  all.rates_.stir(*scope);
  return 0;
}

void LatePermits::begin(Queue& queue, PooledJob& job, const RateScope* scope, bool slow,
                        Instant good_until, Now now) {
  const bool lapses = scope == queue.shared_messages && may_lapse(queue);
  job.paid = slow ? 0 : static_cast<std::uint32_t>(job.recipients.size());
  job.paid_at = now.instant;
  job.paid_until = lapses ? good_until : Instant::never();
  job.unpaid = slow;
  if (!slow) {
    return;
  }
  ++queue.rare_limits().unpaid;
  job.scope = queue.shared_messages;
  if (job.scope != nullptr) {
    ++job.scope->unpaid;
  }
}

// ---- while it goes on --------------------------------------------------------------------------

Instant LatePermits::charge(Queue& queue, std::uint32_t count, RateScope* scope,
                            std::uint32_t octets, Now now) {
  queue.messages.take(count, now.instant);
  if (queue.warmup != nullptr) {
    queue.warmup->take(count, now.instant);
  }
  Instant until = good_until(queue, now.instant);
  if (scope != nullptr) {
    until = std::min(until, RateBook::take(*scope, count, octets, now.instant));
  }
  return until;
}

Permits LatePermits::ask(Scheduler& all, PooledJob& job, std::uint32_t sent, std::uint32_t want,
                         Now now) {
  const auto count = static_cast<std::uint32_t>(job.recipients.size());
  RP_ASSERT(sent + want <= count);
  if (want > 0 && sent < job.paid && now.instant <= job.paid_until) {
    used_late(*all.table_.find(job.queue), now.instant - job.paid_at);
    return {std::min(want, job.paid - sent), false};
  }
  Queue& queue = *all.table_.find(job.queue);
  leave_line(all, queue, job);
  const Permits permits = want == 0 ? Permits{} : pay(all, queue, job, sent, want, now);
  if (permits.count > 0 ? job.paid == count : !permits.soon) {
    over(all, queue, job, now);
  } else {
    arm_line(all, queue, now);
  }
  return permits;
}

Permits LatePermits::pay(Scheduler& all, Queue& queue, PooledJob& job, std::uint32_t sent,
                         std::uint32_t want, Now now) {
  const bool called = std::exchange(job.called, false);
  if (!may_lapse(queue)) {
    return {};  // its limits are others than when it began
  }
  std::uint32_t units = std::min(want, own_units(queue, now.instant));
  RareLimits& own = queue.rare_limits();
  if (units == 0 || (!called && !own.payers.empty())) {
    const Duration before = interval_of(queue) * static_cast<std::int64_t>(own.payers.size());
    if (own_opens(queue) + before > now.instant + kPatience) {
      return {};
    }
    called ? own.payers.push_front(job) : own.payers.push_back(job);
    job.waits = true;
    return {0, true};
  }
  RateScope* const scope = queue.shared_messages;
  if (scope != nullptr) {
    const std::uint32_t there = RateBook::available(*scope, now.instant);
    if (there == 0 && scope->opens > now.instant + kPatience) {
      return {};
    }
    if (there == 0 || (!called && !scope->payers.empty())) {
      scope->payers.push_back(job);
      job.in_line = scope;
      all.rates_.stir(*scope);
      return {0, true};
    }
    units = std::min(units, there);
  }
  job.paid = sent + units;
  job.paid_at = now.instant;
  job.paid_until = charge(queue, units, scope, 0, now);
  return {units, false};
}

void LatePermits::leave_line(Scheduler& all, Queue& queue, PooledJob& job) {
  if (std::exchange(job.waits, false)) {
    queue.rare->payers.remove(job);
  }
  if (RateScope* const scope = std::exchange(job.in_line, nullptr)) {
    scope->payers.remove(job);
    all.rates_.stir(*scope);
  }
}

// For the first permit of the queue's own rates that one of its payers could use.
void LatePermits::arm_line(Scheduler& all, Queue& queue, Now now) {
  if (queue.rare == nullptr || queue.rare->payers.empty()) {
    if (queue.rare != nullptr) {
      all.payers_.clear(*queue.rare);
    }
    return;
  }
  all.payers_.set(*queue.rare, std::max(own_opens(queue), now.instant));
}

void LatePermits::over(Scheduler& all, Queue& queue, PooledJob& job, Now now) {
  leave_line(all, queue, job);
  job.called = false;
  if (!std::exchange(job.unpaid, false)) {
    arm_line(all, queue, now);
    return;
  }
  --queue.rare->unpaid;
  if (RateScope* const scope = std::exchange(job.scope, nullptr)) {
    --scope->unpaid;
    all.rates_.stir(*scope);
  }
  arm_line(all, queue, now);
  if (waits_for_rate(queue)) {
    all.evaluate(queue, now);
  }
}

// ---- permits come ------------------------------------------------------------------------------

std::uint32_t LatePermits::call(RateScope& scope, std::uint32_t units, Now now) {
  const bool hopeless = RateBook::available(scope, now.instant) == 0 &&
                        scope.opens > now.instant + kPatience;  // they are to hear of it
  std::uint32_t called = 0;
  while (!scope.payers.empty() && (called < units || hopeless)) {
    PooledJob& job = *scope.payers.pop_front();
    job.in_line = nullptr;
    job.called = true;
    job.holder->permits_due();
    ++called;
  }
  return hopeless ? 0 : called;
}

void LatePermits::call_due(Scheduler& all, Now now) {
  while (RareLimits* const own = all.payers_.pop_due(now.instant)) {
    Queue& queue = *all.table_.find(own->payers.front()->queue);
    for (std::uint32_t units = own_units(queue, now.instant); units > 0; --units) {
      PooledJob* const job = own->payers.pop_front();
      if (job == nullptr) {
        break;
      }
      job->waits = false;
      job->called = true;
      job->holder->permits_due();
    }
  }
}

}  // namespace ringpost::schedule
