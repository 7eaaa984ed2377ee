#pragma once

#include <cstdint>
#include <memory>

#include "core/config/snapshot.h"
#include "core/mail/policy.h"
#include "core/schedule/limits.h"

namespace ringpost::app {

/// What the hosts' replies mean for a queue: its pattern list, which keeps the snapshot alive, and
/// the directives on single codes.
void set_reply_meaning(QueuePolicy& out, const config::PathPolicy& in,
                       std::shared_ptr<const config::Snapshot> snapshot);

/// The settings that hold in back-off mode instead of `normal`, both from `in`.
/// In a group its limits hold over all domains of it that are in back-off mode; they count in the
/// group's other limits too.
std::shared_ptr<const schedule::BackoffTwin> backoff_twin(const schedule::QueueSettings& normal,
                                                          const config::PathPolicy& in);

/// The limits that a group has in back-off mode beside those it has anyway.
struct GroupBackoff {
  std::uint32_t connections_max = 0;
  schedule::RateLimit connects;
  schedule::RateLimit messages;
  schedule::ByteLimit octets;

  bool rates_messages() const { return messages.limited() || octets.limited(); }
};
GroupBackoff group_backoff(const config::PathPolicy& in);

}  // namespace ringpost::app
