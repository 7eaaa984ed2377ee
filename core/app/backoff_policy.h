#pragma once

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
std::shared_ptr<const schedule::BackoffTwin> backoff_twin(const schedule::QueueSettings& normal,
                                                          const config::PathPolicy& in);

}  // namespace ringpost::app
