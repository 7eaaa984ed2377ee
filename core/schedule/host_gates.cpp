#include "core/schedule/host_gates.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/schedule/connect_rates.h"
#include "core/schedule/late_permits.h"
#include "core/schedule/scheduler.h"
#include "core/schedule/source_traffic.h"

namespace ringpost::schedule {

namespace {

constexpr std::uint32_t kScoutsMax = 64;
constexpr Duration kWaysLife = Duration::minutes(10);
constexpr Duration kRecheck = Duration::seconds(1);
constexpr Duration kPatienceMax = Duration::minutes(10);
/// A source address whose connection came to nothing is no better than others for so long.
constexpr Duration kAvoided = Duration::minutes(1);
// Their units all stand alike: whose connection gives way to whom, its permit says.
// Ranks of HostWay::shared.
constexpr std::size_t kGroupHost = 0;
constexpr std::size_t kGroupSource = 1;
constexpr std::size_t kByName = 2;
constexpr std::size_t kByAddress = 3;
// Seeds that keep keys of different kinds apart.
constexpr std::uint64_t kHostSeed = 0x686f7374;
constexpr std::uint64_t kSourceSeed = 0x6c6f63616c;
constexpr std::uint64_t kNameSeed = 0x6d78;
constexpr std::uint64_t kAddressSeed = 0x6970;

std::uint64_t key_of(std::string_view bytes, std::uint64_t seed) {
  const std::uint64_t key = hash64(bytes, seed);
  return key == 0 ? 1 : key;
}

std::string_view bytes_of(const IpAddress& address) {
  const std::size_t size = address.is_v4() ? 4 : address.octets.size();
  return {reinterpret_cast<const char*>(address.octets.data()), size};
}

}  // namespace

Queue& HostGates::queue_of(QueueId id) {
  Queue* const queue = scheduler_.table_.find(id);
  RP_ASSERT_NOTE(queue != nullptr, "a session of a queue that is not");
  return *queue;
}

// ---- ways --------------------------------------------------------------------------------------

bool HostGates::applies(const Queue& queue) const {
  return queue.policy->local == nullptr &&
         (queue.policy->connections_per_host_max != 0 || scheduler_.global_.of_hosts ||
          queue.sources() != nullptr);
}

HostWay HostGates::way_of(const Queue& queue, const ConnectWay& to) const {
  HostWay way;
  way.host = to.host;
  way.remote = to.remote;
  way.local = to.local;
  const std::string_view remote = bytes_of(to.remote);
  const bool grouped = !queue.policy->group.empty();
  const std::uint64_t owner =
      grouped ? queue_hash(queue.policy->group, queue.vmta->name) : queue.hash;
  const std::uint64_t host = key_of(remote, owner + kHostSeed);
  const std::uint32_t per_host = queue.policy->connections_per_host_max;
  if (grouped) {
    way.shared[kGroupHost] = host;
    way.shared_max[kGroupHost] = per_host;
  } else {
    way.own[0] = host;
    way.own_max[0] = per_host;
  }
  if (queue.sources() != nullptr) {
    const SourceGate* const gate = queue.sources()->find(to.local);
    const std::uint64_t source = key_of(bytes_of(to.local), owner + kSourceSeed);
    (grouped ? way.shared[kGroupSource] : way.own[1]) = source;
    (grouped ? way.shared_max[kGroupSource] : way.own_max[1]) =
        gate == nullptr ? 0 : gate->connections_max;
    way.rated = gate == nullptr || gate->rated();
  }
  const HostLimits limits = scheduler_.doors_.policies.host_limits(to.host, to.remote);
  way.shared[kByName] = key_of(to.host, kNameSeed);
  way.shared_max[kByName] = limits.by_name;
  way.shared[kByAddress] = key_of(remote, kAddressSeed);
  way.shared_max[kByAddress] = limits.by_address;
  return way;
}

Scope* HostGates::scope_of(const HostWay& way, std::size_t rank) {
  return way.shared[rank] == 0 ? nullptr
                               : leases_.host_scope(way.shared[rank], way.shared_max[rank],
                                                    scheduler_.global_.version);
}

bool HostGates::own_full(const HostWay& way, std::size_t kind) const {
  return way.own_max[kind] != 0 && own_.count(way.own[kind]) >= way.own_max[kind];
}

bool HostGates::own_room(const Queue& queue, const HostWay& way, Now now) const {
  return !own_full(way, 0) && !own_full(way, 1) && source_opens(queue, way) <= now.instant &&
         !better_elsewhere(queue, way, now);
}

// Its source address sends what it may already, and another one could send now: the connection
// is for that one, and first of all for one that has none.
bool HostGates::better_elsewhere(const Queue& queue, const HostWay& way, Now now) const {
  const auto worth = [&](const HostWay& one) {
    const SourceGate* const gate = queue.sources()->find(one.local);
    const bool lags = gate != nullptr && now.instant < gate->lagged + RateBook::kLead &&
                      gate->useful_from() <= now.instant + RateBook::kLead;
    const bool lacks = gate != nullptr && gate->lacks_connection(now.instant, RateBook::kLead);
    if (gate == nullptr || (!lacks && !lags && gate->useful_from() > now.instant) ||
        (gate->connections_max != 0 && gate->connections >= gate->connections_max) ||
        gate->connects_from() > now.instant) {
      return 0;
    }
    return lacks ? 3 : lags ? 2 : 1;
  };
  if (!way.rated || queue.sources() == nullptr || queue.hosts == nullptr) {
    return false;
  }
  const int here = worth(way);
  return here < 3 &&
         std::any_of(queue.hosts->ways.begin(), queue.hosts->ways.end(), [&](const HostWay& one) {
           return worth(one) > here && !own_full(one, 0) && shared_room(queue, one);
         });
}

bool HostGates::shared_room(const Queue& queue, const HostWay& way) const {
  for (std::size_t rank = 0; rank < HostWay::kShared; ++rank) {
    const std::uint64_t key = way.shared[rank];
    const Scope* const scope = way.shared_max[rank] == 0 ? nullptr : leases_.find(key);
    if (scope != nullptr && !queue.hosts->holds(key) &&
        !LeaseBook::has_room(*scope, queue.sessions() > 0, queue.priority)) {
      return false;
    }
  }
  return true;
}

// When the rates of its source address let a connection begin that is of use.
Instant HostGates::source_opens(const Queue& queue, const HostWay& way) {
  if (!way.rated) {
    return {};
  }
  const SourceGate* const gate =
      queue.sources() == nullptr ? nullptr : queue.sources()->find(way.local);
  if (gate == nullptr) {
    return queue.sources() == nullptr ? Instant{} : Instant::never();  // no address of the queue
  }
  const Instant connects = gate->connect_line == nullptr
                               ? gate->connects_from()
                               : gate->connects_from() - SchedulerConstants::kConnectPatience;
  const Instant useful = gate->useful_from();
  return useful == Instant::never() ? useful
                                    : std::max(connects, useful - LatePermits::mail_takes(queue));
}

/// Its only session may begin to connect, though the permit that it was to come near to is
/// another's by now.
bool HostGates::comes_near(const Queue& queue, const HostWay& way, Now now) const {
  const SourceGate* const gate =
      queue.sources() == nullptr ? nullptr : queue.sources()->find(way.local);
  return queue.established == 0 && queue.opening == 1 && way.rated && gate != nullptr &&
         gate->line != nullptr && gate->connect_line == nullptr &&
         gate->connects_from() <= now.instant && !own_full(way, 0) && !own_full(way, 1) &&
         !better_elsewhere(queue, way, now);
}

Instant HostGates::first_opening(const Queue& queue, Now now) {
  Instant first = Instant::never();
  for (const HostWay& way : queue.hosts->ways) {
    const Instant when = source_opens(queue, way);
    first = when > now.instant ? std::min(first, when) : first;
  }
  return first;
}

bool HostGates::room_at_once(const Queue& queue, const HostWay& way, Now now) {
  for (std::size_t rank = 0; rank < HostWay::kShared; ++rank) {
    Scope* const scope = scope_of(way, rank);
    if (scope != nullptr && !LeaseBook::has_room(*scope, queue.sessions() > 0, queue.priority)) {
      return false;
    }
  }
  return own_room(queue, way, now);
}

void HostGates::note_seen(HostSide& side, HostWay way) {
  const bool known = std::any_of(side.seen.begin(), side.seen.end(),
                                 [&](const HostWay& other) { return other.same(way); });
  if (!known && side.seen.size() < HostSide::kWays) {
    side.seen.push_back(std::move(way));
  }
}

// ---- before a session is opened ----------------------------------------------------------------

bool HostGates::ready(Queue& queue, Now now) {
  if (!applies(queue)) {
    return true;
  }
  if (queue.hosts == nullptr) {
    queue.hosts = std::make_unique<HostSide>();
    queue.hosts->patience = Scheduler::kSlice;
  }
  HostSide& side = *queue.hosts;
  const bool current =
      side.version == scheduler_.global_.version && side.policy == queue.policy.get();
  if (side.unit == HostSide::Unit::kept) {
    if (current) {
      return true;
    }
    leave(queue);
  }
  if (side.unit == HostSide::Unit::lent || side.scouting) {
    scheduler_.wait_until(queue, Gate::sessions_busy, Instant::never());
    return false;
  }
  side.known = side.known && current && now.instant < side.learned + kWaysLife;
  if (!side.known) {
    send_scout(queue, now);
    return false;
  }
  for (std::size_t i = 0; i < side.ways.size(); ++i) {
    const HostWay& way = side.ways[(side.turn + i) % side.ways.size()];
    if (!way.limited()) {
      return true;
    }
    if (room_at_once(queue, way, now)) {
      take_most(queue, way);
      keep(queue, way, now);
      return true;
    }
  }
  wait(queue, now);
  return side.unit == HostSide::Unit::kept;
}

void HostGates::send_scout(Queue& queue, Now now) {
  HostSide& side = *queue.hosts;
  if (scouts_ >= kScoutsMax) {
    scheduler_.place(queue, QueueState::waiting, Gate::session_room, Instant::never(),
                     &scouts_wait_);
    return;
  }
  if (!scheduler_.doors_.sessions.scout(queue.id(), queue.name, queue.policy)) {
    scheduler_.wait_for_room(queue, now);
    return;
  }
  ++scouts_;
  side.scouting = true;
  side.seen.clear();
  side.version = scheduler_.global_.version;
  side.policy = queue.policy.get();
  scheduler_.wait_until(queue, Gate::sessions_busy, Instant::never());
}

bool HostGates::may_connect_again(QueueId id, Now now) {
  return ConnectRates::again(scheduler_, queue_of(id), now);
}

void HostGates::way_seen(QueueId id, const ConnectWay& way) {
  Queue& queue = queue_of(id);
  if (queue.hosts != nullptr) {
    note_seen(*queue.hosts, way_of(queue, way));
  }
}

void HostGates::scouted(QueueId id, SessionEnd end, const Outcome& failure,
                        std::string_view failure_text, Now now) {
  Queue& queue = queue_of(id);
  HostSide& side = *queue.hosts;
  RP_ASSERT(side.scouting && scouts_ > 0);
  side.scouting = false;
  --scouts_;
  if (end == SessionEnd::host_busy) {
    side.ways.swap(side.seen);
    side.known = !side.ways.empty();
    side.learned = now.instant;
  }
  if (Waiter* const next = scouts_wait_.front()) {
    scheduler_.evaluate(static_cast<Queue&>(*next), now);
  }
  SessionFailure at;
  at.text = failure_text;
  scheduler_.follow_end(queue, end, failure, at, now);
}

// Takes units in the fixed order, as far as there is room; where there is none is told.
Scope* HostGates::take_most(Queue& queue, const HostWay& way) {
  HostSide& side = *queue.hosts;
  for (std::size_t rank = 0; rank < HostWay::kShared; ++rank) {
    Scope* const scope = way.shared_max[rank] == 0 ? nullptr : scope_of(way, rank);
    if (scope == nullptr || side.holds(scope->key)) {
      continue;
    }
    if (!LeaseBook::has_room(*scope, queue.sessions() > 0, queue.priority)) {
      return scope;
    }
    leases_.take(*scope);
    side.held.push_back(scope->key);
  }
  return nullptr;
}

void HostGates::wait(Queue& queue, Now now) {
  HostSide& side = *queue.hosts;
  scheduler_.place(queue, QueueState::waiting, Gate::host_connections, Instant::never(), nullptr);
  if (side.slots.size() < side.ways.size()) {
    side.slots = std::vector<HostSlot>(side.ways.size());
  }
  if (climb(queue, now)) {
    scheduler_.go_on(queue);
  }
}

// As far as it goes on every way; waits where units are missing. True: it holds those of one way.
bool HostGates::climb(Queue& queue, Now now) {
  HostSide& side = *queue.hosts;
  bool told = false;
  bool waits = false;
  for (std::size_t i = 0; i < side.ways.size(); ++i) {
    const HostWay& way = side.ways[(side.turn + i) % side.ways.size()];
    const bool room = own_room(queue, way, now);
    Scope* const missing = room ? take_most(queue, way) : nullptr;
    if (room && missing == nullptr) {
      keep(queue, way, now);
      return true;
    }
    if (!std::exchange(told, true)) {
      queue.gate = gate_of(way, missing, source_opens(queue, way) > now.instant);
      side.blocked_host = way.host;
      side.blocked_address = way.remote;
      if (is_of_source(queue.gate)) {
        queue.rare->waits_for = way.local;
        const bool in_group = SourceTraffic::line_of(queue, way.local) != nullptr;
        queue.gate = in_group && queue.gate == Gate::source_connect_rate ? Gate::source_message_rate
                                                                         : queue.gate;
      }
    }
    waits = waits || missing != nullptr;
    if (missing != nullptr && !side.waits_in(*missing)) {
      const auto slot = std::find_if(side.slots.begin(), side.slots.end(),
                                     [](const HostSlot& one) { return one.scope == nullptr; });
      RP_ASSERT(slot != side.slots.end());
      slot->queue = &queue;
      slot->scope = missing;
      leases_.wait(*missing, *slot, queue.sessions() > 0, queue.priority);
    }
  }
  queue.until = first_opening(queue, now);
  scheduler_.arm(queue, queue.until);
  if (!waits) {
    drop_held(side);  // it waits for sessions of its own to end
  } else if (!side.held.empty()) {
    side.hold_until = now.instant + side.patience;
    scheduler_.arm(queue, side.hold_until);
  }
  return false;
}

// The units of one way are kept for the next session; what was held for others goes back.
void HostGates::keep(Queue& queue, const HostWay& way, Now now) {
  HostSide& side = *queue.hosts;
  drop_slots(side);
  const auto of_way = [&](std::uint64_t key) {
    return std::find(way.shared.begin(), way.shared.end(), key) != way.shared.end();
  };
  const auto rest = std::partition(side.held.begin(), side.held.end(), of_way);
  std::for_each(rest, side.held.end(),
                [&](std::uint64_t key) { leases_.release(*leases_.find(key)); });
  side.held.erase(rest, side.held.end());
  side.unit = HostSide::Unit::kept;
  ++side.turn;
  side.hold_until = now.instant + side.patience;
}

const HostWay* HostGates::way_with_room(Queue& queue, const IpAddress& source, Now now) {
  const HostSide& side = *queue.hosts;
  const SourceGate* const gate = queue.sources()->find(source);
  const Instant useful = gate == nullptr ? Instant::never() : gate->useful_from();
  if (useful == Instant::never() || useful - LatePermits::mail_takes(queue) > now.instant) {
    return nullptr;
  }
  for (const HostWay& way : side.ways) {
    bool room = way.local == source && !own_full(way, 0) && !own_full(way, 1);
    for (std::size_t rank = 0; room && rank < HostWay::kShared; ++rank) {
      Scope* const scope = scope_of(way, rank);
      room = scope == nullptr || side.holds(scope->key) ||
             LeaseBook::has_room(*scope, queue.sessions() > 0, queue.priority);
    }
    if (room) {
      return &way;
    }
  }
  return nullptr;
}

bool HostGates::can_keep_from(Queue& queue, const IpAddress& source, Now now) {
  return way_with_room(queue, source, now) != nullptr;
}

bool HostGates::keep_from(Queue& queue, const IpAddress& source, Now now) {
  const HostWay* const way = way_with_room(queue, source, now);
  if (way != nullptr) {
    take_most(queue, *way);
    keep(queue, *way, now);
  }
  return way != nullptr;
}

std::vector<IpAddress> HostGates::sources(const Queue& queue) {
  std::vector<IpAddress> out;
  for (std::size_t i = 0; queue.hosts != nullptr && i < queue.hosts->ways.size(); ++i) {
    const HostSide& side = *queue.hosts;
    const IpAddress& ip = side.ways[(side.turn + i) % side.ways.size()].local;
    if (std::find(out.begin(), out.end(), ip) == out.end()) {
      out.push_back(ip);
    }
  }
  return out;
}

void HostGates::serve(Scope& scope, Now now) {
  HostSlot& slot = static_cast<HostSlot&>(*scope.head());
  Queue& queue = *slot.queue;
  slot.place->remove(slot);
  slot.place = nullptr;
  slot.scope = nullptr;
  slot.ticket = 0;
  leases_.take(scope);
  queue.hosts->held.push_back(scope.key);
  if (climb(queue, now)) {
    scheduler_.go_on(queue);
    scheduler_.serve_now(queue, nullptr, now);
  }
}

Gate HostGates::gate_of(const HostWay& way, const Scope* missing, bool rate) const {
  if (missing == nullptr) {
    return own_full(way, 0)   ? Gate::host_connections
           : own_full(way, 1) ? Gate::source_connections
           : rate             ? Gate::source_connect_rate
                              : Gate::host_connections;
  }
  return missing->key == way.shared[kGroupSource] ? Gate::source_connections
         : missing->key == way.shared[kByAddress] ? Gate::ip_connections
         : missing->key == way.shared[kByName]    ? Gate::mx_connections
                                                  : Gate::host_connections;
}

// ---- what is held ------------------------------------------------------------------------------

void HostGates::drop_slots(HostSide& side) {
  for (HostSlot& slot : side.slots) {
    if (Scope* const scope = std::exchange(slot.scope, nullptr)) {
      slot.place->remove(slot);
      slot.place = nullptr;
      slot.ticket = 0;
      leases_.waiter_left(*scope);
    }
  }
}

void HostGates::drop_held(HostSide& side) {
  for (const std::uint64_t key : side.held) {
    leases_.release(*leases_.find(key));
  }
  side.held.clear();
  side.unit = HostSide::Unit::none;
}

void HostGates::opening(Queue& queue) {
  if (queue.hosts != nullptr) {
    queue.hosts->seen.clear();
    if (queue.hosts->unit == HostSide::Unit::kept) {
      queue.hosts->unit = HostSide::Unit::lent;
    }
  }
}

void HostGates::session_over(Queue& queue, SessionEnd end, Now now) {
  if (queue.hosts == nullptr) {
    return;
  }
  HostSide& side = *queue.hosts;
  const bool busy = end == SessionEnd::host_busy;
  if (side.unit == HostSide::Unit::lent && (busy || queue.opening == 0)) {
    drop_held(side);
  }
  if (busy && !side.scouting) {
    side.ways.swap(side.seen);
    side.known = !side.ways.empty();
    side.learned = now.instant;
  }
}

void HostGates::leave(Queue& queue) {
  if (queue.hosts != nullptr && queue.hosts->unit != HostSide::Unit::lent) {
    drop_slots(*queue.hosts);
    drop_held(*queue.hosts);
  }
}

bool HostGates::set_aside(Queue& queue) {
  const bool kept = queue.hosts != nullptr && queue.hosts->unit == HostSide::Unit::kept;
  if (kept) {
    queue.hosts->unit = HostSide::Unit::lent;  // which leave() leaves alone
  }
  return kept;
}

void HostGates::take_up(Queue& queue, bool held) {
  if (held) {
    queue.hosts->unit = HostSide::Unit::kept;
    scheduler_.arm(queue, queue.hosts->hold_until);
  }
}

// Others want what it holds and does not use.
bool HostGates::wanted(const HostSide& side) {
  return std::any_of(side.held.begin(), side.held.end(),
                     [&](std::uint64_t key) { return leases_.find(key)->pressure() > 0; });
}

bool HostGates::impatient(Queue& queue, Now now) {
  if (queue.hosts == nullptr || queue.hosts->held.empty() ||
      queue.hosts->unit == HostSide::Unit::lent) {
    return false;
  }
  HostSide& side = *queue.hosts;
  if (now.instant >= side.hold_until && wanted(side)) {
    side.patience = std::min(side.patience + side.patience, kPatienceMax);
    if (side.unit == HostSide::Unit::none) {
      return true;
    }
    drop_held(side);  // it stays in the other line it stands in
    return false;
  }
  if (now.instant >= side.hold_until) {
    side.hold_until = now.instant + side.patience;
  }
  scheduler_.arm(queue, side.hold_until);
  return false;
}

// ---- connections -------------------------------------------------------------------------------

bool HostGates::may_connect_to(QueueId id, const ConnectWay& to, ConnectPermit& permit, Now now) {
  Queue& queue = queue_of(id);
  leases_.prune();
  const HostWay way = way_of(queue, to);
  HostSide* const side = queue.hosts.get();
  if (side != nullptr && side->unit == HostSide::Unit::lent &&
      side->version != scheduler_.global_.version) {
    drop_held(*side);  // lent under settings that hold no longer
  }
  const bool lent = side != nullptr && side->unit == HostSide::Unit::lent;
  std::array<Scope*, HostWay::kShared> scopes{};
  SourceLine* const line = SourceTraffic::line_of(queue, to.local, true);
  const bool pays = lent && line != nullptr && now.instant < side->paid_until;
  const bool paid = pays && side->paid_from == to.local;
  bool room = paid ? !own_full(way, 0) && !own_full(way, 1)
                   : own_room(queue, way, now) || comes_near(queue, way, now);
  room = room &&
         (paid || line == nullptr || (!pays && RateBook::available(*line->scope, now.instant) > 0));
  for (std::size_t rank = 0; rank < HostWay::kShared; ++rank) {
    scopes[rank] = scope_of(way, rank);
    room = room && (scopes[rank] == nullptr || (lent && side->holds(way.shared[rank])) ||
                    LeaseBook::has_room(*scopes[rank], false, queue.priority));
  }
  if (!room) {
    if (side != nullptr) {
      note_seen(*side, way);
    }
    return false;
  }
  permit = {way.shared, way.own, to.local, now.instant, queue.priority, queue.standing, false, id};
  for (std::size_t rank = 0; rank < HostWay::kShared; ++rank) {
    const std::uint64_t key = way.shared[rank];
    if (key == 0) {
      continue;
    }
    if (lent && side->holds(key)) {
      side->held.erase(std::find(side->held.begin(), side->held.end(), key));
    } else if (scopes[rank] != nullptr) {
      leases_.take(*scopes[rank]);
    }
    leases_.opened(key);
    if (side != nullptr) {
      side->connected.push_back(key);
    }
  }
  for (const std::uint64_t key : way.own) {
    if (key != 0) {
      own_.add(key);
    }
  }
  if (SourceGate* const gate =
          queue.sources() == nullptr ? nullptr : queue.sources()->find(to.local)) {
    gate->connects.take(1, now.instant);
    ++gate->connections;
    ++gate->dialling;
    gate->lagged = {};
  }
  if (line != nullptr && !paid) {
    RateBook::take(*line->scope, 1, 0, now.instant);
  }
  if (lent) {
    drop_held(*side);
    side->paid_until = {};
    side->patience = Scheduler::kSlice;
    if (queue.state == QueueState::waiting && queue.gate == Gate::sessions_busy) {
      scheduler_.evaluate(queue, now);
    }
  }
  return true;
}

void HostGates::disconnected(QueueId id, ConnectPermit& permit, Now now) {
  Queue& queue = queue_of(id);
  for (const std::uint64_t key : permit.shared) {
    if (key == 0) {
      continue;
    }
    Scope* const scope = leases_.find(key);
    if (permit.yields && scope != nullptr && scope->yields > 0) {
      --scope->yields;
    }
    leases_.closed(key);
    if (queue.hosts != nullptr) {
      auto& connected = queue.hosts->connected;
      const auto place = std::find(connected.begin(), connected.end(), key);
      if (place != connected.end()) {
        *place = connected.back();
        connected.pop_back();
      }
    }
  }
  for (const std::uint64_t key : permit.own) {
    if (key != 0) {
      own_.sub(key);
    }
  }
  SourceGate* const gate =
      queue.sources() == nullptr ? nullptr : queue.sources()->find(permit.local);
  const ConnectPermit had = std::exchange(permit, {});
  const bool was = had.since != Instant{};
  if (was && gate != nullptr && gate->connections > 0) {
    --gate->connections;
    gate->dialling -= !had.greeted && gate->dialling > 0 ? 1 : 0;
    gate->dialling = std::min(gate->dialling, gate->connections);
    gate->unused -= had.greeted && had.begun == gate->begun && gate->unused > 0 ? 1 : 0;
    if (!had.greeted) {
      gate->avoided_until = now.instant + kAvoided;
    }
    SourceTraffic::disconnected(scheduler_, queue, *gate, now);
  }
  const bool own = queue.gate == Gate::host_connections || queue.gate == Gate::source_connections;
  if (was && queue.state == QueueState::waiting && own) {
    scheduler_.evaluate(queue, now);  // there may be room by its own limit
  }
}

// A session is ready for mail the first time on its connection, and is about to ask for it.
void HostGates::greeted(ConnectPermit& permit, Now now) {
  permit.greeted = true;
  Queue& queue = queue_of(permit.queue);
  SourceGate* const gate =
      queue.sources() == nullptr ? nullptr : queue.sources()->find(permit.local);
  if (gate == nullptr || gate->unused == gate->connections) {
    return;  // it had no limits when the connection was made
  }
  gate->dialling -= gate->dialling > 0 ? 1 : 0;
  ++gate->unused;
  permit.begun = gate->begun;
  if (queue.state == QueueState::waiting && queue.gate == Gate::sessions_busy) {
    scheduler_.evaluate(queue, now);
  }
}

bool HostGates::gives_way(ConnectPermit& permit, bool idle, Now now) {
  if (!permit.greeted && permit.since != Instant{}) {
    greeted(permit, now);
  }
  if (permit.yields || !leases_.pressed()) {
    return permit.yields;
  }
  const Duration had = now.instant - permit.since;
  const Reach reach = idle || had >= Scheduler::kLongSlice ? Reach::everybody
                      : had >= Scheduler::kSlice           ? Reach::equal
                      : had >= Scheduler::kShortSlice      ? Reach::higher
                                                           : Reach::nobody;
  for (const std::uint64_t key : permit.shared) {
    Scope* const scope = key == 0 ? nullptr : leases_.find(key);
    const bool overdue = scope != nullptr && scope->overdue(now.instant, Scheduler::kLongSlice);
    const Reach here = overdue && reach != Reach::nobody ? Reach::everybody : reach;
    if (scope == nullptr ||
        scope->pressure_on(permit.priority, permit.standing, here) <= scope->yields) {
      continue;
    }
    permit.yields = true;
    scope->since = Instant::never();
    if (!idle &&
        scope->pressure_on(permit.priority, permit.standing, Reach::equal) <= scope->yields) {
      LeaseBook::give_alms(*scope);  // it is for a lower one
    }
  }
  for (const std::uint64_t key : permit.shared) {
    Scope* const scope = key == 0 || !permit.yields ? nullptr : leases_.find(key);
    if (scope != nullptr) {
      ++scope->yields;
    }
  }
  return permit.yields;
}

void HostGates::relieve(Queue& queue, Now now) {
  if (queue.hosts == nullptr || now.instant < queue.hosts->rechecked + kRecheck) {
    return;
  }
  HostSide& side = *queue.hosts;
  const bool pressed =
      std::any_of(side.connected.begin(), side.connected.end(), [&](std::uint64_t key) {
        const Scope* const scope = leases_.find(key);
        return scope != nullptr && scope->pressure() > scope->yields;
      });
  if (pressed) {
    side.rechecked = now.instant;
    scheduler_.arm(queue, now.instant + kRecheck);
    scheduler_.doors_.sessions.recheck(queue.id());
  }
}

}  // namespace ringpost::schedule
