#include "core/schedule/connect_rates.h"
#include "core/schedule/late_permits.h"

#include <algorithm>
#include <utility>

#include "core/schedule/sender_traffic.h"
#include "core/schedule/source_traffic.h"

namespace ringpost::schedule {

namespace {

/// Sessions that are busy for longer, while permits are lost, are too few.
constexpr Duration kLagMin = Duration::milliseconds(1);
/// Where it is not known when permits will be lost, it is looked at again after that.
constexpr Duration kLookAgain = Duration::seconds(1);

/// The least time between two connections is one of their use.
Duration slack_of_gap(const Queue& queue) {
  return RateBook::life_of(Duration::milliseconds(queue.connect_gap_ms));
}

bool gap_is_over(const Queue& queue, Instant now) {
  return queue.connect_gap_ms == 0 || queue.next_open <= now;
}

void pay_own(Queue& queue, Now now) {
  queue.connects.take(1, now.instant);
  if (queue.connect_gap_ms > 0) {
    const Duration gap = Duration::milliseconds(queue.connect_gap_ms);
    queue.next_open = now.instant + gap + slack_of_gap(queue);
  }
}

}  // namespace

bool ConnectRates::may_prepare(Scheduler& all, Queue& queue, Now now) {
  RateScope* const scope = queue.shared_connects;
  if (scope == nullptr || queue.approaching) {
    return true;
  }
  if (queue.invited || (scope->hopeful.empty() && now.instant >= scope->opens &&
                        scope->approaching < scope->ahead_max)) {
    queue.approaching = true;
    ++scope->approaching;
    return true;
  }
  all.place(queue, QueueState::waiting, Gate::vmta_connect_rate, Instant::never(), &scope->hopeful);
  all.rates_.stir(*scope);
  return false;
}

bool ConnectRates::has_permit(Scheduler& all, Queue& queue, Now now) {
  RateScope* const scope = queue.shared_connects;
  if (scope != nullptr && SourceTraffic::splits_connects(queue)) {
    return SourceTraffic::has_connect_permit(all, queue, now);
  }
  if (scope == nullptr ||
      (RateBook::available(*scope, now.instant) > 0 && (queue.invited || scope->waiting.empty()))) {
    return true;
  }
  const bool first = queue.invited;
  const auto held = all.set_aside(queue);
  all.wait_for_permit(queue, *scope, Gate::vmta_connect_rate, first);
  all.take_up(queue, held);
  return false;
}

Duration ConnectRates::slack_of(RateLimit limit) {
  return limit.limited() ? RateBook::life_of(limit.period) : Duration{};
}

Instant ConnectRates::lapses(const Queue& queue, Now now) {
  Instant until = Instant::never();
  if (queue.connects.limited()) {
    until = now.instant + slack_of(queue.connects.limit());
  }
  if (queue.connect_gap_ms > 0) {
    until = std::min(until, now.instant + slack_of_gap(queue));
  }
  if (queue.shared_connects != nullptr) {
    const RateScope& scope =
        SourceTraffic::splits_connects(queue) ? *queue.rare->pays->scope : *queue.shared_connects;
    until = std::min(until, RateBook::lapses(scope, now.instant));
  }
  return until;
}

void ConnectRates::pay(Scheduler& all, Queue& queue, Now now) {
  pay_own(queue, now);
  if (RateScope* const scope = queue.shared_connects) {
    SourceTraffic::pay(queue, now);
    scope->approaching -= std::exchange(queue.approaching, false) ? 1 : 0;
    all.rates_.stir(*scope);
  }
}

bool ConnectRates::again(Scheduler& all, Queue& queue, Now now) {
  // Permits for single source addresses are asked for where it is known which one it is.
  const RateScope* const scope =
      SourceTraffic::splits_connects(queue) ? nullptr : queue.shared_connects;
  if (!gap_is_over(queue, now.instant) || queue.connects.available(now.instant) == 0 ||
      (scope != nullptr && RateBook::available(*scope, now.instant) == 0)) {
    return false;
  }
  pay_own(queue, now);
  if (scope != nullptr) {
    SourceTraffic::pay(queue, now);
    all.rates_.stir(*queue.shared_connects);
  }
  return true;
}

// ---- before a connection -----------------------------------------------------------------------

namespace {

/// When a queue that wants no further session may want one. While some are being opened these have
/// to come first.
Instant look_again(const Queue& queue, Now now) {
  const RateScope* const shared = queue.shared_messages;
  const Instant lost = permits_lost(queue) + kLagMin;
  const bool unknown = lost <= now.instant || (shared != nullptr && !shared->payers.empty());
  return lost > now.instant && lost != Instant::never() ? lost
         : unknown && queue.opening == 0                ? now.instant + kLookAgain
                                                        : Instant::never();
}

}  // namespace

bool Scheduler::wants_session(const Queue& queue, Now now) const {
  std::uint32_t live = queue.sessions() - std::min(queue.yielding, queue.sessions());
  const std::uint32_t max = queue.policy->connections_max;
  if (max != 0 && queue.sessions() >= max) {
    return false;
  }
  // Slow start: as many attempts at once as there are sessions that prove the host to be there, or
  // were a moment ago, and one for each source address. Those that were greeted, and may send
  // nothing from where they are, prove nothing, but are no attempts any more.
  SourceGates* const sources = queue.sources();
  const std::size_t spare = sources == nullptr ? 0 : queue.policy->sources.size();
  const std::uint32_t unused = sources == nullptr ? 0 : sources->unused(queue.established);
  const std::uint32_t shown = proof(queue, now);
  if (queue.opening - std::min(queue.opening, unused) >=
      std::max<std::size_t>(queue.established == 0 ? 1 : queue.established + spare,
                            shown - std::min(shown, queue.established))) {
    return false;
  }
  std::uint32_t work =
      std::min(queue.ready.entries() + SenderTraffic::aside(queue), queue.permits(now.instant));
  if (sources != nullptr) {
    const std::uint32_t unconnected =
        std::min(queue.opening, live - std::min(live, sources->connections()));
    if (unconnected < SourceTraffic::lacking(queue, work, now)) {
      return true;
    }
    work = std::min(work, sources->permits(*queue.policy, now.instant, LatePermits::lead(queue)));
    const Instant near = now.instant + LatePermits::mail_takes(queue);
    live = std::min(live, unconnected + sources->useful_connections(*queue.policy, near));
  }
  if (queue.shared_messages != nullptr) {
    work = std::min(work, queue.shared_messages->ahead_max);
  }
  const std::uint32_t per = options_.backlog_per_session;
  const std::uint32_t wanted =
      std::max({1u, work / per + (work % per != 0 ? 1 : 0), LatePermits::sessions_for(queue, now)});
  return live < wanted ||
         (work > 0 && !queue.offered && permits_lost(queue) + kLagMin <= now.instant);
}

// The gates that are the queue's own.
bool Scheduler::may_open(Queue& queue, Now now) {
  SenderTraffic::aim(*this, queue);
  if (!SourceTraffic::may_grow(*this, queue, now)) {
    return false;
  }
  if (!wants_session(queue, now)) {
    const std::uint32_t max = queue.policy->connections_max;
    const bool full = max != 0 && queue.sessions() >= max;
    wait_until(queue, full ? Gate::queue_connections : Gate::sessions_busy,
               full ? Instant::never() : look_again(queue, now));
    return false;
  }
  if (queue.open_after > now.instant) {
    wait_until(queue, queue.open_gate, queue.open_after);
    return false;
  }
  const bool grows = queue.sessions() > 0 && queue.sessions() >= proof(queue, now);
  if (grows && queue.grow_after > now.instant) {
    wait_until(queue, Gate::growth, queue.grow_after);
    return false;
  }
  if (queue.connects.available(now.instant) == 0) {
    wait_until(queue, Gate::connect_rate, queue.connects.opens_at());
    return false;
  }
  if (queue.connect_gap_ms > 0 && queue.next_open > now.instant) {
    wait_until(queue, Gate::connect_rate, queue.next_open);
    return false;
  }
  return true;
}

}  // namespace ringpost::schedule
