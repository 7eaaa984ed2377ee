#include <algorithm>

#include "core/schedule/late_permits.h"
#include "core/schedule/scheduler.h"
#include "core/schedule/sender_traffic.h"
#include "core/schedule/source_traffic.h"

// Limits by source address: of a queue, for what leaves from each of its addresses. A session tells
// where it sends from when it asks for mail. While some address may send the queue goes on, and
// sessions of the others are offered mail when their gate opens.

namespace ringpost::schedule {

namespace {

/// `act(gate)` for each source address that the queue uses now.
template <class Act>
void for_usable(const Queue& queue, Act act) {
  for (const SourceAddress& source : queue.policy->sources) {
    if (SourceGate* const gate = queue.sources()->find(source.ip)) {
      act(*gate);
    }
  }
}

std::string kind_of(std::string_view what, const SourceGate& gate) {
  return std::string(what) + "@" + gate.ip.text();
}

}  // namespace

/// Some source address may send the next message; else the queue waits for the first one.
bool Scheduler::sources_open(Queue& queue, Now now) {
  if (queue.sources() == nullptr) {
    return true;
  }
  const std::uint32_t size = next_octets(queue);
  const Duration lead = LatePermits::lead(queue);
  const Duration way = LatePermits::way(queue);
  bool open = false;
  const SourceGate* first = nullptr;
  Instant opens;
  for_usable(queue, [&](SourceGate& gate) {
    open = gate.open_for(size, now.instant, lead, way) || open;
    if (!open && (first == nullptr || gate.opens_for(size, lead, way) < opens)) {
      first = &gate;
      opens = gate.opens_for(size, lead, way);
    }
  });
  if (open || first == nullptr) {
    return true;
  }
  const bool rate = first->units(now.instant, lead) == 0;
  queue.rare->waits_for = first->ip;
  wait_until(queue, rate ? Gate::source_message_rate : Gate::source_data_rate, opens);
  return false;
}

bool Scheduler::may_leave_from(Queue& queue, const IpAddress& source, Now now) {
  if (queue.sources() == nullptr) {
    return true;
  }
  SourceGate* const gate = queue.sources()->find(source);
  const std::uint32_t size = next_octets(queue);
  const Duration lead = LatePermits::lead(queue);
  if (gate != nullptr && gate->open_for(size, now.instant, lead)) {
    return true;
  }
  if (gate != nullptr) {
    queue.rare->source_opens = std::min(queue.rare->source_opens, gate->opens_for(size, lead));
    arm(queue, queue.rare->source_opens);
  }
  return false;
}

/// Mail of the queue goes to an idle session that may send it.
bool Scheduler::offer_session(Queue& queue, Now now) {
  if (queue.sources() == nullptr) {
    return doors_.sessions.offer(queue.id());
  }
  const std::uint32_t size = next_octets(queue);
  const Duration lead = LatePermits::lead(queue);
  SenderTraffic::aim(*this, queue);
  const bool of_sender = SenderTraffic::leads(*this, queue);
  const auto& sources = queue.policy->sources;
  const std::uint32_t turn = queue.rare->turn++;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const IpAddress ip = sources[(turn + i) % sources.size()].ip;
    SourceGate* const gate = queue.sources()->find(ip);
    if (gate == nullptr || (of_sender ? SenderTraffic::waits_at(*this, queue, *gate, now)
                                      : gate->line != nullptr && gate->line->stands())) {
      continue;
    }
    if (!gate->open_for(size, now.instant, lead)) {
      queue.rare->source_opens = std::min(queue.rare->source_opens, gate->opens_for(size, lead));
    } else if (SenderTraffic::offer_from(*this, queue, *gate)) {
      return true;
    }
  }
  return false;
}

/// The timer of a waiting queue: an address that a session was refused for may send by now.
void Scheduler::offer_opened(Queue& queue, Now now) {
  if (queue.rare == nullptr || queue.rare->source_opens > now.instant) {
    return;
  }
  queue.rare->source_opens = Instant::never();
  const std::uint32_t most =
      queue.sources() == nullptr
          ? 0
          : std::min(queue.sessions(), queue.sources()->permits(*queue.policy, now.instant,
                                                                LatePermits::lead(queue)));
  for (std::uint32_t n = 0; n < most && queue.state == QueueState::waiting; ++n) {
    if (queue.ready.empty() || !SenderTraffic::offer(*this, queue, now)) {
      break;
    }
  }
  arm(queue, queue.rare->source_opens);
}

// ---- over restarts -----------------------------------------------------------------------------

void SourceTraffic::begin(Scheduler& all, Queue& queue, Now now) {
  if (queue.sources() == nullptr) {
    return;
  }
  const std::string& vmta = queue.vmta->name;
  for (SourceGate& gate : queue.sources()->all()) {
    all.positions_.begin(gate.messages, queue.name, vmta, kind_of("m", gate), now.instant);
    all.positions_.begin(gate.connects, queue.name, vmta, kind_of("c", gate), now.instant);
    if (gate.octets != nullptr) {
      all.positions_.begin(*gate.octets, queue.name, vmta, kind_of(RatePositions::kOctets, gate),
                           now.instant);
    }
  }
}

void SourceTraffic::write(Scheduler& all, std::string& lines, const Queue& queue, bool owed,
                          Now now) {
  if (queue.sources() == nullptr) {
    return;
  }
  const std::string& vmta = queue.vmta->name;
  for (const SourceGate& gate : queue.sources()->all()) {
    if (!owed) {
      RatePositions::write(lines, gate.messages, queue.name, vmta, kind_of("m", gate), now);
      RatePositions::write(lines, gate.connects, queue.name, vmta, kind_of("c", gate), now);
    }
    if (gate.octets != nullptr && (!owed || all.positions_.owes(*gate.octets, now.instant))) {
      RatePositions::write(lines, *gate.octets, queue.name, vmta,
                           kind_of(RatePositions::kOctets, gate), now);
    }
  }
}

}  // namespace ringpost::schedule
