#pragma once

#include <cstdint>

// How gates make up for permits that were taken late: who needs permits of several at once takes
// them when the last one opens, and receivers let few messages begin when they may.

namespace ringpost::schedule {

/// The next ones come sooner, for the time of so many at the most.
inline constexpr std::uint32_t kMadeUp = 6;
/// Of those that come slowly no two are nearer than two thirds of their time.
inline constexpr std::int64_t kNearest = 2;
inline constexpr std::int64_t kOfInterval = 3;

}  // namespace ringpost::schedule
