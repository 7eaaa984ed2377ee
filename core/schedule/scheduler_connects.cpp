#include "core/schedule/connect_rates.h"

#include <algorithm>
#include <utility>

#include "core/schedule/source_traffic.h"

namespace ringpost::schedule {

namespace {

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

}  // namespace ringpost::schedule
