#include "core/app/host_limit_rows.h"

#include "core/schedule/queue_pattern.h"

namespace ringpost::app {

HostLimitRows host_limit_rows(const config::Snapshot& snapshot, std::string_view host,
                              const IpAddress& address) {
  HostLimitRows out;
  for (const config::HostConnectionLimit& limit : snapshot.global().host_limits) {
    if (limit.name.empty()) {
      const bool narrower = out.by_address == nullptr ||
                            limit.network.prefix_bits >= out.by_address->network.prefix_bits;
      if (narrower && limit.network.contains(address)) {
        out.by_address = &limit;
      }
    } else if ((out.by_name == nullptr || limit.name.size() >= out.by_name->name.size()) &&
               schedule::glob_matches(limit.name, host)) {
      out.by_name = &limit;
    }
  }
  return out;
}

}  // namespace ringpost::app
