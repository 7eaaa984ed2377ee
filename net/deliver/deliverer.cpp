#include "net/deliver/deliverer.h"

namespace ringpost::deliver {

Deliverer::Deliverer(Loop& loop, Net& net, Tls& tls, RouteSource& routes, BodySource& bodies,
                     const DeliverOptions& options)
    : options_(options),
      context_{loop,
               net,
               tls,
               routes,
               bodies,
               nullptr,
               *this,
               options_,
               HostMemory(options.hosts),
               Random(options.random_seed),
               {},
               {},
               {},
               nullptr} {
  free_.reserve(options_.sessions_max);
}

Deliverer::~Deliverer() { RP_ASSERT_NOTE(open_ == 0, "destroyed with sessions open"); }

bool Deliverer::open_session(QueueId queue, std::string_view destination,
                             const QueuePolicyRef& policy, Instant leave_until) {
  return begin(queue, destination, policy, leave_until, false);
}

bool Deliverer::scout(QueueId queue, std::string_view destination, const QueuePolicyRef& policy) {
  return context_.gate != nullptr && begin(queue, destination, policy, Instant::never(), true);
}

bool Deliverer::begin(QueueId queue, std::string_view destination, const QueuePolicyRef& policy,
                      Instant leave_until, bool scout) {
  RP_ASSERT(context_.work != nullptr);
  if (draining_) {
    return false;
  }
  if (policy->local != nullptr) {
    if (free_locals_.empty()) {
      if (locals_.size() >= options_.sessions_max) {
        return false;
      }
      free_locals_.push_back(&locals_.emplace_back(context_));
    }
    LocalSession& session = *free_locals_.back();
    free_locals_.pop_back();
    ++open_;
    session.open(queue, policy);
    return true;
  }
  if (free_.empty()) {
    if (sessions_.size() >= options_.sessions_max) {
      return false;
    }
    free_.push_back(&sessions_.emplace_back(context_));
  }
  if (idle_.size() <= queue.value) {
    idle_.resize(queue.value + 1);
  }
  while (turns_.size() <= queue.value) {
    // Not all queues begin with the first address.
    turns_.push_back(static_cast<std::uint16_t>(context_.random.below(UINT16_MAX)));
  }
  DeliverySession& session = *free_.back();
  free_.pop_back();
  ++open_;
  session.open(queue, destination, policy, leave_until, scout);
  return true;
}

bool Deliverer::offer(QueueId queue) {
  if (queue.value >= idle_.size() || idle_[queue.value] == nullptr) {
    return false;
  }
  DeliverySession& session = *idle_[queue.value];
  session_busy(session);
  session.wake();
  return true;
}

bool Deliverer::offer_from(QueueId queue, const IpAddress& source) {
  DeliverySession* one = queue.value >= idle_.size() ? nullptr : idle_[queue.value];
  while (one != nullptr && one->source() != source) {
    one = one->idle_next;
  }
  if (one == nullptr) {
    return false;
  }
  session_busy(*one);
  one->wake();
  return true;
}

void Deliverer::recheck(QueueId queue) {
  if (queue.value >= idle_.size()) {
    return;
  }
  for (DeliverySession* one = idle_[queue.value]; one != nullptr; one = one->idle_next) {
    one->wake();
  }
}

void Deliverer::session_idle(DeliverySession& session) {
  RP_ASSERT(!session.idle_listed);
  DeliverySession*& head = idle_[session.queue().value];
  session.idle_previous = nullptr;
  session.idle_next = head;
  if (head != nullptr) {
    head->idle_previous = &session;
  }
  head = &session;
  session.idle_listed = true;
  if (session.may_change_hands()) {
    ways_.add(session);
  }
}

void Deliverer::session_busy(DeliverySession& session) {
  RP_ASSERT(session.idle_listed);
  if (session.idle_previous != nullptr) {
    session.idle_previous->idle_next = session.idle_next;
  } else {
    idle_[session.queue().value] = session.idle_next;
  }
  if (session.idle_next != nullptr) {
    session.idle_next->idle_previous = session.idle_previous;
  }
  session.idle_next = session.idle_previous = nullptr;
  session.idle_listed = false;
  if (session.way_listed) {
    ways_.remove(session);
  }
}

void Deliverer::session_free(DeliverySession& session) {
  free_.push_back(&session);
  --open_;
}

void Deliverer::session_free(LocalSession& session) {
  free_locals_.push_back(&session);
  --open_;
}

void Deliverer::rows(std::size_t max, std::vector<SessionRow>& out) const {
  for (const DeliverySession& session : sessions_) {
    if (session.stage() != DeliverySession::Stage::free && out.size() < max) {
      out.push_back(session.row());
    }
  }
}

void Deliverer::end_idle() {
  for (DeliverySession& session : sessions_) {
    if (session.idle_listed) {
      session.drain();
    }
  }
}

void Deliverer::drain() {
  draining_ = true;
  for (DeliverySession& session : sessions_) {
    if (session.stage() != DeliverySession::Stage::free) {
      session.drain();
    }
  }
  for (LocalSession& session : locals_) {
    session.drain();
  }
}

void Deliverer::abort() {
  draining_ = true;
  for (DeliverySession& session : sessions_) {
    if (session.stage() != DeliverySession::Stage::free) {
      session.abort();
    }
  }
  for (LocalSession& session : locals_) {
    session.abort();
  }
}

}  // namespace ringpost::deliver
