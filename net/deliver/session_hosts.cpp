// A session and the limits on connections to single hosts.

#include "net/deliver/session.h"

namespace ringpost::deliver {

// The next address that may be connected to. What is only full does not count as tried, and hosts
// of lower preference are not tried because of it: they are for those that fail.
const Candidate* DeliverySession::next_permitted() {
  while (const Candidate* const next = plan_.next()) {
    const RouteHost& host = route_->hosts[next->host];
    if (host_busy_ && host.preference != busy_preference_) {
      return nullptr;
    }
    const ConnectWay way{host.name, next->remote.ip, policy_->sources[next->source].ip};
    if (scout_) {
      context_.gate->way_seen(queue_, way);
    } else if (context_.gate == nullptr ||
               context_.gate->may_connect_to(queue_, way, permit_, context_.loop.now())) {
      return next;
    }
    host_busy_ = true;
    busy_preference_ = host.preference;
    plan_.pass_over();
  }
  return nullptr;
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
