#pragma once

#include <string_view>

#include "core/base/address.h"
#include "core/config/snapshot.h"

namespace ringpost::app {

/// The rows of mx-connection-limit and ip-connection-limit that hold for an address of a mail host:
/// of several the longest name and the narrowest network, of equal ones the later. nullptr: none.
struct HostLimitRows {
  const config::HostConnectionLimit* by_name = nullptr;
  const config::HostConnectionLimit* by_address = nullptr;
};

HostLimitRows host_limit_rows(const config::Snapshot& snapshot, std::string_view host,
                              const IpAddress& address);

}  // namespace ringpost::app
