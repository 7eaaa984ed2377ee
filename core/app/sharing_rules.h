#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "core/base/text.h"
#include "core/config/snapshot.h"

namespace ringpost::app {

/// By which rules of a configuration several destinations share one queue: queue-to and
/// mx-rollup-list. Groups are none of them: their destinations keep queues of their own.
struct SharingRules {
  std::unordered_set<std::string, config::TextHash, std::equal_to<>> names;  ///< of such queues
  std::uint64_t hash = 0;  ///< of all rules: equal, and everything is shared as it was
};

SharingRules sharing_rules(const config::Snapshot& snapshot);

}  // namespace ringpost::app
