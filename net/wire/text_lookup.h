#pragma once

#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/base/time.h"

namespace ringpost {

/// The TXT records of `name`, the strings of each joined; none where the name or the type does not
/// exist. For tools: blocks until there is an answer, at most `limit`. `servers` empty: the
/// system's. timed_out, unreachable: no server answered as it should.
Result<std::vector<std::string>> look_up_text(const std::string& name,
                                              const std::vector<SocketAddress>& servers,
                                              Duration limit);

}  // namespace ringpost
