#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/schedule/doors.h"

namespace ringpost::app {

class NotifyDesk;

/// Writes what is decided about queues into the event log, counts it, and has those told who want
/// to be. One per shard.
class DecisionLog : public schedule::DecisionSink {
 public:
  void decided(const schedule::Decision& decision) override;
  void ended(const schedule::Decision& decision, std::string_view why) override;

  /// Who sends mails about it; none: nobody.
  void set_notify(NotifyDesk& desk) { notify_ = &desk; }

  std::uint64_t backoffs_begun = 0;
  std::uint64_t backoffs_ended = 0;
  std::uint64_t sources_disabled = 0;
  std::uint64_t sources_enabled = 0;

 private:
  NotifyDesk* notify_ = nullptr;
};

/// "back-off mode of example.com/v1", without the reason.
std::string describe(const schedule::Decision& decision);
/// "the reply '421 ...' fits /slow down/ (rules.conf:12)".
std::string reason_of(const schedule::Decision& decision);

}  // namespace ringpost::app
