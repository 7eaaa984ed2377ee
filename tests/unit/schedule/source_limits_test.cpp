#include <gtest/gtest.h>

#include "core/base/random.h"
#include "tests/unit/schedule/crowd.h"

// Limits by source address. The crowd asserts at every connection and every take that no limit of
// an address of a queue is exceeded.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

/// The same limits for some addresses, none for others.
std::vector<SourceLimit> draw_sources(Random& random, std::size_t count, Duration period) {
  const auto rate = [&](std::uint32_t most) {
    return random.chance(50)
               ? RateLimit{}
               : RateLimit{static_cast<std::uint32_t>(1 + random.below(most)), period};
  };
  std::vector<SourceLimit> out(count);
  for (SourceLimit& one : out) {
    if (random.chance(20)) {
      continue;
    }
    one.connections_max = random.chance(40) ? 0 : static_cast<std::uint32_t>(1 + random.below(4));
    one.connects = rate(20);
    one.messages = rate(100);
    if (random.chance(30)) {
      one.octets = {500 + random.below(200'000), period};  // all of it leaves within a day
    }
  }
  return out;
}

CrowdPlan draw_plan(Random& random) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(8));
  plan.vmta_max.assign(1 + random.below(2), 0);
  plan.queue_max.assign(1 + random.below(5), static_cast<std::uint32_t>(1 + random.below(12)));
  plan.hosts = static_cast<unsigned>(1 + random.below(4));
  plan.addresses = static_cast<unsigned>(1 + random.below(3));
  plan.size_max = static_cast<std::uint32_t>(1 + random.below(20'000));
  plan.failing_sessions = random.chance(50) ? 0 : 5;
  plan.failing_connects = random.chance(50) ? 0 : 10;
  plan.late_take = random.chance(30);
  plan.late_word = random.chance(50);
  plan.prefetch = random.chance(20);
  plan.per_host_max = random.chance(70) ? 0 : static_cast<std::uint32_t>(1 + random.below(4));
  if (random.chance(30)) {
    plan.grouped = 1 + random.below(plan.queue_max.size());
    plan.group_max = static_cast<std::uint32_t>(random.below(6));
  }
  if (random.chance(30)) {
    plan.vmta_messages.push_back(
        {static_cast<std::uint32_t>(20 + random.below(100)), Duration::seconds(1)});
  }
  return plan;
}

/// All its destinations, or most, are one group, with rates of its own and twins of back-off mode.
CrowdPlan draw_source_group(Random& random) {
  const auto rate = [&](std::uint32_t most, unsigned percent) {
    return random.chance(percent)
               ? RateLimit{static_cast<std::uint32_t>(1 + random.below(most)), Duration::seconds(1)}
               : RateLimit{};
  };
  CrowdPlan plan = draw_plan(random);
  plan.queue_max.assign(2 + random.below(6), static_cast<std::uint32_t>(1 + random.below(12)));
  plan.grouped = plan.queue_max.size() - random.below(2);
  plan.group_max = random.chance(70) ? 0 : static_cast<std::uint32_t>(2 + random.below(6));
  plan.group_messages = rate(100, 40);
  plan.group_connects = rate(30, 20);
  plan.group_backoff_messages = rate(30, 30);
  plan.group_backoff_connects = rate(10, 20);
  plan.service_max = Duration::milliseconds(random.chance(60) ? 10 : 300);
  plan.letter_delay_max = Duration{random.between(1'000, 20'000'000)};
  if (random.chance(20)) {
    plan.sender_messages.push_back(rate(20, 80));
  }
  if (random.chance(20)) {
    plan.vmta_octets.push_back({20'000 + random.below(200'000), Duration::seconds(1)});
  }
  if (random.chance(25)) {
    plan.group_octets = {5'000 + random.below(200'000), Duration::seconds(1)};
  }
  if (random.chance(20)) {
    plan.group_backoff_octets = {5'000 + random.below(100'000), Duration::seconds(1)};
  }
  return plan;
}

TEST(SourceLimits, AreNeverExceededAndNothingWaitsForEver) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 141'650'939);
    CrowdPlan plan = draw_plan(random);
    const std::size_t sources = 1 + random.below(4);
    plan.sources = draw_sources(random, sources, Duration::seconds(1));
    Crowd crowd(plan, seed);
    for (int wave = 0; wave < 4; ++wave) {
      for (auto n = random.below(40); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                    static_cast<std::uint32_t>(1 + random.below(5)));
      }
      crowd.run(Duration{random.between(0, 3'000'000'000)});
      if (random.chance(40)) {
        crowd.reload_sources(draw_sources(random, sources, Duration::seconds(1)));
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

// Rates of an hour hold over ends in order and crashes.
TEST(SourceLimits, HoldOverRestarts) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 160'481'183);
    CrowdPlan plan = draw_plan(random);
    plan.grouped = 0;
    plan.vmta_messages.clear();
    plan.sources = draw_sources(random, 1 + random.below(3), Duration::hours(1));
    Crowd crowd(plan, seed);
    for (int run = 0; run < 3; ++run) {
      for (auto n = random.below(40); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()), 1);
      }
      crowd.run(Duration{random.between(0, 900'000'000'000)});
      crowd.keep();
      crowd.run(Duration{random.between(0, 5'000'000'000)});
      ASSERT_FALSE(HasFatalFailure());
      crowd.restart(static_cast<unsigned>(1 + random.below(8)), random.chance(50));
    }
    ASSERT_TRUE(crowd.run(Duration::hours(100))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
  }
}

// In a group each address has one rate over all its domains and shards, beside the group's own.
TEST(SourceLimits, OfAGroupAreNeverExceededAndNothingWaitsForEver) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 122'949'823);
    CrowdPlan plan = draw_source_group(random);
    const std::size_t sources = 1 + random.below(4);
    plan.sources = draw_sources(random, sources, Duration::seconds(1));
    Crowd crowd(plan, seed);
    for (int wave = 0; wave < 4; ++wave) {
      for (auto n = random.below(60); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                    static_cast<std::uint32_t>(1 + random.below(5)),
                    random.chance(50) ? plan.sender_messages.size() : 0);
      }
      crowd.run(Duration{random.between(0, 3'000'000'000)});
      if (random.chance(40)) {
        crowd.reload_sources(draw_sources(random, sources, Duration::seconds(1)));
      }
      if (random.chance(40)) {
        crowd.set_mode(random.below(plan.queue_max.size()), random.chance(60));
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

// The same with rates of an hour, over ends in order and crashes.
TEST(SourceLimits, OfAGroupHoldOverRestarts) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 141'650'963);
    CrowdPlan plan = draw_source_group(random);
    plan.vmta_messages.clear();
    plan.group_messages = plan.group_backoff_messages = {};
    plan.group_connects = plan.group_backoff_connects = {};
    plan.sender_messages.clear();
    plan.vmta_octets.clear();
    plan.group_backoff_octets = {};
    plan.group_octets.period = Duration::hours(1);
    plan.sources = draw_sources(random, 1 + random.below(3), Duration::hours(1));
    Crowd crowd(plan, seed);
    for (int run = 0; run < 3; ++run) {
      for (auto n = random.below(40); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()), 1);
      }
      crowd.run(Duration{random.between(0, 900'000'000'000)});
      crowd.keep();
      crowd.run(Duration{random.between(0, 5'000'000'000)});
      ASSERT_FALSE(HasFatalFailure());
      crowd.restart(static_cast<unsigned>(1 + random.below(8)), random.chance(50));
    }
    ASSERT_TRUE(crowd.run(Duration::hours(100))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
  }
}

// `why` names the rate and the address whose turn comes first.
TEST(SourceLimits, OfAGroupAreTheGateThatIsTold) {
  CrowdPlan plan;
  plan.vmta_max = {0};
  plan.queue_max = {12, 12};
  plan.grouped = 2;
  plan.hosts = 2;
  plan.sources.resize(2);
  plan.sources[0].messages = {2, Duration::seconds(10)};
  plan.sources[1].messages = {1, Duration::minutes(10)};
  plan.failing_recipients = plan.refused_sessions = plan.failing_sessions = 0;
  Crowd crowd(plan, 7);
  for (int i = 0; i < 40; ++i) {
    crowd.admit(i % 2, 0, 1);
  }
  crowd.run(Duration::seconds(21));
  std::uint32_t cursor = 0;
  std::vector<WhyRow> rows;
  for (std::uint32_t slot = 0; slot <= crowd.last_slot() && rows.empty(); ++slot, cursor = 0) {
    crowd.home_of(0, 0).why({1, slot, 1}, cursor, 100'000, rows, crowd.now);
  }
  ASSERT_FALSE(rows.empty());
  EXPECT_EQ(rows[0].gate, Gate::source_message_rate) << crowd.report();
  EXPECT_EQ(rows[0].gate_address, IpAddress::v4(198, 51, 100, 1));
  EXPECT_GT(rows[0].gate_opens, crowd.now.wall);
  EXPECT_LE(rows[0].gate_opens, crowd.now.wall + Duration::seconds(10));
}

// 95 % of what all addresses together may send is sent while mail waits.
TEST(SourceLimits, RatesAreReached) {
  CrowdPlan plan;
  plan.vmta_max = {0};
  plan.queue_max = {12};
  plan.hosts = 2;
  plan.addresses = 2;
  plan.sources.resize(3);
  const std::uint32_t rates[] = {20, 50, 100};
  for (std::size_t i = 0; i < 3; ++i) {
    plan.sources[i].messages = {rates[i], Duration::seconds(1)};
    plan.sources[i].connections_max = 5;
  }
  plan.failing_recipients = plan.refused_sessions = plan.failing_sessions = 0;
  plan.service_max = Duration::milliseconds(20);
  Crowd crowd(plan, 4);
  for (int i = 0; i < 8000; ++i) {
    crowd.admit(0, 0, 1);
  }
  crowd.run(Duration::seconds(5));
  const auto before = crowd.taken_from;
  crowd.run(Duration::seconds(30));
  ASSERT_FALSE(HasFatalFailure());
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_GE(crowd.taken_from[i] - before.at(i), 30U * rates[i] * 95 / 100) << i;
  }
}

// 95 % of the connections that all addresses together may have are there while mail waits.
TEST(SourceLimits, ConnectionsAreUsedUp) {
  CrowdPlan plan;
  plan.vmta_max = {0};
  plan.queue_max = {0};
  plan.hosts = 2;
  plan.addresses = 2;
  plan.sources.resize(2);
  plan.sources[0].connections_max = 3;
  plan.sources[1].connections_max = 7;
  plan.failing_recipients = plan.refused_sessions = plan.failing_sessions = 0;
  plan.jobs_per_session_max = 200;
  Crowd crowd(plan, 9);
  for (int i = 0; i < 40'000; ++i) {
    crowd.admit(0, 0, 1);
  }
  crowd.run(Duration::seconds(5));
  const std::string names[] = {"d0.example/v0 from 0", "d0.example/v0 from 1"};
  const std::int64_t before[] = {crowd.use_of(names[0]), crowd.use_of(names[1])};
  crowd.run(Duration::seconds(400));
  ASSERT_FALSE(HasFatalFailure());
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_GE(crowd.use_of(names[i]) - before[i],
              Duration::seconds(380).ns * plan.sources[i].connections_max)
        << crowd.report();
  }
}

}  // namespace
}  // namespace ringpost::schedule
