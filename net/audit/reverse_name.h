#pragma once

#include <string>

#include "core/base/address.h"

namespace ringpost::audit {

/// Where the names of an address are: 25.100.51.198.in-addr.arpa, nibbles under ip6.arpa.
std::string reverse_name(const IpAddress& ip);

}  // namespace ringpost::audit
