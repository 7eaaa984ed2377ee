#pragma once

#include <string_view>
#include <vector>

#include "core/config/policy.h"
#include "core/mail/policy.h"
#include "core/schedule/limits.h"

namespace ringpost::app {

/// The limits by source address of a queue with these source addresses; nullptr: there are none.
/// Of several networks that hold an address the narrowest counts.
schedule::SourceLimitsRef source_limits(const std::vector<SourceAddress>& sources,
                                        const config::PathPolicy& in);
/// Some address has a rate of messages or of their octets.
bool rates_messages(const std::vector<schedule::SourceLimit>& limits);
/// Some address has a rate of connections.
bool rates_connects(const std::vector<schedule::SourceLimit>& limits);
/// The limits of a queue of that group: connections, and where permits for each address are asked
/// for, of messages if `split`. nullptr: there are none.
schedule::SourceLimitsRef limits_in_group(const schedule::SourceLimitsRef& limits,
                                          std::string_view group, std::string_view vmta,
                                          bool split);

}  // namespace ringpost::app
