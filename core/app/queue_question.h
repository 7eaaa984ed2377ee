#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/time.h"
#include "core/mail/outcome.h"

namespace ringpost::app {

/// Why no host took the mail of a queue, asked of its home by whoever reports a delay. Lies with
/// the asker, who does not touch it until it is answered.
struct QueueQuestion {
  unsigned asker = 0;    ///< shard
  std::size_t task = 0;  ///< of the asker's
  std::string name;      ///< of the queue, lower case; empty: nothing is asked
  std::string vmta;
  std::string asked;  ///< the name that is asked about: `name`, or what took its mail

  std::string shared;  ///< its mail is in this queue, if not empty, of the same virtual MTA
  bool known = false;  ///< the rest says what went wrong last
  EnhancedStatus status;
  std::string text;
  WallTime when;
};

/// Carries questions to homes; ReportDesk::told() follows, perhaps from inside ask().
class QuestionPort {
 public:
  virtual ~QuestionPort() = default;
  virtual void ask(QueueQuestion& question) = 0;
};

}  // namespace ringpost::app
