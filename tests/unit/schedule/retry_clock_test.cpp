#include "core/schedule/retry_clock.h"

#include <gtest/gtest.h>

#include <set>

namespace ringpost::schedule {
namespace {

const std::vector<Duration> kLadder = {Duration::minutes(5), Duration::minutes(15)};

TEST(RetryClock, TheLastRungRepeats) {
  const RetryCurve curve;
  EXPECT_EQ(retry_wait(kLadder, curve, 0, 7), Duration::minutes(5));
  EXPECT_EQ(retry_wait(kLadder, curve, 1, 7), Duration::minutes(15));
  EXPECT_EQ(retry_wait(kLadder, curve, 2, 7), Duration::minutes(15));
  EXPECT_EQ(retry_wait(kLadder, curve, 65'535, 7), Duration::minutes(15));
}

TEST(RetryClock, GrowsPastTheListUpToTheLongest) {
  const RetryCurve curve{2, Duration::hours(1), 0};
  EXPECT_EQ(retry_wait(kLadder, curve, 1, 7), Duration::minutes(15));
  EXPECT_EQ(retry_wait(kLadder, curve, 2, 7), Duration::minutes(30));
  EXPECT_EQ(retry_wait(kLadder, curve, 3, 7), Duration::hours(1));
  EXPECT_EQ(retry_wait(kLadder, curve, 4, 7), Duration::hours(1));
  EXPECT_EQ(retry_wait(kLadder, curve, 0xffffffff, 7), Duration::hours(1));
}

TEST(RetryClock, RungsLongerThanTheLongestStayAsWritten) {
  const RetryCurve curve{10, Duration::minutes(1), 0};
  EXPECT_EQ(retry_wait(kLadder, curve, 0, 7), Duration::minutes(5));
  EXPECT_EQ(retry_wait(kLadder, curve, 9, 7), Duration::minutes(15));
}

TEST(RetryClock, GrowthDoesNotOverflow) {
  const RetryCurve curve{10, Duration::forever(), 0};
  EXPECT_EQ(retry_wait(kLadder, curve, 60'000, 7), Duration::forever());
}

TEST(RetryClock, JitterLengthensWithinItsBoundAndIsRepeatable) {
  const RetryCurve curve{1, Duration::hours(12), 20};
  std::set<std::int64_t> seen;
  Duration shortest = Duration::hours(1);
  Duration longest{};
  for (std::uint64_t salt = 0; salt < 2'000; ++salt) {
    const Duration wait = retry_wait(kLadder, curve, 0, salt);
    EXPECT_LE(wait, longest_retry_wait(kLadder, curve, 0));
    EXPECT_GE(wait, Duration::minutes(5));
    EXPECT_LE(wait, Duration::minutes(6));
    EXPECT_EQ(wait, retry_wait(kLadder, curve, 0, salt));
    shortest = std::min(shortest, wait);
    longest = std::max(longest, wait);
    seen.insert(wait.ns);
  }
  EXPECT_GT(seen.size(), 1'900U) << "messages are spread, not moved together";
  EXPECT_LT(shortest, Duration::seconds(302));
  EXPECT_GT(longest, Duration::seconds(358));
}

TEST(RetryClock, EachStepIsDrawnAnew) {
  const RetryCurve curve{1, Duration::hours(12), 50};
  std::set<std::int64_t> extra;
  for (std::uint32_t step = 1; step < 20; ++step) {
    extra.insert(retry_wait(kLadder, curve, step, 7).ns);
  }
  EXPECT_EQ(extra.size(), 19U);
}

}  // namespace
}  // namespace ringpost::schedule
