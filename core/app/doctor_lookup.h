#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "net/audit/lookup.h"

namespace ringpost::app {

/// DNS for the tools, over the resolvers that the daemon would ask. Answers are kept, so that a
/// name is asked for once.
class ToolLookup : public audit::Lookup {
 public:
  /// `servers` empty: the system's.
  explicit ToolLookup(std::vector<SocketAddress> servers);
  audit::Answer look_up(const std::string& name, audit::RecordType type) override;

 private:
  audit::Answer ask(const std::string& name, audit::RecordType type) const;

  std::vector<SocketAddress> servers_;
  bool trusts_ad_;
  std::map<std::pair<std::string, audit::RecordType>, audit::Answer> known_;
};

}  // namespace ringpost::app
