#include "core/schedule/rate_gate.h"

#include <algorithm>

#include "core/base/assert.h"

namespace ringpost::schedule {

namespace {

/// N/25 where permits are used at once; half of that where they may be used a while later, which
/// costs up to 2 % of its own.
constexpr std::uint32_t kBurstDivisor = 25;

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

void RateGate::configure(RateLimit limit, Instant now, Duration slack) {
  if (limit == limit_ && slack == slack_) {
    return;
  }
  const bool had_limit = limited();
  const Instant next = std::max(opens_at(), now);
  limit_ = limit;
  slack_ = slack;
  if (!limit.limited()) {
    burst_ = 0;
    interval_ns_ = 0;
    full_at_ = {};
    return;
  }
  burst_ = burst_of(limit, slack.ns > 0);
  interval_ns_ = interval_of({limit.count, limit.period + slack}, burst_);
  full_at_ = had_limit ? Instant{next.ns + (burst_ - 1) * interval_ns_} : now;
}

void RateGate::close_until(Instant when) {
  full_at_ = std::max(full_at_, Instant{when.ns + (burst_ - 1) * interval_ns_});
}

std::uint32_t RateGate::available(Instant now) const {
  if (!limited()) {
    return kUnlimited;
  }
  if (full_at_.ns <= now.ns) {
    return burst_;
  }
  const std::int64_t missing = full_at_.ns - now.ns;
  const std::int64_t whole = burst_ * interval_ns_;
  return missing > whole ? 0 : static_cast<std::uint32_t>((whole - missing) / interval_ns_);
}

void RateGate::take(std::uint32_t count, Instant now) {
  if (!limited()) {
    return;
  }
  RP_ASSERT_NOTE(count <= available(now), "a rate permit was taken that is not there");
  full_at_ = Instant{std::max(full_at_.ns, now.ns) + count * interval_ns_};
}

Instant RateGate::opens_at() const {
  return limited() ? Instant{full_at_.ns - (burst_ - 1) * interval_ns_} : Instant{};
}

}  // namespace ringpost::schedule
