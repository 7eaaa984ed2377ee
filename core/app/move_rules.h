#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/schedule/queue_pattern.h"

namespace ringpost::app {

/// A destination whose mail was in a queue that it shares with others by its mail hosts.
struct RolledUp {
  std::string domain;  ///< the queue's name before, lower case
  std::string queue;   ///< that takes it

  auto operator<=>(const RolledUp&) const = default;
};

/// Mail that an operator moved, gave another priority, or wanted tried at once: what waited in some
/// queues, or of some jobs, at a time.
struct MoveRule {
  bool by_job = false;                   ///< of a move, or of what is to be tried
  bool at_once = false;                  ///< nothing moves, what was put off by then is due
  std::string job;                       ///< pattern, where it goes by job, or of priorities
  schedule::QueuePattern queues;         ///< else, or of priorities
  std::string vmta;                      ///< virtual MTA or pool that takes it
  std::string name;                      ///< of the queue that takes it; empty: of the same name
  bool shared = false;                   ///< several destinations shared that queue
  std::optional<std::uint8_t> priority;  ///< nothing moves, this is what it gets
  WallTime before;                       ///< what was received later was not meant
  std::uint32_t serial = 0;              ///< set by MoveRules
  /// Whose mail was in the shared queues that it names, sorted: a start knows nothing of mail
  /// hosts.
  std::vector<RolledUp> rolled;

  /// As far as time and job say: whether it is meant.
  bool may_concern(WallTime received, std::string_view of_job) const;
  /// Adds those it does not have; false: none.
  bool add_rolled(const std::vector<RolledUp>& more);
  /// The shared queue that took mail of the destination (in lower case); empty: none is known.
  std::string_view shared_queue_of(std::string_view domain) const;
};

/// All these, in the order in which they were made. A start places the mail that it finds by them
/// once more, so that a recipient is where it was moved to and nowhere else. Alike on all shards.
class MoveRules {
 public:
  static constexpr std::size_t kMax = 1024;
  /// Older ones are forgotten: their mail is long settled, or was tried.
  static constexpr Duration kLife = Duration::hours(24 * 60);
  static constexpr Duration kLifeAtOnce = Duration::hours(24 * 30);

  /// no_capacity: kMax moves and priorities are remembered, or kMax of the others.
  Status add(const MoveRule& rule, WallTime now);
  /// More is known of the newest rule.
  void learn(const std::vector<RolledUp>& more) { rules_.back().add_rolled(more); }
  /// Of the rule that comes next.
  std::uint32_t next_serial() const { return next_serial_; }
  /// Whether some rule may concern mail received then.
  bool concern(WallTime received) const { return !rules_.empty() && received <= newest_; }
  const std::vector<MoveRule>& rules() const { return rules_; }

  /// One line per rule, oldest first.
  std::string serialized() const;
  /// Replaces all rules by what serialized() gave. invalid names the line; nothing changed then.
  Status restore(std::string_view text, WallTime now);

 private:
  void drop_covered(MoveRule& by);

  std::vector<MoveRule> rules_;
  WallTime newest_;
  std::uint32_t next_serial_ = 0;
};

}  // namespace ringpost::app
