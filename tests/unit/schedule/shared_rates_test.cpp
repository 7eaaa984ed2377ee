#include <algorithm>
#include <cstdlib>

#include "tests/unit/schedule/crowd.h"

// Rates that queues of many destinations and shards share. The crowd asserts at every take and
// every opening that no window holds more than its rate allows.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

RateLimit draw_rate(Random& random) {
  const Duration periods[] = {Duration::seconds(1), Duration::seconds(1), Duration::seconds(10),
                              Duration::minutes(1)};
  const Duration period = periods[random.below(4)];
  const auto most = static_cast<std::uint64_t>(period.whole_seconds() * 100);
  return {static_cast<std::uint32_t>(1 + random.below(random.chance(50) ? most : most / 20)),
          period};
}

void draw_rates(CrowdPlan& plan, Random& random) {
  plan.vmta_messages.clear();
  plan.vmta_connects.clear();
  for (std::size_t i = 0; i < plan.vmta_max.size(); ++i) {
    plan.vmta_messages.push_back(random.chance(60) ? draw_rate(random) : RateLimit{});
    plan.vmta_connects.push_back(random.chance(40) ? draw_rate(random) : RateLimit{});
  }
  plan.pool_messages = draw_rate(random);
  plan.group_messages = random.chance(50) ? draw_rate(random) : RateLimit{};
  plan.group_connects = random.chance(30) ? draw_rate(random) : RateLimit{};
}

CrowdPlan draw_shared(Random& random) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(8));
  plan.total_max = random.chance(50) ? 0 : static_cast<std::uint32_t>(1 + random.below(30));
  for (auto n = 1 + random.below(4); n > 0; --n) {
    plan.vmta_max.push_back(random.chance(50) ? 0
                                              : static_cast<std::uint32_t>(1 + random.below(20)));
  }
  plan.queue_max = std::vector<std::uint32_t>(1 + random.below(12), 5);
  plan.pooled = random.chance(40);
  plan.letter_delay_max = Duration{random.between(1'000, 20'000'000)};
  plan.failing_sessions = random.chance(50) ? 0 : static_cast<unsigned>(random.below(20));
  plan.failing_recipients = random.chance(50) ? 0 : static_cast<unsigned>(random.below(30));
  plan.closer = random.chance(50);
  plan.late_take = random.chance(30);
  plan.late_word = random.chance(50);
  plan.prefetch = random.chance(30);
  if (random.chance(30)) {
    plan.messages = {static_cast<std::uint32_t>(5 + random.below(50)), Duration::seconds(1)};
  }
  if (random.chance(40)) {
    plan.grouped = 1 + random.below(plan.queue_max.size());
    plan.group_max = static_cast<std::uint32_t>(random.below(6));
  }
  draw_rates(plan, random);
  return plan;
}

TEST(SharedRates, AreNeverExceededAndNothingIsLeftOver) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 15'485'863);
    CrowdPlan plan = draw_shared(random);
    Crowd crowd(plan, seed);
    for (int wave = 0; wave < 4; ++wave) {
      for (auto n = random.below(40); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                    static_cast<std::uint32_t>(1 + random.below(8)));
      }
      crowd.run(Duration{random.between(0, 5'000'000'000)});
      if (random.chance(25)) {
        crowd.reload(plan.total_max, plan.vmta_max, plan.queue_max);  // the same once more
      } else if (random.chance(25)) {
        draw_rates(plan, random);
        crowd.reload_rates(plan);
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

/// Rates of an hour and longer, so tight that they hold mail up for most of their time.
RateLimit draw_long_rate(Random& random) {
  const Duration periods[] = {Duration::hours(1), Duration::hours(1), Duration::hours(2),
                              Duration::hours(24)};
  const auto most = random.chance(60) ? 60 : 900;
  return {static_cast<std::uint32_t>(1 + random.below(most)), periods[random.below(4)]};
}

void draw_long_rates(CrowdPlan& plan, Random& random) {
  const auto some = [&](unsigned percent) {
    return random.chance(percent) ? draw_long_rate(random) : RateLimit{};
  };
  for (std::size_t i = 0; i < plan.vmta_max.size(); ++i) {
    plan.vmta_messages[i] = some(50);
    plan.vmta_connects[i] = some(30);
  }
  plan.pool_messages = draw_long_rate(random);
  plan.group_messages = some(50);
  plan.group_connects = some(30);
}

CrowdPlan draw_long(Random& random) {
  CrowdPlan plan = draw_shared(random);
  plan.vmta_messages.resize(plan.vmta_max.size());
  plan.vmta_connects.resize(plan.vmta_max.size());
  draw_long_rates(plan, random);
  plan.messages = random.chance(30) ? draw_long_rate(random) : RateLimit{};
  plan.connects = random.chance(30) ? draw_long_rate(random) : RateLimit{};
  if (plan.grouped > 0) {
    plan.group_backoff_messages = random.chance(40) ? draw_long_rate(random) : RateLimit{};
    plan.group_backoff_connects = random.chance(30) ? draw_long_rate(random) : RateLimit{};
  }
  plan.bounce_after = Duration::days(5'000);
  return plan;
}

/// One run of the daemon, with reloads, and what it has sent.
std::uint64_t run_once(Crowd& crowd, CrowdPlan& plan, Random& random) {
  const std::uint64_t before = crowd.taken;
  for (int wave = 0; wave < 3; ++wave) {
    for (auto n = random.below(60); n > 0; --n) {
      crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                  static_cast<std::uint32_t>(1 + random.below(8)));
    }
    crowd.run(Duration::seconds(random.between(0, random.chance(50) ? 600 : 7'200)));
    if (random.chance(20)) {
      crowd.reload(plan.total_max, plan.vmta_max, plan.queue_max);  // the same once more
    } else if (random.chance(20)) {
      draw_long_rates(plan, random);
      crowd.reload_rates(plan);
    } else if (plan.grouped > 0 && random.chance(40)) {
      crowd.set_mode(random.below(plan.grouped), random.chance(60));
      crowd.keep();
    }
  }
  if (random.chance(70)) {
    crowd.keep();
    crowd.run(Duration{random.between(0, 5'000'000'000)});
  }
  return crowd.taken - before;
}

// Rates of queues, virtual MTAs, their pool and a group, of messages and connections, over ends in
// order and crashes, with other numbers of shards. And mail goes on: all of the last run leaves.
TEST(SharedRates, HoldOverRestarts) {
  std::uint64_t before_restarts = 0;
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 67'867'967);
    CrowdPlan plan = draw_long(random);
    Crowd crowd(plan, seed);
    for (auto runs = 2 + random.below(4); runs > 0; --runs) {
      before_restarts += run_once(crowd, plan, random);
      ASSERT_FALSE(HasFatalFailure());
      crowd.restart(static_cast<unsigned>(1 + random.below(8)), random.chance(50));
    }
    run_once(crowd, plan, random);
    ASSERT_TRUE(crowd.run(Duration::days(4'000))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_EQ(crowd.ended, crowd.admitted);
  }
  EXPECT_TRUE(test::seeds() < 10 || before_restarts > 50 * test::seeds())
      << "the seeds draw too little";
}

// After a crash no later than the documentation says, after an end in order not later than that,
// and both times at the full rate from there.
TEST(SharedRates, AreUsedAgainAfterARestart) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 67'867'979);
    const bool quick = random.chance(30);
    const RateLimit rate{
        static_cast<std::uint32_t>(quick ? 500 + random.below(500) : 20 + random.below(300)),
        Duration::hours(1)};
    CrowdPlan plan;
    plan.shards = static_cast<unsigned>(1 + random.below(8));
    plan.vmta_max = {0};
    plan.queue_max = std::vector<std::uint32_t>(4 + random.below(12), 4);
    const auto kind = random.below(4);
    plan.pooled = kind == 1;
    plan.grouped = kind == 2 ? plan.queue_max.size() : 0;
    (kind == 0   ? plan.vmta_messages.emplace_back()
     : kind == 1 ? plan.pool_messages
     : kind == 2 ? plan.group_messages
                 : plan.vmta_connects.emplace_back()) = rate;
    plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
    plan.refused_letters = 0;
    plan.letter_delay_max = Duration::microseconds(200);
    plan.service_max = Duration::milliseconds(50);
    plan.jobs_per_session_max = kind == 3 ? 1 : 1'000'000'000;
    plan.jobs_max = 4096;
    Crowd crowd(plan, seed);
    const bool clean = random.chance(50);
    for (const bool again : {false, true}) {
      for (std::uint32_t i = 0; i < 4 * rate.count; ++i) {
        crowd.admit(i % plan.queue_max.size(), 0, 1);
      }
      if (!again) {
        crowd.run(Duration::minutes(random.between(10, 90)));
        crowd.restart(static_cast<unsigned>(1 + random.below(8)), clean);
      }
    }
    const Duration interval = Duration{rate.period.ns / rate.count};
    const Duration late = rate.count >= 720 ? Duration::seconds(5) : Duration::minutes(1);
    const Duration pause = interval * (quick ? 1 : 3) + late;
    const auto used = [&] { return kind == 3 ? crowd.opens : crowd.taken; };
    const std::uint64_t before = used();
    crowd.run(pause + Duration::seconds(3));
    ASSERT_GT(used(), before) << crowd.report();
    const std::uint64_t begun = used();
    crowd.run(Duration::hours(1));
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_GE((used() - begun) * 100, rate.count * 95) << crowd.report();
  }
}

struct Case {
  const char* name;
  unsigned shards;
  RateLimit rate;
  bool of_pool;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class SharedRate : public ::testing::TestWithParam<Case> {};

// 95 % of the limit while mail waits at all shards, though sessions end and begin, for a virtual
// MTA with many destinations as for members of a pool.
TEST_P(SharedRate, IsReached) {
  const Case& test = GetParam();
  CrowdPlan plan;
  plan.shards = test.shards;
  plan.vmta_max = std::vector<std::uint32_t>(test.of_pool ? 3 : 1, 0);
  plan.queue_max = std::vector<std::uint32_t>(24, 20);
  (test.of_pool ? plan.pool_messages : plan.vmta_messages.emplace_back()) = test.rate;
  plan.pooled = test.of_pool;
  plan.failing_sessions = 1;
  plan.failing_recipients = plan.refused_sessions = 0;
  plan.refused_letters = 0;
  plan.letter_delay_max = Duration::microseconds(200);
  plan.service_max = Duration::milliseconds(50);
  plan.jobs_max = 4096;
  plan.late_word = true;
  Crowd crowd(plan, 11);
  const Duration measured = test.rate.period * (test.rate.period >= Duration::minutes(1) ? 8 : 20);
  const auto allowed = static_cast<std::uint64_t>(test.rate.count) *
                       static_cast<std::uint64_t>(measured.ns / test.rate.period.ns);
  for (std::uint64_t i = 0; i < allowed * 2 + 2000; ++i) {
    crowd.admit(i % 24, i % plan.vmta_max.size(), 1);
  }
  crowd.run(Duration::seconds(5));
  const std::uint64_t before = crowd.taken;
  crowd.run(measured);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_GE(crowd.taken - before, allowed * 95 / 100) << crowd.report();
  EXPECT_LE(crowd.taken - before, allowed + test.rate.count);
}

INSTANTIATE_TEST_SUITE_P(
    All, SharedRate,
    ::testing::Values(Case{"one shard, 100/s", 1, {100, Duration::seconds(1)}, false},
                      Case{"eight shards, 1000/s", 8, {1000, Duration::seconds(1)}, false},
                      Case{"eight shards, 20/s", 8, {20, Duration::seconds(1)}, false},
                      Case{"two shards, 1/s", 2, {1, Duration::seconds(1)}, false},
                      Case{"four shards, 5/m", 4, {5, Duration::minutes(1)}, false},
                      Case{"eight shards, pool 200/s", 8, {200, Duration::seconds(1)}, true},
                      Case{"five shards, pool 7/s", 5, {7, Duration::seconds(1)}, true}));

}  // namespace
}  // namespace ringpost::schedule
