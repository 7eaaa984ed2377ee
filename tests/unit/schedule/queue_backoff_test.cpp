#include "tests/unit/schedule/crowd.h"

// Twins of back-off mode of a queue that is in no group: they hold instead of its own limits, from
// one change of the mode to the next. The crowd asserts it at every connection and at every take.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

RateLimit some_rate(Random& random, std::uint32_t most, unsigned percent) {
  return random.chance(percent)
             ? RateLimit{static_cast<std::uint32_t>(1 + random.below(most)),
                         random.chance(70) ? Duration::seconds(1) : Duration::seconds(10)}
             : RateLimit{};
}

CrowdPlan draw_twins(Random& random) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(8));
  plan.vmta_max.assign(1 + random.below(2), 0);
  plan.queue_max =
      std::vector<std::uint32_t>(1 + random.below(6), static_cast<std::uint32_t>(random.below(8)));
  plan.twins = true;
  plan.messages = some_rate(random, 100, 60);
  plan.connects = some_rate(random, 30, 50);
  plan.backoff_max = random.chance(70) ? static_cast<std::uint32_t>(1 + random.below(3)) : 0;
  plan.backoff_messages = some_rate(random, 20, 80);
  plan.backoff_connects = some_rate(random, 6, 60);
  if (random.chance(30)) {
    plan.size_max = static_cast<std::uint32_t>(1 + random.below(20'000));
    plan.octets = {50'000 + random.below(200'000), Duration::seconds(1)};
    plan.backoff_octets = {5'000 + random.below(50'000), Duration::seconds(1)};
  }
  if (random.chance(30)) {
    plan.vmta_messages.push_back(
        {static_cast<std::uint32_t>(20 + random.below(100)), Duration::seconds(1)});
  }
  if (random.chance(30)) {
    plan.hosts = static_cast<unsigned>(1 + random.below(3));
    plan.failing_connects = random.chance(50) ? 0 : 10;
  }
  plan.grouped = random.chance(20) ? 1 : 0;
  plan.service_max = Duration::milliseconds(random.chance(50) ? 20 : 300);
  plan.letter_delay_max = Duration{random.between(1'000, 20'000'000)};
  plan.failing_sessions = random.chance(50) ? 0 : 10;
  plan.failing_recipients = random.chance(50) ? 0 : 20;
  plan.late_take = random.chance(30);
  plan.late_word = random.chance(50);
  plan.prefetch = random.chance(30);
  return plan;
}

TEST(QueueBackoffLimits, AreNeverExceededWhateverTheModes) {
  std::uint64_t taken = 0;
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 15'487'469);
    const CrowdPlan plan = draw_twins(random);
    Crowd crowd(plan, seed);
    for (int wave = 0; wave < 8; ++wave) {
      for (auto n = random.below(60); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                    static_cast<std::uint32_t>(1 + random.below(8)));
      }
      crowd.run(Duration{random.between(0, 8'000'000'000)});
      crowd.set_mode(random.below(plan.queue_max.size()), random.chance(60));
      if (random.chance(20)) {
        crowd.reload(plan.total_max, plan.vmta_max, plan.queue_max);  // the same once more
      }
      if (HasFatalFailure()) {
        return;
      }
    }
    taken += crowd.taken;
    ASSERT_TRUE(crowd.run(Duration::hours(19))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_EQ(crowd.ended, crowd.admitted);
  }
  EXPECT_TRUE(test::seeds() < 10 || taken > 100 * test::seeds()) << "the seeds draw too little";
}

// While mail waits a queue in back-off mode has what the twins allow, and its own limits after it.
TEST(QueueBackoffLimits, AreUsedUpInTurnWithTheNormalOnes) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 15'487'471);
    CrowdPlan plan;
    plan.shards = static_cast<unsigned>(1 + random.below(8));
    plan.vmta_max = {0};
    plan.queue_max = {20};
    plan.twins = true;
    plan.messages = {static_cast<std::uint32_t>(50 + random.below(100)), Duration::seconds(1)};
    plan.backoff_messages = {static_cast<std::uint32_t>(5 + random.below(30)),
                             Duration::seconds(1)};
    plan.backoff_max = static_cast<std::uint32_t>(2 + random.below(3));
    plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
    plan.jobs_per_session_max = 1'000'000'000;
    plan.service_max = Duration::milliseconds(40);
    Crowd crowd(plan, seed);
    for (int i = 0; i < 6'000; ++i) {
      crowd.admit(0, 0, 1);
    }
    for (const bool backoff : {false, true, false}) {
      crowd.set_mode(0, backoff);
      crowd.run(Duration::seconds(4));
      const std::uint64_t before = crowd.taken;
      crowd.run(Duration::seconds(10));
      ASSERT_FALSE(HasFatalFailure());
      const std::uint64_t allowed = (backoff ? plan.backoff_messages : plan.messages).count * 10U;
      EXPECT_GE((crowd.taken - before) * 100, allowed * 95) << crowd.report();
    }
  }
}

}  // namespace
}  // namespace ringpost::schedule
