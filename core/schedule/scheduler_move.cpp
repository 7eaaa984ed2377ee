#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/base/fixed_vector.h"
#include "core/mail/route.h"
#include "core/schedule/scheduler.h"
#include "core/schedule/sender_traffic.h"

// Mail that leaves its queue for another one: the configuration reroutes it, its virtual MTA is
// gone, the member of a pool that it fell to has no source address left, or the rules have changed
// by which several domains share a queue.

namespace ringpost::schedule {

/// Nothing of it may be sent from here.
bool Scheduler::moves_away(const Queue& queue) const {
  if (queue.move == nullptr || doors_.mover == nullptr) {
    return false;
  }
  const MoveOrder& order = queue.move->order;
  return order.anew ? queue.move->left() : !order.pooled_only;
}

bool Scheduler::moves_away(const Queue& queue, const Entry& entry) const {
  if (doors_.mover == nullptr) {
    return false;
  }
  const bool stale = queue.shared && entry.era != global_.era;
  if (queue.move == nullptr || queue.move->order.anew) {
    return stale;
  }
  return stale || entry.pooled || !queue.move->order.pooled_only;
}

void Scheduler::set_move(Queue& queue, const MoveOrder& order, Now now) {
  if (place_anew(queue)) {
    return;  // what else is to be is seen when that is done
  }
  if (!order.wanted()) {
    const bool was = queue.move != nullptr;
    queue.move.reset();
    if (was && queue.state == QueueState::waiting) {
      evaluate(queue, now);
    }
    return;
  }
  if (queue.move == nullptr || queue.move->order != order) {
    queue.move = std::make_unique<Move>();
    queue.move->order = order;
  }
  begin_move(queue);
}

/// The rules by which domains share the queue have changed, or they have it no more: all that is in
/// it is placed once more. False: there is nothing to do, or no more.
bool Scheduler::place_anew(Queue& queue) {
  if (!queue.shared || doors_.mover == nullptr) {
    queue.era = global_.era % GlobalLimits::kEras;
    return false;
  }
  if (queue.era == global_.era) {
    return queue.move != nullptr && queue.move->order.anew && queue.move->left();
  }
  queue.era = global_.era % GlobalLimits::kEras;
  queue.move = std::make_unique<Move>();
  queue.move->order.vmta = queue.vmta->name;
  queue.move->order.once = queue.move->order.anew = true;
  begin_move(queue);
  return queue.move->left();
}

/// One that has just come into the queue, or back, and does not belong there.
void Scheduler::leave_soon(Queue& queue, std::uint32_t index, Now now) {
  const EntryState state = entries_[index].state;
  const bool waits = state == EntryState::ready || state == EntryState::deferred;
  if (!waits || !moves_away(queue, entries_[index])) {
    return;
  }
  if (queue.move == nullptr) {  // a late one, of rules that no longer hold
    MoveOrder order;
    order.vmta = queue.vmta->name;
    order.once = order.anew = true;
    if (!queue.paused && !queue.must_end() && hand_on(order, queue, index, now)) {
      gone(queue, index);
      return settle_ready(queue, now);
    }
    queue.move = std::make_unique<Move>();
    queue.move->order = order;
  }
  begin_move(queue);
}

/// It was handed on.
void Scheduler::gone(Queue& queue, std::uint32_t index) {
  Entry& entry = entries_[index];
  remove_from_list(index, queue);
  wheel_.disarm(index);
  shares_.leave_entry(queue, entry);
  entry.state = EntryState::free;
  entries_.give_back(index);
}

// Each list is gone through once: what stays goes to its end, and so keeps its order.
void Scheduler::begin_move(Queue& queue) {
  Move& move = *queue.move;
  move.ready = shares_.begin_walk(queue);
  move.deferred = queue.deferred.entries;
  move.over_age = queue.over_age.entries;
  queue.rush_tail = kNil;
  if (move.left() && !move.listed) {
    move.listed = true;
    moving_.push_back(queue.id());
  }
}

// The mail of a domain with such hosts belongs into a queue it shares with others.
bool Scheduler::route_found(QueueId id, const Route& route, Now now) {
  Queue* queue = table_.find(id);
  if (queue == nullptr || doors_.mover == nullptr || route.hosts.empty()) {
    return true;
  }
  FixedVector<std::string_view, 32> best;
  for (const RouteHost& host : route.hosts) {
    if (host.preference == route.hosts.front().preference && !best.full()) {
      best.push_back(host.name);
    }
  }
  const std::string_view name = doors_.policies.rolled_up(
      queue->name, queue->vmta->name, {best.data(), best.size()}, route.expires);
  if (name.empty() || name == queue->name) {
    return true;
  }
  MoveOrder order;
  order.vmta = queue->vmta->name;
  order.name = name;
  order.once = true;
  set_move(*queue, order, now);
  return false;
}

bool Scheduler::hand_on(const MoveOrder& order, const Queue& queue, std::uint32_t index, Now now,
                        unsigned seen) {
  const Entry& entry = entries_[index];
  Admission admission;
  admission.message = entry.message();
  admission.id = stand_in_id(entry.message(), entry.received());
  admission.domain = order.name.empty() ? queue.name : order.name;
  admission.vmta = order.vmta;
  admission.job = shares_.job_of(entry.share);
  admission.tenant = shares_.tenant_of(queue, entry.share);
  admission.priority = shares_.priority_of(queue, entry.share);
  admission.rolled_up = order.once;
  admission.rules_seen = seen;
  admission.alone = entry.alone;
  // The taker chose no member anew.
  const bool same = seen == 0 && order.vmta == queue.vmta->name;
  admission.pooled = entry.pooled && (order.once || same);
  admission.era = order.name.empty() ? entry.era : global_.era;
  admission.moved = true;
  admission.anew = queue.shared && entry.era != global_.era && seen == 0;
  admission.first = entry.first;
  admission.count = entry.count;
  admission.attempts = entry.attempts;
  admission.ambiguous_before = entry.ambiguous;
  admission.received = entry.received();
  admission.size_bytes = senders_.facts(index).size;
  admission.sender_rule = senders_.key_of(senders_.facts(index).sender);
  if (entry.state == EntryState::deferred && !senders_.aside(index)) {
    admission.next_attempt = now.wall + (Instant{entry.due_ns} - now.instant);
  }
  return doors_.mover->admit(admission);
}

bool Scheduler::move_from(Queue& queue, EntryList& list, std::uint32_t& left, std::uint32_t& budget,
                          Now now) {
  while (left > 0 && !list.empty()) {
    if (budget == 0) {
      return false;
    }
    --budget;
    const std::uint32_t index = list.head;
    Entry& entry = entries_[index];
    if (!moves_away(queue, entry)) {
      list.remove(entries_, index);
      list.push_back(entries_, index);
    } else if (hand_on(queue.move->order, queue, index, now)) {
      list.remove(entries_, index);
      SenderTraffic::leave(*this, queue, index);
      wheel_.disarm(index);
      shares_.leave_entry(queue, entry);
      entry.state = EntryState::free;
      entries_.give_back(index);
    } else {
      move_retry_ = now.instant + kMoveRetry;
      return false;
    }
    --left;
  }
  left = 0;
  return true;
}

// The same for mail that is ready, of all shares.
bool Scheduler::move_ready(Queue& queue, std::uint32_t& left, std::uint32_t& budget, Now now) {
  for (; left > 0; --left) {
    const std::uint32_t index = shares_.walk(queue);
    if (index == kNil) {
      break;
    }
    if (budget == 0) {
      return false;
    }
    --budget;
    Entry& entry = entries_[index];
    if (!moves_away(queue, entry)) {
      shares_.stay(queue, index);
    } else if (hand_on(queue.move->order, queue, index, now)) {
      shares_.gone(queue, index);
      wheel_.disarm(index);
      shares_.leave_entry(queue, entry);
      entry.state = EntryState::free;
      entries_.give_back(index);
    } else {
      move_retry_ = now.instant + kMoveRetry;
      return false;
    }
  }
  left = 0;
  return true;
}

bool Scheduler::move_some(Queue& queue, std::uint32_t& budget, Now now) {
  Move& move = *queue.move;
  return move_ready(queue, move.ready, budget, now) &&
         move_from(queue, queue.deferred, move.deferred, budget, now) &&
         move_from(queue, queue.over_age, move.over_age, budget, now);
}

// What is paused, or being ended, stays until that is over; then begin_move() lists it again.
void Scheduler::drain_moves(std::uint32_t& budget, Now now) {
  while (budget > 0 && move_retry_ <= now.instant && !moving_.empty()) {
    const QueueId id = moving_.front();
    moving_.pop_front();  // the taker may add others
    Queue* queue = table_.find(id);
    if (queue == nullptr || queue->move == nullptr) {
      continue;
    }
    queue->move->listed = false;
    if (queue->paused || queue->must_end()) {
      continue;
    }
    if (!move_some(*queue, budget, now)) {
      queue->move->listed = true;
      moving_.push_back(id);  // what others have may be wanted elsewhere
      settle_ready(*queue, now);
      continue;
    }
    if (queue->move->order.once) {
      const bool anew = queue->move->order.anew;
      queue->move.reset();
      if (anew) {
        apply_settings(*queue, now);
        evaluate(*queue, now);
        continue;
      }
    }
    if (queue->ready.empty() &&
        (queue->state == QueueState::ready || queue->state == QueueState::waiting)) {
      evaluate(*queue, now);
    }
  }
}

// ---- queues that are given so many a day
// ---------------------------------------------------------

Taken Scheduler::admit_counted(Queue& queue, Admission& admission, Now now) {
  const auto caps = doors_.policies.day_caps(queue.name, queue.vmta->name, admission.overflow);
  if (caps.empty()) {
    add(queue, admission, now);  // a reload has lifted it meanwhile
    return Taken::all;
  }
  DayCount& count = day_counts_.count_of(queue.name, queue.vmta->name, caps, now.wall);
  queue.rare_limits().day_count = &count;
  const auto take = [&](std::uint64_t room, WallTime not_before) {
    Admission part = admission;
    part.count = static_cast<std::uint32_t>(std::min<std::uint64_t>(admission.count, room));
    part.next_attempt = std::max(part.next_attempt, not_before);
    admission.first += part.count;
    admission.count -= part.count;
    if (part.count > 0) {
      day_counts_.give(count, part.count);
      add(queue, part, now);
    }
  };
  take(count.left(), WallTime{});
  if (admission.count > 0 && !admission.overflow.empty()) {
    admission.vmta = std::exchange(admission.overflow, {});
    admission.counted = false;
    admission.tried |= std::uint64_t{1} << (admission.choice % 64);
    return Taken::some;
  }
  while (admission.count > 0) {
    const auto [day, room] = count.next_room();
    take(room, begin_of_day(day));
  }
  return Taken::all;
}

}  // namespace ringpost::schedule
