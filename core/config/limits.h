#pragma once

#include <cstddef>

namespace ringpost::config {

/// What one load of a configuration may cost. Everything read is bounded, so that a wrong path
/// (a device, a log, a loop of includes) ends in a diagnostic and not in exhausted memory.
struct ParseLimits {
  std::size_t file_bytes = 64u << 20;    ///< one file
  std::size_t total_bytes = 256u << 20;  ///< all files together
  std::size_t line_bytes = 1u << 20;     ///< one line; long lists of domains need room
  std::size_t files = 1000;              ///< files read, each inclusion counted
  std::size_t include_depth = 16;        ///< files being read at once
  std::size_t nesting = 8;               ///< sections open at once
  std::size_t joined_lines = 10'000;     ///< lines of one list that goes on after commas
  std::size_t diagnostics = 1000;        ///< kept; more are counted
};

/// Most lines one pattern may be spread over. Patterns are broken by careless copying, at one
/// place each; more lines than this means that the closing slash is missing.
inline constexpr std::size_t kMaxPatternLines = 8;
/// Steps of a retry ladder.
inline constexpr std::size_t kMaxRetrySteps = 30;
/// Addresses that one network or range in `smtp-source-host` may stand for.
inline constexpr std::size_t kMaxExpandedAddresses = 4096;
/// Longest name of a domain, virtual MTA, pool or source.
inline constexpr std::size_t kMaxNameBytes = 255;
/// Queues whose policy a shard remembers by name. Mail to ever new domains must not fill memory.
inline constexpr std::size_t kMaxCachedQueues = 500'000;

}  // namespace ringpost::config
