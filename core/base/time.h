#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace ringpost {

/// A length of time in nanoseconds; may be negative.
struct Duration {
  std::int64_t ns = 0;

  static constexpr Duration nanoseconds(std::int64_t n) { return {n}; }
  static constexpr Duration microseconds(std::int64_t n) { return {n * 1'000}; }
  static constexpr Duration milliseconds(std::int64_t n) { return {n * 1'000'000}; }
  static constexpr Duration seconds(std::int64_t n) { return {n * 1'000'000'000}; }
  static constexpr Duration minutes(std::int64_t n) { return seconds(n * 60); }
  static constexpr Duration hours(std::int64_t n) { return seconds(n * 3600); }
  static constexpr Duration days(std::int64_t n) { return hours(n * 24); }
  /// `never` and `unlimited` in the configuration.
  static constexpr Duration forever() { return {std::numeric_limits<std::int64_t>::max()}; }

  constexpr std::int64_t whole_seconds() const { return ns / 1'000'000'000; }
  constexpr std::int64_t whole_milliseconds() const { return ns / 1'000'000; }
  constexpr bool is_forever() const { return *this == forever(); }

  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration other) const { return {ns + other.ns}; }
  constexpr Duration operator-(Duration other) const { return {ns - other.ns}; }
  constexpr Duration operator*(std::int64_t factor) const { return {ns * factor}; }
  constexpr Duration operator/(std::int64_t divisor) const { return {ns / divisor}; }
};

/// A point on the host's monotonic clock (CLOCK_BOOTTIME), in nanoseconds. Only meaningful
/// within one boot; what must survive a restart is kept as WallTime.
struct Instant {
  std::int64_t ns = 0;

  /// Later than every real instant.
  static constexpr Instant never() { return {std::numeric_limits<std::int64_t>::max()}; }

  constexpr auto operator<=>(const Instant&) const = default;
  /// Adding forever() or anything past the end of the clock gives never().
  constexpr Instant operator+(Duration d) const {
    return d.ns > 0 && ns > never().ns - d.ns ? never() : Instant{ns + d.ns};
  }
  constexpr Instant operator-(Duration d) const { return {ns - d.ns}; }
  constexpr Duration operator-(Instant other) const { return {ns - other.ns}; }
};

/// Civil time: microseconds since 1970-01-01T00:00:00Z. May step; never used for pacing.
struct WallTime {
  std::int64_t us = 0;

  constexpr auto operator<=>(const WallTime&) const = default;
  constexpr WallTime operator+(Duration d) const { return {us + d.ns / 1'000}; }
  constexpr WallTime operator-(Duration d) const { return {us - d.ns / 1'000}; }
  constexpr Duration operator-(WallTime other) const { return {(us - other.us) * 1'000}; }
  constexpr std::int64_t unix_seconds() const { return us / 1'000'000; }
};

/// Both clocks, read together once per loop turn and handed to every handler of that turn, so
/// that all decisions of a turn see the same time.
struct Now {
  Instant instant;
  WallTime wall;
};

}  // namespace ringpost
