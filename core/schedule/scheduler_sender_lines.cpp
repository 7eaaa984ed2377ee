#include <algorithm>

#include "core/schedule/late_permits.h"
#include "core/schedule/sender_traffic.h"
#include "core/schedule/source_traffic.h"

// Rates of senders in groups whose source addresses have rates. A lane is one for its queue and
// rule, because mail that waits is bound to no address; it stands in a line for each from which the
// queue has an idle session. A permit brings its first mail back, for a session from there.

namespace ringpost::schedule {

namespace {

/// Places in a line that are looked at in one go.
constexpr std::size_t kLinesPerServe = 32;
/// A queue whose sessions are all busy is looked at again after this, and sooner where permits are
/// lost before.
constexpr Duration kLineLook = Duration::milliseconds(20);
constexpr Duration kLineBusy = Duration::milliseconds(2);
/// A queue that may send nothing now is looked at again after this.
constexpr Duration kLineRetry = Duration::seconds(1);

}  // namespace

bool SenderTraffic::splits(const Queue& queue) {
  return queue.sources() != nullptr && queue.sources()->all().front().line != nullptr;
}

bool SenderTraffic::waits_in_line(const Queue& queue) {
  return queue.rare != nullptr && queue.rare->sender_lines > 0;
}

/// nullptr: the limits of the queue are out of date.
RateScope* SenderTraffic::part_of(Scheduler& all, RateScope& whole, const SourceGate& gate) {
  const RateScope* const part = gate.line == nullptr ? nullptr : gate.line->scope;
  return part == nullptr || part->version != whole.version
             ? nullptr
             : &all.rates_.part(part->key ^ whole.sender, part->base, whole);
}

/// The scope of what leaves from `source`; nullptr: nothing may.
RateScope* SenderTraffic::at(Scheduler& all, Queue& queue, RateScope& whole,
                             const IpAddress& source) {
  if (!splits(queue)) {
    return &whole;
  }
  const SourceGate* const gate = queue.sources()->find(source);
  return gate == nullptr ? nullptr : part_of(all, whole, *gate);
}

void SenderTraffic::aim(Scheduler& all, Queue& queue) {
  if (!splits(queue)) {
    return;
  }
  // Mail that has not stood aside yet does so as a session takes it: it holds nothing up.
  const std::uint32_t index = queue.ready.empty() ? kNil : all.shares_.next(queue);
  RateScope* const whole =
      index == kNil || !all.senders_.came_back(index) ? nullptr : scope_of(all, queue, index);
  for (SourceGate& gate : queue.sources()->all()) {
    gate.of_sender = whole == nullptr ? nullptr : part_of(all, *whole, gate);
  }
}

bool SenderTraffic::stands_back(Scheduler& all, Queue& queue, Now now) {
  const std::uint32_t index = queue.ready.empty() ? kNil : all.shares_.next(queue);
  RateScope* const scope =
      index == kNil || !all.senders_.came_back(index) ? nullptr : scope_of(all, queue, index);
  if (scope == nullptr || queue.offered) {
    return false;  // a session is about to take it
  }
  put_aside(all, queue, index, *scope);
  all.senders_.lane_of(index).grown = now.instant + kLineRetry;  // it would only come back at once
  all.evaluate(queue, now);
  return true;
}

// ---- lines -------------------------------------------------------------------------------------

// One that left the line, since its sessions had idled long enough, comes back to where it was:
// where the line is longer than sessions last, it would else never come to its front.
void SenderTraffic::join(Scheduler& all, Queue& queue, SenderLine& line) {
  if (line.place == nullptr) {
    line.place = &line.scope->waiting;
    Waiter* later = line.ticket == 0 ? nullptr : line.place->front();
    for (std::size_t n = kLinesPerServe; later != nullptr && later->ticket < line.ticket; --n) {
      later = n == 0 ? nullptr : line.place->after(*later);
    }
    if (later != nullptr) {
      line.place->insert_before(line, *later);
    } else {
      line.place->push_back(line);
    }
    line.ticket = line.ticket == 0 ? ++line.scope->tickets : line.ticket;
    ++line.scope->whole->in_line;
    ++queue.rare->sender_lines;
  }
  all.rates_.stir(*line.scope);
}

void SenderTraffic::leave_line(Scheduler& all, Queue& queue, SenderLine& line) {
  if (line.place == nullptr) {
    return;
  }
  line.place->remove(line);
  line.place = nullptr;
  --line.scope->whole->in_line;
  --queue.rare->sender_lines;
  all.rates_.stir(*line.scope);
}

/// Where its queue has idle sessions, unless it lets others come near first.
void SenderTraffic::line_up(Scheduler& all, Queue& queue, SenderLane& lane) {
  if (!splits(queue)) {
    return;
  }
  std::vector<SourceGate>& gates = queue.sources()->all();
  if (lane.lines.empty()) {
    for (const SourceGate& gate : gates) {
      if (part_of(all, *lane.scope, gate) == nullptr) {
        return;
      }
    }
    lane.lines = std::vector<SenderLine>(gates.size());
    for (std::size_t i = 0; i < gates.size(); ++i) {
      lane.lines[i].lane = &lane;
      lane.lines[i].ip = gates[i].ip;
      lane.lines[i].scope = part_of(all, *lane.scope, gates[i]);
    }
  }
  for (std::size_t i = 0; lane.asks && i < gates.size(); ++i) {
    if (gates[i].asking > 0 && lane.lines[i].place == nullptr) {
      join(all, queue, lane.lines[i]);
    }
  }
}

void SenderTraffic::leave_lines(Scheduler& all, Queue& queue, SenderLane& lane) {
  for (SenderLine& line : lane.lines) {
    leave_line(all, queue, line);
  }
  lane.lines.clear();
}

void SenderTraffic::leave_lines(Scheduler& all, Queue& queue) {
  for (SenderLane* lane = queue.lanes; lane != nullptr; lane = lane->next_of_queue) {
    leave_lines(all, queue, *lane);
    all.rates_.stir(*lane->scope);
  }
  for (std::size_t i = 0; queue.sources() != nullptr && i < queue.sources()->all().size(); ++i) {
    queue.sources()->all()[i].of_sender = nullptr;
  }
}

/// An entry stops standing aside, and its lane has no other.
void SenderTraffic::leave_last(Scheduler& all, Queue& queue, std::uint32_t index) {
  SenderLane& lane = all.senders_.lane_of(index);
  if (lane.head == index && lane.tail == index) {
    leave_lines(all, queue, lane);
  }
}

/// No session from there is idle.
void SenderTraffic::leave_from(Scheduler& all, Queue& queue, const SourceGate& gate) {
  for (SenderLane* lane = waits_in_line(queue) ? queue.lanes : nullptr; lane != nullptr;
       lane = lane->next_of_queue) {
    for (SenderLine& line : lane->lines) {
      if (line.ip == gate.ip) {
        leave_line(all, queue, line);
      }
    }
  }
}

void SenderTraffic::ask_from(Scheduler& all, Queue& queue, const IpAddress& source) {
  SourceGate* const gate = splits(queue) ? queue.sources()->find(source) : nullptr;
  if (gate == nullptr) {
    return;
  }
  gate->asking = std::min(gate->asking + 1, std::max(gate->connections, 1u));
  for (SenderLane* lane = queue.lanes; lane != nullptr; lane = lane->next_of_queue) {
    if (!lane->asks) {
      continue;  // it lets others come near first
    }
    line_up(all, queue, *lane);
    for (SenderLine& line : lane->lines) {
      if (line.ip == source) {
        join(all, queue, line);
      }
    }
  }
}

bool SenderTraffic::offer_from(Scheduler& all, Queue& queue, SourceGate& gate) {
  gate.asking -= gate.asking > 0 ? 1 : 0;  // it may ask again at once
  const bool offered = all.doors_.sessions.offer_from(queue.id(), gate.ip);
  gate.asking = offered ? gate.asking : 0;
  if (gate.asking == 0) {
    leave_from(all, queue, gate);
  }
  return offered;
}

void SenderTraffic::disconnected(Scheduler& all, Queue& queue, SourceGate& gate) {
  gate.asking = std::min(gate.asking, gate.connections);
  if (gate.asking == 0) {
    leave_from(all, queue, gate);
  }
  for (SenderLane* lane = splits(queue) ? queue.lanes : nullptr; lane != nullptr;
       lane = lane->next_of_queue) {
    all.rates_.stir(*lane->scope);  // another one may be of use
  }
}

void SenderTraffic::began(Scheduler& all, const Queue& queue) {
  if (!waits_in_line(queue) || !queue.shared_messages->octets) {
    return;
  }
  for (SenderLane* lane = queue.lanes; lane != nullptr; lane = lane->next_of_queue) {
    for (const SenderLine& line : lane->lines) {
      if (line.place != nullptr) {
        all.rates_.stir(*line.scope);
      }
    }
  }
}

bool SenderTraffic::waits_at(Scheduler& all, Queue& queue, const SourceGate& gate, Now now) {
  if (gate.of_sender == nullptr || !waits_in_line(queue)) {
    return false;
  }
  for (SenderLane* lane = queue.lanes; lane != nullptr; lane = lane->next_of_queue) {
    for (const SenderLine& line : lane->lines) {
      if (line.scope == gate.of_sender && line.place != nullptr) {
        return LatePermits::there(all, queue, *line.scope, all.next_octets(queue), now) == 0;
      }
    }
  }
  return false;
}

const RateScope* SenderTraffic::waits_for(Scheduler& all, std::uint32_t index, IpAddress& source) {
  if (!all.senders_.aside(index)) {
    return nullptr;
  }
  const SenderLane& lane = all.senders_.lane_of(index);
  const SenderLine* first = nullptr;
  for (const bool stands : {true, false}) {
    for (const SenderLine& line : lane.lines) {
      const bool sooner = first == nullptr || line.scope->opens < first->scope->opens;
      first = (line.place != nullptr) == stands && sooner ? &line : first;
    }
    if (first != nullptr) {
      source = first->ip;
      return first->scope;
    }
  }
  return lane.scope;
}

// ---- permits come ------------------------------------------------------------------------------

/// Of a sender in such a group: it gives no permits, but says who comes near. False: it is none.
bool SenderTraffic::serve_whole(Scheduler& all, RateScope& scope, Now now, Instant& again) {
  const SenderLane* const any = scope.asking.empty() ? scope.lanes.front() : scope.asking.front();
  if (any == nullptr || !splits(all.table_.at(any->queue))) {
    return false;
  }
  for (std::size_t n = std::min(scope.asking.size(), kLinesPerServe); n > 0; --n) {
    SenderLane* const lane = scope.asking.front();
    if (lane == nullptr) {
      break;
    }
    Queue& queue = all.table_.at(lane->queue);
    if (gives_way(*lane, now)) {
      leave_lines(all, queue, *lane);
      line_up(*lane, false);
      continue;
    }
    const bool sends = queue.asking > 0 && may_send(all, queue, *lane, now, again);
    line_up(*lane, sends);
    line_up(all, queue, *lane);
    if (!sends || lane->lines.empty()) {
      continue;
    }
    if (waits_in_line(queue)) {
      grow_from(all, queue, *lane, now, again);
    } else {
      // Where its idle sessions are is not known, since limits have changed: they are to ask again.
      queue.asking = 0;
      bring_back(all, queue, lane->head);
      all.on_new_ready(queue, now);
    }
  }
  all.rates_.set_want(scope, 0);
  return true;
}

// A session from where none is idle would find permits, or those that are busy let some be lost.
void SenderTraffic::grow_from(Scheduler& all, Queue& queue, SenderLane& lane, Now now,
                              Instant& again) {
  line_up(all, queue, lane);
  // Its only mail is for the sessions that wait.
  if (leads(all, queue) || lane.lines.empty() || (queue.asking > 0 && lane.head == lane.tail)) {
    return;
  }
  std::uint32_t near = 0;  // sessions that wait for permits that come soon
  for (std::size_t i = 0; i < lane.lines.size(); ++i) {
    SourceGate& gate = queue.sources()->all()[i];
    gate.of_sender = lane.lines[i].scope;
    near += gate.of_sender->opens <= now.instant + RateBook::kLead ? gate.asking : 0;
  }
  if (near >= lane.scope->ahead_max) {
    aim(all, queue);
    return;
  }
  Instant first = Instant::never();
  for (const SourceAddress& source : queue.policy->sources) {
    const SourceGate* const gate = queue.sources()->find(source.ip);
    const Instant useful = gate == nullptr ? Instant::never() : gate->useful_from();
    if (useful != Instant::never() && SourceTraffic::leads_to(queue, source.ip)) {
      first = std::min(first, gate->connections > 0 ? useful : useful - RateBook::kLead);
    }
  }
  const Instant next = lane.grown + kLineBusy;
  if (first <= now.instant && next <= now.instant && may_send(all, queue, lane, now, again) &&
      all.wants_session(queue, now)) {
    lane.grown = now.instant;
    bring_back(all, queue, lane.head);
    all.on_new_ready(queue, now);
    return;
  }
  const Instant lost = permits_lost(queue) + kLineBusy;
  aim(all, queue);
  again = std::min(again, first > now.instant  ? first
                          : next > now.instant ? next
                          : lost > now.instant ? lost
                                               : now.instant + kLineLook);
}

void SenderTraffic::serve_part(Scheduler& all, RateScope& scope, Now now) {
  Instant again = now.instant + kLineRetry;
  std::uint32_t told = 0;
  std::size_t passed = 0;
  for (std::size_t n = std::min(scope.waiting.size(), kLinesPerServe); n > 0; --n) {
    Waiter* one = scope.waiting.front();
    for (std::size_t i = 0; i < passed && one != nullptr; ++i) {
      one = scope.waiting.after(*one);
    }
    auto* const line = static_cast<SenderLine*>(one);
    if (line == nullptr || (scope.octets && told > 0)) {
      break;
    }
    SenderLane& lane = *line->lane;
    Queue& queue = all.table_.at(lane.queue);
    if (at(all, queue, *lane.scope, line->ip) != &scope) {
      leave_lines(all, queue, lane);  // its limits are about to be others
      continue;
    }
    const bool may = may_send(all, queue, lane, now, again);
    const std::uint32_t size = all.senders_.facts(lane.head).size;
    const std::uint32_t units = may ? LatePermits::there(all, queue, scope, size, now) : 0;
    if (may && units <= told && LatePermits::turns(queue, scope) && LatePermits::full(all, scope)) {
      ++passed;  // nothing is asked for it, but for those behind it
      continue;
    }
    if (may && units <= told) {
      break;
    }
    scope.waiting.remove(*line);
    scope.waiting.push_back(*line);
    if (may) {
      line->ticket = ++scope.tickets;
      told += invite(all, *line, units - told, now);
    }
  }
  tell_whole(all, scope);
  if (told > 0) {
    RateBook::promise(scope);
    again = std::min(again, now.instant + std::max(scope.interval, kLineBusy));
  }
  all.rates_.hand_back(scope, true, now.instant);
  ask_for(all, scope, told, now, again);
  if (!scope.waiting.empty()) {
    all.rates_.stir_at(scope, again);
  }
}

/// Idle sessions from there take up to `units` recipients; returns how many they were told of.
std::uint32_t SenderTraffic::invite(Scheduler& all, SenderLine& line, std::uint32_t units,
                                    Now now) {
  SenderLane& lane = *line.lane;
  RateScope& whole = *lane.scope;
  const bool one = line.scope->octets;
  Queue& queue = all.table_.at(lane.queue);
  SourceGate& gate = *queue.sources()->find(line.ip);
  const std::uint32_t most = std::max(1u, queue.policy->recipients_per_transaction_max);
  std::uint32_t told = 0;
  while (gate.asking > 0 && lane.scope == &whole && lane.queue == queue.slot && told < units &&
         !(one && told > 0)) {
    const std::uint32_t index = lane.head;
    const std::uint32_t count = std::min(all.entries_[index].count, most);
    lane.had_turn = true;
    bring_back(all, queue, index);
    if (queue.state == QueueState::idle) {
      all.evaluate(queue, now);
    }
    const std::uint32_t from_here = gate.asking;
    queue.asking -= queue.asking > 0 ? 1 : 0;
    const bool before = queue.offered;
    queue.offered = true;
    if (!offer_from(all, queue, gate)) {
      queue.offered = before;
      queue.asking -=
          static_cast<std::uint16_t>(std::min<std::uint32_t>(queue.asking, from_here - 1));
      put_aside(all, queue, index, whole);
      if (queue.ready.empty()) {
        all.evaluate(queue, now);
      }
      break;
    }
    told += count;
  }
  if (gate.asking == 0) {
    all.rates_.stir(whole);  // another session may be of use
  }
  return told;
}

void SenderTraffic::ask_for(Scheduler& all, RateScope& scope, std::uint32_t told, Now now,
                            Instant& again) {
  std::uint32_t wanted = 0;
  std::uint32_t octets = 0;
  bool kind = false;
  std::size_t looked_at = 0;
  for (Waiter* one = scope.waiting.front(); one != nullptr && looked_at < kLinesPerServe;
       one = scope.waiting.after(*one), ++looked_at) {
    const SenderLine& line = static_cast<SenderLine&>(*one);
    Queue& queue = all.table_.at(line.lane->queue);
    // All that is asked for at a time is of one kind.
    const bool turns = LatePermits::turns(queue, scope);
    if (!may_send(all, queue, *line.lane, now, again) || (wanted > 0 && turns != kind) ||
        (turns && LatePermits::full(all, scope))) {
      continue;
    }
    const SourceGate* const gate = queue.sources()->find(line.ip);
    const std::uint32_t idle = gate == nullptr ? 0 : gate->asking;
    const std::uint32_t more = demand(all, queue, *line.lane, scope.octets ? 1 : idle);
    kind = wanted == 0 ? turns : kind;
    octets = wanted == 0 ? all.senders_.facts(line.lane->head).size : octets;
    wanted += more;
    if (scope.octets) {
      break;
    }
  }
  scope.turns = kind;
  const std::uint32_t units = RateBook::available(scope, now.instant);
  const std::uint32_t spare = scope.octets ? 0 : units - std::min(units, told);
  const bool later = scope.octets && told > 0;  // after that message
  all.rates_.set_want(scope, later ? 0 : wanted - std::min(wanted, spare), octets);
}

// The first of the addresses that opens opens the whole.
void SenderTraffic::tell_whole(Scheduler& all, const RateScope& part) {
  RateScope& whole = *part.whole;
  if (part.part_of != whole.version) {
    return;  // of a configuration that is no longer in force
  }
  const Instant before = whole.opens;
  whole.opens = part.opens;
  for (const RateScope* one : whole.parts) {
    whole.opens = std::min(whole.opens, one->opens);
  }
  whole.closed_by = part.closed_by;
  whole.closed_key = part.closed_key;
  if (whole.opens < before) {
    all.rates_.stir(whole);
  }
}

}  // namespace ringpost::schedule
