#include "core/schedule/rate_gate.h"

#include <algorithm>

#include "core/base/assert.h"

namespace ringpost::schedule {

namespace {

/// N/25 where permits are used at once; half of that where they may be used a while later, which
/// costs up to 2 % of its own.
constexpr std::uint32_t kBurstDivisor = 25;
constexpr std::int64_t kDueMax = 1'000'000;

constexpr Duration kTenth = Duration::milliseconds(100);

constexpr Duration kLateMax = Duration::minutes(1);
constexpr Duration kQuick = Duration::seconds(5);
constexpr Duration kShort = Duration::seconds(20);

/// A permit may make up for what those before it were late, so many intervals at the most.
constexpr std::uint32_t kMadeUp = 6;
/// Of those that are logged no two are nearer than two thirds of the interval.
constexpr std::int64_t kNearest = 2;
constexpr std::int64_t kOfInterval = 3;
/// From here on a burst of kMadeUp costs little of the rate.
constexpr std::uint32_t kLoggedBelow = 500;
/// Positions of these and longer ones are kept over restarts, where one instant has to say it all.
constexpr Duration kLoggedIn = Duration::hours(1);

/// A single permit has no burst.
bool in_bursts(RateLimit limit) { return limit.burst && limit.count > 1; }

std::uint32_t burst_of(RateLimit limit, bool slack) {
  // count * 100 ms / period; counts are 32 bits and 100 ms is 27, so the product fits.
  const std::uint64_t tenth = limit.count * static_cast<std::uint64_t>(kTenth.ns) /
                              static_cast<std::uint64_t>(limit.period.ns);
  const std::uint64_t burst = std::min<std::uint64_t>(
      std::max<std::uint64_t>(tenth, kMadeUp), limit.count / (kBurstDivisor * (slack ? 2 : 1)));
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, burst));
}

/// Its last permits are remembered one by one.
bool is_logged(RateLimit limit) {
  return !limit.burst && limit.count > 1 && limit.count < kLoggedBelow && limit.period < kLoggedIn;
}

std::int64_t interval_of(RateLimit limit, std::uint32_t burst, bool logged) {
  const auto steps = static_cast<std::int64_t>(limit.count) - (logged ? 0 : burst - 1);
  // Rounded up: (N-b+1) intervals then cover a whole period, which is what makes N exact.
  return (limit.period.ns + steps - 1) / steps;
}

}  // namespace

bool RateGate::quick(RateLimit limit) {
  return in_bursts(limit) || limit.period <= kShort || limit.period / limit.count <= kQuick;
}

Duration RateGate::late_max(RateLimit limit) {
  return !limit.limited()   ? Duration::forever()
         : in_bursts(limit) ? Duration{}
         : quick(limit)     ? std::min(kQuick, limit.period / 10)
                            : kLateMax;
}

Duration RateGate::late_max() const {
  const Duration most = late_max(limit_);
  return window() != nullptr           ? slack_
         : !limited() || quick(limit_) ? most
                                       : std::min(most, std::max(limit_.period, late()));
}

// From here on any window holds at most N of one each interval, with those before it.
Instant RateGate::opens_evenly() const {
  return log() != nullptr ? full_at_ + interval() : opens_at();
}

void RateGate::pace_evenly(Instant open) {
  if (PermitLog* const log = this->log()) {
    log->begin_evenly(open, interval(), whole_window());
  }
  close_until(open);
}

void RateGate::configure(RateLimit limit, Instant now, Duration slack) {
  limit.burst = in_bursts(limit);
  if (limit == limit_ && slack == slack_) {
    return;
  }
  const bool busy = limited() && rests_at() > now;
  const Instant next = std::max(opens_evenly(), now);
  const Duration whole_before = whole_window();
  const std::unique_ptr<Memory> before = std::move(memory_);
  const bool was_burst = before && before->window;
  const bool had_log = before && before->log;
  const bool counts_on = was_burst && limit.burst && limit.period == limit_.period;
  const bool had_limit = limited();
  const std::int64_t interval_before = interval_ns_;
  const std::uint32_t burst_before = burst_;
  const Duration slack_before = slack_;
  limit_ = limit;
  slack_ = slack;
  burst_ = 0;
  interval_ns_ = 0;
  if (!limit.limited()) {
    full_at_ = {};
    return;
  }
  const Duration whole = whole_window();
  if (limit.burst) {
    burst_ = limit.count;
    interval_ns_ = whole.ns / limit.count;
    memory_ = std::make_unique<Memory>();
    if (counts_on) {
      memory_->window = std::move(before->window);
      window()->set_count(limit.count);
      return;
    }
    memory_->window = std::make_unique<BurstWindow>();
    window()->begin(limit.count, whole);
    if (busy) {
      window()->use_up(now);  // the most that may have been used in this window
    }
    return;
  }
  burst_ = burst_of(limit, slack.ns > 0);
  if (is_logged(limit)) {
    burst_ = kMadeUp;
    memory_ = std::make_unique<Memory>();
    memory_->log = std::make_unique<PermitLog>(limit.count);
  }
  interval_ns_ = interval_of({limit.count, whole}, burst_, log() != nullptr);
  full_at_ = now;
  if (log() != nullptr) {
    close_until(now);  // it has not been late yet
  }
  if (had_log && log() != nullptr && whole <= whole_before) {
    // What the log before had forgotten was a whole window before its last permit.
    log()->go_on(*before->log);
    close_until(std::max(now, log()->last() + interval()));
  } else if (had_limit) {
    // A faster limit need not wait for a permit of the slower one: an empty burst and a whole
    // interval from now keep any window, that over both limits too, within the faster one; as many
    // as are made up, where the last permits may have been.
    const bool faster = !was_burst && interval_ns_ < interval_before &&
                        (had_log || burst_before <= burst_) && slack_before == slack_;
    const Instant soon = now + interval() * (had_log || log() != nullptr ? kMadeUp : 1);
    const Instant open = faster ? std::min(next, soon) : next;
    pace_evenly(was_burst && busy ? now + whole : open);
  }
}

void RateGate::used_late(Duration late) {
  constexpr std::int64_t kMost = 0xffffffff;
  const std::int64_t us = std::min((late.ns + 999) / 1000, kMost);
  if (us <= late_us_ || !limited() || window() != nullptr) {
    return;
  }
  const Duration more = Duration::microseconds(us - late_us_);
  late_us_ = static_cast<std::uint32_t>(us);
  const std::int64_t before = interval_ns_;
  interval_ns_ = interval_of({limit_.count, whole_window()}, burst_, log() != nullptr);
  // The longer interval gives no burst that is not there.
  full_at_ = full_at_ + more + Duration{(burst_ - 1) * (interval_ns_ - before)};
}

void RateGate::close_until(Instant when) {
  if (window() != nullptr) {
    window()->close_until(when);
  } else {
    full_at_ = std::max(full_at_, Instant{when.ns + (burst_ - 1) * interval_ns_});
  }
}

// The burst is never more than whole intervals away from an instant at which a permit was given, so
// no gate of this limit can have come to rest later than this.
void RateGate::begin_after(Instant start, Duration late) {
  if (!limited()) {
    return;
  }
  if (window() != nullptr) {
    window()->use_up(start);
  } else if (log() != nullptr) {
    pace_evenly(start + late + interval() * (burst_ + 1));
  } else {
    full_at_ = std::max(full_at_, start + late + Duration{burst_ * interval_ns_});
  }
}

RateGate::Position RateGate::position() const {
  return {window() != nullptr ? rests_at() : rests_at() + late(),
          window() != nullptr ? window()->used() : 0};
}

void RateGate::go_on(Position position, Instant now) {
  if (!limited() || position.rests <= now) {
    return;
  }
  if (window() != nullptr) {
    window()->take(std::min(position.used, window()->available(now)), now);
    return;
  }
  // Never longer than after a full period of it, whatever a clock that was set back makes of it.
  const Instant latest = now + limit_.period + Duration{burst_ * interval_ns_};
  const Instant rests = std::min(position.rests, latest);
  if (log() != nullptr) {
    pace_evenly(rests - interval());
  } else {
    full_at_ = std::max(full_at_, rests);
  }
}

std::uint32_t RateGate::available(Instant now) const {
  if (!limited()) {
    return kUnlimited;
  }
  if (window() != nullptr) {
    return window()->available(now);
  }
  if (log() != nullptr) {
    return opens_at() <= now ? 1 : 0;
  }
  if (full_at_.ns <= now.ns) {
    return burst_;
  }
  const std::int64_t missing = full_at_.ns - now.ns;
  const std::int64_t whole = burst_ * interval_ns_;
  return missing > whole ? 0 : static_cast<std::uint32_t>((whole - missing) / interval_ns_);
}

// When its log lets it give more than `units`.
Instant RateGate::log_opens(std::uint32_t units) const {
  const Duration nearest = interval() * kNearest / kOfInterval;
  return std::max(log()->last() + nearest * (units + 1), log()->more_than(units, whole_window()));
}

std::uint32_t RateGate::due(Instant now, Duration ahead) const {
  if (!limited()) {
    return kUnlimited;
  }
  if (window() != nullptr) {
    const std::uint32_t units = window()->available(now);
    return units == 0 && window()->opens_at() <= now + ahead ? 1 : units;
  }
  const std::int64_t missing = std::max<std::int64_t>(0, full_at_.ns - now.ns);
  const std::int64_t span = burst_ * interval_ns_ - missing + ahead.ns;
  std::uint32_t units =
      span < 0 ? 0 : static_cast<std::uint32_t>(std::min(span / interval_ns_, kDueMax));
  units = log() != nullptr ? std::min(units, limit_.count) : units;
  while (log() != nullptr && units > 0 && log_opens(units - 1) > now + ahead) {
    --units;
  }
  return units;
}

Instant RateGate::due_at(std::uint32_t units, Duration ahead) const {
  if (!limited()) {
    return {};
  }
  if (window() != nullptr) {
    return units == 0 ? opens_at() - ahead : Instant::never();
  }
  const Instant paced = units < burst_ + ahead.ns / interval_ns_
                            ? paced_at() + Duration{units * interval_ns_} - ahead
                            : Instant::never();
  return log() != nullptr ? std::max(paced, log_opens(units) - ahead) : paced;
}

void RateGate::take(std::uint32_t count, Instant now) {
  if (!limited()) {
    return;
  }
  if (window() != nullptr) {
    window()->take(count, now);
    return;
  }
  RP_ASSERT_NOTE(count <= available(now), "a rate permit was taken that is not there");
  if (log() != nullptr && now - opens_at() > interval() * kMadeUp) {
    close_until(now);  // nobody waited
  }
  full_at_ = Instant{std::max(full_at_.ns, now.ns) + count * interval_ns_};
  if (log() != nullptr) {
    log()->take(now, whole_window());
  }
}

Instant RateGate::opens_at() const {
  return !limited()            ? Instant{}
         : window() != nullptr ? window()->opens_at()
         : log() != nullptr    ? std::max(paced_at(), log_opens(0))
                               : paced_at();
}

Instant RateGate::lost(std::uint32_t units) const {
  const Instant gathered = window() != nullptr ? rests_at()
                           : log() != nullptr  ? opens_at()
                                               : std::min(full_at_, paced_at() + kTenth);
  return gathered + interval() * units;
}

Instant RateGate::rests_at() const {
  return !limited()            ? Instant{}
         : window() != nullptr ? window()->rests_at()
         : log() != nullptr    ? full_at_ + interval() * burst_
                               : full_at_;
}

}  // namespace ringpost::schedule
