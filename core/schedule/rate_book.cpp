#include "core/schedule/rate_book.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/base/text.h"

namespace ringpost::schedule {

namespace {

/// Beside the first who is told when a connection's permit will come.
constexpr std::uint32_t kSpareTakers = 3;

// They set the keys of again() and anew() apart.
constexpr std::uint64_t kAgain = 0x5bd1e995a3b1c7d9ULL;
constexpr std::uint64_t kAnew = 0x9e6c63d0876a9a47ULL;

Duration interval_of(const RateLimit& limit) { return limit.period / limit.count; }

/// Of the plan the fastest, which is what it comes to.
Duration interval_of(const SharedRate& rate) {
  if (rate.octets.limited()) {
    // About the time that a common message takes.
    const auto messages = static_cast<std::int64_t>(rate.octets.count / 16'384 + 1);
    return rate.octets.period / messages;
  }
  if (rate.warmup == nullptr) {
    return interval_of(rate.limit);
  }
  return std::min(interval_of(rate.warmup->start), interval_of(rate.warmup->end));
}

/// 20 ms of the limit, or one permit.
std::uint32_t grant_max_of(const RateLimit& limit) {
  const auto units = static_cast<std::uint64_t>(limit.count) * 20'000'000ULL /
                     static_cast<std::uint64_t>(limit.period.ns);
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, units));
}

/// Queues that may make themselves ready for permits that come once in that time.
std::uint32_t ahead_of(Duration interval) {
  const std::int64_t step = std::max<std::int64_t>(1, interval.ns);
  return static_cast<std::uint32_t>(std::min<std::int64_t>(1 + RateBook::kLead.ns / step, 10'000));
}

}  // namespace

Duration RateBook::life_of(Duration period) {
  return std::clamp(period / 50, Duration{1}, kLifeMax);
}

// ---- the holder's side -------------------------------------------------------------------------

RateScope& RateBook::scope(std::uint64_t key, std::uint64_t base, RateLimit own,
                           std::uint32_t version, std::uint64_t sender) {
  std::unique_ptr<RateScope>& place = scopes_[key];
  if (!place) {
    place = std::make_unique<RateScope>();
    place->key = key;
    place->sender = sender;
  }
  if (place->version != version) {
    place->tell = place->version != 0;
    place->version = version;
    place->base = base;
    place->own = own;
    place_scope(*place);
  }
  return *place;
}

RateScope& RateBook::part(std::uint64_t key, std::uint64_t base, RateScope& whole) {
  RateScope& one = scope(key, base, {}, whole.version, whole.sender);
  if (one.part_of != whole.version) {
    one.part_of = whole.version;
    one.whole = &whole;
    whole.parts.push_back(&one);
    whole.parts_ahead += one.ahead_max;
    whole.ahead_max = std::min(ahead_of(whole.interval), whole.parts_ahead);
  }
  return one;
}

// The interval is that of all addresses together: of the whole their own rates do not count.
void RateBook::place_scope(RateScope& scope) {
  scope.parts.clear();
  scope.parts_ahead = 0;
  scope.interval = scope.own.limited() ? interval_of(scope.own) : Duration{};
  scope.pace = scope.interval;
  scope.octet_ns = 0;
  scope.late_max = LateUse::any();
  scope.late_max.allow(SharedRate{0, scope.own});
  std::uint64_t home = scope.base;
  const auto count_in = [&](const RatePlan* plan) {
    home = plan != nullptr ? plan->home : home;
    for (std::size_t i = 0; plan != nullptr && i < plan->rates.size(); ++i) {
      const bool of_part = plan->split && plan->rates[i].by_source();
      const Duration interval = of_part ? Duration{} : interval_of(plan->rates[i]);
      const ByteLimit& octets = plan->rates[i].octets;
      scope.interval = std::max(scope.interval, interval);
      scope.pace = std::max(scope.pace, octets.limited() ? Duration{} : interval);
      scope.octet_ns = std::max(scope.octet_ns, of_part ? 0 : octets.octet_ns());
      scope.octets = (scope.octets || plan->rates[i].octets.limited()) && !scope.again;
      scope.late_max.allow(plan->rates[i]);
    }
  };
  scope.octets = false;
  count_in(policies_.rate_plan(scope.base));
  count_in(scope.sender != 0 ? policies_.sender_rates(scope.sender) : nullptr);
  scope.ahead_max = ahead_of(scope.interval);
  scope.late = scope.late.least(scope.late_max);
  scope.opens = {};
  const auto owner = static_cast<std::uint32_t>(home % shards_);
  if (owner != scope.owner) {
    scope.owner = owner;
    scope.received = 0;
    scope.unused.clear();
  }
  scope.told = scope.told_octets = 0;
  stir(scope);
}

std::uint32_t RateBook::places(const RateScope& scope) {
  const Duration takes = scope.takes();
  if (!scope.octets || (takes == Duration{} && scope.parts.empty())) {
    return scope.ahead_max;
  }
  const std::uint32_t most = takes == Duration{} ? UINT32_MAX : ahead_of(takes);
  std::uint32_t of_parts = 0;
  for (const RateScope* const part : scope.parts) {
    of_parts += places(*part);
  }
  return scope.parts.empty() ? most : std::min(most, of_parts);
}

std::uint32_t RateBook::available(const RateScope& scope, Instant now) {
  std::uint32_t units = 0;
  for (const RateScope::Lease& lease : scope.leases) {
    units += now < lease.expires && lease.turn == scope.turns ? lease.units : 0;
  }
  return units;
}

// A grant of octets is for one message: it may be the only one that has room, larger than the
// limit.
std::uint32_t RateBook::available(const RateScope& scope, std::uint32_t octets, Instant now) {
  if (!scope.octets) {
    return available(scope, now);
  }
  std::uint32_t units = 0;
  for (const RateScope::Lease& lease : scope.leases) {
    const bool fits = now < lease.expires && lease.turn == scope.turns && octets <= lease.octets;
    units = std::max(units, fits ? lease.units : 0);
  }
  return units;
}

Instant RateBook::lapses(const RateScope& scope, Instant now) {
  Instant first = Instant::never();
  for (const RateScope::Lease& lease : scope.leases) {
    first = lease.units > 0 && now < lease.expires ? std::min(first, lease.expires) : first;
  }
  return first;
}

UsedBy RateBook::take(RateScope& scope, std::uint32_t count, std::uint32_t octets, Instant now,
                      RateScope::Lease* of) {
  RP_ASSERT_NOTE(count <= available(scope, octets, now),
                 "a rate permit was taken that is not there");
  UsedBy good;
  scope.used = now;
  (scope.turns ? scope.begun : scope.paid) = now;
  scope.used_octets = octets;
  if (scope.whole != nullptr) {
    scope.whole->used_octets = octets;
  }
  while (count > 0) {
    RateScope::Lease* first = nullptr;
    for (RateScope::Lease& lease : scope.leases) {
      const bool fits = lease.units >= (scope.octets ? count : 1) && lease.turn == scope.turns &&
                        (!scope.octets || octets <= lease.octets) && now < lease.expires;
      if (fits && (first == nullptr || lease.expires < first->expires)) {
        first = &lease;
      }
    }
    if (of != nullptr && first->units >= count && good.slow == Instant::never()) {
      *of = *first;
      of->units = count;
      of->octets = 0;
    }
    const UsedBy part_good = first->used_by;
    const std::uint32_t part = std::min(count, first->units);
    RateScope::Lease rest = *first;
    rest.units -= part;
    rest.octets -= std::min(rest.octets, octets);
    if (scope.octets) {
      put_back(scope, rest);  // permits are of no use for the next message without octets for it
    }
    first->units = scope.octets ? 0 : first->units - part;  // what is left is of no other message
    count -= part;
    good = good.first(part_good);
  }
  return good;
}

void RateBook::stir(RateScope& scope) {
  if (!static_cast<ListLink<RateStirTag>&>(scope).linked()) {
    stirred_.push_back(scope);
  }
}

void RateBook::calm(RateScope& scope) {
  if (static_cast<ListLink<RateStirTag>&>(scope).linked()) {
    stirred_.remove(scope);
  }
}

void RateBook::set_want(RateScope& scope, std::uint32_t units, std::uint32_t octets) {
  scope.want = units;
  scope.want_octets = units > 0 && scope.octets ? octets : 0;
  scope.want_turns = scope.turns;
  scope.tell = scope.tell || units != scope.told || scope.want_octets != scope.told_octets ||
               (units > 0 && scope.turns != scope.told_turns);
  if (scope.tell && !static_cast<ListLink<RateTellTag>&>(scope).linked()) {
    tell_.push_back(scope);
  }
}

void RateBook::wants_late(RateScope& scope, Duration quick, Duration slow) {
  scope.late.quick = std::max(scope.late.quick, std::min(quick, scope.late_max.quick));
  scope.late.slow = std::max(scope.late.slow, std::min(slow, scope.late_max.slow));
  scope.tell = true;
  if (!static_cast<ListLink<RateTellTag>&>(scope).linked()) {
    tell_.push_back(scope);
  }
}

RateScope& RateBook::again(const RateScope& scope, bool anew) {
  const std::uint64_t key = scope.key ^ (anew ? kAnew : kAgain);
  std::unique_ptr<RateScope>& place = scopes_[key];
  if (!place) {
    place = std::make_unique<RateScope>();
    place->key = key;
    place->sender = scope.sender;
    place->again = true;
    place->anew = anew;
  }
  return this->scope(key, scope.base, scope.own, scope.version, scope.sender);
}

// ---- the owner's side --------------------------------------------------------------------------

RateBook::Account& RateBook::account(std::uint64_t key) {
  std::unique_ptr<Account>& place = accounts_[key];
  if (!place) {
    place = std::make_unique<Account>();
    place->key = key;
    place->peers.resize(shards_);
    place->turn.reserve(shards_);
    due_.reserve(accounts_.size());
  }
  return *place;
}

void RateBook::freshen(Account& account) {
  if (!static_cast<ListLink<RateStirTag>&>(account).linked()) {
    fresh_.push_back(account);
  }
}

void RateBook::tell(Account& account) {
  if (!static_cast<ListLink<RateTellTag>&>(account).linked()) {
    tell_peers_.push_back(account);
  }
}

bool RateBook::lapsed(Instant then, Instant now) const {
  return then <= (now > settled_ ? settled_ : old_);
}

void RateBook::refresh(std::uint32_t version, Instant now) {
  version_ = version;
  old_ = now > settled_ ? settled_ : old_;
  settled_ = now + kLifeMax;
  for (const auto& [key, account] : accounts_) {
    freshen(*account);
  }
}

void RateBook::rates_changed() {
  for (const auto& [key, account] : accounts_) {
    for (Peer& peer : account->peers) {
      peer.ask = peer.want > 0;
    }
    account->built = 0;
    freshen(*account);
  }
}

void RateBook::end(std::string& lines, Now now) {
  ended_ = true;
  while (owner_timers_.pop_due(Instant::never()) != nullptr) {
  }
  for (const auto& [key, gate] : gates_) {
    if (gate->octets.limited()) {
      RatePositions::write(lines, gate->octets, "*", std::to_string(key), RatePositions::kOctets,
                           now);
    } else if (gate->warmup == nullptr) {
      RatePositions::write(lines, gate->own, "*", std::to_string(key), "s", now);
    }
  }
}

void RateBook::write_owed(std::string& lines, Now now) const {
  for (const auto& [key, gate] : gates_) {
    if (positions_.owes(gate->octets, now.instant)) {
      RatePositions::write(lines, gate->octets, "*", std::to_string(key), RatePositions::kOctets,
                           now);
    }
  }
}

bool RateBook::has_gate(std::string_view key) const {
  std::uint64_t number = 0;
  return parse_decimal(key, number) && gates_.count(number) != 0;
}

void RateBook::on_want(const LeaseMessage& message, unsigned from) {
  Account& account = this->account(message.scope);
  if (message.version >= account.own_version) {
    const RateLimit own{message.limit, Duration{message.time}, message.contended};
    if (own != account.own || message.base != account.base) {
      account.own = own;
      account.base = message.base;
      account.built = 0;
    }
    account.own_version = message.version;
  }
  account.sender = message.sender;
  account.connects = message.urgent;
  account.again = message.again;
  account.anew = message.anew;
  account.late_wanted.raise({message.priority, message.lowest});
  account.needed = std::max(account.needed, message.version);
  Peer& peer = account.peers[from];
  // Since it wrote this, some of what it wants may have been sent to it.
  const std::uint32_t under_way = peer.granted - message.adopted;
  // What a message of that many octets waits for may be among that.
  const std::uint32_t want =
      account.octets && under_way > 0 ? 0 : message.units - std::min(message.units, under_way);
  const auto place = std::find(account.turn.begin(), account.turn.end(), from);
  if (want > 0 && place == account.turn.end()) {
    account.turn.push_back(static_cast<std::uint16_t>(from));
  } else if (want == 0 && place != account.turn.end()) {
    account.turn.erase(place);
  }
  if (account.turn.empty()) {
    set_claim(account, nullptr);
    stand_behind(account, nullptr);  // what comes back is for those that wait
    account.due = {};
  }
  peer.want = want;
  peer.octets = message.octets;
  peer.turn = message.turn;
  peer.ask = want > 0;
  freshen(account);
}

// Gates that were set up anew since may not have been charged for it. What comes back beside octets
// is for the next grant, for no longer than the first: not all gates can tell what permits would
// have been by now. What lapsed goes to those that can.
void RateBook::on_unused(const LeaseMessage& message) {
  Account& account = this->account(message.scope);
  if (ended_ || account.built != version_ || account.builds != message.adopted) {
    return;
  }
  const Instant taken{static_cast<std::int64_t>(message.base)};
  if (message.units > 0) {
    drop_spare(account);
    account.spare = message.units;
    account.spare_until = Instant{message.time};
    account.spare_turn = message.turn;
    account.spare_taken = taken;
  }
  if (!account.octets || message.anew) {
    drop_spare(account);
  }
  for (Gate* gate : account.gates) {
    if (gate->octets.limited()) {
      gate->octets.give_back(message.octets, taken);
      call(*gate);
    } else {
      call(*gate, message.units + 1);
    }
  }
  freshen(account);
}

// What came back a second time was taken before the instant that it tells.
void RateBook::drop_spare(Account& account) {
  const bool first = account.spare_until == account.spare_taken + account.life;
  for (Gate* gate : first ? std::span(account.gates) : std::span<Gate*>()) {
    gate->give_back(account.spare, account.spare_turn, account.spare_taken);
  }
  account.spare = 0;
}

void RateBook::build(Account& account, Instant now) {
  account.built = version_;
  ++account.builds;
  account.spare = 0;
  set_claim(account, nullptr);
  stand_behind(account, nullptr);
  account.gates.clear();
  account.life = kLifeMax;
  account.late_max = LateUse::any();
  account.grant_max = ~0u;
  account.octets = false;
  const auto add_all = [&](const RatePlan* plan) {
    for (std::size_t i = 0; plan != nullptr && i < plan->rates.size(); ++i) {
      add_gate(account, plan->rates[i], version_, now);
    }
  };
  const RatePlan* const base = policies_.rate_plan(account.base);
  const bool moved = base != nullptr && base->moved;
  add_all(base);
  add_all(account.sender != 0 ? policies_.sender_rates(account.sender) : nullptr);
  if (account.own.limited()) {
    const std::uint64_t apart = account.anew ? kAnew : account.again ? kAgain : 0;
    const std::uint64_t key = account.key ^ account.sender ^ apart;
    add_gate(account, {key, account.own, RateOf::group, moved}, account.own_version, now);
  }
}

/// Its permits may be used as late as a holder asked for and its rates allow: from here on they
/// count in windows that are longer by that.
void RateBook::let_late(Account& account) {
  account.late = account.late_wanted.of(account.late_max);
  for (Gate* gate : account.gates) {
    if (!gate->octets.limited()) {
      gate->rate().used_late(gate->quick ? account.late.quick : account.late.slow);
    }
  }
}

// `own` of an account that nobody has asked for since a reload is out of date: `version` tells. The
// gate it has in common with others keeps the limit that they brought.
void RateBook::add_gate(Account& account, const SharedRate& rate, std::uint32_t version,
                        Instant now) {
  if (account.again && (rate.octets.limited() || !(account.anew || is_quick(rate)))) {
    return;
  }
  std::unique_ptr<Gate>& place = gates_[rate.key];
  const bool fresh = !place;
  if (fresh) {
    place = std::make_unique<Gate>();
  }
  Gate& gate = *place;
  gate.key = rate.key;
  gate.of = rate.of;
  account.late_max.allow(rate);
  if (rate.octets.limited()) {
    const Duration life = life_of(rate.octets.period);
    gate.octets.configure(rate.octets, now, life);
    if (fresh) {
      positions_.begin(gate.octets, "*", std::to_string(rate.key), RatePositions::kOctets, now);
    }
    if (fresh && rate.moved) {
      gate.octets.close_until(now + rate.octets.period + life);
    }
    account.gates.push_back(&gate);
    account.life = std::min(account.life, life);
    account.octets = true;
    return;
  }
  gate.quick = is_quick(rate);
  RateLimit limit = version < gate.version ? gate.own.limit() : rate.limit;
  gate.version = std::max(gate.version, version);
  Duration life;
  if (rate.warmup != nullptr) {
    life = life_of(std::min(rate.warmup->start.period, rate.warmup->end.period));
    gate.warmup = &warmups_.state_of(rate.warmup, {}, life, now);
    limit = gate.warmup->rate();
  } else {
    life = life_of(limit.period);
    gate.warmup = nullptr;
    gate.own.configure(limit, now, life);
  }
  gate.turns.configure(gate.quick ? gate.rate().limit() : RateLimit{}, now, life);
  if (fresh && rate.warmup == nullptr) {
    positions_.begin(gate.own, "*", std::to_string(rate.key), "s", now);
  }
  if (fresh && rate.moved) {
    gate.rate().close_until(now + limit.period + life);
  }
  account.gates.push_back(&gate);
  account.life = std::min(account.life, life);
  account.grant_max = std::min(account.grant_max, grant_max_of(limit));
}

std::uint32_t RateBook::available(const Account& account, std::uint32_t octets, Instant now) {
  const bool spare = has_spare(account, now);
  const bool turn = next_is_turn(account);
  std::uint32_t units = spare ? account.spare : RateGate::kUnlimited;
  for (Gate* gate : account.gates) {
    if (!gate->octets.limited()) {
      units = spare ? units : std::min(units, gate->pace(turn).available(now));
    } else if (!gate->octets.open_for(octets, now) || gate->claimed_by_other(account)) {
      return 0;
    }
  }
  return units;
}

Instant RateBook::opens_of(Gate& gate, std::uint32_t octets, bool turn) {
  return gate.octets.limited() ? gate.octets.opens_for(octets) : gate.pace(turn).opens_at();
}

Instant RateBook::opens_at(const Account& account, const Gate*& closed_by) {
  Instant when;
  closed_by = nullptr;
  const std::uint32_t octets =
      account.turn.empty() ? 0 : account.peers[account.turn.front()].octets;
  for (Gate* gate : account.gates) {
    const Instant opens = opens_of(*gate, octets, next_is_turn(account));
    if (opens >= when) {
      when = opens;
      closed_by = gate;
    }
  }
  return when;
}

bool RateBook::serve(Account& account, Instant now) {
  if (account.turn.empty() || ended_) {
    return false;
  }
  const std::uint16_t shard = account.turn.front();
  Peer& peer = account.peers[shard];
  if (now >= account.spare_until && account.spare > 0) {
    drop_spare(account);
  }
  const std::uint32_t units_open =
      std::min(available(account, peer.octets, now), account.grant_max);
  if (units_open == 0) {
    return false;
  }
  const bool spare = has_spare(account, now);
  account.turn.erase(account.turn.begin());
  const std::uint32_t units = std::min(peer.want, units_open);
  for (Gate* gate : account.gates) {
    if (!spare || gate->octets.limited()) {
      gate->take(units, peer.octets, peer.turn, now);
    }
    debts_ += positions_.owes(gate->octets, now) ? 1 : 0;
  }
  Instant expires = now + account.life;
  if (spare) {
    account.spare -= units;
    expires = std::min(expires, account.spare_until);
  }
  if (peer.to_grant > 0 && (peer.expires != expires || peer.turn_to_grant != peer.turn)) {
    peer.granted -= std::exchange(peer.to_grant, 0);  // could not be sent in time
    peer.octets_to_grant = 0;
  }
  peer.to_grant += units;
  peer.granted += units;
  peer.expires = expires;
  peer.taken = now;
  peer.turn_to_grant = peer.turn;
  peer.octets_to_grant += std::exchange(peer.octets, 0);
  peer.want = account.octets ? 0 : peer.want - units;  // it tells of its next message
  if (peer.want > 0) {
    account.turn.push_back(shard);
  }
  account.ticket = ++tickets_;
  account.due = {};
  set_claim(account, nullptr);
  stand_behind(account, nullptr);
  return true;
}

void RateBook::stand_behind(Account& account, Gate* gate) {
  Gate* const before = std::exchange(account.behind, gate);
  if (before != gate && before != nullptr) {
    before->behind.remove(account);
  }
  if (before != gate && gate != nullptr) {
    gate->behind.push_back(account);
  }
}

/// Those that wait for the gate look at it again, so many at the most, longest ago first.
void RateBook::call(Gate& gate, std::uint32_t most) {
  for (std::size_t n = std::min<std::size_t>(most, gate.behind.size()); n > 0; --n) {
    Account* const account = gate.behind.front();
    stand_behind(*account, nullptr);
    freshen(*account);
  }
}

void RateBook::set_claim(Account& account, Gate* gate) {
  Gate* const before = std::exchange(account.claim, gate);
  if (before != gate && before != nullptr) {
    before->claimed_by = nullptr;
    call(*before);
  }
  if (gate != nullptr) {
    gate->claimed_by = &account;
  }
}

// Small messages would pass a large one by for ever: the room that they leave is never enough for
// it. What was passed over, and waits for octets only, claims the gate that it waits for longest:
// one at a time, and only where nobody else has claimed any that it needs. Of two that each hold
// what the other needs neither would go.
void RateBook::claim_gate(Account& account, Instant now) {
  if (!account.octets || account.turn.empty()) {
    return;
  }
  const std::uint32_t octets = account.peers[account.turn.front()].octets;
  const bool turn = next_is_turn(account);
  bool may = account.due != Instant{} && account.due <= now;
  Instant opens;
  Gate* last = nullptr;
  for (Gate* gate : account.gates) {
    may = may && !gate->claimed_by_other(account);
    if (!gate->octets.limited()) {
      may = may && (has_spare(account, now) || gate->pace(turn).available(now) > 0);
    } else if (!gate->octets.open_for(octets, now) && opens_of(*gate, octets, turn) >= opens) {
      last = gate;
      opens = opens_of(*gate, octets, turn);
    }
  }
  set_claim(account, may ? last : nullptr);
}

// What was passed over is looked at again when it waits for octets only, so that it can claim them
// before others take them once more.
void RateBook::await_gates(Account& account, Instant now) {
  const std::uint32_t octets = account.peers[account.turn.front()].octets;
  Instant opens;
  Instant rates_open;
  Gate* taken = nullptr;
  Gate* last = nullptr;
  for (Gate* gate : account.gates) {
    const bool spare = !gate->octets.limited() && has_spare(account, now);
    const Instant when = spare ? Instant{} : opens_of(*gate, octets, next_is_turn(account));
    last = when > std::max(now, opens) ? gate : last;
    opens = std::max(opens, when);
    rates_open = gate->octets.limited() ? rates_open : std::max(rates_open, when);
    taken = gate->claimed_by_other(account) ? gate : taken;
  }
  const bool passed_over = account.octets && account.due != Instant{} && account.due <= now;
  // Who passes it later moves when it could go, but not when it should have gone.
  account.due = account.due == Instant{} ? opens : std::min(account.due, opens);
  stand_behind(account, taken != nullptr ? taken : last);
  if (passed_over && account.claim == nullptr && rates_open > now) {
    opens = rates_open;
  }
  if (taken != nullptr) {
    // By turns: all who wait for it are there when it is free again.
    const Gate* closed_by = nullptr;
    opens = std::max(opens, opens_at(*taken->claimed_by, closed_by));
  }
  if (taken == nullptr || opens > now) {
    owner_timers_.set(account, opens);
  }
}

void RateBook::grant_due(Instant now) {
  due_.clear();
  while (Account* account = owner_timers_.pop_due(now)) {
    due_.push_back(account);
  }
  // Of those that share a rate, the one that was served longest ago comes first.
  std::sort(due_.begin(), due_.end(),
            [](const Account* a, const Account* b) { return a->ticket < b->ticket; });
  for (bool any = true; any;) {
    any = false;
    for (Account* account : due_) {
      if (!serve(*account, now)) {
        claim_gate(*account, now);
        continue;
      }
      any = true;
      tell(*account);
      if (account->octets) {
        // What it had claimed is for the first in order, not for the next; it is the last now.
        due_.erase(std::find(due_.begin(), due_.end(), account));
        due_.push_back(account);
        break;
      }
    }
  }
  for (Account* account : due_) {
    if (!account->turn.empty()) {
      await_gates(*account, now);
    }
  }
}

void RateBook::tell_later(Peer& peer, Instant later, const Gate* closed_by) {
  peer.later = later;
  peer.closed_by = closed_by == nullptr           ? RateOf::vmta
                   : closed_by->warmup != nullptr ? RateOf::warmup
                                                  : closed_by->of;
  peer.closed_key = closed_by == nullptr ? 0 : closed_by->key;
}

// When the turn of those who ask may come: behind what others want before them. Who waits for a
// connection from one address may be gone by then, to another address: there the first few all
// hear of the next permit, lest it be nobody's.
void RateBook::answer_asks(Account& account) {
  const Gate* closed_by = nullptr;
  const Instant opens = opens_at(account, closed_by);
  Duration interval;
  for (Gate* gate : account.gates) {
    interval = std::max(interval, gate->octets.limited() ? Duration{} : gate->rate().interval());
  }
  const std::uint32_t spare = account.connects ? kSpareTakers : 0;
  std::uint32_t before = 0;
  for (const std::uint16_t shard : account.turn) {
    Peer& peer = account.peers[shard];
    tell_later(peer, opens + interval * (before - std::min(before, spare)), closed_by);
    before += std::min(peer.want, account.grant_max);
  }
}

// Who wanted permits has gone. Others were told of the time behind theirs, and do not make ready
// for the permit that nobody takes now: the first of them is told.
void RateBook::recall(Account& account, Instant now) {
  const Gate* closed_by = nullptr;
  const Instant opens = opens_at(account, closed_by);
  Peer* first = nullptr;
  for (Peer& peer : account.peers) {
    if (peer.told >= now && peer.told <= opens) {
      return;  // it comes by itself
    }
    if (peer.told > opens && (first == nullptr || peer.told < first->told)) {
      first = &peer;
    }
  }
  if (first != nullptr) {
    tell_later(*first, opens, closed_by);
    first->recalled = true;
    tell(account);
  }
}

void RateBook::run(Instant now) {
  while (RateScope* scope = holder_timers_.pop_due(now)) {
    stir(*scope);
  }
  while (Account* account = fresh_.pop_front()) {
    if (ended_) {
      continue;
    }
    if (account->needed > version_) {
      continue;  // refresh() comes back to it
    }
    if (account->built != version_) {
      build(*account, now);
    }
    let_late(*account);
    if (!account->turn.empty()) {
      owner_timers_.set(*account, now);
      tell(*account);
    } else {
      recall(*account, now);
    }
  }
  grant_due(now);
}

}  // namespace ringpost::schedule
