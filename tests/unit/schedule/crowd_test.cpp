#include "tests/unit/schedule/crowd.h"

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

std::uint32_t small_or_none(Random& random, std::uint32_t most) {
  return random.chance(25) ? 0 : static_cast<std::uint32_t>(1 + random.below(most));
}

CrowdPlan draw(Random& random) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(8));
  plan.total_max = small_or_none(random, random.chance(50) ? 5 : 60);
  for (auto n = 1 + random.below(3); n > 0; --n) {
    plan.vmta_max.push_back(small_or_none(random, random.chance(50) ? 4 : 40));
  }
  for (auto n = 1 + random.below(12); n > 0; --n) {
    plan.queue_max.push_back(small_or_none(random, 6));
  }
  plan.jobs_max = static_cast<std::uint32_t>(2 + random.below(40));
  plan.failing_sessions = random.chance(30) ? 0 : static_cast<unsigned>(random.below(30));
  plan.failing_recipients = random.chance(30) ? 0 : static_cast<unsigned>(random.below(40));
  plan.closer = random.chance(50);
  plan.jobs = random.chance(50) ? static_cast<std::uint32_t>(1 + random.below(4)) : 0;
  plan.late_take = random.chance(30);
  plan.prefetch = random.chance(50);
  if (random.chance(40)) {
    for (std::size_t i = 0; i < plan.queue_max.size(); ++i) {
      plan.priorities.push_back(static_cast<std::uint8_t>(random.below(101)));
      plan.untouchable.push_back(random.chance(20));
    }
  }
  if (random.chance(30)) {
    plan.messages = {static_cast<std::uint32_t>(5 + random.below(200)), Duration::seconds(1)};
  }
  if (random.chance(40)) {
    plan.connects = {static_cast<std::uint32_t>(1 + random.below(random.chance(50) ? 3 : 30)),
                     Duration::seconds(random.between(1, 10))};
  }
  return plan;
}

void meddle(Crowd& crowd, const CrowdPlan& plan, Random& random) {
  QueuePattern pattern;
  if (random.chance(70)) {
    pattern.domain = crowd.domain(random.below(plan.queue_max.size()));
  }
  const std::string job = random.chance(20) ? "*" : "j" + std::to_string(random.below(4));
  switch (random.below(8)) {
    case 5: crowd.pause_jobs(job, true); break;
    case 6: crowd.each([&](Scheduler& s) { s.cancel_jobs(job, crowd.now); }); break;
    case 7: crowd.each([&](Scheduler& s) { s.schedule_jobs(job, crowd.now); }); break;
    case 0: crowd.pause(pattern, true); break;
    case 1: crowd.each([&](Scheduler& s) { s.cancel(pattern, crowd.now); }); break;
    case 2: crowd.each([&](Scheduler& s) { s.schedule_now(pattern, crowd.now); }); break;
    case 3:
      crowd.each([&](Scheduler& s) { s.hold(true); });
      crowd.run(Duration::seconds(1));
      crowd.each([&](Scheduler& s) { s.hold(false); });
      break;
    default: {
      const CrowdPlan other = draw(random);
      auto vmtas = plan.vmta_max;
      auto queues = plan.queue_max;
      for (std::size_t i = 0; i < vmtas.size(); ++i) {
        vmtas[i] = other.vmta_max[i % other.vmta_max.size()];
      }
      for (std::size_t i = 0; i < queues.size(); ++i) {
        queues[i] = other.queue_max[i % other.queue_max.size()];
      }
      crowd.reload(other.total_max, vmtas, queues);
    }
  }
}

// The same with operators at work and limits that change under load.
TEST(Crowd, KeepsLimitsThroughReloadsAndCommands) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 104'729);
    const CrowdPlan plan = draw(random);
    Crowd crowd(plan, seed);
    for (int wave = 0; wave < 8; ++wave) {
      for (auto n = random.below(30); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                    static_cast<std::uint32_t>(1 + random.below(8)));
      }
      crowd.run(Duration{random.between(0, 3'000'000'000)});
      meddle(crowd, plan, random);
      if (HasFatalFailure()) {
        return;
      }
    }
    crowd.pause({}, false);
    crowd.pause_jobs("*", false);
    ASSERT_TRUE(crowd.run(Duration::hours(2))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_EQ(crowd.ended, crowd.admitted);
  }
}

// P3 and P2 in the small: whatever happens, no limit is exceeded at any instant, every recipient
// ends exactly once, and nothing is left over.
TEST(Crowd, KeepsLimitsAndEndsEveryRecipientOnce) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 7919);
    const CrowdPlan plan = draw(random);
    Crowd crowd(plan, seed);
    for (int wave = 0; wave < 3; ++wave) {
      for (auto n = random.below(60); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                    static_cast<std::uint32_t>(1 + random.below(8)));
      }
      crowd.run(Duration{random.between(0, 5'000'000'000)});
      if (HasFatalFailure()) {
        return;
      }
    }
    ASSERT_TRUE(crowd.run(Duration::hours(2))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_EQ(crowd.ended, crowd.admitted);
  }
}

// One connection in all, one queue with mail for hours, and one message elsewhere.
TEST(Crowd, ABusyQueueHandsTheOnlyConnectionOn) {
  for (const unsigned shards : {1u, 2u, 5u, 8u}) {
    for (const unsigned kind : {0u, 1u, 2u, 3u}) {
      const bool closer = kind % 2 == 0;
      SCOPED_TRACE(std::to_string(shards) + " shards, kind " + std::to_string(kind));
      CrowdPlan plan;
      plan.shards = shards;
      plan.total_max = 1;
      plan.vmta_max = {0};
      plan.queue_max = std::vector<std::uint32_t>(10, 20);
      plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
      plan.closer = closer;
      plan.prefetch = kind >= 2;
      plan.jobs_per_session_max = 1'000'000'000;  // no session ends of itself
      plan.service_max = Duration::milliseconds(100);
      Crowd crowd(plan, shards);
      for (int i = 0; i < 20'000; ++i) {
        crowd.admit(0, 0, 1);
      }
      crowd.run(Duration::seconds(20));
      ASSERT_FALSE(HasFatalFailure());
      const Instant start = crowd.now.instant;
      for (std::size_t other = 1; other < 10; ++other) {
        crowd.admit(other, 0, 1);
      }
      crowd.run(Duration::minutes(5));
      for (std::size_t other = 1; other < 10; ++other) {
        const auto found = crowd.first_take.find(crowd.domain(other) + "/v0");
        ASSERT_NE(found, crowd.first_take.end()) << "queue " << other << " starved";
        // Nine others, each a slice at most, and the idle time-out where nobody closes.
        const Duration each = Scheduler::kSlice + plan.idle_timeout + Duration::seconds(1);
        EXPECT_LE(found->second - start, each * 10);
      }
      EXPECT_EQ(crowd.most_open, 1u);
    }
  }
}

// Where mail waits, a limit is used: connections are not left lying at shards that do not need
// them.
TEST(Crowd, ALimitIsUsedUpWhereverTheMailIs) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    CrowdPlan plan;
    plan.shards = static_cast<unsigned>(1 + random.below(8));
    plan.total_max = static_cast<std::uint32_t>(1 + random.below(60));
    plan.vmta_max = {0};
    plan.queue_max = std::vector<std::uint32_t>(40, 0);
    plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
    plan.jobs_max = 1000;
    Crowd crowd(plan, seed);
    // First all mail at a few queues, so that leases gather there, then at others.
    for (std::size_t phase = 0; phase < 2; ++phase) {
      for (int i = 0; i < 4000; ++i) {
        crowd.admit(phase * 20 + random.below(phase == 0 ? 3 : 20), 0, 1);
      }
      crowd.most_open = 0;
      crowd.run(Duration::seconds(phase == 0 ? 20 : 60));
      ASSERT_FALSE(HasFatalFailure());
      EXPECT_EQ(crowd.most_open, plan.total_max);
    }
  }
}

// 95 % of a message rate is reached while mail waits, over sessions that come and go or break. An
// attempt that fails while there is no session defers the whole queue, so none does here.
TEST(Crowd, AMessageRateIsReached) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CrowdPlan plan;
    plan.vmta_max = {0};
    plan.queue_max = {10};
    plan.messages = {100, Duration::seconds(1)};
    plan.failing_recipients = plan.refused_sessions = 0;
    plan.failing_sessions = 1;
    plan.failing_starts = false;
    plan.service_max = Duration::milliseconds(20);
    Crowd crowd(plan, seed);
    for (int i = 0; i < 4000; ++i) {
      crowd.admit(0, 0, 1);
    }
    crowd.run(Duration::seconds(5));
    const std::uint64_t before = crowd.ended;
    crowd.run(Duration::seconds(30));
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_GE(crowd.ended - before, 30u * 95);
    EXPECT_LE(crowd.ended - before, 31u * 100);
  }
}

}  // namespace
}  // namespace ringpost::schedule
