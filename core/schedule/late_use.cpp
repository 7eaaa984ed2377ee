#include "core/schedule/late_use.h"

#include "core/schedule/rate_gate.h"
#include "core/schedule/warmup.h"

namespace ringpost::schedule {

namespace {

constexpr std::int64_t kWhole = 255;
constexpr std::uint32_t kAnyMs = 0xffff;

std::uint8_t share_of(Duration late, Duration most) {
  if (most.is_forever() || most.ns <= 0) {
    return 0;
  }
  return static_cast<std::uint8_t>(std::min(kWhole, (late.ns * kWhole + most.ns - 1) / most.ns));
}

Duration share_in(std::uint8_t share, Duration most) {
  return most.is_forever() ? most : Duration{most.ns / kWhole * share};
}

std::uint32_t ms_of(Duration late) {
  return static_cast<std::uint32_t>(std::min<std::int64_t>(late.whole_milliseconds(), kAnyMs));
}

Duration from_ms(std::uint32_t ms) {
  return ms == kAnyMs ? Duration::forever() : Duration::milliseconds(ms);
}

}  // namespace

bool is_quick(const SharedRate& rate) {
  return rate.warmup == nullptr
             ? RateGate::quick(rate.limit)
             : RateGate::quick(rate.warmup->start) && RateGate::quick(rate.warmup->end);
}

void LateUse::allow(const SharedRate& rate) {
  if (rate.octets.limited() || (rate.warmup == nullptr && !rate.limit.limited())) {
    return;
  }
  const bool fast = is_quick(rate);
  Duration most = RateGate::late_max(rate.limit);
  if (rate.warmup != nullptr) {
    const Duration start = RateGate::late_max(rate.warmup->start);
    const Duration end = RateGate::late_max(rate.warmup->end);
    most = fast ? std::min(start, end) : std::max(start, end);
  }
  Duration& one = fast ? quick : slow;
  one = std::min(one, most);
}

std::uint32_t LateUse::as_ms() const { return ms_of(quick) | ms_of(slow) << 16; }

LateUse LateUse::of_ms(std::uint32_t both) { return {from_ms(both & kAnyMs), from_ms(both >> 16)}; }

LateShares LateShares::of(const LateUse& late, const LateUse& most) {
  return {share_of(late.quick, most.quick), share_of(late.slow, most.slow)};
}

LateUse LateShares::of(const LateUse& most) const {
  return {share_in(quick, most.quick), share_in(slow, most.slow)};
}

}  // namespace ringpost::schedule
