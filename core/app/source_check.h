#pragma once

#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/config/snapshot.h"

namespace ringpost::app {

/// Whether the host lets a socket be bound to the address now. Asking the kernel is the only test
/// that is right for aliases, routed prefixes, addresses still being checked for duplicates, and
/// hosts where foreign addresses may be bound.
bool can_bind(const IpAddress& address);

/// Which source addresses of the configuration this host lacks. Used by the control thread.
class SourceCheck {
 public:
  using Probe = bool (*)(const IpAddress&);

  explicit SourceCheck(Probe probe = can_bind) : probe_(probe) {}

  /// Tries all of them. True: not the same are missing as before; notes() then says what changed.
  bool run(const config::Snapshot& snapshot);
  const std::vector<IpAddress>& missing() const { return missing_; }
  /// One line for each address that went or came back since the run before.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  Probe probe_;
  std::vector<IpAddress> missing_;
  std::vector<std::string> notes_;
};

}  // namespace ringpost::app
