#include <algorithm>
#include <array>

#include "core/schedule/late_permits.h"
#include "core/schedule/sender_traffic.h"
#include "core/schedule/source_traffic.h"

namespace ringpost::schedule {

// ---- lines -------------------------------------------------------------------------------------

void SourceTraffic::join(Scheduler& all, SourceLine& line) {
  if (!line.stands()) {
    WaitList& waiting = line.scope->waiting;
    const bool first = line.queue->invited || line.queue->in_vain;
    first ? waiting.push_front(line) : waiting.push_back(line);
    line.place = &waiting;
    ++line.scope->whole->in_line;
    ++(line.connects ? line.queue->rare->in_connect_line : line.queue->rare->in_line);
  }
  all.rates_.stir(*line.scope);
}

void SourceTraffic::leave_line(Scheduler& all, SourceLine& line) {
  if (!line.stands()) {
    return;
  }
  line.place->remove(line);
  line.place = nullptr;
  --line.scope->whole->in_line;
  --(line.connects ? line.queue->rare->in_connect_line : line.queue->rare->in_line);
  all.rates_.stir(*line.scope);
}

void SourceTraffic::began(Scheduler& all, const Queue& queue) {
  SenderTraffic::began(all, queue);
  if (queue.rare == nullptr || queue.rare->in_line == 0 || !queue.shared_messages->octets) {
    return;
  }
  for (const SourceGate& gate : queue.rare->sources.all()) {
    if (gate.line != nullptr && gate.line->stands()) {
      all.rates_.stir(*gate.line->scope);
    }
  }
}

void SourceTraffic::leave_connects(Scheduler& all, Queue& queue) {
  for (SourceGate& gate : queue.rare->sources.all()) {
    if (gate.connect_line != nullptr) {
      leave_line(all, *gate.connect_line);
    }
  }
}

void SourceTraffic::leave(Scheduler& all, Queue& queue) {
  if (!queue.in_line()) {
    return;
  }
  leave_connects(all, queue);
  for (SourceGate& gate : queue.rare->sources.all()) {
    if (gate.line != nullptr) {
      leave_line(all, *gate.line);
    }
  }
}

void SourceTraffic::placed(Scheduler& all, Queue& queue, QueueState state, Gate gate) {
  if (!may_use(state, gate)) {
    leave(all, queue);
  } else if (queue.rare->in_connect_line > 0) {
    leave_connects(all, queue);  // who goes to wait for permits joins anew
  }
}

void SourceTraffic::set(Scheduler& all, Queue& queue, const SourceGate& gate,
                        const SharedRates& shared, RateScope* whole,
                        std::unique_ptr<SourceLine>& line) {
  if (whole == nullptr || shared.scope == 0) {
    line = nullptr;
    return;
  }
  if (line == nullptr) {
    line = std::make_unique<SourceLine>();
  }
  line->queue = &queue;
  line->ip = gate.ip;
  line->connects = whole == queue.shared_connects;
  line->scope = &all.rates_.part(shared.scope, shared.plan, *whole);
  line->scope->connects = line->connects;
}

void SourceTraffic::apply(Scheduler& all, Queue& queue, const QueueLimits& limits) {
  if (queue.rare != nullptr) {
    queue.rare->pays = nullptr;
  }
  SenderTraffic::leave_lines(all, queue);
  for (std::size_t i = 0; queue.sources() != nullptr && i < queue.sources()->all().size(); ++i) {
    SourceGate& gate = queue.sources()->all()[i];
    const SourceLimit& limit = (*limits.by_source)[i];
    set(all, queue, gate, limit.shared_messages, queue.shared_messages, gate.line);
    set(all, queue, gate, limit.shared_connects, queue.shared_connects, gate.connect_line);
  }
}

SourceLine* SourceTraffic::line_of(const Queue& queue, const IpAddress& source, bool connects) {
  SourceGate* const gate = queue.sources() == nullptr ? nullptr : queue.sources()->find(source);
  return gate == nullptr ? nullptr : connects ? gate->connect_line.get() : gate->line.get();
}

const SourceLine* SourceTraffic::first_line(const Queue& queue, bool connects) {
  const SourceLine* first = nullptr;
  const bool any =
      queue.rare != nullptr && (connects ? queue.rare->in_connect_line : queue.rare->in_line) > 0;
  for (std::size_t i = 0; queue.sources() != nullptr && i < queue.sources()->all().size(); ++i) {
    const SourceGate& gate = queue.sources()->all()[i];
    const SourceLine* const line = connects ? gate.connect_line.get() : gate.line.get();
    if (line != nullptr && line->stands() == any &&
        (first == nullptr || line->scope->opens < first->scope->opens)) {
      first = line;
    }
  }
  return first;
}

bool SourceTraffic::may_use(QueueState state, Gate gate) {
  switch (gate) {
    case Gate::vmta_message_rate:
    case Gate::vmta_connect_rate:
    case Gate::sessions_busy:
    case Gate::group_connections:
    case Gate::group_backoff_connections:
    case Gate::vmta_connections:
    case Gate::total_connections:
    case Gate::source_connections:
    case Gate::source_connect_rate:
    case Gate::source_message_rate:
    case Gate::host_connections:
    case Gate::mx_connections:
    case Gate::ip_connections:
    case Gate::connect_rate:
    case Gate::growth:
    case Gate::reconnect:
    case Gate::local_fault:
    case Gate::session_room: return true;
    default: return state == QueueState::ready;
  }
}

// ---- at the gates ------------------------------------------------------------------------------

std::uint32_t SourceTraffic::permits(Scheduler& all, Queue& queue, SourceLine& line, Now now) {
  RateScope& scope = *line.scope;
  const std::uint32_t units = LatePermits::there(all, queue, scope, all.next_octets(queue), now);
  Waiter* const first = scope.waiting.front();
  const bool turn =
      queue.invited || first == nullptr || first == &line ||
      LatePermits::turns(*static_cast<SourceLine&>(*first).queue, scope) != scope.turns;
  if (units > 0 && turn) {
    leave_line(all, line);
    return units;
  }
  join(all, line);
  if (queue.state == QueueState::ready) {
    waits(all, queue);
  }
  return 0;
}

bool SourceTraffic::leads_to(const Queue& queue, const IpAddress& source) {
  const HostSide* const side = queue.hosts.get();
  return side == nullptr || !side->known ||
         std::any_of(side->ways.begin(), side->ways.end(),
                     [&](const HostWay& way) { return way.local == source; });
}

bool SourceTraffic::waits(Scheduler& all, Queue& queue) {
  if (queue.rare == nullptr || queue.rare->in_line == 0 || SenderTraffic::leads(all, queue)) {
    return false;
  }
  for (const SourceAddress& source : queue.policy->sources) {
    const SourceLine* const line = line_of(queue, source.ip);
    if (line != nullptr && !line->stands() && leads_to(queue, source.ip)) {
      return false;
    }
  }
  all.place(queue, QueueState::waiting, Gate::vmta_message_rate, Instant::never(), nullptr);
  return true;
}

bool SourceTraffic::may_grow(Scheduler& all, Queue& queue, Now now) {
  if (queue.sources() == nullptr || queue.policy->sources.empty()) {
    return true;
  }
  Instant first = Instant::never();
  for (const SourceAddress& source : queue.policy->sources) {
    const SourceGate* const gate = queue.sources()->find(source.ip);
    if (gate == nullptr || gate->line == nullptr) {
      return true;
    }
    const Instant useful = gate->useful_from();
    if (useful == Instant::never() || !leads_to(queue, source.ip)) {
      continue;
    }
    first = std::min(first, useful - LatePermits::mail_takes(queue));
  }
  if (first <= now.instant) {
    return true;
  }
  if (SenderTraffic::stands_back(all, queue, now)) {
    return false;
  }
  // Mail of a rated sender stands in no line itself: it is to be offered again.
  first = SenderTraffic::leads(all, queue) ? std::min(first, now.instant + Scheduler::kRoomRetry)
                                           : first;
  all.wait_until(queue, Gate::vmta_message_rate, first);
  return false;
}

std::uint32_t SourceTraffic::lacking(const Queue& queue, std::uint32_t ready, Now now) {
  std::uint32_t lacking = 0;
  for (const bool connected : {true, false}) {
    for (const SourceAddress& source : queue.policy->sources) {
      SourceGate* const gate = queue.sources()->find(source.ip);
      const bool counts = gate != nullptr &&
                          (connected ? gate->connections > 0 && gate->useful_from() <= now.instant
                                     : gate->lacks_connection(now.instant, RateBook::kLead) &&
                                           leads_to(queue, source.ip));
      if (!counts || ready == 0) {
        continue;
      }
      lacking += connected ? 0 : 1;
      ready -= std::min(
          ready, gate->line != nullptr ? 1 : std::max(1u, gate->messages.available(now.instant)));
    }
  }
  return lacking;
}

void SourceTraffic::disconnected(Scheduler& all, Queue& queue, SourceGate& gate, Now now) {
  SenderTraffic::disconnected(all, queue, gate);
  if (gate.line == nullptr || !gate.line->stands() || gate.connections > 0) {
    return;
  }
  leave_line(all, *gate.line);
  const bool waits = queue.gate == Gate::vmta_message_rate || queue.gate == Gate::sessions_busy ||
                     is_of_source(queue.gate);
  if (queue.state == QueueState::waiting && waits) {
    all.evaluate(queue, now);  // a connection from there is of use again
  }
}

// ---- permits come ------------------------------------------------------------------------------

/// An idle session of that address is offered mail. Returns permits that are promised to one that
/// takes them later in this turn.
std::uint32_t SourceTraffic::invite(Scheduler& all, SourceLine& line, Now now) {
  Queue& queue = *line.queue;
  const std::uint32_t wanted = all.demand(queue);
  leave_line(all, line);
  queue.invited = true;
  const std::uint16_t asking = queue.asking;
  queue.asking -= asking > 0 ? 1 : 0;
  queue.offered = true;
  SourceGate* const gate = queue.sources()->find(line.ip);
  const bool offered = gate != nullptr && SenderTraffic::offer_from(all, queue, *gate);
  queue.offered = queue.offered && offered;
  // It may stand in line again, for a larger message.
  const bool later = offered && queue.invited && !line.stands();
  queue.asking = offered ? queue.asking : asking;
  if (queue.state == QueueState::waiting) {
    if (queue.gate == Gate::vmta_message_rate || queue.gate == Gate::sessions_busy) {
      all.evaluate(queue, now);
    } else if (offered && !later && !line.stands()) {
      queue.invited = false;
      // It waits for a connection, and keeps its turn there. Another idle session asks anew.
      SenderTraffic::offer_from(all, queue, *gate);
    }
  }
  queue.invited = later && (queue.state == QueueState::ready || queue.state == QueueState::waiting);
  return later ? wanted : 0;
}

// The first of the addresses that opens opens the whole.
void SourceTraffic::tell_whole(Scheduler& all, RateScope& part) {
  RateScope& whole = *part.whole;
  if (part.part_of != whole.version) {
    return;  // of a configuration that is no longer in force
  }
  Instant opens = part.opens;
  for (const RateScope* one : whole.parts) {
    opens = std::min(opens, one->opens);
  }
  whole.opens = opens;
  whole.closed_by = part.closed_by;
  whole.closed_key = part.closed_key;
  if (!whole.hopeful.empty()) {
    all.rates_.stir(whole);
  }
}

namespace {

/// Of those in line, the first for permits and the first for turns; nullptr: there is none.
std::array<SourceLine*, 2> firsts(RateScope& scope) {
  std::array<SourceLine*, 2> first{};
  int looked_at = 0;
  for (Waiter* one = scope.waiting.front(); one != nullptr && looked_at < Scheduler::kDemandQueues;
       one = scope.waiting.after(*one), ++looked_at) {
    auto* const line = static_cast<SourceLine*>(one);
    SourceLine*& place = first[LatePermits::turns(*line->queue, scope) ? 1 : 0];
    place = place == nullptr ? line : place;
  }
  return first;
}

}  // namespace

void SourceTraffic::serve(Scheduler& all, RateScope& scope, Now now, std::uint32_t& budget) {
  if (scope.connects) {
    serve_connects(all, scope, now, budget);
    return;
  }
  std::uint32_t promised = 0;
  for (bool any = true; any;) {
    any = false;
    for (SourceLine* const line : firsts(scope)) {
      if (line == nullptr || budget == 0 || any || (scope.octets && promised > 0)) {
        continue;
      }
      const std::uint32_t size = all.next_octets(*line->queue);
      if (LatePermits::there(all, *line->queue, scope, size, now) > promised) {
        --budget;
        promised += invite(all, *line, now);
        any = true;
      }
    }
  }
  tell_whole(all, scope);
  if (promised > 0) {
    RateBook::promise(scope);
  }
  all.rates_.hand_back(scope, true, now.instant);
  // One kind is asked for at a time. The other is paced by itself: of both that which was used
  // longest ago comes first.
  const auto [pays, turns] = firsts(scope);
  const Instant paid = std::max(scope.paid, all.rates_.again(scope).used);
  const bool full = turns != nullptr && LatePermits::full(all, scope);
  scope.turns = turns != nullptr && (pays == nullptr || (!full && scope.begun < paid));
  const SourceLine* const line = scope.turns ? turns : pays;
  const Queue* const first = line == nullptr ? nullptr : line->queue;
  const bool rests = scope.turns && full;
  if (rests || (scope.octets && first != nullptr)) {
    all.rates_.set_want(scope, promised == 0 && !rests ? all.demand(*first) : 0,
                        all.next_octets(*first));
    return;
  }
  std::uint32_t wanted = 0;
  int looked_at = 0;
  for (Waiter* one = scope.waiting.front(); one != nullptr && looked_at < Scheduler::kDemandQueues;
       one = scope.waiting.after(*one), ++looked_at) {
    const Queue& queue = *static_cast<SourceLine&>(*one).queue;
    wanted += LatePermits::turns(queue, scope) == scope.turns ? all.demand(queue) : 0;
  }
  const std::uint32_t units = RateBook::available(scope, now.instant);
  const std::uint32_t spare = units - std::min(units, promised);
  all.rates_.set_want(scope, wanted - std::min(wanted, spare));
}

// ---- connections -------------------------------------------------------------------------------

bool SourceTraffic::splits_connects(const Queue& queue) {
  return queue.sources() != nullptr && queue.sources()->all().front().connect_line != nullptr;
}

bool SourceTraffic::has_connect_permit(Scheduler& all, Queue& queue, Now now) {
  const std::vector<IpAddress> sources = HostGates::sources(queue);
  for (const IpAddress& source : sources) {
    SourceLine* const line = line_of(queue, source, true);
    const bool permit = line != nullptr && RateBook::available(*line->scope, now.instant) > 0 &&
                        (queue.invited || line->scope->waiting.empty());
    if (permit && all.hosts_.keep_from(queue, source, now)) {
      queue.rare->pays = line;
      return true;
    }
  }
  const bool first = queue.invited;
  const auto held = all.set_aside(queue);
  all.place(queue, QueueState::waiting, Gate::vmta_connect_rate, Instant::never(), nullptr);
  all.take_up(queue, held);
  queue.invited = first;
  for (const IpAddress& source : sources) {
    SourceLine* const line = line_of(queue, source, true);
    if (line != nullptr && line->scope->opens <= now.instant + Scheduler::kConnectPatience &&
        all.hosts_.can_keep_from(queue, source, now)) {
      join(all, *line);
    }
  }
  queue.invited = false;
  if (queue.rare->in_connect_line == 0) {
    rest(all, queue, now);
  }
  return false;
}

// It gives its units back until a permit of an address it may connect from is near.
void SourceTraffic::rest(Scheduler& all, Queue& queue, Now now) {
  Instant first = Instant::never();
  for (const IpAddress& source : HostGates::sources(queue)) {
    const SourceLine* const line = line_of(queue, source, true);
    first = line == nullptr ? first : std::min(first, line->scope->opens);
  }
  first = first == Instant::never() ? now.instant + Scheduler::kRoomRetry
                                    : first - Scheduler::kConnectPatience;
  all.wait_until(queue, Gate::vmta_connect_rate,
                 std::max(first, now.instant + Duration::milliseconds(1)));
}

void SourceTraffic::pay(Queue& queue, Now now) {
  if (!splits_connects(queue)) {
    RateBook::take(*queue.shared_connects, 1, 0, now.instant);
    return;
  }
  const SourceLine& line = *queue.rare->pays;
  queue.hosts->paid_from = line.ip;
  const UsedBy good = RateBook::take(*line.scope, 1, 0, now.instant);
  queue.hosts->paid_until = std::min(good.quick, good.slow);
}

void SourceTraffic::opening(Queue& queue, Now now) {
  SourceGate* lagging = nullptr;
  if (queue.sources() != nullptr &&
      queue.sources()->permits_lost(*queue.policy, queue.sessions() - 1, lagging) <= now.instant) {
    lagging->lagged = now.instant;
  }
}

void SourceTraffic::serve_connects(Scheduler& all, RateScope& scope, Now now,
                                   std::uint32_t& budget) {
  while (budget > 0 && !scope.waiting.empty() && RateBook::available(scope, now.instant) > 0) {
    --budget;
    Queue& queue = *static_cast<SourceLine&>(*scope.waiting.front()).queue;
    const HeldPlace held = all.set_aside(queue);
    all.place(queue, QueueState::ready, Gate::none, Instant::never(), nullptr);
    all.take_up(queue, held);
    queue.invited = true;
    if (all.may_start(queue, now)) {
      all.open_step(queue, now, nullptr);
    }
    if (queue.state == QueueState::ready && queue.place == nullptr) {
      all.evaluate(queue, now);
    }
  }
  tell_whole(all, scope);
  const bool far = scope.opens > now.instant + Scheduler::kConnectPatience &&
                   RateBook::available(scope, now.instant) == 0;
  while (far && !scope.waiting.empty()) {
    SourceLine& line = static_cast<SourceLine&>(*scope.waiting.back());
    leave_line(all, line);
    if (line.queue->rare->in_connect_line == 0) {
      rest(all, *line.queue, now);
    }
  }
  std::uint32_t wanted = 0;
  for (Waiter* one = scope.waiting.front();
       one != nullptr && wanted < static_cast<std::uint32_t>(Scheduler::kDemandQueues);
       one = scope.waiting.after(*one)) {
    ++wanted;
  }
  const std::uint32_t units = RateBook::available(scope, now.instant);
  all.rates_.set_want(scope, wanted - std::min(wanted, units));
}

}  // namespace ringpost::schedule
