#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/schedule/queue_pattern.h"

namespace ringpost::app {

/// Mail that an operator moved: what waited in some queues, or of some jobs, at a time.
struct MoveRule {
  bool by_job = false;
  std::string job;                ///< pattern, where it goes by job
  schedule::QueuePattern queues;  ///< else
  std::string vmta;               ///< virtual MTA or pool that takes it
  std::string name;               ///< of the queue that takes it; empty: of the same name
  WallTime before;                ///< what was received later was not meant
};

/// All moves, in the order in which they were made. A start places the mail that it finds by these
/// once more, so that a recipient is where it was moved to and nowhere else. Alike on all shards.
class MoveRules {
 public:
  static constexpr std::size_t kMax = 1024;
  /// Older ones are forgotten: their mail is long settled.
  static constexpr Duration kLife = Duration::hours(24 * 60);

  /// no_capacity: kMax moves are remembered.
  Status add(const MoveRule& rule, WallTime now);
  /// Whether some move may concern mail received then.
  bool concern(WallTime received) const { return !rules_.empty() && received <= newest_; }
  const std::vector<MoveRule>& rules() const { return rules_; }

  /// One line per rule, oldest first.
  std::string serialized() const;
  /// Replaces all rules by what serialized() gave. invalid names the line; nothing changed then.
  Status restore(std::string_view text, WallTime now);

 private:
  std::vector<MoveRule> rules_;
  WallTime newest_;
};

}  // namespace ringpost::app
