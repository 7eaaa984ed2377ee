#pragma once

#include <cstdint>
#include <vector>

#include "core/schedule/limits.h"

namespace ringpost::schedule {

/// Whose limit a shared rate is.
enum class RateOf : std::uint8_t {
  vmta,
  pool,
  group,
  warmup,
  sender,
  vmta_octets,
  group_octets,
  source,  ///< of a group, from a source address
  source_octets,
  group_backoff,  ///< of what is in back-off mode in a group
  group_backoff_octets,
};

/// A rate limit that queues of several destinations share.
struct SharedRate {
  std::uint64_t key = 0;  ///< of its gate
  RateLimit limit;        ///< none, where `warmup` tells it
  RateOf of = RateOf::vmta;
  /// The configuration before had it at another shard, where its position stays behind: it begins
  /// with one period without any permit.
  bool moved = false;
  WarmupPlanRef warmup = nullptr;
  ByteLimit octets{};  ///< if limited, what it limits instead

  bool by_source() const { return of == RateOf::source || of == RateOf::source_octets; }
};

/// What one permit of a virtual MTA counts in.
struct RatePlan {
  /// Shard `home` % shards keeps all its rates. Plans that have a rate in common have one home, so
  /// that a permit of all of them is taken in one step, or none is.
  std::uint64_t home = 0;
  bool moved = false;  ///< the configuration before had another home for it
  /// Of a group whose source addresses have rates and scopes of their own. Its own permits are for
  /// none of them and count in all.
  bool split = false;
  std::vector<SharedRate> rates;
};

}  // namespace ringpost::schedule
