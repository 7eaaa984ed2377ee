#include "core/schedule/retry_clock.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/random.h"

namespace ringpost::schedule {
namespace {

Duration grown(Duration rung, const RetryCurve& curve, std::uint32_t steps) {
  if (curve.growth <= 1) {
    return rung;
  }
  const Duration longest = std::max(rung, curve.longest);
  while (steps > 0 && rung < longest) {
    rung = rung.ns > longest.ns / curve.growth ? longest : Duration{rung.ns * curve.growth};
    --steps;
  }
  return rung;
}

Duration without_jitter(const std::vector<Duration>& ladder, const RetryCurve& curve,
                        std::uint32_t step) {
  RP_ASSERT(!ladder.empty());
  const auto last = static_cast<std::uint32_t>(ladder.size() - 1);
  return step <= last ? ladder[step] : grown(ladder[last], curve, step - last);
}

}  // namespace

Duration retry_wait(const std::vector<Duration>& ladder, const RetryCurve& curve,
                    std::uint32_t step, std::uint64_t salt) {
  const Duration wait = without_jitter(ladder, curve, step);
  if (curve.jitter_percent == 0 || wait.ns <= 0) {
    return wait;
  }
  // Each step draws anew, or the messages of one bad minute would meet again at every later one.
  Random draw(salt ^ (std::uint64_t{step} << 56));
  const auto most = static_cast<std::uint64_t>(wait.ns / 100) * curve.jitter_percent;
  return wait + Duration{static_cast<std::int64_t>(draw.below(most + 1))};
}

Duration longest_retry_wait(const std::vector<Duration>& ladder, const RetryCurve& curve,
                            std::uint32_t step) {
  const Duration wait = without_jitter(ladder, curve, step);
  return wait + Duration{wait.ns / 100 * curve.jitter_percent};
}

}  // namespace ringpost::schedule
