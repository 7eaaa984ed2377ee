#pragma once

#include <vector>

#include "core/base/address.h"

namespace ringpost::app {

/// Addresses of this host's interfaces, each once. Empty where the system does not tell.
std::vector<IpAddress> local_addresses();

}  // namespace ringpost::app
