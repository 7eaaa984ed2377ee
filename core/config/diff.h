#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/config/snapshot.h"

namespace ringpost::config {

/// One value that is another after the change. Secrets are two asterisks on both sides.
struct ChangedValue {
  std::string name;   ///< of the directive
  std::string where;  ///< "gmail.com/mta1", "<source 10.0.0.0/8>", "the global level"
  std::string before;
  std::string after;         ///< either is "(none)" where nothing was written
  std::string before_place;  ///< "FILE:LINE", "default", or empty
  std::string after_place;
};

/// What changes from one configuration to another.
struct ConfigDiff {
  /// Effective settings of queues. A queue stands for all that its pattern fits: `*/mta1`, and
  /// `gmail.com/*` for every virtual MTA that says nothing else.
  std::vector<ChangedValue> queues;
  std::vector<ChangedValue> vmtas;    ///< limits and addresses of virtual MTAs, and their coming
  std::vector<ChangedValue> process;  ///< everything else, as it is written
  std::vector<std::string> restart;   ///< directives whose change a reload cannot apply
  bool cut = false;                   ///< more queues changed than are listed

  bool empty() const { return queues.empty() && vmtas.empty() && process.empty(); }
};

/// At most `most` queues are listed.
ConfigDiff compare(const Snapshot& before, const Snapshot& after, std::size_t most = 10'000);

/// Directives, by name, whose change needs a restart: they keep their old values over a reload.
std::vector<std::string> restart_needed(const Snapshot& before, const Snapshot& after);

std::string render_text(const ConfigDiff& diff);
std::string render_json(const ConfigDiff& diff);

}  // namespace ringpost::config
