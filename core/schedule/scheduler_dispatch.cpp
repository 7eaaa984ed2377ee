#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/schedule/connect_rates.h"
#include "core/schedule/late_permits.h"
#include "core/schedule/retry_clock.h"
#include "core/schedule/scheduler.h"
#include "core/schedule/sender_traffic.h"
#include "core/schedule/source_traffic.h"

// States of queues, the gates they wait at, and the opening and ending of sessions.

namespace ringpost::schedule {

namespace {

/// Limit scopes that a connection needs a unit of, beside the queue's own.
constexpr unsigned kScopes = 4;

/// A connection that is over sooner, and brought nothing, is followed by a pause as long.
constexpr Duration kHeldMin = Duration::seconds(1);

}  // namespace

// ---- places ------------------------------------------------------------------------------------

void Scheduler::place(Queue& queue, QueueState state, Gate gate, Instant until, WaitList* list) {
  if (queue.state != state) {
    RP_ASSERT_NOTE(may_move(queue.state, state), "a move that the queue's states do not allow");
    queue.state = state;
  }
  leave_rate(queue, list);
  queue.gate = gate;
  queue.until = until;
  drop_reserved(queue);
  if (queue.in_line()) {
    SourceTraffic::placed(*this, queue, state, gate);
  }
  if (queue.place != list) {
    leave(queue);
    if (list != nullptr) {
      list->push_back(queue);
      queue.place = list;
    }
  }
  queue.ticket = 0;
  if (state != QueueState::ready && state != QueueState::waiting) {
    clear_turns(queue);
  }
  arm(queue, until);
  arm(queue, queue.rare == nullptr ? Instant::never() : queue.rare->source_opens);
}

// A timer that is armed for earlier is left alone: when it rings, on_timer() arms it again.
void Scheduler::arm(Queue& queue, Instant when) {
  if (when != Instant::never() && (!timers_.armed(queue) || when < timers_.when(queue))) {
    timers_.set(queue, when);
  }
}

void Scheduler::leave(Queue& queue) {
  if (queue.place != nullptr) {
    queue.place->remove(queue);
    queue.place = nullptr;
  }
  if (Scope* scope = queue.waiting_in) {
    queue.waiting_in = nullptr;
    leases_.waiter_left(*scope);
  }
}

// The fixed order in which units are taken, the widest scope last. A queue keeps the units of the
// narrower scopes while it waits for one of a wider scope: without the wider one nobody could use
// them, and giving them back would let units of different scopes pass each other by for ever. With
// one order for all there is no circle of waiting.
Scope& Scheduler::scope_of(Queue& queue, unsigned rank) {
  switch (rank) {
    case 0: {
      Scope* const backoff = queue.rare == nullptr ? nullptr : queue.rare->backoff_group;
      return backoff == nullptr ? no_limit_ : *backoff;
    }
    case 1: return *queue.group;
    case 2: return *queue.vmta->connections;
    default: return *total_;
  }
}

// A session's unit is of the scope it was opened under. A queue that comes to another group counts
// there once its sessions are gone, and gives them nothing more to do until then.
void Scheduler::apply_group(Queue& queue, const QueueLimits& limits) {
  queue.next_group = limits.group == 0 ? &no_limit_
                                       : &leases_.scope(limits.group, limits.group_connections_max,
                                                        global_.version);
  Scope* const backoff =
      limits.backoff_group == 0
          ? nullptr
          : &leases_.scope(limits.backoff_group, limits.backoff_group_connections_max,
                           global_.version);
  if (backoff != nullptr || queue.rare != nullptr) {
    queue.rare_limits().next_backoff_group = backoff;
  }
  if (queue.group == nullptr) {
    queue.group = queue.next_group;
  }
  if (queue.changes_group()) {
    if (queue.state == QueueState::waiting) {
      place(queue, QueueState::ready, Gate::none, Instant::never(), &ring_);
    }
    leaves_group(queue);
  }
}

bool Scheduler::leaves_group(Queue& queue) {
  if (queue.changes_group() && queue.sessions() == 0) {
    RP_ASSERT(queue.reserved == 0);
    queue.group = queue.next_group;
    if (queue.rare != nullptr) {
      queue.rare->backoff_group = queue.rare->next_backoff_group;
    }
  }
  return queue.changes_group();
}

HeldPlace Scheduler::set_aside(Queue& queue) {
  return {queue.ticket, queue.reserved_stamp, std::exchange(queue.reserved, std::uint8_t{0}),
          std::exchange(queue.approaching, false), HostGates::set_aside(queue)};
}

void Scheduler::take_up(Queue& queue, const HeldPlace& held) {
  queue.ticket = held.ticket;
  queue.reserved_stamp = held.reserved_stamp;
  queue.reserved = held.reserved;
  queue.approaching = held.approaching;
  hosts_.take_up(queue, held.host_units);
}

// To the dispatcher, with what it holds.
void Scheduler::go_on(Queue& queue) {
  const HeldPlace held = set_aside(queue);
  place(queue, QueueState::ready, Gate::none, Instant::never(), nullptr);
  take_up(queue, held);
}

void Scheduler::release_units(Queue& queue) {
  for (unsigned rank = kScopes; rank > 0; --rank) {
    leases_.release(scope_of(queue, rank - 1), queue.standing);
  }
}

void Scheduler::drop_reserved(Queue& queue) {
  while (queue.reserved > 0) {
    leases_.release(scope_of(queue, --queue.reserved), queue.standing);
  }
  queue.reserved_stamp = 0;
  hosts_.leave(queue);
}

void Scheduler::clear_turns(Queue& queue) {
  turns_out_ -= queue.job_turns;
  queue.job_turns = 0;
}

void Scheduler::evaluate(Queue& queue, Now now) {
  const bool at_rest = queue.empty() && queue.sessions() == 0;
  if (at_rest) {
    queue.empty_since = now.instant;
  }
  const Instant drop = at_rest ? now.instant + options_.queue_idle_drop : Instant::never();
  if (queue.must_end()) {
    place(queue, QueueState::ending, Gate::ending, Instant::never(), &ending_queues_);
  } else if (queue.paused) {
    place(queue, QueueState::paused, Gate::paused, drop, nullptr);
  } else if (queue.deferred_until > now.instant) {
    const Gate gate = queue.deferred_by_dns ? Gate::dns_retry : Gate::queue_retry;
    place(queue, QueueState::deferred, gate, queue.deferred_until, nullptr);
  } else if (queue.ready.empty()) {
    const bool rests = queue.sessions() > queue.yielding && !SenderTraffic::permit_near(queue, now);
    place(queue, QueueState::idle, Gate::none, drop, rests ? &resting_ : nullptr);
  } else {
    place(queue, QueueState::ready, Gate::none, Instant::never(), &ring_);
  }
}

void Scheduler::wait_until(Queue& queue, Gate gate, Instant until) {
  place(queue, QueueState::waiting, gate, until, nullptr);
}

void Scheduler::wait_in(Queue& queue, Scope& scope, Gate gate) {
  const HeldPlace held = set_aside(queue);
  place(queue, QueueState::waiting, gate, Instant::never(), nullptr);
  take_up(queue, held);
  queue.waiting_in = &scope;
  leases_.wait(scope, queue, queue.sessions() > 0, queue.priority);
}

void Scheduler::on_timer(Queue& queue, Now now) {
  switch (queue.state) {
    case QueueState::waiting:
    case QueueState::deferred:
      offer_opened(queue, now);
      if (queue.until <= now.instant || hosts_.impatient(queue, now)) {
        evaluate(queue, now);
      } else {
        arm(queue, queue.until);
      }
      break;
    case QueueState::idle:
    case QueueState::paused:
      if (queue.empty() && queue.sessions() == 0 && !HostGates::scouting(queue)) {
        // The positions of its rates would be lost with it, so they must be at rest.
        const Instant when =
            std::max({queue.empty_since + options_.queue_idle_drop, queue.messages.position().rests,
                      queue.connects.rests_at(), queue.next_open,
                      queue.octets() != nullptr ? queue.octets()->rests_at() : Instant{},
                      queue.sources() != nullptr ? queue.sources()->rests_at() : Instant{}});
        if (when <= now.instant) {
          leave(queue);
          table_.drop(queue);
        } else {
          timers_.set(queue, when);
        }
      }
      break;
    case QueueState::ready:
    case QueueState::ending: break;
  }
}

// ---- the dispatcher ----------------------------------------------------------------------------

void Scheduler::visit(Queue& queue, Now now) {
  for (std::uint32_t steps = queue.weight; steps > 0; --steps) {
    if (!may_start(queue, now)) {
      return;
    }
    const bool offered = SenderTraffic::offer(*this, queue, now);
    if (queue.state != QueueState::ready || queue.place != nullptr) {
      return;
    }
    if (!offered && !open_step(queue, now, nullptr)) {
      return;
    }
  }
  if (queue.state == QueueState::ready && queue.place == nullptr) {
    evaluate(queue, now);
  }
}

bool Scheduler::may_start(Queue& queue, Now now) {
  if (queue.state != QueueState::ready || queue.place != nullptr) {
    return false;
  }
  if (queue.ready.empty()) {
    evaluate(queue, now);
    return false;
  }
  if (queue.policy->held || queue.leaving || moves_away(queue)) {
    wait_until(queue, queue.policy->held ? held_gate(queue) : Gate::moving, Instant::never());
    return false;
  }
  if (leaves_group(queue)) {
    wait_until(queue, Gate::yielding, Instant::never());
    return false;
  }
  if (own_permits(queue, now, LatePermits::lead(queue)) == 0) {
    return false;
  }
  if (!may_approach(queue, now) || SourceTraffic::waits(*this, queue)) {
    return false;
  }
  if (!job_waiters_.empty() || jobs_.delivery_places() <= turns_out_) {
    place(queue, QueueState::waiting, Gate::jobs, Instant::never(), &job_waiters_);
    return false;
  }
  return true;
}

bool Scheduler::open_step(Queue& queue, Now now, const Scope* served) {
  if (!may_open(queue, now) || !ConnectRates::may_prepare(*this, queue, now) ||
      !hosts_.ready(queue, now)) {
    return false;
  }
  constexpr Gate kGatesOfScopes[kScopes] = {Gate::group_backoff_connections,
                                            Gate::group_connections, Gate::vmta_connections,
                                            Gate::total_connections};
  const bool growing = queue.sessions() > 0;
  std::uint32_t stamp = 0;
  for (unsigned rank = 0; rank < queue.reserved; ++rank) {
    stamp += scope_of(queue, rank).changed;
  }
  if (stamp != queue.reserved_stamp) {
    drop_reserved(queue);  // a limit was changed since: what it allowed then says nothing now
  }
  while (queue.reserved < kScopes) {
    Scope& scope = scope_of(queue, queue.reserved);
    if (!(&scope == served ? LeaseBook::has_unit(scope)
                           : LeaseBook::has_room(scope, growing, queue.priority))) {
      wait_in(queue, scope, kGatesOfScopes[queue.reserved]);
      return false;
    }
    leases_.take(scope, queue.standing);
    ++queue.reserved;
    queue.reserved_stamp += scope.changed;
  }
  if (!ConnectRates::has_permit(*this, queue, now)) {
    return false;
  }
  if (!room_waiters_.empty() && room_retry_ > now.instant) {
    place(queue, QueueState::waiting, Gate::session_room, Instant::never(), &room_waiters_);
    return false;
  }
  queue.reserved = 0;  // the units are the session's from here on
  queue.reserved_stamp = 0;
  HostGates::opening(queue);
  ++queue.opening;
  note_opening(queue, +1);
  queue.slice_until = now.instant + kSlice;
  queue.fresh = true;
  if (!doors_.sessions.open_session(queue.id(), queue.name, queue.policy,
                                    ConnectRates::lapses(queue, now))) {
    --queue.opening;
    note_opening(queue, -1);
    release_units(queue);
    hosts_.session_over(queue, SessionEnd::normal, now);
    wait_for_room(queue, now);
    return false;
  }
  ConnectRates::pay(*this, queue, now);
  SourceTraffic::opening(queue, now);
  queue.invited = false;
  queue.ticket = 0;
  return queue.state == QueueState::ready && queue.place == nullptr;
}

void Scheduler::wait_for_room(Queue& queue, Now now) {
  room_retry_ = now.instant + kRoomRetry;
  place(queue, QueueState::waiting, Gate::session_room, Instant::never(), &room_waiters_);
}

void Scheduler::serve_scopes(Now now, std::uint32_t& budget) {
  for (Scope* scope = leases_.next_open(); scope != nullptr && budget > 0;
       scope = leases_.next_open(), --budget) {
    if (scope->of_host) {
      hosts_.serve(*scope, now);
      continue;
    }
    Queue& queue = static_cast<Queue&>(*scope->head());
    queue.place->remove(queue);
    queue.place = nullptr;
    queue.waiting_in = nullptr;
    go_on(queue);
    serve_now(queue, scope, now);
  }
}

// `served`: the scope whose turn it is at.
void Scheduler::serve_now(Queue& queue, Scope* served, Now now) {
  queue.invited = true;  // it has been near a permit already
  if (may_start(queue, now)) {
    queue.invited = false;
    open_step(queue, now, served);
  }
  if (served != nullptr) {
    leases_.waiter_left(*served);  // a unit it did not take is the next one's, or goes back
  }
  if (queue.state == QueueState::ready && queue.place == nullptr) {
    evaluate(queue, now);
  }
}

void Scheduler::serve_job_waiters(Now now, std::uint32_t& budget) {
  while (budget > 0 && !job_waiters_.empty() && jobs_.delivery_places() > turns_out_) {
    --budget;
    Queue& queue = static_cast<Queue&>(*job_waiters_.front());
    place(queue, QueueState::ready, Gate::none, Instant::never(), nullptr);
    if (queue.ready.empty() || queue.permits(now.instant) == 0) {
      evaluate(queue, now);
      continue;
    }
    ++queue.job_turns;
    ++turns_out_;
    if (SenderTraffic::offer(*this, queue, now)) {
      if (queue.state == QueueState::ready && queue.place == nullptr) {
        evaluate(queue, now);
      }
      continue;
    }
    // No session idles: the turn is not used. One that is busy asks for itself when it is done.
    clear_turns(queue);
    if (open_step(queue, now, nullptr)) {
      evaluate(queue, now);
    }
  }
}

void Scheduler::serve_room(Now now) {
  if (room_waiters_.empty() || room_retry_ > now.instant) {
    return;
  }
  // One try tells for all: while it succeeds the next one follows in the next run.
  Queue& queue = static_cast<Queue&>(*room_waiters_.front());
  place(queue, QueueState::ready, Gate::none, Instant::never(), nullptr);
  ring_.push_front(queue);
  queue.place = &ring_;
}

// ---- giving connections up for others ----------------------------------------------------------

bool Scheduler::must_yield(Queue& queue, Now now) {
  if (!leases_.pressed()) {
    while (queue.yielding > queue.closing) {
      forget_yield(queue);  // nobody waits any more
    }
    return false;
  }
  const Instant opened = queue.slice_until - kSlice;
  Reach reach = now.instant < opened + kShortSlice  ? Reach::nobody
                : now.instant < opened + kSlice     ? Reach::higher
                : now.instant < opened + kLongSlice ? Reach::equal
                                                    : Reach::everybody;
  if (reach == Reach::nobody) {
    return false;
  }
  for (unsigned rank = 0; rank < kScopes; ++rank) {
    const bool overdue = scope_of(queue, rank).overdue(now.instant, kLongSlice);
    reach = overdue ? Reach::everybody : reach;
  }
  if (queue.yielding > queue.closing) {
    // Whichever of its sessions falls idle first is the one; until then none gets new work.
    return true;
  }
  if (queue.yielding >= queue.sessions()) {
    return true;
  }
  if (has_pressure(queue, std::min(reach, Reach::equal))) {
    note_yield(queue);
    return true;
  }
  if (reach == Reach::everybody && has_pressure(queue, reach)) {
    for (unsigned rank = 0; rank < kScopes; ++rank) {
      Scope& scope = scope_of(queue, rank);
      LeaseBook::give_alms(scope);
      scope.since = Instant::never();
    }
    note_yield(queue);
    return true;
  }
  return false;
}

bool Scheduler::has_pressure(Queue& queue, Reach reach) {
  for (unsigned rank = 0; rank < kScopes; ++rank) {
    const Scope& scope = scope_of(queue, rank);
    if (scope.pressure_on(queue.priority, queue.standing, reach) > scope.yields) {
      return true;
    }
  }
  return false;
}

// Units in use stand where the queue does.
void Scheduler::set_priority(Queue& queue, const QueueLimits& limits) {
  const std::uint8_t standing = limits.interruptible ? limits.priority : kUntouchable;
  if (queue.priority == limits.priority && queue.standing == standing) {
    return;
  }
  for (unsigned rank = 0; queue.group != nullptr && rank < kScopes; ++rank) {
    const std::uint32_t units = queue.sessions() + (rank < queue.reserved ? 1 : 0);
    leases_.restand(scope_of(queue, rank), queue.standing, standing, units);
  }
  queue.priority = limits.priority;
  queue.standing = standing;
  if (queue.waiting_in != nullptr) {
    place(queue, QueueState::ready, Gate::none, Instant::never(), &ring_);  // its turn is another
  }
}

void Scheduler::note_yield(Queue& queue) {
  ++queue.yielding;
  for (unsigned rank = 0; rank < kScopes; ++rank) {
    ++scope_of(queue, rank).yields;
  }
}

void Scheduler::forget_yield(Queue& queue) {
  --queue.yielding;
  for (unsigned rank = 0; rank < kScopes; ++rank) {
    --scope_of(queue, rank).yields;
  }
}

void Scheduler::relieve(Now now) {
  if (doors_.closer == nullptr) {
    return;
  }
  while (Waiter* waiter = yielders_.pop_front()) {
    waiter->place = nullptr;
    // A session that is still busy asks for work once more before it falls idle, and is asked then.
    Queue& queue = static_cast<Queue&>(*waiter);
    if (queue.yielding > queue.closing && doors_.closer->close_idle(queue.id())) {
      ++queue.closing;
    }
    if (queue.yielding == queue.closing && queue.sessions() > queue.closing) {
      evaluate(queue, now);  // its other sessions go on
    }
  }
  if (!leases_.pressed()) {
    return;
  }
  // Sessions that only idle are given up first. Each is asked once; a queue comes back to this
  // list when it falls idle again.
  for (std::size_t n = std::min<std::size_t>(resting_.size(), 64); n > 0; --n) {
    Queue& queue = static_cast<Queue&>(*resting_.pop_front());
    if (!has_pressure(queue, Reach::everybody)) {
      resting_.push_back(queue);
      hosts_.relieve(queue, now);
      continue;
    }
    queue.place = nullptr;
    if (doors_.closer->close_idle(queue.id()) && queue.yielding < queue.sessions()) {
      note_yield(queue);
      ++queue.closing;
    }
  }
}

// ---- sessions ----------------------------------------------------------------------------------

namespace {

/// A session got an answer to its mail: as many as there are now may be there at once, and one
/// more, so that their number doubles from one answer to the next.
void note_proof(Queue& queue, Now now) {
  const std::uint32_t before = std::max(1u, proof(queue, now));
  const bool more = queue.sessions() >= before && queue.grow_after <= now.instant;
  queue.proven = std::min(255u, before + (more ? 1 : 0)) & 0xff;
  queue.proven_at = quarter_minutes_of(now);
  // One more than went on when another was one too many was tried, and answered.
  const std::uint32_t held = std::max(queue.established, more ? before : 0);
  queue.grow_streak = held > queue.grew_to ? 0 : queue.grow_streak;
}

/// One could not be made, and others go on.
bool others_go_on(const Queue& queue, Now now) {
  return queue.established > 0 || (queue.sessions() > 0 && proof(queue, now) > 1);
}

}  // namespace

void Scheduler::session_established(QueueId id, Now now) {
  Queue* queue = table_.find(id);
  RP_ASSERT_NOTE(queue != nullptr, "a session of a queue that is not");
  RP_ASSERT_NOTE(queue->opening > 0, "a session was established twice");
  --queue->opening;
  ++queue->established;
  note_opening(*queue, -1);
  hosts_.session_over(*queue, SessionEnd::normal, now);
  queue->clock_step = 0;
  queue->hosts_tried = 0;
  queue->fault_streak = 0;
  note_proof(*queue, now);
  const bool was_deferred = queue->deferred_until > now.instant && !queue->deferred_by_rule;
  if (was_deferred) {
    queue->deferred_until = {};
  }
  if (was_deferred || queue->gate == Gate::sessions_busy) {
    evaluate(*queue, now);
  }
}

void Scheduler::session_gone(Queue& queue, bool was_established) {
  release_units(queue);
  std::uint32_t& one = was_established ? queue.established : queue.opening;
  RP_ASSERT_NOTE(one > 0, "more sessions ended than were opened");
  --one;
  note_opening(queue, was_established ? 0 : -1);
  if (queue.yielding > 0) {
    forget_yield(queue);
    queue.closing -= queue.closing > 0 ? 1 : 0;
  }
  if (queue.established == 0) {
    clear_turns(queue);
  }
  queue.offered = false;
  queue.in_vain = queue.in_vain || (queue.fresh && queue.sessions() == 0);
  SenderTraffic::session_gone(*this, queue);
  leaves_group(queue);
  if (!room_waiters_.empty()) {
    room_retry_ = Instant{};
  }
  if (queue.sessions() == 0 && queue.waiting_in != nullptr) {
    // It has nothing any more, so it no longer waits to grow.
    Scope& scope = *queue.waiting_in;
    queue.place->remove(queue);
    queue.place = nullptr;
    leases_.wait(scope, queue, false, queue.priority);
  }
}

bool Scheduler::defer(Queue& queue, Duration instead, Now now) {
  if (others_go_on(queue, now)) {
    // The host is there and takes no more connections: no reason to stop those it has.
    // Once is chance; a host that takes so many and no more is asked once a minute in the end.
    const Duration wait =
        Duration::seconds(std::int64_t{1} << std::min<unsigned>(6, queue.grow_streak));
    queue.grow_after = now.instant + std::min(wait, kGrowthPauseMax);
    queue.grow_streak = static_cast<std::uint8_t>(std::min(queue.grow_streak + 1, 6));
    const std::uint32_t held =
        std::max(queue.established, std::min(queue.sessions(), proof(queue, now)));
    queue.grew_to = static_cast<std::uint8_t>(std::min(255u, held));
    queue.proven = std::min<std::uint32_t>(queue.proven, queue.grew_to);
    return false;
  }
  queue.proven = 0;
  const QueuePolicy& policy = *queue.policy;
  const Duration wait = instead.ns > 0 ? instead
                                       : retry_wait(policy.retry_after, policy.retry_curve,
                                                    queue.clock_step, queue.id().value);
  if (now.instant + wait >= queue.deferred_until) {
    queue.deferred_until = now.instant + wait;
    queue.deferred_by_dns = instead.ns > 0;
  }
  queue.deferred_by_rule = false;
  if (queue.clock_step < 0xffff) {
    ++queue.clock_step;
  }
  return true;
}

void Scheduler::tell_deferral(const Queue& queue, const Outcome& failure,
                              const SessionFailure& at) {
  if (doors_.deferrals != nullptr) {
    doors_.deferrals->queue_deferred(
        {queue.name, queue.vmta->name, queue.policy->hidden_records, failure, at});
  }
}

void Scheduler::session_ended(QueueId id, SessionEnd end, const Outcome& failure,
                              const SessionFailure& at, Now now) {
  Queue* found = table_.find(id);
  RP_ASSERT_NOTE(found != nullptr, "a session of a queue that is not");
  session_gone(*found, at.established);
  hosts_.session_over(*found, end, now);
  // A host that hangs up at once is not called again and again until a permit is due.
  if (end == SessionEnd::normal && !at.established && found->sessions() == 0 &&
      now.instant < found->slice_until - kSlice + kHeldMin) {
    found->open_after = now.instant + kHeldMin;
    found->open_gate = Gate::reconnect;
  }
  follow_end(*found, end, failure, at, now);
}

namespace {

/// As many addresses as a session plans at most.
constexpr std::uint32_t kHostsTriedMax = 16;

/// A host that took mail a moment ago, and cannot be reached now: it is tried again a few times
/// before the whole queue waits for a step of its ladder.
bool spare(Queue& queue, Now now) {
  const auto ago = static_cast<std::uint16_t>(whole_seconds_of(now) - queue.delivered_s);
  if (others_go_on(queue, now) || queue.delivered_s == 0 || ago > Scheduler::kRecentlySeconds) {
    return false;
  }
  if (queue.open_after > now.instant && queue.open_gate == Gate::reconnect) {
    return true;  // one of several that failed together
  }
  if (queue.spared == Scheduler::kSparedMax) {
    return false;
  }
  queue.open_after = now.instant + Duration::seconds(std::int64_t{1} << queue.spared);
  queue.spared = (queue.spared + 1) & 3;
  queue.proven = 0;
  queue.open_gate = Gate::reconnect;
  return true;
}

void note_failure(Queue& queue, const Outcome& failure, std::string_view text, Now now) {
  if (!queue.last_failure) {
    queue.last_failure = std::make_unique<Failure>();
  }
  queue.last_failure->outcome = failure;
  queue.last_failure->text.assign(text.substr(0, kOutcomeTextMax));
  queue.last_failure->at = now.wall;
}

/// Without a session a queue that waits there makes itself ready sooner than with one; and sooner
/// with one less that is being opened.
bool looks_ahead(const Queue& queue, bool was_established) {
  if (queue.sessions() > 0) {
    return !was_established && queue.gate == Gate::sessions_busy;
  }
  return queue.gate == Gate::growth || queue.gate == Gate::vmta_message_rate ||
         queue.gate == Gate::sessions_busy || opens_by_itself(queue.gate);
}

/// A host has failed that is not the last one of this attempt.
bool tries_next(Queue& queue) {
  const std::uint32_t most = std::min<std::uint32_t>(queue.policy->hosts_tried_max, kHostsTriedMax);
  const bool next = queue.hosts_tried + 1U < most;
  queue.hosts_tried = next ? (queue.hosts_tried + 1U) & 31U : 0;
  return next;
}

}  // namespace

// What the end of a session says about its queue.
void Scheduler::follow_end(Queue& queue, SessionEnd end, const Outcome& failure,
                           const SessionFailure& at, Now now) {
  if (end == SessionEnd::next_host && failure.kind == OutcomeKind::pending) {
    end = SessionEnd::host_busy;  // none was tried
  }
  if (end != SessionEnd::normal && end != SessionEnd::host_busy) {
    note_failure(queue, failure, at.text, now);
  }
  const auto pause = [&](std::uint8_t streak, Gate gate) {
    const Duration wait = Duration::seconds(std::int64_t{1} << std::min<unsigned>(streak, 6));
    queue.open_after = now.instant + std::min(wait, kPauseMax);
    queue.open_gate = gate;
  };
  bool changed = false;
  bool deferred = false;
  switch (end) {
    case SessionEnd::normal: break;
    case SessionEnd::host_busy: changed = true; break;
    case SessionEnd::lost:
      // At once the first time; then slower and slower while nothing gets through.
      if (++queue.lost_streak >= kLostMax) {
        queue.lost_streak = 0;
        deferred = defer(queue, {}, now);
        changed = true;
      } else if (queue.lost_streak > 1) {
        pause(static_cast<std::uint8_t>(queue.lost_streak - 2), Gate::reconnect);
      }
      break;
    case SessionEnd::local_failure:
      pause(queue.fault_streak, Gate::local_fault);
      queue.fault_streak = static_cast<std::uint8_t>(std::min(queue.fault_streak + 1, 6));
      break;
    case SessionEnd::no_route:
      // That there is no domain of a name that the configuration made up says nothing of its mail.
      if (failure.kind == OutcomeKind::bounced && !queue.shared) {
        queue.deferred_until = {};
        queue.clock_step = 0;
        doom(queue, Ending::queue_failed, failure, at.text, now);
        return;
      }
      deferred = defer(queue, queue.policy->retry_after_dns_error, now);
      changed = true;
      break;
    case SessionEnd::no_exchanger:
      doom(queue, Ending::no_exchanger, failure, at.text, now);
      deferred = defer(queue, queue.policy->retry_after_dns_error, now);
      changed = true;
      break;
    case SessionEnd::next_host:
    case SessionEnd::unreachable:
      changed = true;
      if (end == SessionEnd::next_host && tries_next(queue)) {
        break;
      }
      queue.hosts_tried = 0;
      deferred = !spare(queue, now) && defer(queue, {}, now);
      break;
  }
  if (deferred) {
    tell_deferral(queue, failure, at);
  }
  const bool own_gate = queue.state == QueueState::waiting && queue.place == nullptr &&
                        queue.until == Instant::never();
  changed |= looks_ahead(queue, at.established);
  if (changed || own_gate || queue.state == QueueState::idle || queue.state == QueueState::paused ||
      queue.gate == Gate::yielding || is_of_host(queue.gate)) {
    evaluate(queue, now);
  }
}

}  // namespace ringpost::schedule
