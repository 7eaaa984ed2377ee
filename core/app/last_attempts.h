#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/mail/doors.h"

namespace ringpost::app {

/// What hosts said last to recipients whose senders asked to hear of delays: what a report of delay
/// shows as Remote-MTA and Diagnostic-Code (RFC 3464 sections 2.3.5 and 2.3.6). Bounded: of many,
/// the oldest are forgotten, and a restart forgets all. One per shard, used by its thread.
class LastAttempts {
 public:
  static constexpr std::size_t kSets = 1024;
  static constexpr std::size_t kWays = 4;

  struct Attempt {
    SpoolHandle message;
    std::uint32_t recipient = 0;
    std::uint64_t age = 0;  ///< numbers the notes; 0: unused
    std::string host;
    IpAddress address;
    std::uint16_t reply_code = 0;  ///< 0: the session failed without an answer
    EnhancedStatus status;         ///< of class 4
    std::string text;
    WallTime when;
  };

  /// The recipient was put off by an attempt; `record` names the host it was made at.
  void note(const SpoolHandle& message, const SettledRecord& record);
  /// None: nothing is known of it. Valid until the next note().
  const Attempt* find(const SpoolHandle& message, std::uint32_t recipient) const noexcept;

 private:
  static std::size_t set_of(const SpoolHandle& message, std::uint32_t recipient) noexcept;

  std::vector<Attempt> table_;  ///< empty until the first note
  std::uint64_t notes_ = 0;
};

}  // namespace ringpost::app
