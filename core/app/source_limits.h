#pragma once

#include <vector>

#include "core/config/policy.h"
#include "core/mail/policy.h"
#include "core/schedule/limits.h"

namespace ringpost::app {

/// The limits by source address of a queue with these source addresses; nullptr: there are none.
/// Of several networks that hold an address the narrowest counts.
schedule::SourceLimitsRef source_limits(const std::vector<SourceAddress>& sources,
                                        const config::PathPolicy& in);
/// What is left of them where rates are counted elsewhere.
schedule::SourceLimitsRef connections_only(const schedule::SourceLimitsRef& limits);

}  // namespace ringpost::app
