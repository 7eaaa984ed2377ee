#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/base/time.h"

namespace ringpost {

/// The whole response message to one question, also where the name or the type does not exist. For
/// tools: blocks until there is an answer, at most `limit`. The question carries AD. `servers`
/// empty: the system's. timed_out, unreachable: no server answered as it should; invalid: the name
/// cannot be asked.
Result<std::vector<std::uint8_t>> look_up_message(const std::string& name, std::uint16_t type,
                                                  const std::vector<SocketAddress>& servers,
                                                  Duration limit);

}  // namespace ringpost
