#pragma once

#include "core/schedule/rate_book.h"

namespace ringpost::schedule::test {

/// A book of one shard with a plan that several scopes count in, as groups of one virtual MTA do.
struct TwoScopes : PolicySource, LeaseTransport {
  QueueSettings settings_of(std::string_view, std::string_view) override { return {}; }
  GlobalLimits global_limits() override { return {}; }
  const RatePlan* rate_plan(std::uint64_t) override { return &plan; }
  bool send(unsigned, const LeaseMessage&) override { return true; }

  RatePlan plan;
  Now now{Instant{} + Duration::hours(1), WallTime{1'800'000'000'000'000}};
  WarmupBook warmups{now};
  RatePositions positions;
  RateBook book{0, 1, *this, warmups, positions};
};

}  // namespace ringpost::schedule::test
