#include "core/schedule/rate_gate.h"

#include <algorithm>

#include "core/base/assert.h"

namespace ringpost::schedule {

namespace {

/// N/25 where permits are used at once; half of that where they may be used a while later, which
/// costs up to 2 % of its own.
constexpr std::uint32_t kBurstDivisor = 25;
constexpr std::int64_t kDueMax = 1'000'000;

constexpr Duration kLateMax = Duration::minutes(1);
constexpr Duration kQuick = Duration::seconds(5);
constexpr Duration kShort = Duration::seconds(20);

/// A single permit has no burst.
bool in_bursts(RateLimit limit) { return limit.burst && limit.count > 1; }

std::uint32_t burst_of(RateLimit limit, bool slack) {
  // count * 100 ms / period; counts are 32 bits and 100 ms is 27, so the product fits.
  const auto tenth = static_cast<std::uint64_t>(limit.count) * 100'000'000ULL /
                     static_cast<std::uint64_t>(limit.period.ns);
  const std::uint64_t burst =
      std::min<std::uint64_t>(tenth, limit.count / (kBurstDivisor * (slack ? 2 : 1)));
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, burst));
}

std::int64_t interval_of(RateLimit limit, std::uint32_t burst) {
  const auto steps = static_cast<std::int64_t>(limit.count) - burst + 1;
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
  return window_                       ? slack_
         : !limited() || quick(limit_) ? most
                                       : std::min(most, std::max(limit_.period, late()));
}

void RateGate::configure(RateLimit limit, Instant now, Duration slack) {
  limit.burst = in_bursts(limit);
  if (limit == limit_ && slack == slack_) {
    return;
  }
  const bool busy = limited() && rests_at() > now;
  const Instant next = std::max(opens_at(), now);
  const bool counts_on = window_ && limit.burst && limit.period == limit_.period;
  const bool was_burst = window_ != nullptr;
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
    window_.reset();
    return;
  }
  const Duration window = limit.period + slack + late();
  if (limit.burst) {
    burst_ = limit.count;
    interval_ns_ = window.ns / limit.count;
    if (counts_on) {
      window_->set_count(limit.count);
      return;
    }
    window_ = std::make_unique<BurstWindow>();
    window_->begin(limit.count, window);
    if (busy) {
      window_->use_up(now);  // the most that may have been used in this window
    }
    return;
  }
  window_.reset();
  burst_ = burst_of(limit, slack.ns > 0);
  interval_ns_ = interval_of({limit.count, window}, burst_);
  full_at_ = now;
  if (had_limit) {
    // A faster limit need not wait for a permit of the slower one: an empty burst and a whole
    // interval from now keep any window, that over both limits too, within the faster one.
    const bool faster = !was_burst && interval_ns_ < interval_before && burst_before <= burst_ &&
                        slack_before == slack_;
    const Instant open = faster ? std::min(next, Instant{now.ns + interval_ns_}) : next;
    close_until(was_burst && busy ? now + window : open);
  }
}

void RateGate::used_late(Duration late) {
  constexpr std::int64_t kMost = 0xffffffff;
  const std::int64_t us = std::min((late.ns + 999) / 1000, kMost);
  if (us <= late_us_ || !limited() || window_) {
    return;
  }
  const Duration more = Duration::microseconds(us - late_us_);
  late_us_ = static_cast<std::uint32_t>(us);
  const std::int64_t before = interval_ns_;
  interval_ns_ = interval_of({limit_.count, limit_.period + slack_ + this->late()}, burst_);
  // The longer interval gives no burst that is not there.
  full_at_ = full_at_ + more + Duration{(burst_ - 1) * (interval_ns_ - before)};
}

void RateGate::close_until(Instant when) {
  if (window_) {
    window_->close_until(when);
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
  if (window_) {
    window_->use_up(start);
  } else {
    full_at_ = std::max(full_at_, start + late + Duration{burst_ * interval_ns_});
  }
}

RateGate::Position RateGate::position() const {
  return {window_ ? rests_at() : rests_at() + late(), window_ ? window_->used() : 0};
}

void RateGate::go_on(Position position, Instant now) {
  if (!limited() || position.rests <= now) {
    return;
  }
  if (window_) {
    window_->take(std::min(position.used, window_->available(now)), now);
  } else {
    // Never longer than after a full period of it, whatever a clock that was set back makes of it.
    const Instant latest = now + limit_.period + Duration{burst_ * interval_ns_};
    full_at_ = std::max(full_at_, std::min(position.rests, latest));
  }
}

std::uint32_t RateGate::available(Instant now) const {
  if (!limited()) {
    return kUnlimited;
  }
  if (window_) {
    return window_->available(now);
  }
  if (full_at_.ns <= now.ns) {
    return burst_;
  }
  const std::int64_t missing = full_at_.ns - now.ns;
  const std::int64_t whole = burst_ * interval_ns_;
  return missing > whole ? 0 : static_cast<std::uint32_t>((whole - missing) / interval_ns_);
}

std::uint32_t RateGate::due(Instant now, Duration ahead) const {
  if (!limited()) {
    return kUnlimited;
  }
  if (window_) {
    const std::uint32_t units = window_->available(now);
    return units == 0 && window_->opens_at() <= now + ahead ? 1 : units;
  }
  const std::int64_t missing = std::max<std::int64_t>(0, full_at_.ns - now.ns);
  const std::int64_t span = burst_ * interval_ns_ - missing + ahead.ns;
  return span < 0 ? 0 : static_cast<std::uint32_t>(std::min(span / interval_ns_, kDueMax));
}

Instant RateGate::due_at(std::uint32_t units, Duration ahead) const {
  if (!limited()) {
    return {};
  }
  const bool gathers = window_ ? units == 0 : units < burst_ + ahead.ns / interval_ns_;
  return gathers ? opens_at() + Duration{units * interval_ns_} - ahead : Instant::never();
}

void RateGate::take(std::uint32_t count, Instant now) {
  if (!limited()) {
    return;
  }
  if (window_) {
    window_->take(count, now);
    return;
  }
  RP_ASSERT_NOTE(count <= available(now), "a rate permit was taken that is not there");
  full_at_ = Instant{std::max(full_at_.ns, now.ns) + count * interval_ns_};
}

Instant RateGate::opens_at() const {
  return !limited() ? Instant{}
         : window_  ? window_->opens_at()
                    : Instant{full_at_.ns - (burst_ - 1) * interval_ns_};
}

Instant RateGate::rests_at() const {
  return !limited() ? Instant{} : window_ ? window_->rests_at() : full_at_;
}

}  // namespace ringpost::schedule
