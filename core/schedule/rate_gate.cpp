#include "core/schedule/rate_gate.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/schedule/made_up.h"

namespace ringpost::schedule {

namespace {

/// N/25 where permits are used at once; half of that where they may be used a while later, which
/// costs up to 2 % of its own.
constexpr std::uint32_t kBurstDivisor = 25;
constexpr std::int64_t kDueMax = 1'000'000;

constexpr Duration kLateMax = Duration::minutes(1);
constexpr Duration kQuick = Duration::seconds(5);
constexpr Duration kShort = Duration::seconds(20);

/// Of the limits that outlive the process a start that knows nothing of the last run costs as much.
constexpr std::uint32_t kMadeUpLong = 2;
constexpr Duration kLong = Duration::hours(1);
/// From here on a burst of kMadeUp costs little of the rate.
constexpr std::uint32_t kLoggedBelow = 500;

/// A single permit has no burst.
bool in_bursts(RateLimit limit) { return limit.burst && limit.count > 1; }

/// What it allows in a tenth of a second, or what may be made up for if that is more. Counts are 32
/// bits and the tenth is 27, so the product fits.
std::uint64_t room_of(RateLimit limit, Duration tenth, std::uint32_t made_up) {
  return std::max<std::uint64_t>(limit.count * static_cast<std::uint64_t>(tenth.ns) /
                                     static_cast<std::uint64_t>(limit.period.ns),
                                 made_up);
}

std::uint32_t burst_of(RateLimit limit, std::uint64_t room, bool slack) {
  const std::uint64_t burst =
      std::min<std::uint64_t>(room, limit.count / (kBurstDivisor * (slack ? 2 : 1)));
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, burst));
}

/// Its last permits are remembered one by one.
bool is_logged(RateLimit limit) {
  return !limit.burst && limit.count > 1 && limit.count < kLoggedBelow;
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

void RateGate::pace_evenly(Instant open) {
  if (PermitLog* const log = this->log()) {
    // Not sooner than what it knew of allows.
    open = std::max({open, paced_at(), log->evenly_from(interval())});
    log->begin_evenly(open, interval(), whole_window());
  }
  put_off(open);
}

void RateGate::configure(RateLimit limit, Instant now, Duration slack) {
  limit.burst = in_bursts(limit);
  if (limit == limit_ && slack == slack_) {
    return;
  }
  const bool busy = limited() && rests_at() > now;
  Before before{limit_,       slack_, whole_window(),     opens_at(), full_at_,
                interval_ns_, burst_, std::move(memory_), busy};
  limit_ = limit;
  slack_ = slack;
  burst_ = 0;
  interval_ns_ = 0;
  full_at_ = limit.limited() && !limit.burst ? now : Instant{};
  if (limit.limited()) {
    limit.burst ? count_window(before, now) : pace(before, now);
  }
}

void RateGate::count_window(Before& before, Instant now) {
  burst_ = limit_.count;
  interval_ns_ = whole_window().ns / limit_.count;
  memory_ = std::make_unique<Memory>();
  if (before.memory && before.memory->window && limit_.period == before.limit.period) {
    memory_->window = std::move(before.memory->window);
    window()->set_count(limit_.count);
    return;
  }
  memory_->window = std::make_unique<BurstWindow>();
  window()->begin(limit_.count, whole_window());
  if (before.busy) {
    window()->use_up(now);  // the most that may have been used in this window
  }
}

void RateGate::pace(const Before& before, Instant now) {
  burst_ = burst_of(limit_, room_of(limit_, kTenth, kMadeUp), slack_.ns > 0);
  if (is_logged(limit_)) {
    const std::uint32_t made_up = limit_.period < kLong ? kMadeUp : kMadeUpLong;
    burst_ = static_cast<std::uint32_t>(room_of(limit_, kTenth, made_up));
    memory_ = std::make_unique<Memory>();
    memory_->log = std::make_unique<PermitLog>(limit_.count);
  }
  const Duration whole = whole_window();
  interval_ns_ = interval_of({limit_.count, whole}, burst_, log() != nullptr);
  if (log() != nullptr || before.limit.limited()) {
    put_off(now);  // a log has not been late yet; no fresh burst by a reload
  }
  if (!before.busy) {
    return;
  }
  const PermitLog* const kept = before.memory ? before.memory->log.get() : nullptr;
  if (before.memory && before.memory->window) {
    pace_evenly(now + whole);
  } else if (kept != nullptr && log() != nullptr && whole <= before.whole &&
             (limit_.count <= before.limit.count || !kept->cut())) {
    // What it had forgotten was a whole window before its last permit.
    log()->go_on(*kept);
    put_off(std::max(now, log()->last() + interval()));
  } else {
    // From `next` on any window holds at most N of one each interval, with those before it. A
    // faster limit need not wait for a permit of the slower one: an empty burst and a whole
    // interval from now keep any window, that over both limits too, within the faster one; as many
    // as could be made up for, where the last permits may have been. After a whole window nothing
    // earlier counts.
    const bool logs = kept != nullptr || log() != nullptr;
    const bool faster = interval_ns_ < before.interval_ns &&
                        (kept != nullptr || before.burst <= burst_) && slack_ == before.slack;
    const Instant next = logs ? before.full_at + Duration{before.interval_ns} : before.opens;
    const Instant soon = now + interval() * (logs ? before.burst : 1);
    const Instant open = std::max(now, faster ? std::min(next, soon) : next);
    pace_evenly(std::min(open, now + whole));
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
    pace_evenly(when);
  }
}

void RateGate::put_off(Instant when) {
  if (window() == nullptr) {
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
    pace_evenly(start + late + std::min(interval() * (burst_ + 1), whole_window()));
  } else {
    full_at_ = std::max(full_at_, start + late + Duration{burst_ * interval_ns_});
  }
}

RateGate::Position RateGate::position() const {
  // Of a log: when one that is taken evenly from then on fits in behind what it remembers.
  const Instant rests =
      log() != nullptr ? std::max(paced_at(), log()->evenly_from(interval())) : rests_at();
  return {window() != nullptr ? rests : rests + late(), window() != nullptr ? window()->used() : 0};
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
    pace_evenly(std::min(rests, now + whole_window()));
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
  if (spaced()) {
    return opens_at() <= now ? 1 : 0;
  }
  std::uint32_t units = burst_;
  if (full_at_.ns > now.ns) {
    const std::int64_t missing = full_at_.ns - now.ns;
    const std::int64_t whole = burst_ * interval_ns_;
    units = missing > whole ? 0 : static_cast<std::uint32_t>((whole - missing) / interval_ns_);
  }
  while (log() != nullptr && units > 0 && log_opens(units - 1) > now) {
    --units;
  }
  return units;
}

// When its log lets it give more than `units`.
Instant RateGate::log_opens(std::uint32_t units) const {
  const Instant room = log()->more_than(units, whole_window());
  const Duration nearest = interval() * kNearest / kOfInterval;
  return spaced() ? std::max(room, log()->last() + nearest * (units + 1)) : room;
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
  const Instant room = log() != nullptr ? log_opens(units) : Instant{};
  return paced == Instant::never() || room == Instant::never() ? Instant::never()
                                                               : std::max(paced, room - ahead);
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
  if (log() != nullptr && now - opens_at() > interval() * burst_) {
    put_off(now);  // nobody waited
  }
  full_at_ = Instant{std::max(full_at_.ns, now.ns) + count * interval_ns_};
  for (std::uint32_t n = log() != nullptr ? count : 0; n > 0; --n) {
    log()->take(now, whole_window());
  }
}

// Without a log the next permit may have come later because of these, or for another reason.
void RateGate::give_back(std::uint32_t count, Instant taken) {
  if (window() != nullptr) {
    window()->give_back(count, taken);
  }
  for (; log() != nullptr && count > 0 && log()->give_back(taken); --count) {
    // What came after it may have begun anew, and been put off by nothing but itself.
    full_at_ = std::max(full_at_ - interval(), std::min(full_at_, log()->evenly_from(interval())));
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
                           : spaced()
                               ? opens_at()
                               : std::max(opens_at(), std::min(full_at_, paced_at() + kTenth));
  return gathered + interval() * units;
}

Instant RateGate::rests_at() const {
  return !limited()            ? Instant{}
         : window() != nullptr ? window()->rests_at()
         : log() != nullptr
             ? std::min(full_at_ + interval() * burst_, log()->last() + whole_window())
             : full_at_;
}

}  // namespace ringpost::schedule
