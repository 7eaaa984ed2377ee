#include "core/app/source_check.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "net/wire/socket_address.h"

namespace ringpost::app {
namespace {

bool contains(const std::vector<IpAddress>& list, const IpAddress& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

bool unspecified(const IpAddress& address) {
  return !address.valid() || std::all_of(address.octets.begin(), address.octets.end(),
                                         [](unsigned char octet) { return octet == 0; });
}

/// Addresses with the names of the virtual MTAs that use them, in the order of the file.
std::vector<std::pair<IpAddress, std::string>> configured(const config::Snapshot& snapshot) {
  std::vector<std::pair<IpAddress, std::string>> out;
  std::map<std::string, std::size_t> places;
  for (const config::VirtualMta& vmta : snapshot.virtual_mtas()) {
    for (const config::SourceHost& host : vmta.sources) {
      if (unspecified(host.address)) {
        continue;
      }
      const auto [place, fresh] = places.emplace(host.address.text(), out.size());
      if (fresh) {
        out.emplace_back(host.address, vmta.name);
      } else {
        out[place->second].second.append(", ").append(vmta.name);
      }
    }
  }
  return out;
}

}  // namespace

bool can_bind(const IpAddress& address) {
  KernelAddress kernel;
  const ::socklen_t size = to_kernel({address, 0}, kernel);
  const int descriptor =
      ::socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    return errno != EAFNOSUPPORT;  // no descriptor left says nothing about the address
  }
  const bool refused = ::bind(descriptor, &kernel.any, size) != 0 && errno == EADDRNOTAVAIL;
  ::close(descriptor);
  return !refused;
}

bool SourceCheck::run(const config::Snapshot& snapshot) {
  notes_.clear();
  std::vector<IpAddress> missing;
  for (const auto& [address, users] : configured(snapshot)) {
    const bool was_missing = contains(missing_, address);
    if (!probe_(address)) {
      missing.push_back(address);
      if (!was_missing) {
        notes_.push_back("source address " + address.text() + " of virtual MTA " + users +
                         " is not an address of this host: nothing leaves from it until it is");
      }
    } else if (was_missing) {
      notes_.push_back("source address " + address.text() + " of virtual MTA " + users +
                       " is on this host again and is used");
    }
  }
  const bool changed = missing != missing_;
  missing_ = std::move(missing);
  return changed;
}

}  // namespace ringpost::app
