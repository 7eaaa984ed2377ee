#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/schedule/late_permits.h"
#include "core/schedule/scheduler.h"
#include "core/schedule/sender_traffic.h"
#include "core/schedule/source_traffic.h"

// Rates that queues share: of a virtual MTA as a whole, a pool, a group of destinations.
//
// Messages: a queue asks for a permit when one of its sessions could send. A queue without session
// would let the permit lapse while it connects, so it connects first; but no more queues do than
// there are permits to come soon, the others stay hopeful and hold nothing.
// Connections: a queue asks when it has all its connection units, the last thing before it
// connects. It goes for those units only when a permit is near, and gives them back when the owner
// says that it is not.

namespace ringpost::schedule {

namespace {

/// Where the first of those who want to make ready cannot, the next one tries after this.
constexpr Duration kBlockedRetry = Duration::seconds(1);

}  // namespace

void Scheduler::apply_shared(Queue& queue, const QueueLimits& limits) {
  const auto scope_of = [&](const SharedRates& shared) {
    return shared.scope == 0
               ? nullptr
               : &rates_.scope(shared.scope, shared.plan, shared.own, global_.version);
  };
  RateScope* const messages = scope_of(limits.shared_messages);
  RateScope* const connects = scope_of(limits.shared_connects);
  const bool moved = (messages != queue.shared_messages || connects != queue.shared_connects);
  if (moved && rate_waited_for(queue) != nullptr) {
    place(queue, QueueState::ready, Gate::none, Instant::never(), &ring_);
  }
  if (messages != queue.shared_messages) {
    const auto opening = static_cast<int>(queue.opening);
    note_opening(queue, -opening);
    queue.shared_messages = messages;
    note_opening(queue, opening);
  }
  if (connects != queue.shared_connects) {
    if (std::exchange(queue.approaching, false)) {
      --queue.shared_connects->approaching;
      rates_.stir(*queue.shared_connects);  // its place is the next one's
    }
    queue.shared_connects = connects;
  }
  SourceTraffic::apply(*this, queue, limits);
}

/// Recipients that the queue's own rates let start, or whether any will within `lead`; with none it
/// is put to wait.
std::uint32_t Scheduler::own_permits(Queue& queue, Now now, Duration lead) {
  if (queue.uncounted()) {
    wait_until(queue, Gate::day_count, Instant::never());
    return 0;
  }
  const std::uint32_t permits = queue.permits(now.instant);
  if (permits == 0) {
    const bool warms = queue.messages.available(now.instant) > 0;
    const Instant opens = warms ? queue.warmup->opens_at() : queue.messages.opens_at();
    if (opens > now.instant + lead) {
      wait_until(queue, warms ? Gate::warmup : Gate::message_rate, opens - lead);
      return 0;
    }
  }
  return octets_open(queue, now) && sources_open(queue, now) ? std::max(1u, permits) : 0;
}

namespace {

/// Transactions whose next RCPT waits for permits of the queue's own rates, by source address too;
/// where hosts take long to answer MAIL, those that wait for that too.
std::uint32_t count_waiting(const Queue& queue) {
  RareLimits& rare = *queue.rare;
  const bool slow = LatePermits::mail_takes(queue) > RateBook::kLead;
  for (SourceGate& gate : rare.sources.all()) {
    gate.waiting = slow ? gate.unpaid : 0;
  }
  if (slow) {
    return rare.unpaid;
  }
  for (PooledJob* job = rare.payers.front(); job != nullptr; job = rare.payers.after(*job)) {
    SourceGate* const gate = rare.sources.find(job->leaves_from);
    gate == nullptr ? 0U : ++gate->waiting;
  }
  return static_cast<std::uint32_t>(rare.payers.size());
}

}  // namespace

// A permit counts in all of the queue's own rates and in those of its source address, beside what
// it shares; mail of a sender in that sender's instead.
Instant permits_lost(const Queue& queue) {
  const std::uint32_t coming = queue.opening + (queue.rare == nullptr ? 0 : count_waiting(queue));
  const RateGate* const own[] = {&queue.messages,
                                 queue.warmup == nullptr ? nullptr : &queue.warmup->gate()};
  Instant all;  // that there are mail and permits
  bool any = false;
  for (const RateGate* const gate : own) {
    if (gate != nullptr && gate->limited()) {
      all = std::max(all, gate->lost(coming));
      any = true;
    }
  }
  SourceGate* lagging = nullptr;
  SourceGates* const sources = queue.sources();
  const Instant of_sources = sources == nullptr
                                 ? Instant::never()
                                 : sources->permits_lost(*queue.policy, queue.sessions(), lagging);
  const RateScope* const shared = queue.shared_messages;
  const bool in_parts = sources != nullptr && shared != nullptr && !shared->parts.empty();
  if (of_sources != Instant::never()) {
    all = std::max(all, of_sources);
    any = true;
  }
  Instant first = any ? all : Instant::never();
  if (shared != nullptr && !in_parts) {
    first = shared->payers.empty() ? std::max(all, shared->lost(queue.opening)) : Instant::never();
  }
  for (const SenderLane* lane = queue.lanes; lane != nullptr; lane = lane->next_of_queue) {
    if (lane->lines.empty()) {  // else its permits are those of its source addresses
      first = std::min(first, std::max(all, lane->scope->lost(queue.opening)));
    }
  }
  return first;
}

/// Octets of the queue's next message.
std::uint32_t Scheduler::next_octets(const Queue& queue) {
  return queue.ready.empty() ? 0 : senders_.facts(shares_.next(queue)).size;
}

bool Scheduler::octets_open(Queue& queue, Now now) {
  ByteGate* const octets = queue.octets();
  const std::uint32_t size = octets == nullptr ? 0 : next_octets(queue);
  if (octets == nullptr || octets->open_for(size, now.instant)) {
    return true;
  }
  const Instant opens = octets->opens_for(size) - LatePermits::way(queue);
  if (opens > now.instant) {
    wait_until(queue, Gate::data_rate, opens);
  }
  return opens <= now.instant;
}

/// A day has begun: warm-ups allow more.
void Scheduler::warm_up(Now now) {
  warmups_.for_all([&](const WarmupState& state) {
    Queue* queue =
        state.name().starts_with('*') ? nullptr : table_.find(state.name(), state.vmta());
    if (queue != nullptr && queue->state == QueueState::waiting && queue->gate == Gate::warmup) {
      evaluate(*queue, now);
    }
  });
  rates_.rates_changed();
}

RateScope* Scheduler::rate_waited_for(const Queue& queue) {
  return queue.gate == Gate::vmta_message_rate   ? queue.shared_messages
         : queue.gate == Gate::vmta_connect_rate ? queue.shared_connects
                                                 : nullptr;
}

// Before a queue goes to another place. `next` is the list it will stand in.
void Scheduler::leave_rate(Queue& queue, const WaitList* next) {
  RateScope* const scope = rate_waited_for(queue);
  if (scope != nullptr && queue.place != next) {
    rates_.stir(*scope);
  }
  // Sessions of a queue that lets others come near first are not on their way to a permit.
  if (RateScope* const shared = queue.shared_messages; shared != nullptr && queue.opening > 0) {
    const bool before = queue.place == &shared->hopeful;
    const bool after = next == &shared->hopeful;
    shared->approaching += before && !after ? queue.opening : 0;
    shared->approaching -= after && !before ? queue.opening : 0;
  }
  // The turn of a session that was offered mail lasts until it asks, whatever else is looked at.
  queue.invited = queue.invited && queue.offered && (next == nullptr || next == &ring_);
  if (queue.approaching) {
    queue.approaching = false;
    --queue.shared_connects->approaching;
    rates_.stir(*queue.shared_connects);
  }
}

void Scheduler::note_opening(Queue& queue, int change) {
  const RateScope* const shared = queue.shared_messages;
  if (shared != nullptr && change != 0 && queue.place != &shared->hopeful) {
    queue.shared_messages->approaching += static_cast<std::uint32_t>(change);
    rates_.stir(*queue.shared_messages);
  }
}

void Scheduler::wait_for_permit(Queue& queue, RateScope& scope, Gate gate, bool first) {
  place(queue, QueueState::waiting, gate, Instant::never(), &scope.waiting);
  if ((first || queue.in_vain) && scope.waiting.front() != &queue) {
    scope.waiting.remove(queue);
    scope.waiting.push_front(queue);
  }
  rates_.stir(scope);
}

// ---- at the gates ------------------------------------------------------------------------------

bool Scheduler::may_approach(Queue& queue, Now now) {
  RateScope* const scope = queue.shared_messages;
  if (scope == nullptr || queue.sessions() > 0 || queue.invited || queue.approaching ||
      SenderTraffic::leads(*this, queue)) {
    return true;
  }
  const bool near = now.instant + RateBook::kLead >= scope->opens;
  if (near && scope->hopeful.empty() &&
      scope->waiting.size() + scope->in_line + scope->approaching + scope->unpaid <
          RateBook::places(*scope)) {
    begin_turn(queue, *scope, now);
    return true;
  }
  // A connection that ended before its turn came costs it the turn only once.
  const bool first = !queue.had_turn;
  queue.had_turn = true;
  place(queue, QueueState::waiting, Gate::vmta_message_rate, Instant::never(), &scope->hopeful);
  if (first) {
    scope->hopeful.remove(queue);
    scope->hopeful.push_front(queue);
  }
  rates_.stir(*scope);
  return false;
}

/// Permits for what leaves from this source address, and the scope they are of.
std::uint32_t Scheduler::shared_permits(Queue& queue, const IpAddress& source, RateScope*& scope,
                                        Now now) {
  scope = queue.shared_messages;
  if (scope == nullptr) {
    return RateGate::kUnlimited;
  }
  if (turn_is_over(queue, *scope, now)) {
    SourceTraffic::leave(*this, queue);
    place(queue, QueueState::waiting, Gate::vmta_message_rate, Instant::never(), &scope->hopeful);
    rates_.stir(*scope);
    return 0;
  }
  if (SourceLine* const line = SourceTraffic::line_of(queue, source)) {
    scope = line->scope;
    return SourceTraffic::permits(*this, queue, *line, now);
  }
  const std::uint32_t units = LatePermits::there(*this, queue, *scope, next_octets(queue), now);
  Waiter* const first = scope->waiting.front();
  // Who waits for the other kind could not use it.
  const bool others =
      first != nullptr && LatePermits::turns(static_cast<Queue&>(*first), *scope) == scope->turns;
  if (units == 0 || (!queue.invited && others)) {
    wait_for_permit(queue, *scope, Gate::vmta_message_rate, queue.invited);
    return 0;
  }
  return units;
}

// ---- permits come ------------------------------------------------------------------------------

bool Scheduler::drive_rates(Now now, std::uint32_t& budget) {
  rates_.run(now.instant);
  while (!held_ && budget > 0) {
    RateScope* scope = rates_.next_stirred();
    if (scope == nullptr) {
      break;
    }
    serve_rate(*scope, now, budget);
  }
  rates_.flush(doors_.leases);
  return rates_.has_stirred() || !rates_.quiet();
}

void Scheduler::serve_rate(RateScope& scope, Now now, std::uint32_t& budget) {
  --budget;
  rates_.clear_lapsed(scope, now.instant);
  if (scope.again) {
    LatePermits::serve_again(*this, scope, now);
    return;
  }
  if (scope.sender != 0) {
    SenderTraffic::serve(*this, scope, now, budget);
    return;
  }
  if (scope.whole != nullptr) {
    SourceTraffic::serve(*this, scope, now, budget);
    return;
  }
  scope.turns = false;
  std::uint32_t there = RateBook::available(scope, now.instant);
  if (!scope.payers.empty() && !scope.waiting.empty()) {
    // Turn and turn about with mail that leaves at once.
    there = (there + (scope.payers_first ? 1 : 0)) / 2;
    scope.payers_first = !scope.payers_first;
  }
  std::uint32_t promised = LatePermits::call(scope, there, now);
  Waiter* const any = scope.waiting.empty() ? scope.hopeful.front() : scope.waiting.front();
  const bool connects = any != nullptr && static_cast<Queue&>(*any).shared_connects == &scope;
  if (connects) {
    serve_connects(scope, now, budget);
  } else {
    serve_messages(scope, promised, now, budget);
    scope.turns = scope.octets && scope.turns;
    there = RateBook::available(scope, now.instant);
    promised += LatePermits::call(scope, there - std::min(there, promised), now);
  }
  let_approach(scope, connects, now, budget);
  auto wanted = static_cast<std::uint32_t>(scope.payers.size());
  int looked_at = 0;
  for (Waiter* one = scope.waiting.front(); one != nullptr && looked_at < kDemandQueues;
       one = scope.waiting.after(*one), ++looked_at) {
    wanted += connects ? 1 : demand(*one);
  }
  if (scope.octets && !scope.waiting.empty()) {
    const auto& first = static_cast<Queue&>(*scope.waiting.front());
    scope.turns = LatePermits::turns(first, scope);
    const bool full = scope.turns && LatePermits::full(*this, scope);
    rates_.set_want(scope, promised == 0 && !full ? demand(first) : 0, next_octets(first));
    return;
  }
  const std::uint32_t units = RateBook::available(scope, now.instant);
  const std::uint32_t spare = units - std::min(units, promised);
  rates_.set_want(scope, wanted - std::min(wanted, spare));
}

// Recipients that the queue's next transaction would carry.
std::uint32_t Scheduler::demand(const Waiter& waiter) const {
  const auto& queue = static_cast<const Queue&>(waiter);
  return queue.ready.empty()
             ? 1
             : std::clamp(entries_[shares_.next(queue)].count, 1u,
                          std::max(1u, queue.policy->recipients_per_transaction_max));
}

// Permits that were promised to sessions which take them later in this turn.
void Scheduler::serve_messages(RateScope& scope, std::uint32_t& promised, Now now,
                               std::uint32_t& budget) {
  while (budget > 0 && !scope.waiting.empty() && !(scope.octets && promised > 0)) {
    Queue& queue = static_cast<Queue&>(*scope.waiting.front());
    if (LatePermits::there(*this, queue, scope, next_octets(queue), now) <= promised) {
      break;
    }
    --budget;
    const std::uint32_t wanted = demand(queue);
    place(queue, QueueState::ready, Gate::none, Instant::never(), nullptr);
    queue.invited = true;
    const bool offered = SenderTraffic::offer(*this, queue, now);
    const bool takes_later = offered && queue.invited;
    if (queue.state == QueueState::ready && queue.place == nullptr) {
      evaluate(queue, now);
    }
    if (takes_later && queue.state == QueueState::ready) {
      queue.invited = true;
      promised += wanted;
    }
  }
}

void Scheduler::serve_connects(RateScope& scope, Now now, std::uint32_t& budget) {
  while (budget > 0 && !scope.waiting.empty() && RateBook::available(scope, now.instant) > 0) {
    --budget;
    Queue& queue = static_cast<Queue&>(*scope.waiting.front());
    const HeldPlace held = set_aside(queue);
    place(queue, QueueState::ready, Gate::none, Instant::never(), nullptr);
    take_up(queue, held);
    queue.invited = true;
    if (may_start(queue, now)) {
      open_step(queue, now, nullptr);
    }
    if (queue.state == QueueState::ready && queue.place == nullptr) {
      evaluate(queue, now);
    }
  }
  if (scope.opens > now.instant + kConnectPatience &&
      RateBook::available(scope, now.instant) == 0) {
    send_back(scope);
  }
}

// Those that hold connection units give them back until a permit is near.
void Scheduler::send_back(RateScope& scope) {
  while (Waiter* waiter = scope.waiting.back()) {
    Queue& queue = static_cast<Queue&>(*waiter);
    place(queue, QueueState::waiting, Gate::vmta_connect_rate, Instant::never(), &scope.hopeful);
    scope.hopeful.remove(queue);
    scope.hopeful.push_front(queue);
  }
}

void Scheduler::let_approach(RateScope& scope, bool connects, Now now, std::uint32_t& budget) {
  const Duration lead = connects ? Duration{} : RateBook::kLead;
  if (now.instant + lead < scope.opens) {
    if (!scope.hopeful.empty()) {
      rates_.stir_at(scope, scope.opens - lead);
    }
    return;
  }
  const std::uint32_t places = connects ? scope.ahead_max : RateBook::places(scope);
  std::uint32_t offered = 0;  // to sessions that wait: they begin later in this turn
  while (budget > 0 && !scope.hopeful.empty() &&
         scope.approaching + scope.unpaid + offered +
                 (connects ? 0 : scope.waiting.size() + scope.in_line) <
             places) {
    --budget;
    Queue& queue = static_cast<Queue&>(*scope.hopeful.front());
    const std::uint32_t approaching = scope.approaching;
    if (!connects) {
      begin_turn(queue, scope, now);
    }
    place(queue, QueueState::ready, Gate::none, Instant::never(), nullptr);
    queue.invited = true;
    if (may_start(queue, now)) {
      queue.invited = connects;  // its turn at the one gate is none at the other
      const bool waits = !connects && SenderTraffic::offer(*this, queue, now);
      offered += waits ? 1 : 0;
      if (!waits) {
        open_step(queue, now, nullptr);
      }
    }
    if (queue.state == QueueState::ready && queue.place == nullptr) {
      evaluate(queue, now);
    }
    if (!connects && scope.approaching == approaching && offered == 0) {
      // Something else holds it up. The others are not let run against that too, one by one: they
      // follow when this one has come through, or after a while.
      rates_.calm(scope);
      rates_.stir_at(scope, now.instant + kBlockedRetry);
      return;
    }
  }
}

}  // namespace ringpost::schedule
