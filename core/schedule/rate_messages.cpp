#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/schedule/rate_book.h"

// RateBook: what shards tell each other.

namespace ringpost::schedule {

void RateBook::on_message(const LeaseMessage& message, unsigned from) {
  RP_ASSERT(from < shards_);
  if (message.kind == LeaseMessage::Kind::rate_want) {
    on_want(message, from);
  } else if (message.kind == LeaseMessage::Kind::rate_unused) {
    on_unused(message);
  } else {
    on_answer(message, from);
  }
}

void RateBook::on_answer(const LeaseMessage& message, unsigned from) {
  const auto found = scopes_.find(message.scope);
  RP_ASSERT_NOTE(found != scopes_.end(), "a rate answers a scope that did not ask");
  RateScope& scope = *found->second;
  const Instant when{message.time};
  if (message.kind == LeaseMessage::Kind::rate_later) {
    if (from == scope.owner) {
      scope.opens = when;
      scope.closed_by = static_cast<RateOf>(message.adopted);
      scope.closed_key = message.base;
    }
  } else {
    if (from == scope.owner) {
      scope.received += message.units;
      scope.told = scope.octets ? 0 : scope.told - std::min(scope.told, message.units);
      scope.told_octets = 0;
    }
    // The one that lapses first makes room: it is spent or about to be.
    auto& place = *std::min_element(
        scope.leases.begin(), scope.leases.end(), [](const auto& a, const auto& b) {
          return (a.units == 0 ? Instant{} : a.expires) < (b.units == 0 ? Instant{} : b.expires);
        });
    // Permits that have not lapsed are lost then: if they went back they would come again at once.
    if (place.units > 0 && scope.octets) {
      put_back(scope, place);
    }
    place = {message.units,
             message.octets,
             when,
             from,
             message.adopted,
             Instant{static_cast<std::int64_t>(message.base)},
             false,
             LateUse::of_ms(message.limit).after(when),
             message.turn};
    if (message.turn && place.used_by.quick != Instant::never()) {
      place.used_by.quick = Instant{INT64_MIN};
    }
    hand_back(scope, false, when);
  }
  stir(scope);
}

void RateBook::put_back(RateScope& scope, RateScope::Lease unused) {
  if (unused.octets + unused.units > 0 && unused.from == scope.owner) {
    scope.unused.push_back(unused);
  }
}

void RateBook::give_back(RateScope& scope, RateScope::Lease taken) {
  taken.taken_up = true;
  put_back(scope, taken);
  hand_back(scope, false, taken.expires);
}

void RateBook::promise(RateScope& scope) {
  for (RateScope::Lease& lease : scope.leases) {
    lease.promised = true;
  }
}

void RateBook::hand_back(RateScope& scope, bool all, Instant now) {
  for (RateScope::Lease& lease : scope.leases) {
    if (scope.octets && all && lease.units > 0 && (!lease.promised || now >= lease.expires)) {
      put_back(scope, lease);
      lease.units = 0;
    }
  }
  if (!scope.unused.empty() && !static_cast<ListLink<RateTellTag>&>(scope).linked()) {
    tell_.push_back(scope);
  }
}

void RateBook::clear_lapsed(RateScope& scope, Instant now) {
  for (RateScope::Lease& lease : scope.leases) {
    if (lease.units > 0 && now >= lease.expires && !scope.octets) {
      put_back(scope, lease);
      lease.units = 0;
    }
  }
  hand_back(scope, false, now);
}

bool RateBook::send(unsigned to, const LeaseMessage& message, LeaseTransport& transport) {
  if (to == shard_) {
    on_message(message, shard_);
    return true;
  }
  return transport.send(to, message);
}

bool RateBook::tell_owner(RateScope& scope, LeaseTransport& transport) {
  LeaseMessage message;
  message.scope = scope.key;
  message.kind = LeaseMessage::Kind::rate_unused;
  while (!scope.unused.empty()) {
    const RateScope::Unused& unused = scope.unused.back();
    message.units = unused.units;
    message.octets = unused.octets;
    message.adopted = unused.build;
    message.time = unused.expires.ns;
    message.turn = unused.turn;
    message.anew = unused.taken_up;
    message.base = static_cast<std::uint64_t>(unused.taken.ns);
    if (!send(scope.owner, message, transport)) {
      return false;
    }
    scope.unused.pop_back();
  }
  if (!scope.tell) {
    return true;
  }
  message.kind = LeaseMessage::Kind::rate_want;
  message.base = scope.base;
  message.sender = scope.sender;
  message.urgent = scope.connects;
  message.limit = scope.own.count;
  message.time = scope.own.period.ns;
  message.contended = scope.own.burst;
  message.version = scope.version;
  message.units = scope.want;
  message.octets = scope.want_octets;
  message.adopted = scope.received;
  message.again = scope.again;
  message.anew = scope.anew;
  message.turn = scope.want_turns;
  const LateShares late = LateShares::of(scope.late, scope.late_max);
  message.priority = late.quick;
  message.lowest = late.slow;
  // Noted before sending, because to ourselves sending acts at once.
  const std::uint32_t told = std::exchange(scope.told, scope.want);
  const std::uint32_t told_octets = std::exchange(scope.told_octets, scope.want_octets);
  const bool told_turns = std::exchange(scope.told_turns, scope.want_turns);
  scope.tell = false;
  if (!send(scope.owner, message, transport)) {
    scope.told = told;
    scope.told_octets = told_octets;
    scope.told_turns = told_turns;
    scope.tell = true;
    return false;
  }
  return true;
}

bool RateBook::answer(Account& account, LeaseTransport& transport) {
  LeaseMessage message;
  message.scope = account.key;
  bool answered = false;
  for (unsigned shard = 0; shard < shards_; ++shard) {
    Peer& peer = account.peers[shard];
    if (peer.to_grant > 0) {
      message.kind = LeaseMessage::Kind::rate_grant;
      message.time = peer.expires.ns;
      message.limit = account.late.as_ms();
      message.turn = peer.turn_to_grant;
      message.units = std::exchange(peer.to_grant, 0);
      message.octets = std::exchange(peer.octets_to_grant, 0);
      message.adopted = account.builds;
      message.base = static_cast<std::uint64_t>(peer.taken.ns);
      if (!send(shard, message, transport)) {
        peer.to_grant = message.units;
        peer.octets_to_grant = message.octets;
        return false;
      }
    } else if (peer.recalled || (peer.ask && peer.want > 0)) {
      if (!peer.recalled && !std::exchange(answered, true)) {
        answer_asks(account);
      }
      message.kind = LeaseMessage::Kind::rate_later;
      message.time = peer.later.ns;
      message.adopted = static_cast<std::uint32_t>(peer.closed_by);
      message.base = peer.closed_key;
      if (!send(shard, message, transport)) {
        return false;
      }
      peer.told = peer.later;
    }
    peer.ask = peer.recalled = false;
  }
  return true;
}

bool RateBook::flush(LeaseTransport& transport) {
  bool all_sent = true;
  for (std::size_t n = tell_.size(); n > 0; --n) {
    RateScope& scope = *tell_.pop_front();
    if (!tell_owner(scope, transport)) {
      all_sent = false;
      tell_.push_back(scope);
    }
  }
  for (std::size_t n = tell_peers_.size(); n > 0; --n) {
    Account& account = *tell_peers_.pop_front();
    if (!answer(account, transport)) {
      all_sent = false;
      tell(account);
    }
  }
  return all_sent;
}

}  // namespace ringpost::schedule
