#include "tests/unit/schedule/crowd.h"

// Rates of senders: over all queues and shards that mail of the sender is in, together with the
// rates of virtual MTAs, pools and groups. The crowd asserts at every take that no window holds
// more than a rate allows.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

RateLimit draw_sender_rate(Random& random) {
  const Duration periods[] = {Duration::seconds(1), Duration::seconds(10), Duration::minutes(1),
                              Duration::hours(1)};
  const std::size_t which = random.below(4);
  const auto most = static_cast<std::uint64_t>(periods[which].whole_seconds() * 50);
  return {static_cast<std::uint32_t>((which == 3 ? 600 : 1) + random.below(most)), periods[which]};
}

void draw_sender_rates(CrowdPlan& plan, Random& random) {
  for (RateLimit& rate : plan.sender_messages) {
    rate = random.chance(85) ? draw_sender_rate(random) : RateLimit{};
  }
  plan.vmta_messages.assign(plan.vmta_max.size(), {});
  for (RateLimit& rate : plan.vmta_messages) {
    rate = random.chance(40) ? draw_sender_rate(random) : RateLimit{};
  }
  plan.pool_messages = draw_sender_rate(random);
  plan.group_messages = random.chance(50) ? draw_sender_rate(random) : RateLimit{};
}

CrowdPlan draw_senders(Random& random) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(8));
  plan.total_max = random.chance(60) ? 0 : static_cast<std::uint32_t>(1 + random.below(30));
  for (auto n = 1 + random.below(3); n > 0; --n) {
    plan.vmta_max.push_back(random.chance(60) ? 0
                                              : static_cast<std::uint32_t>(1 + random.below(20)));
  }
  plan.queue_max = std::vector<std::uint32_t>(1 + random.below(12), 5);
  plan.sender_messages.resize(1 + random.below(3));
  plan.pooled = random.chance(30);
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
  if (random.chance(30)) {
    plan.grouped = 1 + random.below(plan.queue_max.size());
    plan.group_max = static_cast<std::uint32_t>(random.below(6));
  }
  draw_sender_rates(plan, random);
  return plan;
}

void admit_some(Crowd& crowd, const CrowdPlan& plan, Random& random) {
  for (auto n = random.below(40); n > 0; --n) {
    crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                static_cast<std::uint32_t>(1 + random.below(8)),
                random.below(plan.sender_messages.size() + 1));
  }
}

// Reloads, other rates, pauses, commands that try all at once: no rate is exceeded and every
// recipient ends once.
TEST(SenderRates, AreNeverExceededAndNothingIsLeftOver) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 32'452'843);
    CrowdPlan plan = draw_senders(random);
    Crowd crowd(plan, seed);
    for (int wave = 0; wave < 4; ++wave) {
      admit_some(crowd, plan, random);
      crowd.run(Duration{random.between(0, 5'000'000'000)});
      if (random.chance(20)) {
        crowd.reload(plan.total_max, plan.vmta_max, plan.queue_max);  // the same once more
      } else if (random.chance(30)) {
        draw_sender_rates(plan, random);
        crowd.reload_rates(plan);
      } else if (random.chance(30)) {
        const bool pause = random.chance(50);
        crowd.pause({}, pause);
      } else if (random.chance(30)) {
        crowd.each([&](Scheduler& s) { s.schedule_now({}, crowd.now); });
      }
      if (HasFatalFailure()) {
        return;
      }
    }
    crowd.pause({}, false);
    ASSERT_TRUE(crowd.run(Duration::hours(19))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_EQ(crowd.ended, crowd.admitted) << crowd.report();
  }
}

// A rate of an hour holds over ends in order and crashes, with other numbers of shards.
TEST(SenderRates, HoldOverRestarts) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 49'979'687);
    CrowdPlan plan = draw_senders(random);
    plan.vmta_messages.clear();
    plan.pooled = false;
    plan.group_messages = plan.messages = {};
    for (RateLimit& rate : plan.sender_messages) {
      rate = {static_cast<std::uint32_t>(600 + random.below(3000)), Duration::hours(1)};
    }
    Crowd crowd(plan, seed);
    for (int run = 0; run < 3; ++run) {
      admit_some(crowd, plan, random);
      crowd.run(Duration{random.between(0, 60'000'000'000)});
      crowd.keep();
      crowd.run(Duration{random.between(0, 5'000'000'000)});
      ASSERT_FALSE(HasFatalFailure());
      crowd.restart(static_cast<unsigned>(1 + random.below(8)), random.chance(50));
    }
    admit_some(crowd, plan, random);
    ASSERT_TRUE(crowd.run(Duration::hours(19))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
  }
}

struct SenderCase {
  const char* name;
  unsigned shards;
  RateLimit rate;
  bool crowded = false;  ///< mail of others keeps all sessions busy
  RateLimit vmta{};

  friend std::ostream& operator<<(std::ostream& out, const SenderCase& one) {
    return out << one.name;
  }
};

class SenderRate : public ::testing::TestWithParam<SenderCase> {};

// 95 % of the rate while mail of the sender waits at all shards.
TEST_P(SenderRate, IsReached) {
  const SenderCase& test = GetParam();
  CrowdPlan plan;
  plan.shards = test.shards;
  plan.vmta_max = {0, 0};
  plan.queue_max = std::vector<std::uint32_t>(12, 20);
  plan.sender_messages = {test.rate};
  plan.vmta_messages = {test.vmta, test.vmta};
  plan.failing_sessions = 1;
  plan.failing_recipients = plan.refused_sessions = plan.refused_letters = 0;
  plan.letter_delay_max = Duration::microseconds(200);
  plan.service_max = Duration::milliseconds(50);
  plan.jobs_max = 4096;
  plan.late_word = true;
  Crowd crowd(plan, 13);
  const Duration measured = test.rate.period * (test.rate.count == 1                       ? 100
                                                : test.rate.period >= Duration::minutes(1) ? 5
                                                                                           : 20);
  const auto allowed = static_cast<std::uint64_t>(test.rate.count) *
                       static_cast<std::uint64_t>(measured.ns / test.rate.period.ns);
  for (std::uint64_t i = 0; i < allowed * 2 + 2000; ++i) {
    crowd.admit(i % 12, i % 2, 1, 1);
    if (test.crowded) {
      crowd.admit(i % 12, i % 2, 1);
      crowd.admit(i % 12, i % 2, 1);
    }
  }
  crowd.run(Duration::seconds(5));
  const std::uint64_t before = crowd.taken_of[1];
  crowd.run(measured);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_GE(crowd.taken_of[1] - before, allowed * 95 / 100) << crowd.report();
  EXPECT_LE(crowd.taken_of[1] - before, allowed + test.rate.count);
}

constexpr Duration kSecond = Duration::seconds(1);
INSTANTIATE_TEST_SUITE_P(
    All, SenderRate,
    ::testing::Values(
        SenderCase{"one shard, 100/s", 1, {100, kSecond}},
        SenderCase{"eight shards, 500/s", 8, {500, kSecond}},
        SenderCase{"eight shards, 20/s", 8, {20, kSecond}},
        SenderCase{"two shards, 1/s", 2, {1, kSecond}},
        SenderCase{"four shards, 5/m", 4, {5, Duration::minutes(1)}},
        SenderCase{"three shards, 60/m among others", 3, {60, Duration::minutes(1)}, true},
        SenderCase{"four shards, 50/s, both alike", 4, {50, kSecond}, false, {26, kSecond}}));

// What stands behind mail of a rated sender is not held up by it.
TEST(SenderRates, OthersPass) {
  CrowdPlan plan;
  plan.vmta_max = {0};
  plan.queue_max = {2};
  plan.sender_messages = {{1, Duration::minutes(1)}};
  plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
  plan.service_max = Duration::milliseconds(10);
  Crowd crowd(plan, 3);
  for (int i = 0; i < 500; ++i) {
    crowd.admit(0, 0, 1, 1);
  }
  for (int i = 0; i < 100; ++i) {
    crowd.admit(0, 0, 1);
  }
  crowd.run(Duration::seconds(20));
  EXPECT_EQ(crowd.taken_of[0], 100u) << crowd.report();
  EXPECT_EQ(crowd.taken_of[1], 1u);
}

}  // namespace
}  // namespace ringpost::schedule
