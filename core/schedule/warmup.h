#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

#include "core/base/time.h"
#include "core/schedule/limits.h"
#include "core/schedule/rate_gate.h"

namespace ringpost::schedule {

/// Days of UTC since 1970-01-01.
std::int64_t day_of(WallTime wall) noexcept;
WallTime begin_of_day(std::int64_t day) noexcept;

/// The rate after so many days that counted: from plan.start to plan.end, which holds from the end
/// of the period on. Whole permits of the longer one of their periods, rounded down, at least one.
RateLimit warmup_rate(const WarmupPlan& plan, std::uint32_t days) noexcept;
/// Days of the plan; at least one.
std::uint32_t warmup_days(const WarmupPlan& plan) noexcept;
/// What the rate allows in a whole day.
std::uint64_t day_allowance(RateLimit rate) noexcept;

/// Addresses separated by blanks, each once, in the order in which WarmupPlan::source has them.
std::string in_order(std::string_view addresses);

class WarmupBook;

/// How far the addresses of one queue, or of what several queues share, are warmed up. Its gate
/// paces evenly; the rate changes between two days only.
class WarmupState {
 public:
  std::uint32_t available(Instant now) const { return gate_.available(now); }
  Instant opens_at() const { return gate_.opens_at(); }
  /// Requires: count <= available(now).
  void take(std::uint32_t count, Instant now);
  /// RateGate::used_late().
  void used_late(Duration late) { gate_.used_late(late); }

  RateGate& gate() { return gate_; }
  const WarmupPlan& plan() const { return *plan_; }
  const std::string& name() const { return name_; }
  const std::string& vmta() const { return vmta_; }
  RateLimit rate() const { return warmup_rate(*plan_, days_); }

 private:
  friend class WarmupBook;
  friend struct WarmupRow;

  /// `day` has begun: counts the last one, sets the day's rate.
  void roll(std::int64_t day, Instant now);

  std::string name_;  ///< of the queue, lower case, or of its plan
  std::string vmta_;
  std::string source_;      ///< its addresses, separated by blanks: others begin anew
  WallTime began_;          ///< first permit; 0: none yet
  std::int64_t today_ = 0;  ///< the day that `sent_` counts
  std::uint32_t days_ = 0;  ///< that counted before it
  std::uint64_t sent_ = 0;  ///< permits taken
  bool loaded_ = false;     ///< restored: the gate has yet to take up `full_at_`
  RateLimit loaded_rate_;   ///< that the gate had
  WallTime full_at_;        ///< its position
  Duration slack_;
  RateGate gate_;
  WarmupBook* book_ = nullptr;
  WarmupPlanRef plan_;
};

/// One warm-up as `show warmup` shows it.
struct WarmupRow {
  explicit WarmupRow(const WarmupState& state);

  std::string name;
  std::string vmta;
  std::string source;
  std::uint32_t day = 0;  ///< from 1
  std::uint32_t of = 0;
  bool done = false;  ///< the end rate holds
  RateLimit rate;
  RateLimit next;  ///< after this day, if it counts
  std::uint64_t sent = 0;
  std::uint64_t allowance = 0;  ///< of today
  bool counts = false;          ///< this day counts already
  WallTime began;
  std::string place;
};

/// All warm-ups that are paced by one shard. What is kept of them may be older than what was sent:
/// a day then counts later, never earlier, and gates begin so that they cannot give what was given
/// (RateGate::begin_after).
class WarmupBook {
 public:
  /// `keeps`: it writes down shared warm-ups that no shard may use now.
  explicit WarmupBook(Now now, bool keeps = true);

  /// The state under `plan` of the queue, or of what the plan itself names; made when there is
  /// none. Its address holds while the book does. Permits may be used `slack` after they were
  /// taken.
  WarmupState& state_of(WarmupPlanRef plan, std::string_view queue, Duration slack, Instant now);
  /// To be told the time before anything else is asked. True: a day has begun, rates have changed.
  bool roll(Now now);
  /// When the next day begins; never() while there are no warm-ups.
  Instant next_roll() const { return states_.empty() ? Instant::never() : next_roll_; }

  /// Counts changes that should be kept soon; sent() those that may wait.
  std::uint64_t changes() const { return changes_; }
  std::uint64_t sent() const { return sent_; }
  /// One line for each that is not as it would be if it were new.
  void write(std::string& lines, Now now) const;
  /// Takes up such a line; false: it is none. Of two for the same one the more advanced holds.
  bool restore(std::string_view line);
  /// What was sent before `start` is not known: all gates begin after it.
  void begin_after(Instant start) { start_ = start; }

  template <class Found>
  void for_all(Found found) const {
    for (const auto& [key, state] : states_) {
      if (state->plan_ != nullptr) {
        found(*state);
      }
    }
  }

 private:
  friend class WarmupState;
  using Key = std::tuple<std::string, std::string, std::string>;

  std::map<Key, std::unique_ptr<WarmupState>> states_;
  bool keeps_;
  std::int64_t day_ = 0;
  WallTime wall_;
  Instant next_roll_;
  Instant start_ = Instant::never();
  std::uint64_t changes_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace ringpost::schedule
