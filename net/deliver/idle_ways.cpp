#include "net/deliver/idle_ways.h"

#include "core/base/hash.h"
#include "net/deliver/session.h"

namespace ringpost::deliver {
namespace {

std::size_t bucket_of(const Way& way, std::size_t buckets) {
  const std::string_view address(reinterpret_cast<const char*>(way.remote.ip.octets.data()),
                                 way.remote.ip.octets.size());
  const auto settings = reinterpret_cast<std::uintptr_t>(way.policy);
  return static_cast<std::size_t>(hash64(address, settings + way.remote.port) % buckets);
}

}  // namespace

void IdleWays::add(DeliverySession& session) {
  DeliverySession*& head = heads_[bucket_of(session.way(), kBuckets)];
  session.way_previous = nullptr;
  session.way_next = head;
  if (head != nullptr) {
    head->way_previous = &session;
  }
  head = &session;
  session.way_listed = true;
}

void IdleWays::remove(DeliverySession& session) {
  if (session.way_previous != nullptr) {
    session.way_previous->way_next = session.way_next;
  } else {
    heads_[bucket_of(session.way(), kBuckets)] = session.way_next;
  }
  if (session.way_next != nullptr) {
    session.way_next->way_previous = session.way_previous;
  }
  session.way_next = session.way_previous = nullptr;
  session.way_listed = false;
}

DeliverySession* IdleWays::find(const Way& way, QueueId queue) const {
  for (DeliverySession* one = heads_[bucket_of(way, kBuckets)]; one != nullptr;
       one = one->way_next) {
    if (one->queue() != queue && one->way() == way) {
      return one;
    }
  }
  return nullptr;
}

}  // namespace ringpost::deliver
