#include "core/app/local_addresses.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

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

bool resolvers_are_local(const std::vector<SocketAddress>& configured) {
  std::vector<IpAddress> servers;
  for (const SocketAddress& server : configured) {
    servers.push_back(server.ip);
  }
  if (servers.empty()) {
    std::ifstream file("/etc/resolv.conf");
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string key;
      std::string value;
      words >> key >> value;
      const auto address = IpAddress::parse(value);
      if (key == "nameserver" && address) {
        servers.push_back(*address);
      }
    }
  }
  return !servers.empty() &&
         std::all_of(servers.begin(), servers.end(),
                     [](const IpAddress& server) { return server.is_loopback(); });
}

}  // namespace ringpost::app
