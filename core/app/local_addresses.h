#pragma once

#include <vector>

#include "core/base/address.h"

namespace ringpost::app {

/// Addresses of this host's interfaces, each once. Empty where the system does not tell.
std::vector<IpAddress> local_addresses();

/// Whether all name servers (those of the system where none is configured) are on this host: only
/// their word that an answer is authentic comes by a way on which nobody else can write.
bool resolvers_are_local(const std::vector<SocketAddress>& configured);

}  // namespace ringpost::app
