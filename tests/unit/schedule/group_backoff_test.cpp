#include "tests/unit/schedule/crowd.h"

// Back-off limits of a group hold over all its domains and shards that are in that mode, beside the
// group's own. The crowd asserts both at every connection and at every take.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

RateLimit some_rate(Random& random, std::uint32_t most) {
  return {static_cast<std::uint32_t>(1 + random.below(most)),
          random.chance(70) ? Duration::seconds(1) : Duration::seconds(10)};
}

CrowdPlan draw_group(Random& random) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(8));
  plan.vmta_max.assign(1 + random.below(2), 0);
  plan.queue_max = std::vector<std::uint32_t>(2 + random.below(8), 5);
  plan.grouped = plan.queue_max.size();
  plan.group_max = random.chance(60) ? static_cast<std::uint32_t>(4 + random.below(6)) : 0;
  plan.group_backoff_max = random.chance(70) ? static_cast<std::uint32_t>(1 + random.below(3)) : 0;
  plan.group_messages = random.chance(50) ? some_rate(random, 100) : RateLimit{};
  plan.group_connects = random.chance(30) ? some_rate(random, 30) : RateLimit{};
  plan.group_backoff_messages = random.chance(70) ? some_rate(random, 20) : RateLimit{};
  plan.group_backoff_connects = random.chance(40) ? some_rate(random, 10) : RateLimit{};
  plan.letter_delay_max = Duration{random.between(1'000, 20'000'000)};
  plan.failing_recipients = random.chance(50) ? 0 : 20;
  plan.late_take = random.chance(30);
  plan.prefetch = random.chance(30);
  return plan;
}

TEST(GroupBackoffLimits, AreNeverExceededWhateverTheModes) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 15'485'863);
    const CrowdPlan plan = draw_group(random);
    Crowd crowd(plan, seed);
    for (int wave = 0; wave < 6; ++wave) {
      for (auto n = random.below(40); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                    static_cast<std::uint32_t>(1 + random.below(8)));
      }
      crowd.run(Duration{random.between(0, 4'000'000'000)});
      crowd.set_mode(random.below(plan.queue_max.size()), random.chance(60));
      if (random.chance(20)) {
        crowd.reload(plan.total_max, plan.vmta_max, plan.queue_max);  // the same once more
      }
      if (HasFatalFailure()) {
        return;
      }
    }
    ASSERT_TRUE(crowd.run(Duration::hours(19))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_EQ(crowd.ended, crowd.admitted);
  }
}

// With every domain in back-off mode the group sends what the twins allow it as a whole.
TEST(GroupBackoffLimits, AreUsedUpByTheGroup) {
  for (const unsigned shards : {1u, 4u}) {
    SCOPED_TRACE(shards);
    CrowdPlan plan;
    plan.shards = shards;
    plan.vmta_max = {0};
    plan.queue_max = std::vector<std::uint32_t>(8, 5);
    plan.grouped = 8;
    plan.group_max = 20;
    plan.group_backoff_max = 6;
    plan.group_messages = {200, Duration::seconds(1)};
    plan.group_backoff_messages = {40, Duration::seconds(1)};
    plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
    plan.refused_letters = 0;
    plan.letter_delay_max = Duration::microseconds(200);
    plan.service_max = Duration::milliseconds(100);
    Crowd crowd(plan, shards);
    for (std::size_t i = 0; i < 8'000; ++i) {
      crowd.admit(i % 8, 0, 1);
    }
    crowd.run(Duration::seconds(10));
    const std::uint64_t normal = crowd.taken;
    EXPECT_GE(normal, 9 * 200 * 95 / 100U);
    for (std::size_t i = 0; i < 8; ++i) {
      crowd.set_mode(i, true);
    }
    crowd.run(Duration::seconds(5));
    const std::uint64_t before = crowd.taken;
    crowd.most_open = 0;
    crowd.run(Duration::seconds(20));
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_GE(crowd.taken - before, 20 * 40 * 95 / 100U) << crowd.report();
    EXPECT_LE(crowd.taken - before, 21 * 40U);
    EXPECT_LE(crowd.most_open, 6u);
  }
}

// `why` names the twin.
TEST(GroupBackoffLimits, AreTheGateThatIsTold) {
  CrowdPlan plan;
  plan.vmta_max = {0};
  plan.queue_max = {5, 5, 5};
  plan.grouped = 3;
  plan.group_max = 20;
  plan.group_backoff_max = 1;
  plan.jobs_per_session_max = 1'000'000;
  plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
  Crowd crowd(plan, 1);
  for (std::size_t i = 0; i < 3; ++i) {
    crowd.set_mode(i, true);
    for (int n = 0; n < 100; ++n) {
      crowd.admit(i, 0, 1);
    }
    crowd.set_mode(i, true);
  }
  crowd.run(Duration::seconds(3));
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_NE(crowd.report().find("group-backoff-connections"), std::string::npos) << crowd.report();
}

}  // namespace
}  // namespace ringpost::schedule
