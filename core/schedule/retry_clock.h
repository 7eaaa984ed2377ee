#pragma once

#include <cstdint>
#include <vector>

#include "core/base/time.h"
#include "core/mail/policy.h"

namespace ringpost::schedule {

/// How long the `step`th attempt in a row (from 0) is put off: the rung of `ladder`, which is not
/// empty; past its last rung that rung times `curve.growth` for each further step, never over
/// `curve.longest` unless the rung itself is longer; then up to `curve.jitter_percent` of it more.
/// The addition is drawn from `salt` and `step`, hence the same whenever it is asked for again:
/// recipients of one message stay together, and a simulated run repeats itself. Pure.
Duration retry_wait(const std::vector<Duration>& ladder, const RetryCurve& curve,
                    std::uint32_t step, std::uint64_t salt);
/// The longest that it can be for any salt.
Duration longest_retry_wait(const std::vector<Duration>& ladder, const RetryCurve& curve,
                            std::uint32_t step);

}  // namespace ringpost::schedule
