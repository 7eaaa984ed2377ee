#include "core/app/local_addresses.h"

#include <algorithm>
#include <cstring>

#include <ifaddrs.h>

#include "net/wire/socket_address.h"

namespace ringpost::app {

std::vector<IpAddress> local_addresses() {
  std::vector<IpAddress> addresses;
  ::ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) {
    return addresses;
  }
  for (const ::ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    const ::sockaddr* from = entry->ifa_addr;
    if (from == nullptr || (from->sa_family != AF_INET && from->sa_family != AF_INET6)) {
      continue;
    }
    KernelAddress kernel;
    std::memcpy(&kernel, from, from->sa_family == AF_INET ? sizeof kernel.v4 : sizeof kernel.v6);
    const IpAddress address = from_kernel(kernel).ip;
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  ::freeifaddrs(first);
  return addresses;
}

}  // namespace ringpost::app
