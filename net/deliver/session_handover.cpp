// A connection that one queue has left idle goes on for another queue with the same settings: many
// domains have the same mail hosts, and a greeting costs more than a message.

#include "net/deliver/session.h"

namespace ringpost::deliver {

Way DeliverySession::way() const { return {policy_.get(), candidate_->remote, candidate_->source}; }

// What a policy of the destination's own demands of the encryption (DANE, MTA-STS) was checked for
// the destination that the connection was made for.
bool DeliverySession::may_change_hands() const {
  return stage_ == Stage::talking && was_ready_ && !draining_ && !leaving_ && !skip_ &&
         !on_backup_ && !receive_.ended && !has_work() && wake_.idle() &&
         engine_.state() == smtp::ClientState::idle && host_tls() == nullptr;
}

// Under the permits that this session has for a connection of its own, instead of making one.
bool DeliverySession::use_idle_connection() {
  if (on_backup_ || host_tls() != nullptr) {
    return false;
  }
  DeliverySession* const idle = context_.keeper.idle_on(way(), queue_);
  const Now now = context_.loop.now();
  if (idle == nullptr || !idle->may_change_hands() ||
      context_.work->keeps(idle->queue_, idle->source(), {}, now) > Duration{} ||
      idle->route_->hosts[idle->candidate_->host].name != route_->hosts[candidate_->host].name) {
    return false;
  }
  ++context_.stats.handed_over;
  idle->serve(*this);
  permit_ = {};
  handed_over_ = true;
  stage_ = Stage::ending;
  return true;
}

// The permit of the queue that was served so far goes back; that of `wanting` takes its place.
void DeliverySession::serve(DeliverySession& wanting) {
  const QueueId before = queue_;
  leave_idle();
  context_.loop.timers().disarm(timer_);
  if (told(EventKind::connection)) {
    tell_connection("goes on for ", wanting.destination_);
  }
  let_go();
  queue_ = wanting.queue_;
  destination_ = wanting.destination_;
  route_ = wanting.route_;
  plan_ = wanting.plan_;
  candidate_ = plan_.current();
  permit_ = wanting.permit_;
  preferred_ = {};
  note_preferred(route_->hosts[candidate_->host].preference);
  SessionFailure at;
  at.established = std::exchange(told_established_, false);
  busy_preference_ = 0;
  host_busy_ = false;
  begin_events();
  look_for_watchers();
  context_.work->session_ended(before, SessionEnd::normal, {}, at, context_.loop.now());
  wake();
}

}  // namespace ringpost::deliver
