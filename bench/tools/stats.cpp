#include "bench/tools/stats.h"

#include <algorithm>
#include <bit>
#include <ctime>

namespace ringpost::tools {

void Histogram::add(std::int64_t ns) noexcept {
  const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0));
  std::size_t index = value;
  if (value >= (1U << kSubBits)) {
    const unsigned octave = static_cast<unsigned>(std::bit_width(value)) - 1 - kSubBits;
    index = ((octave + 1) << kSubBits) + ((value >> octave) - (1U << kSubBits));
  }
  ++buckets_[index];
  ++count_;
  max_ns_ = std::max(max_ns_, ns);
}

void Histogram::merge(const Histogram& other) noexcept {
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    buckets_[i] += other.buckets_[i];
  }
  count_ += other.count_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
}

std::int64_t Histogram::quantile_ns(double share) const noexcept {
  if (count_ == 0) {
    return 0;
  }
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(share * static_cast<double>(count_) + 0.5));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted) {
      if (i < (1U << kSubBits)) {
        return static_cast<std::int64_t>(i);
      }
      const std::size_t octave = (i >> kSubBits) - 1;
      const std::uint64_t within = (i & ((1U << kSubBits) - 1)) + (1U << kSubBits) + 1;
      return std::min(static_cast<std::int64_t>((within << octave) - 1), max_ns_);
    }
  }
  return max_ns_;
}

std::int64_t monotonic_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

double process_cpu_seconds() noexcept {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

}  // namespace ringpost::tools
