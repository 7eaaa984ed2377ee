#pragma once

#include <array>
#include <cstddef>

#include "core/base/address.h"
#include "core/mail/job.h"
#include "core/mail/policy.h"

namespace ringpost::deliver {

class DeliverySession;

/// From where, to where and under which settings a connection leads. Two sessions with the same way
/// differ in nothing that a receiver or a rule could see but the queue they serve: queues that have
/// the same settings share one QueuePolicy.
struct Way {
  const QueuePolicy* policy = nullptr;
  SocketAddress remote;
  std::uint16_t source = 0;  ///< index into the policy's sources

  bool operator==(const Way&) const = default;
};

/// The idle sessions of a shard that queues other than their own may take over, by way. Linked
/// through the sessions; allocates nothing. On its shard's thread.
class IdleWays {
 public:
  /// Requires: not in here.
  void add(DeliverySession& session);
  /// Requires: add() before.
  void remove(DeliverySession& session);
  /// The latest that leads this way and serves another queue; nullptr: none.
  DeliverySession* find(const Way& way, QueueId queue) const;

 private:
  static constexpr std::size_t kBuckets = 1024;

  std::array<DeliverySession*, kBuckets> heads_{};
};

}  // namespace ringpost::deliver
