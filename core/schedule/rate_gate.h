#pragma once

#include <cstdint>
#include <memory>

#include "core/base/time.h"
#include "core/schedule/burst_window.h"
#include "core/schedule/limits.h"
#include "core/schedule/permit_log.h"

namespace ringpost::schedule {

/// Paces one rate limit N per period: a burst b = max(1, min(max(6, 0.1 s of the rate), N/25)) and
/// then one permit each period/(N-b+1). In any half-open window of one period there are then at
/// most N permits, and over 95 % of N are given while somebody waits.
///
/// A limit below 500 remembers when its last N permits were taken instead, and gives one each
/// period/N; after one that was taken late the next ones come sooner, until that is made up: six
/// intervals at the most, or 0.1 s; two of a period of an hour or more. Who needs permits of
/// several gates at once takes them when the last one opens: all that the others are late by that
/// would else be lost.
///
/// A value of one shard; no timers: it tells the instant at which it opens. A limit that says
/// `burst` is counted by a BurstWindow instead.
class RateGate {
 public:
  static constexpr std::uint32_t kUnlimited = 0xffffffff;

  /// Sets or changes the limit. A changed limit starts with an empty burst and not before the
  /// permit that the old limit would have given next, or an interval of its own from now where it
  /// is the faster one, or as many as the old one may have made up for; after a whole period at the
  /// latest. An equal one keeps its position. `slack`: permits may be used that much after they
  /// were taken, and N still holds in any window of their use (the gate then counts in windows
  /// longer by `slack`, with half the burst).
  void configure(RateLimit limit, Instant now, Duration slack = {});
  /// No permit before `when`, and no burst then.
  void close_until(Instant when);
  /// What was given before `start` is not known, only that the limit held then. The most that can
  /// have been given leaves the gate as empty as it can be: no permit for one interval from `start`
  /// on (of a logged one for those besides that it may make up for, a period at the most), and for
  /// `late` more if permits were used that much later than they were given; of a limit that says
  /// `burst`, none for its whole period.
  void begin_after(Instant start, Duration late = {});

  /// Whether a permit of such a limit can be waited for with a transaction open; or has to be,
  /// since a window that is a little longer would cost much of it.
  static bool quick(RateLimit limit);
  /// How much later than they were taken permits of such a limit may be used at the most. A tenth
  /// of the period and five seconds where another one is soon there, for beyond that one receiver's
  /// delay would cost all others too much; else a minute. Of a limit that says `burst` nothing.
  static Duration late_max(RateLimit limit);
  /// The same of this gate; its slack where it says `burst`, and no more than a period unless it
  /// counts with more already.
  Duration late_max() const;

  /// What has to be known of a gate to go on from there.
  struct Position {
    Instant rests;           ///< rests_at(), or of a logged one when the next is to be had; and
                             ///< later by what permits were used late
    std::uint32_t used = 0;  ///< of a limit that says `burst`: what counts in its period now
  };
  Position position() const;
  /// Goes on from what another gate of the same limit had come to.
  void go_on(Position position, Instant now);

  bool limited() const { return limit_.limited(); }
  RateLimit limit() const { return limit_; }
  /// Permits that may be taken now; kUnlimited without a limit. Times must not go back.
  std::uint32_t available(Instant now) const;
  /// Permits that there will have been by `now + ahead`, those of now included, if none is taken;
  /// of a limit that says `burst`, at least that many.
  std::uint32_t due(Instant now, Duration ahead) const;
  /// When due() will be more than `units` if none is taken; never: not before some are.
  Instant due_at(std::uint32_t units, Duration ahead) const;
  /// Requires: count <= available(now).
  void take(std::uint32_t count, Instant now);
  /// So many of those that were taken at that instant lapsed unused. Others have them, where what
  /// counts is known of each; the rest of the limits paces on as if they had been used.
  void give_back(std::uint32_t count, Instant taken);
  /// A permit taken earlier was used only now, `late` after that. If none was that late before, the
  /// gate counts in windows longer by that from here on, and gives what comes next that much later:
  /// then N holds in any window of their use, as long as it is less than a period. Not for a limit
  /// that says `burst`, which is to be given `slack`.
  void used_late(Duration late);
  /// When at least one permit is to be had; in the past when it is now.
  Instant opens_at() const;
  /// Forgetting the gate loses nothing then, if nothing is taken.
  Instant rests_at() const;
  /// When so many permits are lost, if none is taken; what may be made up for counts as lost.
  Instant lost(std::uint32_t units) const;

  std::uint32_t burst() const { return spaced() ? 1 : burst_; }
  Duration interval() const { return {interval_ns_}; }

 private:
  /// What it remembers of single permits: one of these.
  struct Memory {
    std::unique_ptr<BurstWindow> window;  ///< of a limit that says `burst`
    std::unique_ptr<PermitLog> log;
  };

  /// A gate before its limit was changed.
  struct Before {
    RateLimit limit;
    Duration slack;
    Duration whole;
    Instant opens, full_at;
    std::int64_t interval_ns;
    std::uint32_t burst;
    std::unique_ptr<Memory> memory;
    bool busy;
  };

  static constexpr Duration kTenth = Duration::milliseconds(100);

  Duration late() const { return Duration::microseconds(late_us_); }
  Duration whole_window() const { return limit_.period + slack_ + late(); }
  BurstWindow* window() const { return memory_ ? memory_->window.get() : nullptr; }
  PermitLog* log() const { return memory_ ? memory_->log.get() : nullptr; }
  Instant paced_at() const { return Instant{full_at_.ns - (burst_ - 1) * interval_ns_}; }
  Instant log_opens(std::uint32_t units) const;
  /// It is so slow that no two permits of a log are given together.
  bool spaced() const { return log() != nullptr && interval() * 2 > kTenth; }
  void count_window(Before& before, Instant now);
  void pace(const Before& before, Instant now);
  void pace_evenly(Instant open);
  void put_off(Instant when);

  RateLimit limit_{0, Duration{}};
  Duration slack_;
  std::unique_ptr<Memory> memory_;
  Instant full_at_;  ///< when the burst will be whole if nothing is taken
  std::int64_t interval_ns_ = 0;
  std::uint32_t burst_ = 0;    ///< of a logged one: what it may make up for, in intervals
  std::uint32_t late_us_ = 0;  ///< the most that a permit was
};

}  // namespace ringpost::schedule
