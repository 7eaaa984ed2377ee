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
