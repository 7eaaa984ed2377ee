#include <algorithm>
#include <array>
#include <span>

#include "core/base/assert.h"
#include "core/schedule/late_permits.h"
#include "core/schedule/sender_traffic.h"
#include "core/schedule/source_traffic.h"

namespace ringpost::schedule {

namespace {

/// Entries that one take() puts aside before it gives up for this time.
constexpr int kAsidePerTake = 64;
/// Queues of a sender looked at in one go.
constexpr std::size_t kLanesPerServe = 32;
/// The others follow after this.
constexpr Duration kRestOfLanes = Duration::milliseconds(100);
/// Entries brought back in one go where the rate is gone.
constexpr int kBackPerServe = 256;
/// A session is kept so long for a permit that is due.
constexpr Duration kKeep = Duration::milliseconds(20);
/// An idle session is kept that much longer than a permit that is to come may take.
constexpr Duration kPermitPatience = Duration::seconds(3);
/// Sessions that are still busy after the time between two permits, or this, are too few.
constexpr Duration kBusyMin = Duration::milliseconds(2);
/// From here on a lost permit is worse than a turn that lasts one longer.
constexpr Duration kSlowLine = Duration::seconds(1);
/// A queue that may send nothing now is looked at again after this.
constexpr Duration kClosedRetry = Duration::seconds(1);

}  // namespace

RateScope* SenderTraffic::scope_of(Scheduler& all, const Queue& queue, std::uint32_t index) {
  const std::uint32_t number = all.senders_.facts(index).sender;
  if (number == 0) {
    return nullptr;
  }
  const std::uint64_t rule = all.senders_.rated(number, all.doors_.policies, all.global_.version);
  if (rule == 0) {
    return nullptr;
  }
  const RateScope* const shared = queue.shared_messages;
  return shared == nullptr ? &all.rates_.scope(rule, 0, {}, all.global_.version, rule)
                           : &all.rates_.scope(shared->key ^ rule, shared->base, shared->own,
                                               shared->version, rule);
}

bool SenderTraffic::leads(Scheduler& all, Queue& queue) {
  return !queue.ready.empty() && scope_of(all, queue, all.shares_.next(queue)) != nullptr;
}

// Mail of others does not keep mail whose turn has come from asking: one session is kept for it.
bool SenderTraffic::keeps_session(Scheduler& all, Queue& queue, const IpAddress& source, Now now) {
  SenderLane* const lane = queue.lanes;
  // Others' permits that come more slowly than sessions are kept would all lapse meanwhile.
  const RateScope* const others = queue.shared_messages;
  const Duration rest =
      std::max(kKeep * 10, others == nullptr ? Duration{} : others->interval + others->interval);
  // Nor would it use one that it was told of.
  if (lane == nullptr || queue.invited || queue.asking > 0 ||
      lane->scope_at(source).opens > now.instant + kKeep || now.instant < lane->kept + rest) {
    return false;
  }
  lane->kept = now.instant;
  ask(all, queue, source, now);
  all.wait_until(queue, Gate::sender_message_rate, now.instant + kKeep);
  return true;
}

bool SenderTraffic::permit_there(Scheduler& all, Queue& queue, const IpAddress& source, Now now) {
  const std::uint32_t size = all.next_octets(queue);
  ByteGate* const octets = queue.octets();
  const Duration lead = LatePermits::lead(queue);
  const bool plain = queue.slow && LatePermits::fit(all, queue);
  const bool own = queue.messages.due(now.instant, lead) > 0 &&
                   (queue.warmup == nullptr || queue.warmup->gate().due(now.instant, lead) > 0);
  if (!own || (octets != nullptr && !octets->open_for(size, now.instant))) {
    return false;
  }
  RateScope* scope = scope_of(all, queue, all.shares_.next(queue));
  if (queue.sources() != nullptr) {
    SourceGate* const gate = queue.sources()->find(source);
    if (gate == nullptr || !gate->open_for(size, now.instant, lead)) {
      return false;
    }
    RateScope* const of_address = gate->line == nullptr ? nullptr : gate->line->scope;
    scope = scope == nullptr ? of_address : at(all, queue, *scope, source);
    if (scope == nullptr && of_address != nullptr) {
      return false;
    }
  }
  scope = scope == nullptr ? queue.shared_messages : scope;
  return scope == nullptr || (plain ? scope->opens <= now.instant + lead
                                    : LatePermits::there(all, queue, *scope, size, now) > 0);
}

std::uint32_t SenderTraffic::permits(Scheduler& all, Queue& queue, const IpAddress& source,
                                     RateScope*& scope, Now now) {
  for (int n = kAsidePerTake; n > 0 && !queue.ready.empty(); --n) {
    RateScope* const own = scope_of(all, queue, all.shares_.next(queue));
    if (own == nullptr) {
      if (keeps_session(all, queue, source, now)) {
        return 0;
      }
      const std::uint32_t units = all.shared_permits(queue, source, scope, now);
      if (units == 0) {
        ask(all, queue, source, now);
      }
      return units;
    }
    RateScope* const here = at(all, queue, *own, source);
    const std::uint32_t units =
        here == nullptr ? 0 : LatePermits::there(all, queue, *here, all.next_octets(queue), now);
    if (units > 0) {
      scope = here;
      return units;
    }
    put_aside(all, queue, all.shares_.next(queue), *own);
  }
  ask(all, queue, source, now);
  all.evaluate(queue, now);
  return 0;
}

void SenderTraffic::ask(Scheduler& all, Queue& queue, const IpAddress& source, Now now) {
  if (queue.asking < std::min(queue.sessions(), 0xffffu)) {
    ++queue.asking;
  }
  for (SenderLane* lane = queue.lanes; lane != nullptr; lane = lane->next_of_queue) {
    if (!lane->asks && queue.asking > 0 && !gives_way(*lane, now)) {
      line_up(*lane, true);
    }
    all.rates_.stir(*lane->scope);
  }
  ask_from(all, queue, source);
}

namespace {

/// About the time between two permits, wherever they are for.
Duration time_between_permits(const RateScope& scope) {
  Duration least = Duration::forever();
  for (const RateScope* part : scope.parts) {
    least = std::min(least, part->interval / static_cast<std::int64_t>(scope.parts.size()));
  }
  return scope.parts.empty() ? scope.interval : std::max(scope.interval, least);
}

/// A permit is due within that time, or was and is not used.
bool permit_comes(const RateScope& scope, Duration near, Now now) {
  return scope.opens <= now.instant + near && scope.opens + kKeep * 10 >= now.instant &&
         scope.used < scope.opens;
}

}  // namespace

/// Its turn is over, and others wait until they may come near. Of a slow rate the permit that is
/// about to come would find none of them there in time.
bool SenderTraffic::gives_way(const SenderLane& lane, Now now) {
  const RateScope& scope = *lane.scope;
  const bool over = scope.crowded && lane.had_turn && now.instant >= lane.since + RateScope::kTurn;
  if (!over) {
    return false;
  }
  const Duration interval = time_between_permits(scope);
  if (now.instant >= lane.since + RateScope::kTurn + interval * 2) {
    return true;
  }
  const Duration near = std::min(RateBook::kLead, interval / 2);
  const bool comes =
      scope.parts.empty()
          ? permit_comes(scope, near, now)
          : std::any_of(scope.parts.begin(), scope.parts.end(),
                        [&](const RateScope* part) { return permit_comes(*part, near, now); });
  return interval < kSlowLine || !comes;
}

// A permit that still came for it would lapse.
void SenderTraffic::session_gone(Scheduler& all, Queue& queue) {
  if (queue.asking <= queue.sessions()) {
    return;
  }
  --queue.asking;
  for (SenderLane* lane = queue.lanes; lane != nullptr; lane = lane->next_of_queue) {
    all.rates_.stir(*lane->scope);
  }
}

bool SenderTraffic::offer(Scheduler& all, Queue& queue, Now now) {
  if (queue.sessions() == 0) {
    return false;
  }
  const std::uint16_t asking = queue.asking;
  if (queue.asking > 0) {
    --queue.asking;
  }
  const bool before = queue.offered;
  queue.offered = true;  // until it asks, which may be at once
  if (all.offer_session(queue, now)) {
    return true;
  }
  queue.offered = before;
  queue.asking = queue.in_line() || waits_in_line(queue)
                     ? asking
                     : 0;  // all are busy, but those that stand in line
  return false;
}

bool SenderTraffic::permit_near(const Queue& queue, Now now) {
  for (const SenderLane* lane = queue.lanes; lane != nullptr; lane = lane->next_of_queue) {
    if (lane->scope->opens <= now.instant + RateBook::kLead) {
      return true;
    }
  }
  return false;
}

namespace {

/// How long a session is of use to one that waits for a permit of the scope; zero: it is not.
/// `others` wait until they may come near.
Duration use_for(const RateScope& scope, bool others, Duration idle, Now now) {
  const Instant opens = std::max(scope.opens, now.instant);
  const Duration near = RateBook::kLead + (others ? Duration{} : idle);
  if (opens > now.instant + near) {
    return {};
  }
  // When the next one comes is told a moment after the last one was used.
  const auto line =
      static_cast<std::int64_t>(scope.waiting.size() + scope.in_line + scope.asking.size());
  return others ? kPermitPatience + std::min(scope.interval * line, RateScope::kTurn)
                : opens - now.instant + std::min(scope.interval, near) + kPermitPatience;
}

}  // namespace

std::uint32_t SenderTraffic::aside(const Queue& queue) {
  std::uint32_t most = 0;
  for (const SenderLane* lane = queue.lanes; lane != nullptr && most < queue.aside;
       lane = lane->next_of_queue) {
    most += lane->scope->ahead_max;
  }
  return std::min(queue.aside, most);
}

Duration Scheduler::keeps(QueueId id, const IpAddress& source, Duration idle, Now now) {
  Queue* const queue = table_.find(id);
  if (queue == nullptr) {
    return {};
  }
  Duration most;
  for (const SenderLane* lane = queue->lanes; lane != nullptr; lane = lane->next_of_queue) {
    const RateScope& scope = *lane->scope;
    most = std::max(most, use_for(lane->scope_at(source), scope.crowded, idle, now));
  }
  const RateScope* const shared = queue->shared_messages;
  if (shared != nullptr && (queue->gate == Gate::vmta_message_rate || queue->in_line())) {
    const SourceLine* const line = SourceTraffic::line_of(*queue, source);
    const RateScope& scope = line != nullptr && line->stands() ? *line->scope : *shared;
    most = std::max(most, use_for(scope, !shared->hopeful.empty(), idle, now));
  }
  if (queue->ready.empty() || queue->state != QueueState::waiting) {
    return most;
  }
  const Instant due = LatePermits::opens_from(*queue, source, next_octets(*queue));
  const Duration near = idle + LatePermits::lead(*queue) + RateBook::kLead;
  return due <= now.instant || due > now.instant + near
             ? most
             : std::max(most, due - now.instant + kPermitPatience);
}

// Others that wait for the permit might be further from it than who is the first in line.
Duration Scheduler::expects(QueueId id, const IpAddress& source, IdleOthers others, Now now) {
  const Queue* const queue = table_.find(id);
  if (queue == nullptr || held_ || queue->paused || queue->policy->held || queue->must_end() ||
      queue->deferred_until > now.instant) {
    return {};
  }
  const SourceLine* const line = SourceTraffic::line_of(*queue, source);
  if (line != nullptr || SenderTraffic::splits(*queue) ? others.there : others.any) {
    return {};  // one is enough
  }
  const auto until = [&](const RateScope& scope) {
    // One that has not come when it was due may not come at all.
    const bool near = scope.opens <= now.instant + RateBook::kLead &&
                      scope.opens + RateBook::kLead >= now.instant;
    return near ? std::max(scope.opens - now.instant, Duration{}) + kKeep * 10 : Duration{};
  };
  Duration most;
  for (const SenderLane* lane = queue->lanes; lane != nullptr; lane = lane->next_of_queue) {
    const bool first = lane->scope->asking.front() == lane;
    most = first ? std::max(most, until(lane->scope_at(source))) : most;
  }
  RateScope* const shared = queue->shared_messages;
  if (shared != nullptr && shared->waiting.front() == queue) {
    most = std::max(most, until(*shared));
  }
  if (line != nullptr && line->scope->waiting.front() == line) {
    most = std::max(most, until(*line->scope));
  }
  return most;
}

// ---- standing aside ----------------------------------------------------------------------------

// Its timer ends its life, as that of all ready entries does.
void SenderTraffic::put_aside(Scheduler& all, Queue& queue, std::uint32_t index, RateScope& scope) {
  all.shares_.remove(queue, index);
  all.entries_[index].state = EntryState::deferred;
  queue.deferred.push_back(all.entries_, index);
  queue.aside += all.entries_[index].count;
  all.senders_.add(scope, queue, index);
  all.rates_.stir(scope);
  line_up(all, queue, all.senders_.lane_of(index));
}

void SenderTraffic::leave(Scheduler& all, Queue& queue, std::uint32_t index) {
  if (all.senders_.aside(index)) {
    queue.aside -= all.entries_[index].count;
    leave_last(all, queue, index);
    all.senders_.remove(queue, index, false);
  }
}

void SenderTraffic::bring_back(Scheduler& all, Queue& queue, std::uint32_t index) {
  Entry& entry = all.entries_[index];
  RP_ASSERT(entry.state == EntryState::deferred);
  if (queue.rush_tail == index) {
    queue.rush_tail = entry.prev;
  }
  queue.deferred.remove(all.entries_, index);
  queue.aside -= entry.count;
  leave_last(all, queue, index);
  all.senders_.remove(queue, index, true);
  entry.state = EntryState::ready;
  all.shares_.push(queue, index, true);
  all.shares_.put_first(queue, entry.share);
}

void SenderTraffic::stir_all(Scheduler& all) {
  all.senders_.for_scopes([&](RateScope& scope) { all.rates_.stir(scope); });
}

// ---- permits come ------------------------------------------------------------------------------

/// Whether its own gates are open; `again`: when it is worth asking anew.
bool SenderTraffic::may_send(Scheduler& all, Queue& queue, const SenderLane& lane, Now now,
                             Instant& again) {
  if (LatePermits::due(queue, now) == 0) {
    again = std::min(again, std::max(LatePermits::due_at(queue), now.instant));
    return false;
  }
  const std::uint32_t size = lane.head == kNil ? 0 : all.senders_.facts(lane.head).size;
  ByteGate* const octets = queue.octets();
  if (octets != nullptr && !octets->open_for(size, now.instant)) {
    again = std::min(again, std::max(octets->opens_for(size), now.instant));
    return false;
  }
  const bool leaves = queue.policy->held || queue.changes_group() || all.moves_away(queue);
  if (queue.paused || queue.must_end() || queue.deferred_until > now.instant || queue.uncounted() ||
      leaves) {
    again = std::min(again, now.instant + kClosedRetry);
    return false;
  }
  return true;
}

/// Recipients that so many idle sessions would send.
std::uint32_t SenderTraffic::demand(Scheduler& all, const Queue& queue, const SenderLane& lane,
                                    std::uint32_t sessions) {
  const std::uint32_t most = std::max(1u, queue.policy->recipients_per_transaction_max);
  std::uint32_t sum = 0;
  std::uint32_t entry = lane.head;
  for (std::uint32_t n = sessions; n > 0 && entry != kNil; --n) {
    sum += std::min(all.entries_[entry].count, most);
    entry = all.senders_.after(entry);
  }
  return sum;
}

/// Lets its idle sessions take up to `units` recipients; returns how many they were told of.
std::uint32_t SenderTraffic::send(Scheduler& all, Queue& queue, SenderLane& lane,
                                  std::uint32_t units, Now now) {
  RateScope* const scope = lane.scope;
  const std::uint32_t most = std::max(1u, queue.policy->recipients_per_transaction_max);
  std::uint32_t told = 0;
  while (queue.asking > 0 && lane.scope == scope && lane.queue == queue.slot && told < units) {
    const std::uint32_t index = lane.head;
    const std::uint32_t count = std::min(all.entries_[index].count, most);
    lane.had_turn = true;
    bring_back(all, queue, index);
    if (queue.state == QueueState::idle) {
      all.evaluate(queue, now);
    }
    if (!offer(all, queue, now)) {
      if (queue.asking == 0 && queue.sources() == nullptr) {
        // None of its sessions idles: the permit is the next lane's.
        put_aside(all, queue, index, *scope);
        all.evaluate(queue, now);
        break;
      }
      all.on_new_ready(queue, now);
    }
    told += count;
  }
  return told;
}

/// To the end of those that ask, or of those that do not; one whose sessions ended before they
/// could send is the first to have a turn again, but not twice in a row.
void SenderTraffic::line_up(SenderLane& lane, bool asks) {
  const bool over = lane.asks && !asks;
  const bool in_vain = over && !lane.had_turn && !lane.first_again;
  lane.place().remove(lane);
  lane.asks = asks;
  if (in_vain) {
    lane.place().push_front(lane);
  } else {
    lane.place().push_back(lane);
  }
  lane.first_again = over ? in_vain : lane.first_again;
}

namespace {

struct Demand {
  std::uint32_t units = 0;
  std::uint32_t octets = 0;  ///< of its first message
};

}  // namespace

// Each sends in its turn.
void SenderTraffic::serve_asking(Scheduler& all, RateScope& scope, Now now, Instant& again) {
  std::array<SenderLane*, kLanesPerServe> last;
  std::size_t sent = 0;
  std::uint32_t told = 0;
  std::array<Demand, 2> wanted{};  // of permits, and of turns
  for (std::size_t n = std::min(scope.asking.size(), kLanesPerServe); n > 0; --n) {
    SenderLane* const lane = scope.asking.front();
    if (lane == nullptr) {
      break;
    }
    Queue& queue = all.table_.at(lane->queue);
    const bool sends =
        queue.asking > 0 && !gives_way(*lane, now) && may_send(all, queue, *lane, now, again);
    const std::uint32_t size = all.senders_.facts(lane->head).size;
    const std::uint32_t units = LatePermits::there(all, queue, scope, size, now);
    line_up(*lane, sends);
    if (sends && units > told && !(scope.octets && told > 0)) {
      const std::uint32_t more = send(all, queue, *lane, units - told, now);
      told += more;
      last[sent] = lane;
      sent += more > 0 ? 1 : 0;
    }
    const bool turns = LatePermits::turns(queue, scope);
    if (sends && lane->scope == &scope && lane->queue == queue.slot &&
        !(turns && LatePermits::full(all, scope))) {
      Demand& one = wanted[turns ? 1 : 0];
      one.octets = one.units == 0 ? all.senders_.facts(lane->head).size : one.octets;
      one.units += demand(all, queue, *lane, queue.asking);
    }
  }
  for (SenderLane* const lane : std::span(last).first(sent)) {
    if (lane->scope == &scope && lane->asks) {
      line_up(*lane, true);
    }
  }
  // All that is asked for at a time is of one kind. The other is paced by itself: of both that
  // which was used longest ago comes first.
  const Instant paid = std::max(scope.paid, all.rates_.again(scope).used);
  scope.turns = wanted[1].units > 0 && (wanted[0].units == 0 || scope.begun < paid);
  const Demand& first = wanted[scope.turns ? 1 : 0];
  const std::uint32_t units = RateBook::available(scope, now.instant);
  const std::uint32_t spare = scope.octets ? 0 : units - std::min(units, told);
  const bool later = scope.octets && told > 0;  // after that message
  if (told > 0) {
    again = std::min(again, now.instant + std::max(scope.interval, kBusyMin));
  }
  all.rates_.set_want(scope, later ? 0 : first.units - std::min(first.units, spare), first.octets);
}

// Permits are there, or would be, and all sessions are busy: mail that stands in the queue is what
// gets it another one.
void SenderTraffic::grow(Scheduler& all, Queue& queue, SenderLane& lane, Now now, Instant& again) {
  const RateScope& scope = *lane.scope;
  if (splits(queue)) {
    grow_from(all, queue, lane, now, again);
    return;
  }
  if (leads(all, queue)) {
    return;
  }
  // An idle session may take the mail before another is opened, and put it aside again.
  const Instant next = lane.grown + kBusyMin;
  if (scope.opens <= now.instant && next <= now.instant && all.wants_session(queue, now)) {
    lane.grown = now.instant;
    bring_back(all, queue, lane.head);
    all.on_new_ready(queue, now);
  }
  const Instant lost = scope.lost(queue.opening) + kBusyMin;
  again = std::min(again, next > now.instant   ? next
                          : lost > now.instant ? lost
                                               : now.instant + std::max(scope.interval, kKeep));
}

// Queues without a session get one when a permit is about to come; it will ask, and find it.
void SenderTraffic::let_approach(Scheduler& all, RateScope& scope, Now now, Instant& again) {
  const bool near = now.instant + RateBook::kLead >= scope.opens;
  std::size_t coming = scope.asking.size();
  scope.crowded = false;
  for (std::size_t n = std::min(scope.lanes.size(), kLanesPerServe); n > 0; --n) {
    SenderLane* const lane = scope.lanes.front();
    if (lane == nullptr) {
      break;
    }
    if (!near || coming >= scope.ahead_max) {
      scope.crowded = near;
      break;
    }
    line_up(*lane, false);
    Queue& queue = all.table_.at(lane->queue);
    if (queue.opening > 0 && queue.asking == 0) {
      ++coming;
    } else if (queue.sessions() > 0 && queue.asking == 0) {
      grow(all, queue, *lane, now, again);
    } else if (lane->grown > now.instant) {
      again = std::min(again, lane->grown);  // it has just stood back
    } else if (may_send(all, queue, *lane, now, again)) {
      ++coming;
      lane->since = now.instant;
      lane->had_turn = false;
      if (queue.sessions() > 0) {
        line_up(*lane, true);
        all.rates_.stir(scope);
      } else {
        bring_back(all, queue, lane->head);
        all.on_new_ready(queue, now);
      }
    }
  }
  if (!near) {
    again = std::min(again, scope.opens - RateBook::kLead);
  } else if (!scope.crowded && scope.lanes.size() > kLanesPerServe) {
    again = std::min(again, now.instant + kRestOfLanes);
  }
}

/// The rate is no more, or counts with others: its mail finds that out when it is taken.
bool SenderTraffic::holds(Scheduler& all, RateScope& scope, Now now) {
  for (SenderLane* lane : {scope.asking.front(), scope.lanes.front()}) {
    if (lane == nullptr || lane->scope != &scope) {
      continue;
    }
    Queue& queue = all.table_.at(lane->queue);
    if (scope_of(all, queue, lane->head) == &scope) {
      continue;
    }
    for (int n = kBackPerServe; n > 0 && lane->scope == &scope && lane->queue == queue.slot; --n) {
      bring_back(all, queue, lane->head);
    }
    all.on_new_ready(queue, now);
    return false;
  }
  return true;
}

void SenderTraffic::serve(Scheduler& all, RateScope& scope, Now now, std::uint32_t& budget) {
  budget -= std::min<std::uint32_t>(budget, kLanesPerServe / 4);
  if (scope.whole != nullptr) {
    serve_part(all, scope, now);
    return;
  }
  if (!holds(all, scope, now)) {
    all.rates_.stir(scope);
    return;
  }
  Instant again = now.instant + kClosedRetry;
  if (!serve_whole(all, scope, now, again)) {
    serve_asking(all, scope, now, again);
  }
  let_approach(all, scope, now, again);
  if (!scope.lanes.empty() || !scope.asking.empty()) {
    all.rates_.stir_at(scope, again);
  }
}

}  // namespace ringpost::schedule
