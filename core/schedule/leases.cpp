#include "core/schedule/leases.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/assert.h"

namespace ringpost::schedule {

// ---- the holder's side -------------------------------------------------------------------------

Scope& LeaseBook::scope(std::uint64_t key, std::uint32_t limit, std::uint32_t version) {
  return make(key, limit, version, false);
}

Scope& LeaseBook::make(std::uint64_t key, std::uint32_t limit, std::uint32_t version,
                       bool of_host) {
  std::unique_ptr<Scope>& place = scopes_[key];
  if (!place) {
    place = std::make_unique<Scope>();
    place->key = key;
    place->owner = static_cast<std::uint32_t>(key % shards_);
    place->limit = limit;
    place->version = version;
    place->leased = limit >= kLeasedUnitsPerShard * shards_;
    place->of_host = of_host;
    place->used = of_host ? connections_.count(key) : 0;
    if (place->used > 0) {
      place->level(kNormalPriority).used = place->used;
    }
    if (place->used > 0 && limit != 0) {
      place->held = place->to_adopt = place->used;
      place->surrender = place->held;  // there may be more of them than the limit allows
      mark(*place);
    }
  } else if (version > place->version) {
    set_limit(*place, limit, version);
  }
  return *place;
}

Scope* LeaseBook::find(std::uint64_t key) {
  const auto found = scopes_.find(key);
  return found == scopes_.end() ? nullptr : found->second.get();
}

Scope* LeaseBook::host_scope(std::uint64_t key, std::uint32_t limit, std::uint32_t version) {
  return limit == 0 && find(key) == nullptr ? nullptr : &make(key, limit, version, true);
}

void LeaseBook::closed(std::uint64_t host) {
  connections_.sub(host);
  if (Scope* const scope = find(host)) {
    release(*scope);
  }
}

void LeaseBook::give_up(Scope& scope, std::uint32_t units) {
  RP_ASSERT(units <= scope.spare());
  scope.held -= units;
  // What the owner does not count yet need not be given back to it.
  const std::uint32_t untold = std::min(scope.to_adopt, units);
  scope.to_adopt -= untold;
  scope.to_return += units - untold;
  const std::uint32_t alms = std::min(scope.alms_away, units - untold);
  scope.alms_away -= alms;
  scope.to_return_alms += alms;
  scope.debt -= std::min(scope.debt, units);
  scope.debt_priority = scope.debt > 0 ? scope.debt_priority : 0;
  scope.surrender -= std::min(scope.surrender, units);
  mark(scope);
}

void LeaseBook::set_limit(Scope& scope, std::uint32_t limit, std::uint32_t version) {
  scope.version = version;
  const bool was_stale = std::exchange(scope.stale, false);
  if (limit == scope.limit) {
    if (was_stale && limit != 0) {
      scope.tell_limit = true;  // begins a census
      demand(scope);
      mark(scope);
    }
    return;
  }
  const bool was_unlimited = scope.unlimited();
  const bool lowered = limit != 0 && (was_unlimited || limit < scope.limit);
  scope.changed = version;
  scope.limit = limit;
  scope.leased = limit >= kLeasedUnitsPerShard * shards_;
  if (scope.unlimited()) {
    scope.debt = scope.surrender = 0;
    scope.to_return += scope.held - std::min(scope.held, scope.to_adopt);
    scope.held = scope.to_adopt = scope.to_request = 0;
  } else if (was_unlimited) {
    // What is open now stays open; the owner counts it from here on.
    scope.held = scope.used;
    scope.to_adopt += scope.used;
  }
  if (lowered) {
    give_up(scope, scope.spare());
    scope.surrender = scope.held;
  }
  scope.tell_limit = true;
  demand(scope);
  waiter_left(scope);
  mark(scope);
  update(scope);
}

std::uint32_t LeaseBook::chunk(const Scope& scope) const {
  return scope.leased ? std::max(1u, scope.limit / (kLeasedUnitsPerShard * shards_)) : 0;
}

// A level above the lowest that has waiters is not always served first.
void LeaseBook::take(Scope& scope, std::uint8_t standing) {
  RP_ASSERT_NOTE(has_unit(scope), "a connection permit was taken that is not there");
  ++scope.used;
  ++scope.level(standing).used;
  if (scope.alms > 0) {
    --scope.alms;
    scope.passed_over = 0;
  } else if (scope.levels.size() > 1 && scope.waiting() > 0) {
    if (++scope.passed_over >= kAlmsEvery) {
      scope.passed_over = 0;
      ++scope.alms;
    }
  }
  tell_lowest(scope);
  if (!scope.unlimited() && scope.leased && scope.spare() == 0) {
    demand(scope);
  }
  update(scope);
}

void LeaseBook::release(Scope& scope, std::uint8_t standing) {
  Level& level = scope.level(standing);
  RP_ASSERT(scope.used > 0 && level.used > 0);
  --scope.used;
  --level.used;
  tell_lowest(scope);
  if (scope.unlimited()) {
    return;
  }
  if (!scope.leased) {
    // Unit by unit: the owner decides who is next, over all shards.
    give_up(scope, 1);
    demand(scope);
  } else {
    return_spare(scope);
  }
  update(scope);
}

// Of a limit that is kept on lease a unit goes to who waits here, of others back to the owner.
void LeaseBook::give_alms(Scope& scope) {
  if (scope.leased && scope.waiting() > 0) {
    ++scope.alms;
  } else if (!scope.unlimited()) {
    ++scope.alms_away;
  }
}

void LeaseBook::restand(Scope& scope, std::uint8_t from, std::uint8_t to, std::uint32_t units) {
  RP_ASSERT(scope.level(from).used >= units);
  scope.level(from).used -= units;
  scope.level(to).used += units;
  tell_lowest(scope);
  update(scope);
}

// The owner need not hear that nothing is in use: what it recalls then comes from what is unused.
void LeaseBook::tell_lowest(Scope& scope) {
  const std::uint8_t lowest = scope.lowest();
  if (!scope.unlimited() && scope.used > 0 && lowest != scope.told_lowest) {
    scope.tell_limit = true;
    mark(scope);
  }
}

// A queue may have asked for one more connection and lose the one it had before that comes; a
// lower one may come to wait beside one that has asked.
void LeaseBook::tell_waiting(Scope& scope) {
  if (scope.requested > 0 && scope.lowest_waiting() < scope.told_waiting) {
    scope.tell_limit = true;
    mark(scope);
  }
}

void LeaseBook::return_spare(Scope& scope) {
  const std::uint32_t spare = scope.spare();
  // Who is called back for gets nothing that a higher one here waits for, nor what came for the one
  // that has waited longest: that would come back for it at once, again and again.
  const std::uint32_t ours = std::max(scope.waiters_above(scope.debt_priority), scope.alms);
  const std::uint32_t debt = std::min(scope.debt, spare - std::min(spare, ours));
  std::uint32_t give = std::min(debt + scope.surrender, spare);
  const std::uint32_t rest = spare - give;
  std::uint32_t keep = scope.waiters();
  if (scope.leased && !scope.contended) {
    // Some way between the two marks, so that units do not go to and fro.
    keep += rest > keep + 2 * chunk(scope) ? chunk(scope) : 2 * chunk(scope);
  }
  give += rest > keep ? rest - keep : 0;
  if (give > 0) {
    give_up(scope, give);
    demand(scope);
  }
}

void LeaseBook::demand(Scope& scope) {
  if (scope.unlimited() || scope.stale) {
    return;
  }
  std::uint32_t want = scope.waiters();
  if (scope.leased && !scope.contended) {
    want = std::max(want, chunk(scope));
  }
  const std::uint32_t have = scope.spare() + scope.requested + scope.to_request;
  if (want > have) {
    scope.to_request += want - have;
    mark(scope);
  }
}

void LeaseBook::wait(Scope& scope, Waiter& waiter, bool growing, std::uint8_t priority) {
  RP_ASSERT(waiter.place == nullptr);
  if (waiter.ticket == 0) {
    waiter.ticket = ++tickets_;
  }
  Level& level = scope.level(priority);
  WaitList& list = growing ? level.growing : level.waiting;
  Waiter* head = list.front();
  if (head != nullptr && waiter.ticket < head->ticket) {
    list.push_front(waiter);
  } else {
    list.push_back(waiter);
  }
  waiter.place = &list;
  demand(scope);
  update(scope);
}

void LeaseBook::waiter_left(Scope& scope) {
  // What nobody waits for any more goes back (all of it, where units are not kept on lease).
  if (scope.leased && !scope.unlimited()) {
    return_spare(scope);
  } else if (!scope.unlimited() && scope.spare() > scope.waiters()) {
    give_up(scope, scope.spare() - scope.waiters());
  }
  update(scope);
}

Scope* LeaseBook::next_open() { return open_.front(); }

void LeaseBook::mark(Scope& scope) {
  if (!static_cast<ListLink<DirtyTag>&>(scope).linked()) {
    dirty_scopes_.push_back(scope);
  }
}

void LeaseBook::update(Scope& scope) {
  if (scope.alms > 0 && scope.waiting() == 0) {
    scope.alms = 0;
  }
  if (scope.pressure() == 0) {
    scope.alms_away = 0;
    scope.since = Instant::never();
  }
  tell_waiting(scope);
  const bool open = scope.head() != nullptr && has_unit(scope);
  const bool listed = static_cast<ListLink<OpenTag>&>(scope).linked();
  if (open && !listed) {
    open_.push_back(scope);
  } else if (!open && listed) {
    open_.remove(scope);
  }
  const bool pressed = scope.pressure() > 0;
  if (pressed != scope.pressed) {
    scope.pressed = pressed;
    pressed_ += pressed ? 1u : ~0u;
  }
}

void LeaseBook::on_holder_message(const LeaseMessage& message) {
  if (message.kind == LeaseMessage::Kind::census) {
    Scope& asked = make(message.scope, message.limit, message.version, message.of_host);
    asked.tell_limit = true;
    mark(asked);
    return;
  }
  const auto found = scopes_.find(message.scope);
  if (found == scopes_.end() && message.of_host && message.kind == LeaseMessage::Kind::recall) {
    return;  // forgotten: all of it is on its way back
  }
  RP_ASSERT_NOTE(found != scopes_.end(), "a lease came for a scope that asked for none");
  Scope& scope = *found->second;
  if (message.kind == LeaseMessage::Kind::grant) {
    scope.requested -= std::min(scope.requested, message.units);
    scope.contended = message.contended;
    scope.urgent = message.urgent;
    scope.debt_priority = scope.debt > 0 ? scope.debt_priority : message.priority;
    if (scope.unlimited() || message.version < scope.changed) {
      scope.to_return += message.units;
      demand(scope);
      mark(scope);
    } else {
      scope.held += message.units;
      scope.alms += message.adopted;
    }
  } else {
    scope.contended = true;
    scope.urgent = message.urgent;
    scope.debt = std::min(scope.debt + message.units, scope.held);
    scope.debt_priority = message.units > 0 ? std::max(scope.debt_priority, message.priority)
                          : scope.debt > 0  ? scope.debt_priority
                                            : message.priority;
  }
  if (!scope.unlimited()) {
    waiter_left(scope);
  }
  update(scope);
}

// ---- the owner's side --------------------------------------------------------------------------

LeaseBook::Account& LeaseBook::account(std::uint64_t key) {
  std::unique_ptr<Account>& place = accounts_[key];
  if (!place) {
    place = std::make_unique<Account>();
    place->key = key;
    place->peers.resize(shards_);
    place->turn.reserve(shards_);
  }
  return *place;
}

void LeaseBook::begin_census(Account& account, std::uint32_t version) {
  account.census = version;
  for (Peer& peer : account.peers) {
    peer.ask = true;
  }
  mark(account);
}

// What was granted under the limit before and has not left goes back into the turn.
void LeaseBook::withdraw_unsent(Account& account) {
  for (unsigned shard = 0; shard < shards_; ++shard) {
    Peer& peer = account.peers[shard];
    if (peer.to_grant == 0) {
      continue;
    }
    if (peer.wanted == 0) {
      account.turn.push_back(static_cast<std::uint16_t>(shard));
    }
    peer.wanted += peer.to_grant;
    peer.at_top += peer.to_grant;
    peer.granted -= peer.to_grant;
    account.granted -= peer.to_grant;
    peer.to_grant = peer.alms = 0;
  }
}

bool LeaseBook::complete(const Account& account) {
  return std::all_of(account.peers.begin(), account.peers.end(),
                     [&](const Peer& peer) { return peer.heard >= account.census; });
}

void LeaseBook::mark(Account& account) {
  if (!account.linked()) {
    dirty_accounts_.push_back(account);
  }
}

void LeaseBook::on_request(const LeaseMessage& message, unsigned from) {
  Account& account = this->account(message.scope);
  account.of_host = account.of_host || message.of_host;
  if (message.version > account.version) {
    if (message.version > 1 && message.limit != 0) {
      // In a snapshot that we heard nothing of there may have been no limit, hence connections
      // that nobody counted.
      begin_census(account, message.version);
    }
    withdraw_unsent(account);
    account.limit = message.limit;
    account.version = message.version;
  }
  Peer& peer = account.peers[from];
  peer.heard = std::max(peer.heard, message.version);
  if (peer.heard >= account.census) {
    peer.ask = false;
  }
  peer.granted += message.adopted;
  account.granted += message.adopted;
  if (message.units > 0) {
    if (peer.wanted == 0) {
      account.turn.push_back(static_cast<std::uint16_t>(from));
    }
    peer.wanted += message.units;
  }
  peer.urgent = message.urgent && peer.wanted > 0;
  peer.waiting = static_cast<std::uint8_t>(message.octets);
  peer.priority = message.priority;
  peer.at_top = std::min(peer.wanted, static_cast<std::uint32_t>(message.base));
  peer.lowest = message.lowest;
  pump(account);
}

void LeaseBook::on_give_back(const LeaseMessage& message, unsigned from) {
  Account& account = this->account(message.scope);
  Peer& peer = account.peers[from];
  RP_ASSERT_NOTE(peer.granted >= message.units && account.granted >= message.units,
                 "more units came back than were given out");
  peer.granted -= message.units;
  peer.owed -= std::min(peer.owed, message.units);
  account.granted -= message.units;
  account.alms += message.adopted;
  pump(account);
}

void LeaseBook::pump(Account& account) {
  if (account.limit != 0 && !complete(account)) {
    return;
  }
  // One grant is at most a share of the limit, so that shards asking together all get some.
  const std::uint32_t most = std::max(1u, account.limit / (2 * shards_));
  while (!account.turn.empty()) {
    const std::uint64_t free = account.limit == 0                ? ~std::uint64_t{0}
                               : account.limit > account.granted ? account.limit - account.granted
                                                                 : 0;
    if (free == 0) {
      break;
    }
    bool alms = false;
    const auto next = account.turn.begin() + static_cast<std::ptrdiff_t>(whose_turn(account, alms));
    const std::uint16_t shard = *next;
    account.turn.erase(next);
    Peer& peer = account.peers[shard];
    const auto units = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(std::min(peer.wanted, alms ? 1 : most), free));
    peer.alms += alms ? 1 : 0;
    peer.wanted -= units;
    peer.at_top -= std::min(peer.at_top, units);
    peer.granted += units;
    peer.to_grant += units;
    account.granted += units;
    if (peer.wanted > 0) {
      account.turn.push_back(shard);
    } else {
      peer.urgent = false;
    }
    mark(account);
  }
  account.alms = account.turn.empty() ? 0 : account.alms;
  if (!account.turn.empty() || (account.limit != 0 && account.granted > account.limit)) {
    recall(account);
  }
}

bool LeaseBook::urgent_beside(const Account& account, unsigned shard) const {
  for (unsigned other = 0; other < shards_; ++other) {
    if (other != shard && account.peers[other].urgent) {
      return true;
    }
  }
  return false;
}

// Its place among the shards that want units; `alms`: the unit is for whoever waits longest there.
std::size_t LeaseBook::whose_turn(Account& account, bool& alms) {
  const bool regular = ++account.turns % kAlmsEvery == 0;
  if (account.alms > 0 || regular) {
    std::uint8_t highest = 0;
    for (const std::uint16_t shard : account.turn) {
      highest = std::max(highest, account.peers[shard].priority);
    }
    Peer* longest = nullptr;
    std::size_t at = 0;
    for (std::size_t i = 0; i < account.turn.size(); ++i) {
      Peer& peer = account.peers[account.turn[i]];
      const auto rank = [highest](const Peer& one) {
        return std::pair(one.waiting >= highest, one.alms_at);
      };
      if (peer.urgent && (longest == nullptr || rank(peer) < rank(*longest))) {
        longest = &peer;
        at = i;
      }
    }
    account.alms -= account.alms > 0 ? 1 : 0;
    if (longest != nullptr) {
      alms = true;
      longest->alms_at = ++account.alms_given;
      return at;
    }
  }
  std::size_t best = 0;
  if (!regular) {
    for (std::size_t i = 1; i < account.turn.size(); ++i) {
      if (account.peers[account.turn[i]].priority > account.peers[account.turn[best]].priority) {
        best = i;
      }
    }
  }
  return best;
}

// Shards that have connections of lower priorities themselves interrupt those first.
std::uint8_t LeaseBook::wanted_priority(const Account& account, std::uint32_t& units) {
  std::uint8_t top = 0;
  units = 0;
  for (const Peer& peer : account.peers) {
    const bool helpless = peer.granted == 0 || peer.lowest >= peer.priority;
    if (peer.wanted == 0 || !helpless || peer.priority < top) {
      continue;
    }
    units = (peer.priority > top ? 0 : units) + peer.at_top;
    top = peer.priority;
  }
  return top;
}

std::uint8_t LeaseBook::priority_beside(const Account& account, unsigned shard) const {
  std::uint8_t highest = 0;
  for (unsigned other = 0; other < shards_; ++other) {
    if (other != shard && account.peers[other].wanted > 0) {
      highest = std::max(highest, account.peers[other].priority);
    }
  }
  return highest;
}

void LeaseBook::recall(Account& account) {
  std::uint64_t deficit = account.granted > account.limit ? account.granted - account.limit : 0;
  const bool over_limit = deficit > 0;
  std::uint64_t owed = 0;
  std::uint32_t poorest = ~0u;  // units of the worst-off shard that wants some of the highest
  std::uint8_t highest = 0;
  for (const Peer& peer : account.peers) {
    deficit += peer.wanted;
    owed += peer.owed;
    if (peer.wanted > 0 && peer.priority >= highest) {
      // What is called back goes to the highest: a poorer shard below them would not get it, and
      // who gave it would ask for it again at once.
      poorest = peer.priority > highest ? peer.granted : std::min(poorest, peer.granted);
      highest = peer.priority;
    }
  }
  deficit -= std::min(deficit, owed);
  std::uint32_t above = 0;
  const std::uint8_t top = wanted_priority(account, above);
  above -= static_cast<std::uint32_t>(std::min<std::uint64_t>(above, owed));
  for (unsigned shard = 0; shard < shards_; ++shard) {
    Peer& peer = account.peers[shard];
    if (peer.granted == 0) {
      continue;
    }
    const std::uint32_t keeps = peer.granted - std::min(peer.granted, peer.owed);
    std::uint32_t over = 0;
    if (over_limit) {
      over = keeps;
    } else if (peer.lowest < top) {
      over = std::min(keeps, above);
      above -= over;
    } else if ((peer.lowest <= highest || peer.lowest == kUntouchable) && poorest != ~0u &&
               keeps > poorest + 1) {
      over = (keeps - poorest) / 2;  // half the difference makes the two equal
    }
    const auto units = static_cast<std::uint32_t>(std::min<std::uint64_t>(over, deficit));
    deficit -= units;
    peer.owed += units;
    peer.to_recall += units;
    const bool urgent = urgent_beside(account, shard);
    if (units > 0 || !peer.told || urgent != peer.told_urgent || highest != peer.told_priority) {
      peer.told = peer.tell = true;
      peer.told_urgent = urgent;
      peer.told_priority = highest;
      mark(account);
    }
  }
}

// ---- messages ----------------------------------------------------------------------------------

void LeaseBook::on_message(const LeaseMessage& message, unsigned from) {
  RP_ASSERT(from < shards_);
  switch (message.kind) {
    case LeaseMessage::Kind::request: on_request(message, from); break;
    case LeaseMessage::Kind::give_back: on_give_back(message, from); break;
    case LeaseMessage::Kind::grant:
    case LeaseMessage::Kind::census:
    case LeaseMessage::Kind::recall: on_holder_message(message); break;
    case LeaseMessage::Kind::rate_want:
    case LeaseMessage::Kind::rate_grant:
    case LeaseMessage::Kind::rate_unused:
    case LeaseMessage::Kind::rate_later: RP_ASSERT_NOTE(false, "a rate's letter"); break;
  }
}

bool LeaseBook::send(unsigned to, const LeaseMessage& message, LeaseTransport& transport) {
  if (to == shard_) {
    on_message(message, shard_);
    return true;
  }
  return transport.send(to, message);
}

bool LeaseBook::flush_scope(Scope& scope, LeaseTransport& transport) {
  LeaseMessage message;
  message.scope = scope.key;
  message.limit = scope.limit;
  message.version = scope.version;
  message.of_host = scope.of_host;
  // Returned first: the owner may then grant from it at once. The numbers are cleared before
  // sending, because to ourselves "sending" acts at once.
  if (scope.to_return > 0) {
    message.kind = LeaseMessage::Kind::give_back;
    message.units = std::exchange(scope.to_return, 0);
    message.adopted = std::exchange(scope.to_return_alms, 0);
    if (!send(scope.owner, message, transport)) {
      scope.to_return += message.units;
      scope.to_return_alms += message.adopted;
      return false;
    }
    message.adopted = 0;
  }
  if (scope.to_request > 0 || scope.to_adopt > 0 || scope.tell_limit) {
    message.kind = LeaseMessage::Kind::request;
    message.units = std::exchange(scope.to_request, 0);
    message.adopted = std::exchange(scope.to_adopt, 0);
    const std::uint8_t waiting_before = std::exchange(scope.told_waiting, scope.lowest_waiting());
    message.octets = scope.told_waiting;
    message.urgent = scope.told_waiting != kUntouchable;
    std::uint32_t at_top = 0;
    message.priority = scope.top(at_top);
    message.base = at_top;
    const std::uint8_t told_before = scope.told_lowest;
    scope.told_lowest = scope.used > 0 ? scope.lowest() : scope.told_lowest;
    message.lowest = scope.told_lowest;
    const bool told = std::exchange(scope.tell_limit, false);
    scope.requested += message.units;
    if (!send(scope.owner, message, transport)) {
      scope.requested -= message.units;
      scope.to_request += message.units;
      scope.to_adopt += message.adopted;
      scope.tell_limit = told;
      scope.told_lowest = told_before;
      scope.told_waiting = waiting_before;
      return false;
    }
  }
  return true;
}

bool LeaseBook::flush_account(Account& account, LeaseTransport& transport) {
  for (unsigned shard = 0; shard < shards_; ++shard) {
    Peer& peer = account.peers[shard];
    LeaseMessage message;
    message.scope = account.key;
    message.limit = account.limit;
    message.version = account.version;
    message.of_host = account.of_host;
    if (peer.ask) {
      message.kind = LeaseMessage::Kind::census;
      peer.ask = false;
      if (!send(shard, message, transport)) {
        peer.ask = true;
        return false;
      }
    }
    if (peer.to_grant > 0) {
      message.kind = LeaseMessage::Kind::grant;
      message.units = std::exchange(peer.to_grant, 0);
      message.adopted = std::exchange(peer.alms, 0);
      message.contended = !account.turn.empty();
      message.urgent = urgent_beside(account, shard);
      message.priority = peer.told_priority = priority_beside(account, shard);
      peer.told = message.contended;
      peer.told_urgent = message.urgent;
      if (!send(shard, message, transport)) {
        peer.to_grant += message.units;
        peer.alms += message.adopted;
        return false;
      }
      message.adopted = 0;
    }
    if (peer.tell) {
      message.kind = LeaseMessage::Kind::recall;
      message.units = std::exchange(peer.to_recall, 0);
      message.contended = true;
      message.urgent = peer.told_urgent;
      message.priority = peer.told_priority;
      peer.tell = false;
      if (!send(shard, message, transport)) {
        peer.to_recall += message.units;
        peer.tell = true;
        return false;
      }
    }
  }
  return true;
}

bool LeaseBook::flush(LeaseTransport& transport) {
  // What is marked while we send stands behind and is sent too; what found no room is tried again
  // at the next flush. Each pass is bounded by what is listed now.
  bool all_sent = true;
  for (std::size_t n = dirty_scopes_.size(); n > 0; --n) {
    Scope& scope = *dirty_scopes_.pop_front();
    if (!flush_scope(scope, transport)) {
      mark(scope);
      all_sent = false;
    }
  }
  for (std::size_t n = dirty_accounts_.size(); n > 0; --n) {
    Account& account = *dirty_accounts_.pop_front();
    if (!flush_account(account, transport)) {
      mark(account);
      all_sent = false;
    }
  }
  return all_sent;
}

// ---- scopes of mail hosts ----------------------------------------------------------------------

void LeaseBook::distrust_hosts(std::uint32_t version) {
  for (const auto& [key, place] : scopes_) {
    Scope& scope = *place;
    if (scope.of_host && !scope.unlimited() && scope.version < version) {
      give_up(scope, scope.spare());
      scope.surrender = scope.held;
      scope.changed = version;
      scope.stale = true;
      update(scope);
    }
  }
}

// The owner counts what is on its way to it as given out, so nothing of the scope can follow later
// but a recall.
bool LeaseBook::forgettable(Scope& scope) {
  const bool listed = static_cast<ListLink<DirtyTag>&>(scope).linked() ||
                      static_cast<ListLink<OpenTag>&>(scope).linked();
  if (!scope.of_host || scope.used > 0 || scope.requested > 0 || scope.waiters() > 0 || listed) {
    return false;
  }
  if (scope.spare() > 0) {
    give_up(scope, scope.spare());  // goes the next time
    return false;
  }
  return !scope.pressed && scope.to_request == 0 && scope.to_return == 0 && !scope.tell_limit;
}

bool LeaseBook::forgettable(const Account& account) {
  const auto at_rest = [](const Peer& peer) {
    return peer.granted == 0 && peer.wanted == 0 && peer.to_grant == 0 && peer.to_recall == 0 &&
           !peer.tell && !peer.ask;
  };
  return account.of_host && account.granted == 0 && account.turn.empty() && !account.linked() &&
         complete(account) && std::all_of(account.peers.begin(), account.peers.end(), at_rest);
}

void LeaseBook::prune() {
  if (scopes_.size() + accounts_.size() < prune_at_) {
    return;
  }
  for (auto at = scopes_.begin(); at != scopes_.end();) {
    at = forgettable(*at->second) ? scopes_.erase(at) : std::next(at);
  }
  for (auto at = accounts_.begin(); at != accounts_.end();) {
    at = forgettable(*at->second) ? accounts_.erase(at) : std::next(at);
  }
  prune_at_ = std::max(kPruneFirst, 2 * (scopes_.size() + accounts_.size()));
}

std::uint32_t LeaseBook::used(std::uint64_t key) const {
  const auto found = scopes_.find(key);
  return found == scopes_.end() ? 0 : found->second->used;
}

std::uint32_t LeaseBook::granted(std::uint64_t key) const {
  const auto found = accounts_.find(key);
  return found == accounts_.end() ? 0 : static_cast<std::uint32_t>(found->second->granted);
}

}  // namespace ringpost::schedule
