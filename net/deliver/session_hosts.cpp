// A session and the limits on connections to single hosts.

#include "net/deliver/session.h"

namespace ringpost::deliver {

// The next address that may be connected to. What is only full does not count as tried, and hosts
// of lower preference are not tried because of it: they are for those that fail.
const Candidate* DeliverySession::next_permitted() {
  while (Candidate* const next = plan_.next()) {
    const RouteHost& host = route_->hosts[next->host];
    if (host_busy_ && host.preference != busy_preference_) {
      return nullptr;
    }
    if (context_.gate == nullptr || permitted_from_some(*next)) {
      return next;
    }
    host_busy_ = true;
    busy_preference_ = host.preference;
    plan_.pass_over();
  }
  return nullptr;
}

// From the source address that was planned, or where that may not, from another one.
bool DeliverySession::permitted_from_some(Candidate& candidate) {
  const Now now = context_.loop.now();
  const auto& sources = policy_->sources;
  const std::size_t planned = candidate.source;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::size_t index = (planned + i) % sources.size();
    const IpAddress& remote = candidate.remote.ip;
    if (i > 0 && !source_fits(*policy_, sources[index], remote, {&context_.sources, destination_},
                              now.instant)) {
      continue;
    }
    candidate.source = static_cast<std::uint16_t>(index);
    const ConnectWay way{route_->hosts[candidate.host].name, remote, sources[index].ip};
    if (scout_) {
      context_.gate->way_seen(queue_, way);
    } else if (context_.gate->may_connect_to(queue_, way, permit_, now)) {
      return true;
    }
  }
  return false;
}

// Where it sends from, as its policy says.
const IpAddress& DeliverySession::source() const {
  static const IpAddress kNone;
  return candidate_ == nullptr ? kNone : policy_->sources[candidate_->source].ip;
}

// A rate of connections counts each of them, that of the next address and of the second attempt at
// the same one too.
bool DeliverySession::may_connect() {
  const Now now = context_.loop.now();
  if (now.instant <= leave_until_) {
    return true;
  }
  if (context_.gate != nullptr && !scout_ && !context_.gate->may_connect_again(queue_, now)) {
    return false;
  }
  leave_until_ = Instant::never();  // for this turn, in which it is used
  return true;
}

// A host that is preferred to those of that preference is gone back to once it may be there again,
// however busy this connection is (RFC 5321 section 5.1 asks for the order at each attempt).
void DeliverySession::note_preferred(std::uint32_t preference) {
  const Candidate* const bad =
      plan_.bad_before(*route_, preference, context_.hosts, context_.loop.now().instant);
  if (bad != nullptr) {
    preferred_ = bad->remote;
  }
}

void DeliverySession::let_go() {
  if (context_.gate != nullptr) {
    context_.gate->disconnected(queue_, permit_, context_.loop.now());
  }
}

bool DeliverySession::gives_way() {
  return context_.gate != nullptr &&
         context_.gate->gives_way(permit_, idle_listed, context_.loop.now());
}

}  // namespace ringpost::deliver
