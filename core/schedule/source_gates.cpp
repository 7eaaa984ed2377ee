#include "core/schedule/source_gates.h"

#include <algorithm>
#include <utility>

#include "core/schedule/rate_book.h"

namespace ringpost::schedule {

Instant SourceGate::rests_at() const {
  const auto of = [](const RateGate& gate) { return gate.limited() ? gate.rests_at() : Instant{}; };
  const Instant mail = messages.limited() ? messages.position().rests : Instant{};
  return std::max({of(connects), mail, octets == nullptr ? Instant{} : octets->rests_at()});
}

Instant SourceGate::useful_from() const {
  if (in_line()) {
    return Instant::never();
  }
  // The next permits are for those that have begun.
  const Instant own =
      messages.limited() ? opens_for(asked) + messages.interval() * unpaid : opens_for(asked);
  return shared() == nullptr ? own : std::max(own, shared()->opens);
}

Instant SourceGate::connects_from() const {
  const Instant own = connects.limited() ? connects.opens_at() : Instant{};
  return connect_line == nullptr ? own : std::max(own, connect_line->scope->opens);
}

void SourceGates::configure(const SourceLimitsRef& limits, Instant now) {
  if (limits == limits_) {
    return;
  }
  limits_ = limits;
  std::vector<SourceGate> before = std::exchange(gates_, {});
  if (limits == nullptr) {
    return;
  }
  for (const SourceLimit& limit : *limits) {
    const auto old = std::find_if(before.begin(), before.end(),
                                  [&](const SourceGate& gate) { return gate.ip == limit.ip; });
    SourceGate& gate = gates_.emplace_back();
    if (old != before.end()) {
      gate = std::move(*old);
    }
    gate.ip = limit.ip;
    gate.connections_max = limit.connections_max;
    gate.connects.configure(limit.connects, now);
    gate.messages.configure(limit.messages, now);
    if (!limit.octets.limited()) {
      gate.octets = nullptr;
    } else if (gate.octets == nullptr) {
      gate.octets = std::make_unique<ByteGate>();
    }
    if (gate.octets != nullptr) {
      gate.octets->configure(limit.octets, now);
    }
  }
}

SourceGate* SourceGates::find(const IpAddress& ip) {
  const auto found = std::find_if(gates_.begin(), gates_.end(),
                                  [&](const SourceGate& gate) { return gate.ip == ip; });
  return found == gates_.end() ? nullptr : &*found;
}

std::uint32_t SourceGates::permits(const QueuePolicy& policy, Instant now, Duration lead) {
  std::uint64_t sum = 0;
  for (const SourceAddress& source : policy.sources) {
    const SourceGate* const gate = find(source.ip);
    const std::uint32_t units = gate == nullptr ? 0 : gate->units(now, lead);
    sum += gate == nullptr || gate->octets == nullptr ? units : std::min(units, 1U);
  }
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(sum, RateGate::kUnlimited));
}

std::uint32_t SourceGates::useful_connections(const QueuePolicy& policy, Instant by) {
  std::uint32_t sum = 0;
  for (const SourceAddress& source : policy.sources) {
    const SourceGate* const gate = find(source.ip);
    const bool waits = gate != nullptr && gate->in_line();
    sum += gate == nullptr || (!waits && gate->useful_from() > by) ? 0 : gate->connections;
  }
  return sum;
}

std::uint32_t SourceGates::connections() const {
  std::uint32_t sum = 0;
  for (const SourceGate& gate : gates_) {
    sum += gate.connections;
  }
  return sum;
}

std::uint32_t SourceGates::unused(std::uint32_t established) const {
  std::uint32_t sum = 0;
  std::uint32_t asking = 0;
  for (const SourceGate& gate : gates_) {
    sum += gate.unused;
    asking += gate.asking;
  }
  return std::max(sum, asking - std::min(asking, established));
}

Instant SourceGates::permits_lost(const QueuePolicy& policy, std::uint32_t sessions,
                                  SourceGate*& lagging) {
  Instant first = Instant::never();
  const std::uint32_t elsewhere = sessions > connections() ? 1 : 0;  // it is not known from where
  for (SourceGate& gate : gates_) {
    const bool used =
        gate.connections > 0 &&
        (gate.line != nullptr ? !gate.in_line()
                              : gate.messages.limited() || gate.octets != nullptr) &&
        std::any_of(policy.sources.begin(), policy.sources.end(),
                    [&](const SourceAddress& source) { return source.ip == gate.ip; });
    if (!used) {
      continue;
    }
    const std::uint32_t coming = gate.dialling + gate.waiting + elsewhere;
    Instant lost = gate.line != nullptr ? gate.shared()->lost(coming) : gate.messages.lost(coming);
    if (gate.octets != nullptr) {
      lost = std::max(lost, gate.octets->opens_for(gate.asked, coming));
    }
    if (lost < first) {
      first = lost;
      lagging = &gate;
    }
  }
  return first;
}

Instant SourceGates::rests_at() const {
  Instant when;
  for (const SourceGate& gate : gates_) {
    when = std::max(when, gate.rests_at());
  }
  return when;
}

}  // namespace ringpost::schedule
