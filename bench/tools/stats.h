#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace ringpost::tools {

/// A counter written by one thread and read by any.
class Counter {
 public:
  void add(std::uint64_t n) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Latencies in nanoseconds in buckets about 3 % wide; 32 to the octave. One thread writes;
/// merge() after it has ended.
class Histogram {
 public:
  void add(std::int64_t ns) noexcept;
  void merge(const Histogram& other) noexcept;
  std::uint64_t count() const noexcept { return count_; }
  std::int64_t max_ns() const noexcept { return max_ns_; }
  /// The upper end of the bucket in which `share` (0..1) of the values is reached; 0 if empty.
  std::int64_t quantile_ns(double share) const noexcept;

 private:
  static constexpr unsigned kSubBits = 5;
  std::array<std::uint64_t, 64 << kSubBits> buckets_{};
  std::uint64_t count_ = 0;
  std::int64_t max_ns_ = 0;
};

/// CLOCK_MONOTONIC in nanoseconds.
std::int64_t monotonic_ns() noexcept;
/// User and system time of this process in seconds.
double process_cpu_seconds() noexcept;

}  // namespace ringpost::tools
