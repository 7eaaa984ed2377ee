#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/address.h"
#include "core/config/snapshot.h"
#include "core/schedule/queue_state.h"

namespace ringpost::app {

/// The setting that a gate stands for, as the configuration has it.
struct GateSetting {
  std::string name;
  std::string value;
  std::string place;  ///< "FILE:LINE", or "default"
};

/// Of several places the one that holds for the mail host that a gate of hosts is about.
struct GateHost {
  std::string_view name;
  IpAddress address;
};

/// What else tells which setting it is.
struct GateCase {
  GateHost host;
  bool backoff = false;    ///< the queue is in back-off mode
  std::uint64_t rate = 0;  ///< schedule::WhyRow::rate
};

/// What `why` names for mail that waits at `gate` in the queue `queue`/`vmta`, named as the
/// scheduler has it; nullopt where no setting is behind the gate. A cold path: explains the queue
/// anew.
std::optional<GateSetting> setting_behind(schedule::Gate gate, const config::Snapshot& snapshot,
                                          std::string_view queue, std::string_view vmta,
                                          const GateCase& of = {});

/// The rate of the rule for senders with this key.
std::optional<GateSetting> sender_rate_behind(std::uint64_t rule, const config::Snapshot& snapshot);

}  // namespace ringpost::app
