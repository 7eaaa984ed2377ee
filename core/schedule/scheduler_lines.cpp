#include <algorithm>

#include "core/schedule/sender_traffic.h"
#include "core/schedule/source_traffic.h"

namespace ringpost::schedule {

// ---- lines -------------------------------------------------------------------------------------

void SourceTraffic::leave_line(Scheduler& all, SourceLine& line) {
  if (!line.stands()) {
    return;
  }
  line.place->remove(line);
  line.place = nullptr;
  --line.scope->whole->in_line;
  --line.queue->rare->in_line;
  all.rates_.stir(*line.scope);
}

void SourceTraffic::leave(Scheduler& all, Queue& queue) {
  if (!queue.in_line()) {
    return;
  }
  for (SourceGate& gate : queue.rare->sources.all()) {
    if (gate.line != nullptr) {
      leave_line(all, *gate.line);
    }
  }
}

void SourceTraffic::apply(Scheduler& all, Queue& queue, const QueueLimits& limits) {
  RateScope* const whole = queue.shared_messages;
  for (std::size_t i = 0; queue.sources() != nullptr && i < queue.sources()->all().size(); ++i) {
    SourceGate& gate = queue.sources()->all()[i];
    const SharedRates& shared = (*limits.by_source)[i].shared_messages;
    if (whole == nullptr || shared.scope == 0) {
      gate.line = nullptr;
      continue;
    }
    if (gate.line == nullptr) {
      gate.line = std::make_unique<SourceLine>();
    }
    gate.line->queue = &queue;
    gate.line->ip = gate.ip;
    gate.line->scope = &all.rates_.part(shared.scope, shared.plan, *whole);
  }
}

SourceLine* SourceTraffic::line_of(const Queue& queue, const IpAddress& source) {
  SourceGate* const gate = queue.sources() == nullptr ? nullptr : queue.sources()->find(source);
  return gate == nullptr ? nullptr : gate->line.get();
}

const SourceLine* SourceTraffic::first_line(const Queue& queue) {
  const SourceLine* first = nullptr;
  for (std::size_t i = 0; queue.sources() != nullptr && i < queue.sources()->all().size(); ++i) {
    const SourceLine* const line = queue.sources()->all()[i].line.get();
    if (line != nullptr && line->stands() == queue.in_line() &&
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
  const std::uint32_t units = RateBook::available(scope, all.next_octets(queue), now.instant);
  const bool turn = queue.invited || scope.waiting.empty() || scope.waiting.front() == &line;
  if (units > 0 && turn) {
    leave_line(all, line);
    return units;
  }
  if (!line.stands()) {
    queue.invited ? scope.waiting.push_front(line) : scope.waiting.push_back(line);
    line.place = &scope.waiting;
    ++scope.whole->in_line;
    ++queue.rare->in_line;
  }
  all.rates_.stir(scope);
  if (queue.state == QueueState::ready) {
    waits(all, queue);
  }
  return 0;
}

/// As far as its ways are known, its sessions may connect from there.
bool SourceTraffic::leads_to(const Queue& queue, const IpAddress& source) {
  const HostSide* const side = queue.hosts.get();
  return side == nullptr || !side->known ||
         std::any_of(side->ways.begin(), side->ways.end(),
                     [&](const HostWay& way) { return way.local == source; });
}

bool SourceTraffic::waits(Scheduler& all, Queue& queue) {
  if (!queue.in_line() || SenderTraffic::leads(all, queue)) {
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
    first = std::min(first, useful - RateBook::kLead);
  }
  if (first <= now.instant) {
    return true;
  }
  all.wait_until(queue, Gate::vmta_message_rate, first);
  return false;
}

void SourceTraffic::disconnected(Scheduler& all, Queue& queue, SourceGate& gate, Now now) {
  if (gate.line == nullptr || !gate.line->stands() || gate.connections > 0) {
    return;
  }
  leave_line(all, *gate.line);
  const bool waits = queue.gate == Gate::vmta_message_rate || is_of_source(queue.gate);
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
  const bool offered = all.doors_.sessions.offer_from(queue.id(), line.ip);
  const bool later = offered && queue.invited;
  queue.asking -= offered && queue.asking > 0 ? 1 : 0;
  if (queue.state == QueueState::waiting) {
    if (queue.gate == Gate::vmta_message_rate || queue.gate == Gate::sessions_busy) {
      all.evaluate(queue, now);
    } else if (offered && !later && !line.stands()) {
      queue.invited = false;
      // It waits for a connection, and keeps its turn there. Another idle session asks anew.
      all.doors_.sessions.offer_from(queue.id(), line.ip);
    }
  }
  queue.invited = later && (queue.state == QueueState::ready || queue.state == QueueState::waiting);
  return later ? wanted : 0;
}

void SourceTraffic::serve(Scheduler& all, RateScope& scope, Now now, std::uint32_t& budget) {
  std::uint32_t promised = 0;
  while (budget > 0 && !scope.waiting.empty() && !(scope.octets && promised > 0)) {
    SourceLine& line = static_cast<SourceLine&>(*scope.waiting.front());
    const std::uint32_t size = all.next_octets(*line.queue);
    if (RateBook::available(scope, size, now.instant) <= promised) {
      break;
    }
    --budget;
    promised += invite(all, line, now);
  }
  RateScope& whole = *scope.whole;
  for (const RateScope* part : whole.parts) {
    whole.opens =
        part == whole.parts.front() || part->opens < whole.opens ? part->opens : whole.opens;
  }
  whole.closed_by = scope.closed_by;
  if (!whole.hopeful.empty()) {
    all.rates_.stir(whole);
  }
  if (scope.octets && !scope.waiting.empty()) {
    const Queue& first = *static_cast<SourceLine&>(*scope.waiting.front()).queue;
    all.rates_.set_want(scope, promised == 0 ? all.demand(first) : 0, all.next_octets(first));
    return;
  }
  std::uint32_t wanted = 0;
  int looked_at = 0;
  for (Waiter* one = scope.waiting.front(); one != nullptr && looked_at < Scheduler::kDemandQueues;
       one = scope.waiting.after(*one), ++looked_at) {
    wanted += all.demand(*static_cast<SourceLine&>(*one).queue);
  }
  const std::uint32_t units = RateBook::available(scope, now.instant);
  const std::uint32_t spare = units - std::min(units, promised);
  all.rates_.set_want(scope, wanted - std::min(wanted, spare));
}

}  // namespace ringpost::schedule
