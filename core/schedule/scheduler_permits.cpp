#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/schedule/late_permits.h"
#include "core/schedule/sender_traffic.h"

namespace ringpost::schedule {

namespace {

/// A transaction is kept open so long for a permit, and for its first one as long again as the host
/// took to answer MAIL; RFC 5321 section 4.5.3.2.7 lets hosts wait for five minutes.
constexpr Duration kPatience = Duration::seconds(5);
constexpr Duration kTarpitPatience = Duration::seconds(230);

Duration patience(const PooledJob& job) {
  return std::max(kPatience, std::min(job.mail_took, kTarpitPatience));
}

/// Where RCPTs wait for what comes within that time, no further transactions begin with turns.
constexpr Duration kTurnsWait = Duration::seconds(1);

/// What a receiver took longer than permits were good counts at once for so much.
constexpr std::int64_t kLearns = 8;

/// And what it took to answer MAIL for so much.
constexpr std::int64_t kLearnsMail = 4;
/// What takes less than that longer than RateBook::kLead is made up for.
constexpr Duration kLittle = Duration::seconds(1);

/// The gate of a source address of the queue that has one of its own.
SourceGate* gate_of(Queue& queue, const IpAddress& source) {
  return queue.sources() == nullptr ? nullptr : queue.sources()->find(source);
}

/// `act` on each of the queue's own rates, with that of the source address `gate`.
template <class Act>
void for_own(Queue& queue, SourceGate* gate, Act act) {
  const auto heed = [&](RateGate& rate) {
    if (rate.limited()) {
      act(rate);
    }
  };
  heed(queue.messages);
  if (queue.warmup != nullptr) {
    heed(queue.warmup->gate());
  }
  if (gate != nullptr) {
    heed(gate->messages);
  }
}

/// The same on those that a permit is needed of for the next RCPT of the job.
template <class Act>
void for_owed(Queue& queue, const PooledJob& job, Instant now, Act act) {
  for_own(queue, gate_of(queue, job.leaves_from), [&](RateGate& rate) {
    if (!job.kept || job.turn || now - job.paid_at > rate.late_max()) {
      act(rate);
    }
  });
}

std::uint32_t own_units(Queue& queue, const PooledJob& job, Instant now) {
  std::uint32_t units = RateGate::kUnlimited;
  for_owed(queue, job, now,
           [&](const RateGate& rate) { units = std::min(units, rate.available(now)); });
  return units;
}

Instant own_opens(Queue& queue, const PooledJob& job, Instant now) {
  Instant opens;
  for_owed(queue, job, now,
           [&](const RateGate& rate) { opens = std::max(opens, rate.opens_at()); });
  return opens;
}

/// Permits of its own rates leave now, so long after they were taken: its mail had to be read.
void used_late(Queue& queue, SourceGate* gate, Duration late) {
  queue.messages.used_late(late);
  if (gate != nullptr) {
    gate->messages.used_late(late);
  }
  if (queue.warmup != nullptr) {
    queue.warmup->used_late(late);
  }
}

Duration interval_of(Queue& queue, SourceGate* gate) {
  Duration interval;
  for_own(queue, gate,
          [&](const RateGate& rate) { interval = std::max(interval, rate.interval()); });
  return interval;
}

Instant good_until(Queue& queue, SourceGate* gate, UsedBy shared, Instant now) {
  Duration life = RateBook::kLifeMax;
  for_own(queue, gate, [&](const RateGate& rate) {
    life = std::min(life, RateBook::life_of(rate.limit().period));
  });
  return std::min({now + life, shared.quick, shared.slow});
}

/// Its permits could be taken anew.
bool may_lapse(const Queue& queue) {
  const RateScope* const scope = queue.shared_messages;
  const SourceGates* const sources = queue.sources();
  return (scope == nullptr || !scope->octets) &&
         (sources == nullptr ||
          std::none_of(sources->all().begin(), sources->all().end(),
                       [](const SourceGate& gate) { return gate.line != nullptr; }));
}

bool waits_for_rate(const Queue& queue) {
  const bool own = queue.gate == Gate::message_rate || queue.gate == Gate::warmup;
  return queue.state == QueueState::waiting &&
         (queue.gate == Gate::source_message_rate ||
          (own &&
           (queue.until == Instant::never() || LatePermits::mail_takes(queue) > RateBook::kLead)));
}

std::uint32_t unpaid_of(const Queue& queue) {
  return queue.rare == nullptr ? 0 : queue.rare->unpaid;
}

}  // namespace

// ---- before a transaction ----------------------------------------------------------------------

bool LatePermits::fit(Scheduler& all, Queue& queue) {
  return may_lapse(queue) && !SenderTraffic::leads(all, queue);
}

Duration LatePermits::mail_takes(const Queue& queue) {
  const Duration takes = queue.rare == nullptr ? Duration{} : queue.rare->mail_takes;
  return takes <= RateBook::kLead + kLittle ? RateBook::kLead : std::min(takes, kTarpitPatience);
}

namespace {

/// Permits of the scope, and one, that come while hosts of the queue answer MAIL.
std::uint32_t come_to(const Queue& queue, const RateScope& scope) {
  const std::int64_t each = std::max<std::int64_t>(scope.interval.ns, 1'000'000);
  return static_cast<std::uint32_t>(1 + LatePermits::mail_takes(queue).ns / each);
}

}  // namespace

std::uint32_t LatePermits::sessions_for(const Queue& queue, Now now) {
  if (!queue.slow || mail_takes(queue) == RateBook::kLead) {
    return 0;
  }
  std::uint32_t due = LatePermits::due(queue, now);
  if (queue.sources() != nullptr) {
    due = std::min(due, queue.sources()->permits(*queue.policy, now.instant, lead(queue)));
  }
  if (const RateScope* const scope = queue.shared_messages) {
    const std::uint32_t most = come_to(queue, *scope);
    due = std::min(due, most - std::min(most, unpaid_of(queue)));
  }
  const bool limited = due != RateGate::kUnlimited;
  due = std::min(due, queue.ready.entries());
  return due == 0 || !limited ? 0 : unpaid_of(queue) + due;
}

std::uint32_t LatePermits::due(const Queue& queue, Now now) {
  const Duration ahead = lead(queue);
  if (ahead == Duration{}) {
    return queue.permits(now.instant);
  }
  std::uint32_t due = queue.messages.due(now.instant, ahead);
  if (queue.warmup != nullptr) {
    due = std::min(due, queue.warmup->gate().due(now.instant, ahead));
  }
  return due == RateGate::kUnlimited ? due : due - std::min(due, unpaid_of(queue));
}

Instant LatePermits::due_at(const Queue& queue) {
  const Duration ahead = lead(queue);
  const std::uint32_t unpaid = ahead == Duration{} ? 0 : unpaid_of(queue);
  const Instant opens = queue.messages.due_at(unpaid, ahead);
  return queue.warmup == nullptr ? opens
                                 : std::max(opens, queue.warmup->gate().due_at(unpaid, ahead));
}

Instant LatePermits::opens_from(Queue& queue, const IpAddress& source, std::uint32_t octets) {
  SourceGate* const gate = gate_of(queue, source);
  Instant opens;
  for_own(queue, gate, [&](const RateGate& rate) { opens = std::max(opens, rate.opens_at()); });
  for (const ByteGate* one : {queue.octets(), gate == nullptr ? nullptr : gate->octets.get()}) {
    opens = one == nullptr ? opens : std::max(opens, one->opens_for(octets));
  }
  return opens;
}

std::uint32_t LatePermits::own(Scheduler& all, Queue& queue, Now now) {
  const std::uint32_t now_due = all.own_permits(queue, now, lead(queue));
  if (now_due == 0 || !queue.slow) {
    return now_due;
  }
  const std::uint32_t units = due(queue, now);
  if (units == 0) {
    // over() goes on, where transactions that are not paid for yet have the next ones.
    const bool grows = unpaid_of(queue) == 0 || mail_takes(queue) > RateBook::kLead;
    all.wait_until(queue, Gate::message_rate, grows ? due_at(queue) : Instant::never());
  }
  return units;
}

bool LatePermits::turns(const Queue& queue, const RateScope& scope) {
  return queue.slow && (scope.sender != 0 || scope.whole != nullptr || !may_lapse(queue));
}

bool LatePermits::full(Scheduler& all, const RateScope& scope) {
  const RateScope& again = all.rates_.again(scope);
  const auto wait = static_cast<std::int64_t>(again.payers.size());
  return wait > 0 && again.interval * (wait + 1) > kTurnsWait;
}

std::uint32_t LatePermits::there(Scheduler& all, const Queue& queue, RateScope& scope,
                                 std::uint32_t octets, Now now) {
  scope.turns = turns(queue, scope);
  return scope.turns && full(all, scope) ? 0 : RateBook::available(scope, octets, now.instant);
}

std::uint32_t LatePermits::shared(Scheduler& all, Queue& queue, Now now) {
  RateScope* const scope = queue.shared_messages;
  if (scope == nullptr) {
    return RateGate::kUnlimited;
  }
  const Duration ahead = mail_takes(queue);
  const bool counts = ahead == RateBook::kLead;  // see begin()
  const std::uint32_t most = counts ? scope->ahead_max : come_to(queue, *scope);
  const std::uint32_t begun = counts ? scope->unpaid : unpaid_of(queue);
  if (now.instant + ahead >= scope->opens && begun < most && !turn_is_over(queue, *scope, now)) {
    return most - begun;
  }
  if (!counts && begun >= most) {
    // No permit would come sooner for another one.
    all.wait_until(queue, Gate::vmta_message_rate,
                   now.instant + std::max(scope->interval / 2, kTurnsWait));
    return 0;
  }
  all.place(queue, QueueState::waiting, Gate::vmta_message_rate, Instant::never(), &scope->hopeful);
  all.rates_.stir(*scope);
  return 0;
}

void LatePermits::begin(Queue& queue, PooledJob& job, const IpAddress& source, RateScope* scope,
                        bool lapses, UsedBy good, Now now) {
  SourceGate* const gate = gate_of(queue, source);
  job.kept = scope != queue.shared_messages || !may_lapse(queue);
  job.turn = queue.slow && !lapses;
  job.lapsed = job.turn;
  job.leaves_from = source;
  job.kept_from = scope;
  job.kept_until = good;
  job.backoff = queue.policy->backoff;
  job.metered = queue.slow;
  job.asked = job.one_by_one = false;
  job.mail_took = {};
  job.paid = queue.slow ? 0 : static_cast<std::uint32_t>(job.recipients.size());
  job.paid_at = now.instant;
  job.paid_until = good_until(queue, gate, good, now.instant);
  job.unpaid = queue.slow;
  if (!queue.slow) {
    return;
  }
  ++queue.rare_limits().unpaid;
  if (gate != nullptr) {
    ++gate->unpaid;
  }
  // Where hosts take longer it would keep others from permits that come until then.
  if (lapses && mail_takes(queue) == RateBook::kLead) {
    count_unpaid(queue, job);
  }
}

/// Others that share its rate begin fewer until it has its permits.
void LatePermits::count_unpaid(Queue& queue, PooledJob& job) {
  if (job.scope == nullptr && queue.shared_messages != nullptr) {
    job.scope = queue.shared_messages;
    ++job.scope->unpaid;
  }
}

// ---- while it goes on --------------------------------------------------------------------------

void LatePermits::charge_own(Queue& queue, SourceGate* gate, std::uint32_t count, Now now) {
  if (gate != nullptr) {
    gate->messages.take(count, now.instant);
  }
  queue.messages.take(count, now.instant);
  if (queue.warmup != nullptr) {
    queue.warmup->take(count, now.instant);
  }
}

Permits LatePermits::ask(Scheduler& all, PooledJob& job, std::uint32_t sent, std::uint32_t want,
                         Now now) {
  const auto count = static_cast<std::uint32_t>(job.recipients.size());
  RP_ASSERT(sent + want <= count);
  Queue& queue = *all.table_.find(job.queue);
  if (!job.kept && want > 0 && sent < job.paid && now.instant <= job.paid_until) {
    used_late(queue, gate_of(queue, job.leaves_from), now.instant - job.paid_at);
    return {std::min(want, job.paid - sent), false};
  }
  leave_line(all, queue, job);
  if (sent > 0 || !job.one_by_one) {
    job.mail_took = {};
  } else if (!std::exchange(job.asked, true)) {
    job.mail_took = now.instant - job.paid_at;
    Duration& takes = queue.rare_limits().mail_takes;
    takes = takes == Duration{} ? job.mail_took : takes + (job.mail_took - takes) / kLearnsMail;
  }
  if (sent == 0 && want > 0 && !job.kept && job.unpaid) {
    count_unpaid(queue, job);
  }
  const Permits permits = want == 0  ? Permits{}
                          : job.kept ? use(all, queue, job, sent, want, now)
                                     : pay(all, queue, job, sent, want, now);
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
  const std::uint32_t sender = job.mail.sender;
  if (!may_lapse(queue) ||
      (sender != 0 && all.senders_.rated(sender, all.doors_.policies, all.global_.version) != 0)) {
    return {};  // its limits are others than when it began
  }
  std::uint32_t units = std::min(want, own_units(queue, job, now.instant));
  RareLimits& own = queue.rare_limits();
  if (units == 0 || (!called && !own.payers.empty())) {
    const Duration before = interval_of(queue, gate_of(queue, job.leaves_from)) *
                            static_cast<std::int64_t>(own.payers.size());
    if (own_opens(queue, job, now.instant) + before > now.instant + patience(job)) {
      return {};
    }
    called ? own.payers.push_front(job) : own.payers.push_back(job);
    job.waits = true;
    return {0, true};
  }
  RateScope* const scope = queue.shared_messages;
  if (scope != nullptr) {
    const std::uint32_t there = RateBook::available(*scope, now.instant);
    if (there == 0 && scope->opens > now.instant + patience(job)) {
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
  SourceGate* const gate = gate_of(queue, job.leaves_from);
  charge_own(queue, gate, units, now);
  const UsedBy good = scope == nullptr ? UsedBy{} : RateBook::take(*scope, units, 0, now.instant);
  job.paid_until = good_until(queue, gate, good, now.instant);
  return {units, false};
}

/// The slow permits of the job have lapsed, and none is ever good for so long.
bool never_so_late(const PooledJob& job, Now now) {
  return job.kept_from != nullptr && now.instant > job.kept_until.slow &&
         now.instant - job.paid_at > job.kept_from->late_max.slow;
}

/// Of slow rates, whose next permit is far, those of the job are still good. If not, the next ones
/// are to be good for as long as this took.
bool LatePermits::kept_for_long(Scheduler& all, Queue& queue, PooledJob& job, Now now) {
  const Duration late = now.instant - job.paid_at;
  const Duration wanted = late * 5 / 4;
  bool good = true;
  for_owed(queue, job, now.instant, [&](RateGate& rate) {
    if (!job.turn && !RateGate::quick(rate.limit())) {
      good = false;
      rate.used_late(std::min(wanted, RateGate::late_max(rate.limit())));
    }
  });
  RateScope* const scope = job.kept_from;
  if (scope == nullptr) {
    return good;
  }
  if (now.instant > job.kept_until.slow) {
    all.rates_.wants_late(*scope, {}, wanted);
    return false;
  }
  // Quick ones will have another; it may have been chance, and is learned by and by.
  const Duration before = scope->late.quick;
  if (now.instant > job.kept_until.quick && !std::exchange(job.lapsed, true) &&
      late <= scope->late_max.quick && wanted > before) {
    all.rates_.wants_late(*scope, before + (wanted - before) / kLearns, {});
  }
  return good;
}

/// A RCPT of a transaction whose permits, or turns, were taken when it began could leave now.
Permits LatePermits::use(Scheduler& all, Queue& queue, PooledJob& job, std::uint32_t sent,
                         std::uint32_t want, Now now) {
  const bool called = std::exchange(job.called, false);
  const bool changed = job.backoff != queue.policy->backoff;
  const bool anew = never_so_late(job, now);
  if (anew && job.kept_lease.units > 0) {
    job.kept_lease.units -= std::min(job.kept_lease.units, sent);
    all.rates_.give_back(*job.kept_from, std::exchange(job.kept_lease, {}));
  }
  if ((changed && now.instant > job.paid_at + RateBook::kLifeMax) ||
      all.rates_.lapsed(job.paid_at, now.instant) ||
      !(anew || kept_for_long(all, queue, job, now))) {
    return {};  // what held before a change is good for a second after it
  }
  std::uint32_t units = std::min(want, own_units(queue, job, now.instant));
  if (units == 0) {
    if (changed || own_opens(queue, job, now.instant) > now.instant + patience(job)) {
      return {};
    }
    called ? queue.rare_limits().payers.push_front(job) : queue.rare_limits().payers.push_back(job);
    job.waits = true;
    return {0, true};
  }
  if (job.kept_from != nullptr && (anew || now.instant > job.kept_until.quick)) {
    if (changed) {
      return {};
    }
    RateScope& scope = all.rates_.again(*job.kept_from, anew);
    const std::uint32_t there = RateBook::available(scope, now.instant);
    if (there == 0 && scope.opens > now.instant + patience(job)) {
      return {};
    }
    if (there == 0 || (!called && !scope.payers.empty())) {
      scope.payers.push_back(job);
      job.in_line = &scope;
      all.rates_.stir(scope);
      return {0, true};
    }
    units = std::min(units, there);
    RateBook::take(scope, units, 0, now.instant);
  }
  const Duration late = now.instant - job.paid_at;
  for_own(queue, gate_of(queue, job.leaves_from), [&](RateGate& rate) {
    job.turn || late > rate.late_max() ? rate.take(units, now.instant) : rate.used_late(late);
  });
  job.paid = job.turn ? sent + units : job.paid;
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
  if (job.turn && job.kept_from != nullptr) {
    all.rates_.stir(*job.kept_from);  // others may begin
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
  Instant opens = Instant::never();
  for (PooledJob* job = queue.rare->payers.front(); job != nullptr;
       job = queue.sources() == nullptr ? nullptr : queue.rare->payers.after(*job)) {
    opens = std::min(opens, own_opens(queue, *job, now.instant));
  }
  all.payers_.set(*queue.rare, std::max(opens, now.instant));
}

void LatePermits::over(Scheduler& all, Queue& queue, PooledJob& job, Now now) {
  leave_line(all, queue, job);
  job.called = false;
  if (!std::exchange(job.unpaid, false)) {
    arm_line(all, queue, now);
    return;
  }
  --queue.rare->unpaid;
  SourceGate* const gate = gate_of(queue, job.leaves_from);
  if (gate != nullptr && gate->unpaid > 0) {
    --gate->unpaid;
    if (queue.state == QueueState::waiting) {
      queue.rare->source_opens = std::min(queue.rare->source_opens, now.instant);
      all.arm(queue, now.instant);
    }
  }
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
  const bool none = RateBook::available(scope, now.instant) == 0;
  std::uint32_t called = 0;
  PooledJob* next = scope.payers.front();
  while (PooledJob* const job = next) {
    next = scope.payers.after(*job);
    const bool hopeless =
        none && scope.opens > now.instant + patience(*job);  // it is to hear of it
    if (called >= units && !hopeless) {
      if (none) {
        continue;
      }
      break;
    }
    scope.payers.remove(*job);
    job->in_line = nullptr;
    job->called = true;
    job->holder->permits_due();
    called += hopeless ? 0 : 1;
  }
  return called;
}

void LatePermits::call_due(Scheduler& all, Now now) {
  while (RareLimits* const own = all.payers_.pop_due(now.instant)) {
    Queue& queue = *all.table_.find(own->payers.front()->queue);
    std::uint32_t called = 0;
    for (std::size_t n = own->payers.size(); n > 0; --n) {
      PooledJob& job = *own->payers.pop_front();
      if (own_units(queue, job, now.instant) <= called) {
        own->payers.push_back(job);  // what leaves from another address may go before it
        continue;
      }
      ++called;
      job.waits = false;
      job.called = true;
      job.holder->permits_due();
    }
    if (called == 0) {
      // Others were quicker. Who is called asks, which arms it anew.
      arm_line(all, queue, {now.instant + Duration::milliseconds(1), now.wall});
    }
  }
}

void LatePermits::serve_again(Scheduler& all, RateScope& scope, Now now) {
  const std::uint32_t there = RateBook::available(scope, now.instant);
  const std::uint32_t spare = there - std::min(there, call(scope, there, now));
  const auto wanted = static_cast<std::uint32_t>(scope.payers.size());
  all.rates_.set_want(scope, wanted - std::min(wanted, spare));
}

}  // namespace ringpost::schedule
