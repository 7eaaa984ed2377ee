#include <algorithm>
#include <string>

#include "tests/unit/schedule/crowd.h"

// Limits on connections to single mail hosts. The crowd asserts at every connection that no limit
// is exceeded.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

std::uint32_t some_or_none(Random& random, std::uint32_t most) {
  return random.chance(40) ? 0 : static_cast<std::uint32_t>(1 + random.below(most));
}

void draw_limits(CrowdPlan& plan, Random& random) {
  const std::uint32_t most = random.chance(70) ? 4 : 60;
  plan.per_host_max = some_or_none(random, 4);
  plan.per_name_max = some_or_none(random, most);
  plan.per_address_max = some_or_none(random, most);
}

CrowdPlan draw_hosts(Random& random) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(8));
  plan.total_max = random.chance(50) ? 0 : static_cast<std::uint32_t>(1 + random.below(30));
  for (auto n = 1 + random.below(3); n > 0; --n) {
    plan.vmta_max.push_back(random.chance(50) ? 0
                                              : static_cast<std::uint32_t>(1 + random.below(8)));
  }
  for (auto n = 1 + random.below(12); n > 0; --n) {
    plan.queue_max.push_back(random.chance(25) ? 0
                                               : static_cast<std::uint32_t>(1 + random.below(6)));
  }
  plan.hosts = static_cast<unsigned>(1 + random.below(6));
  plan.addresses = static_cast<unsigned>(1 + random.below(4));
  draw_limits(plan, random);
  plan.jobs_max = static_cast<std::uint32_t>(2 + random.below(40));
  plan.failing_sessions = random.chance(50) ? 0 : static_cast<unsigned>(random.below(20));
  plan.failing_connects = random.chance(50) ? 0 : static_cast<unsigned>(random.below(20));
  plan.failing_recipients = random.chance(50) ? 0 : static_cast<unsigned>(random.below(30));
  plan.closer = random.chance(70);
  plan.late_take = random.chance(30);
  plan.prefetch = random.chance(30);
  if (random.chance(30)) {
    plan.grouped = 1 + random.below(plan.queue_max.size());
    plan.group_max = static_cast<std::uint32_t>(random.below(6));
  }
  if (random.chance(30)) {
    plan.vmta_connects.push_back(
        {static_cast<std::uint32_t>(20 + random.below(50)), Duration::seconds(1)});
  }
  return plan;
}

TEST(HostLimits, AreNeverExceededAndNothingWaitsForEver) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 32'452'843);
    CrowdPlan plan = draw_hosts(random);
    Crowd crowd(plan, seed);
    for (int wave = 0; wave < 5; ++wave) {
      for (auto n = random.below(50); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                    static_cast<std::uint32_t>(1 + random.below(8)));
      }
      crowd.run(Duration{random.between(0, 4'000'000'000)});
      if (random.chance(40)) {
        draw_limits(plan, random);
        crowd.reload_hosts(plan);
      } else if (random.chance(10)) {
        crowd.restart(static_cast<unsigned>(1 + random.below(8)), random.chance(50));
      }
      if (HasFatalFailure()) {
        return;
      }
    }
    ASSERT_TRUE(crowd.run(Duration::hours(4))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_EQ(crowd.ended, crowd.admitted);
  }
}

struct HostCase {
  const char* name;
  unsigned shards;
  unsigned hosts;
  std::uint32_t per_host, per_name, per_address;
  const char* limit;  ///< what is used up
  std::uint32_t most;

  friend void PrintTo(const HostCase& one, std::ostream* out) { *out << one.name; }
};

class HostLimit : public ::testing::TestWithParam<HostCase> {};

// Over 95 % of the connections that a limit allows are there while mail waits.
TEST_P(HostLimit, IsUsedUp) {
  const HostCase& test = GetParam();
  CrowdPlan plan;
  plan.shards = test.shards;
  plan.vmta_max = {0, 0};
  plan.queue_max = std::vector<std::uint32_t>(10, 0);
  plan.hosts = test.hosts;
  plan.addresses = test.hosts;
  plan.per_host_max = test.per_host;
  plan.per_name_max = test.per_name;
  plan.per_address_max = test.per_address;
  plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
  plan.refused_letters = 0;
  plan.letter_delay_max = Duration::microseconds(200);
  plan.service_max = Duration::milliseconds(100);
  plan.jobs_per_session_max = 200;
  plan.jobs_max = 4096;
  const std::uint64_t seeds = (test::seeds() + 7) / 8;  // of eight cases each
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Crowd crowd(plan, seed);
    for (std::size_t i = 0; i < 5'000; ++i) {
      crowd.admit(i % 10, i / 10 % 2, 60);
    }
    crowd.run(Duration::seconds(8));
    const std::int64_t before = crowd.use_of(test.limit);
    const std::uint64_t opens = crowd.opens;
    const std::uint64_t busy = crowd.busy_ends;
    crowd.run(Duration::seconds(20));
    ASSERT_FALSE(HasFatalFailure());
    const std::int64_t allowed = Duration::seconds(20).ns * test.most;
    EXPECT_GE(crowd.use_of(test.limit) - before, allowed / 100 * 95) << crowd.report();
    EXPECT_LE((crowd.busy_ends - busy) * 50, crowd.opens - opens) << "sessions opened in vain";
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, HostLimit,
    ::testing::Values(HostCase{"of a queue", 1, 2, 3, 0, 0, "d3.example/v1 at 192.0.2.1", 3},
                      HostCase{"of an address, one shard", 1, 1, 0, 0, 4, "all at 192.0.2.1", 4},
                      HostCase{"of an address, eight shards", 8, 2, 0, 0, 3, "all at 192.0.2.2", 3},
                      HostCase{"of an address, on lease", 4, 1, 0, 0, 40, "all at 192.0.2.1", 40},
                      HostCase{"of a name", 5, 2, 0, 5, 0, "host mx0", 5},
                      HostCase{"of a name, by its addresses", 8, 2, 0, 9, 2, "all at 192.0.2.1", 2},
                      HostCase{"of a name and more addresses", 8, 2, 0, 3, 2, "host mx0", 3},
                      HostCase{"of all three", 3, 4, 1, 6, 4, "host mx1", 6}));

// Connections are short at the virtual MTAs, at a name and at its addresses alike, each counted at
// another shard: every queue gets on, again and again.
TEST(HostLimits, NobodyStarvesWhereAllIsShort) {
  for (const unsigned shards : {1u, 2u, 3u, 8u}) {
    for (const bool closer : {false, true}) {
      SCOPED_TRACE(std::to_string(shards) + " shards" + (closer ? ", closer" : ""));
      CrowdPlan plan;
      plan.shards = shards;
      plan.total_max = 3;
      plan.vmta_max = {2, 2};
      plan.queue_max = std::vector<std::uint32_t>(8, 0);
      plan.hosts = 4;
      plan.addresses = 3;
      plan.per_name_max = 1;
      plan.per_address_max = 1;
      plan.failing_sessions = plan.failing_recipients = 0;
      plan.jobs_per_session_max = 1'000'000'000;  // no session ends of itself
      plan.closer = closer;
      Crowd crowd(plan, shards);
      for (std::size_t i = 0; i < 4'000; ++i) {
        crowd.admit(i % 8, i / 8 % 2, 60);
      }
      for (int round = 0; round < 2; ++round) {
        crowd.first_take.clear();
        crowd.run(Duration::minutes(5));
        ASSERT_FALSE(HasFatalFailure());
        EXPECT_EQ(crowd.first_take.size(), 16u) << "round " << round << "\n" << crowd.report();
      }
    }
  }
}

}  // namespace
}  // namespace ringpost::schedule
