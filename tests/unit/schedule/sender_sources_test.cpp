#include <algorithm>

#include "tests/unit/schedule/crowd.h"

// Rates of senders in groups whose source addresses have rates: a permit counts in the sender's
// rate, in all that the group counts in, and in those of one address. The crowd asserts at every
// take that no window holds more than any of them allows.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

constexpr Duration kSplitPeriod = Duration::seconds(1);

/// All of the mail leaves within a day.
RateLimit draw_split_rate(Random& random, unsigned percent, Duration period = kSplitPeriod) {
  if (!random.chance(percent)) {
    return {};
  }
  const auto some = static_cast<std::uint32_t>(1 + random.below(random.chance(50) ? 10 : 60));
  return {period > kSplitPeriod ? some + 20 : some, period};
}

std::vector<SourceLimit> draw_split_sources(Random& random, std::size_t count, Duration period) {
  std::vector<SourceLimit> out(count);
  for (SourceLimit& one : out) {
    one.messages = draw_split_rate(random, 80, period);
    if (random.chance(25)) {
      one.octets = {20'000 + random.below(200'000), period};
    }
    one.connections_max = random.chance(80) ? 0 : static_cast<std::uint32_t>(1 + random.below(4));
    one.connects = draw_split_rate(random, 15, period);
  }
  return out;
}

void draw_split_rates(CrowdPlan& plan, Random& random, Duration period) {
  for (RateLimit& rate : plan.sender_messages) {
    rate = draw_split_rate(random, 85, period);
  }
  plan.vmta_messages.assign(plan.vmta_max.size(), {});
  for (RateLimit& rate : plan.vmta_messages) {
    rate = draw_split_rate(random, 25, period);
  }
  plan.pool_messages = draw_split_rate(random, 100, period);
  plan.group_messages = draw_split_rate(random, 30, period);
}

CrowdPlan draw_split_plan(Random& random, Duration period) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(8));
  plan.vmta_max.assign(1 + random.below(2), 0);
  plan.queue_max.assign(1 + random.below(8), static_cast<std::uint32_t>(1 + random.below(12)));
  plan.grouped = plan.queue_max.size() - (random.chance(20) ? 1 : 0);
  plan.group_max = random.chance(70) ? 0 : static_cast<std::uint32_t>(1 + random.below(6));
  plan.hosts = static_cast<unsigned>(1 + random.below(4));
  plan.addresses = static_cast<unsigned>(1 + random.below(3));
  plan.size_max = static_cast<std::uint32_t>(1 + random.below(15'000));
  plan.sender_messages.resize(1 + random.below(3));
  plan.pooled = random.chance(20);
  plan.messages = random.chance(20) ? draw_split_rate(random, 100, period) : RateLimit{};
  plan.failing_sessions = random.chance(50) ? 0 : static_cast<unsigned>(random.below(20));
  plan.failing_recipients = random.chance(50) ? 0 : static_cast<unsigned>(random.below(30));
  plan.failing_connects = random.chance(70) ? 0 : 10;
  plan.letter_delay_max = Duration{random.between(1'000, 20'000'000)};
  plan.service_max = Duration::milliseconds(random.chance(60) ? 10 : 300);
  plan.late_take = random.chance(30);
  plan.late_word = random.chance(50);
  plan.prefetch = random.chance(20);
  plan.closer = random.chance(50);
  if (random.chance(40)) {
    plan.slow = random.chance(50) ? 100 : 50;
    plan.late_reads = random.chance(50) ? 0 : static_cast<unsigned>(random.below(100));
    plan.prefetch = false;
    plan.reply_max =
        Duration{random.between(1'000'000, random.chance(70) ? 300'000'000 : 3'000'000'000)};
  }
  draw_split_rates(plan, random, period);
  plan.sources = draw_split_sources(random, 1 + random.below(4), period);
  return plan;
}

void admit_split(Crowd& crowd, const CrowdPlan& plan, Random& random) {
  for (auto n = random.below(60); n > 0; --n) {
    const std::size_t sender =
        random.chance(75) ? 1 + random.below(plan.sender_messages.size()) : 0;
    crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                static_cast<std::uint32_t>(1 + random.below(5)), sender);
  }
}

// Reloads, rates that come and go, back-off mode, pauses, hosts of both kinds.
TEST(SenderSources, AreNeverExceededAndNothingIsLeftOver) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 67'867'967);
    CrowdPlan plan = draw_split_plan(random, kSplitPeriod);
    Crowd crowd(plan, seed);
    for (int wave = 0; wave < 4; ++wave) {
      admit_split(crowd, plan, random);
      crowd.run(Duration{random.between(0, 4'000'000'000)});
      if (random.chance(20)) {
        crowd.reload(plan.total_max, plan.vmta_max, plan.queue_max);  // the same once more
      } else if (random.chance(30)) {
        draw_split_rates(plan, random, kSplitPeriod);
        crowd.reload_rates(plan);
      } else if (random.chance(30)) {
        crowd.reload_sources(draw_split_sources(random, plan.sources.size(), kSplitPeriod));
      } else if (random.chance(30)) {
        crowd.set_mode(random.below(plan.queue_max.size()), random.chance(60));
      } else if (random.chance(30)) {
        const bool pause = random.chance(50);
        crowd.pause({}, pause);
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

// Rates of an hour hold over ends in order and crashes.
TEST(SenderSources, HoldOverRestarts) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 86'028'121);
    CrowdPlan plan = draw_split_plan(random, Duration::hours(1));
    plan.slow = plan.late_reads = 0;
    plan.messages = {};
    plan.vmta_messages.clear();
    plan.pooled = false;
    plan.group_messages = {};
    Crowd crowd(plan, seed);
    for (int run = 0; run < 3; ++run) {
      admit_split(crowd, plan, random);
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

/// What a seed's mail may use, and how.
struct Use {
  const char* name;
  unsigned of_sender;     ///< percent of what the addresses allow together
  unsigned percent;       ///< of the tighter one, that is used at least
  unsigned ordinary = 0;  ///< messages of others among the rated sender's, in a hundred
  unsigned slow = 0;

  friend void PrintTo(const Use& one, std::ostream* out) { *out << one.name; }
};

class SenderSourcesReached : public ::testing::TestWithParam<Use> {};

// Mail of one rated sender waits at all shards.
TEST_P(SenderSourcesReached, ByMailThatWaits) {
  const Use& use = GetParam();
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 15'486'041);
    CrowdPlan plan;
    plan.shards = static_cast<unsigned>(1 + random.below(8));
    plan.vmta_max = {0};
    plan.queue_max.assign(1 + random.below(8), 0);
    plan.grouped = plan.queue_max.size();
    plan.hosts = 2;
    plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
    plan.refused_letters = 0;
    plan.letter_delay_max = Duration::microseconds(random.between(50, 500));
    plan.service_max = Duration::milliseconds(random.between(5, 40));
    plan.jobs_per_session_max = 200;
    plan.late_word = random.chance(50);
    plan.late_take = random.chance(30);
    plan.slow = use.slow;
    plan.reply_max = Duration::milliseconds(20);
    plan.sources.resize(2 + random.below(3));
    plan.closer = random.chance(50);
    std::uint32_t together = 0;
    for (SourceLimit& one : plan.sources) {
      one.messages = draw_split_rate(random, 100);
      together += one.messages.count;
    }
    const std::uint32_t sender = std::max(1U, together * use.of_sender / 100);
    plan.sender_messages = {{sender, kSplitPeriod}};
    const std::uint64_t allowed = std::min(sender, together);
    Crowd crowd(plan, seed);
    for (std::size_t i = 0; i < 4000; ++i) {
      crowd.admit(i % plan.queue_max.size(), 0, 1, random.below(100) < use.ordinary ? 0 : 1);
    }
    crowd.run(Duration::seconds(4));
    const std::uint64_t before = crowd.taken;
    crowd.run(kSplitPeriod * 8);
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_LT(crowd.ended, crowd.admitted) << "mail did not wait";
    // Of each rate one may fall due just before the time begins and the next just after its end.
    const std::uint64_t used = crowd.taken - before + plan.sources.size();
    EXPECT_GE(used * 100, allowed * 8 * use.percent)
        << allowed << " a second of " << plan.sources.size() << " addresses\n"
        << crowd.report();
  }
}

INSTANTIATE_TEST_SUITE_P(All, SenderSourcesReached,
                         ::testing::Values(Use{"addresses", 1000, 95}, Use{"sender", 50, 95},
                                           Use{"both", 100, 95},
                                           Use{"addresses, among others", 1000, 95, 50},
                                           Use{"addresses, slow hosts", 1000, 95, 0, 100}));

// Two addresses of one rate each give a sender with a higher one twice as much.
TEST(SenderSources, AddUp) {
  CrowdPlan plan;
  plan.vmta_max = {0};
  plan.queue_max = {0};
  plan.grouped = 1;
  plan.hosts = 1;
  plan.sources.resize(2);
  plan.sources[0].messages = plan.sources[1].messages = {10, kSplitPeriod};
  plan.sender_messages = {{1000, kSplitPeriod}};
  plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
  plan.letter_delay_max = Duration::microseconds(200);
  plan.service_max = Duration::milliseconds(10);
  Crowd crowd(plan, 5);
  for (int i = 0; i < 1000; ++i) {
    crowd.admit(0, 0, 1, 1);
  }
  crowd.run(Duration::seconds(3));
  const auto before = crowd.taken_from;
  crowd.run(Duration::seconds(20));
  ASSERT_FALSE(HasFatalFailure());
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_GE(crowd.taken_from[i] - before.at(i), 190U) << crowd.report();
    EXPECT_LE(crowd.taken_from[i] - before.at(i), 210U);
  }
}

// `why` names the rate and the address whose turn comes first.
TEST(SenderSources, AreTheGateThatIsTold) {
  CrowdPlan plan;
  plan.vmta_max = {0};
  plan.queue_max = {0};
  plan.grouped = 1;
  plan.hosts = 1;
  plan.sources.resize(2);
  plan.sources[0].messages = {2, Duration::seconds(20)};
  plan.sources[1].messages = {1, Duration::minutes(10)};
  plan.sender_messages = {{1000, kSplitPeriod}};
  plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
  plan.idle_timeout = Duration::minutes(1);
  Crowd crowd(plan, 7);
  for (int i = 0; i < 40; ++i) {
    crowd.admit(0, 0, 1, 1);
  }
  crowd.run(Duration::seconds(21));
  std::uint32_t cursor = 0;
  std::vector<WhyRow> rows;
  crowd.home_of(0, 0).why({1, crowd.last_slot(), 1}, cursor, 100'000, rows, crowd.now);
  ASSERT_FALSE(rows.empty());
  EXPECT_EQ(rows[0].gate, Gate::source_message_rate) << crowd.report();
  EXPECT_EQ(rows[0].gate_address, IpAddress::v4(198, 51, 100, 1));
  EXPECT_GT(rows[0].gate_opens, crowd.now.wall);
  EXPECT_LE(rows[0].gate_opens, crowd.now.wall + Duration::seconds(11));
}

// What waits long for its sender's rate is passed by what stands behind it, whether sessions idle
// or have to be opened, and however much of it there is.
TEST(SenderSources, MailBehindIsNotHeldUp) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 7'368'787);
    CrowdPlan plan;
    plan.shards = static_cast<unsigned>(1 + random.below(3));
    plan.vmta_max = {0};
    plan.queue_max.assign(1 + random.below(3), 0);
    plan.grouped = plan.queue_max.size();
    plan.hosts = 1;
    plan.sources.resize(1 + random.below(2));
    for (SourceLimit& one : plan.sources) {
      one.messages = {20, Duration::seconds(1)};
    }
    plan.sender_messages.push_back({1, Duration::hours(2)});
    plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
    plan.jobs_per_session_max = 1'000;
    plan.slow = random.chance(30) ? 100 : 0;
    plan.idle_timeout = Duration::seconds(random.between(1, 30));
    Crowd crowd(plan, seed);
    std::uint64_t ordinary = 0;
    for (int round = 0; round < 4; ++round) {
      for (std::size_t i = 0; i < plan.queue_max.size(); ++i) {
        for (std::uint64_t n = random.below(200); n > 0; --n) {
          crowd.admit(i, 0, 1, 1);
        }
        crowd.admit(i, 0, 1);
        ++ordinary;
      }
      crowd.run(Duration::seconds(random.chance(50) ? 60 : 1));
    }
    crowd.run(Duration::seconds(30));
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_GE(crowd.taken, ordinary) << crowd.report();
    EXPECT_LE(crowd.taken, ordinary + 1) << crowd.report();
  }
}

// The permits of a paused queue are the others', and its sessions close.
TEST(SenderSources, APausedQueueHoldsUpNobody) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 5'754'853);
    CrowdPlan plan;
    plan.vmta_max = {0};
    plan.queue_max.assign(2, 0);
    plan.grouped = 2;
    plan.hosts = 1;
    plan.sources.resize(1);
    plan.sources[0].messages = {20, Duration::seconds(1)};
    plan.sender_messages.push_back({2, Duration::seconds(10)});
    plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
    plan.jobs_per_session_max = 1'000;
    plan.idle_timeout = Duration::seconds(random.between(1, 30));
    Crowd crowd(plan, seed);
    for (std::size_t i = 0; i < 120; ++i) {
      crowd.admit(i % 2, 0, 1, 1);
    }
    crowd.run(Duration::milliseconds(random.between(1'000, 30'000)));
    crowd.each([&](Scheduler& one) {
      EXPECT_TRUE(one.pause({crowd.domain(0), "*"}, true, crowd.now).ok());
    });
    crowd.run(Duration::seconds(10));
    const std::uint64_t before = crowd.taken_to[1];
    crowd.run(Duration::seconds(200));
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_GE(crowd.taken_to[1] - before, 37U) << crowd.report();
    const Queue* const paused = crowd.scheduler(0).queues().find(crowd.domain(0), "v0");
    ASSERT_NE(paused, nullptr);
    EXPECT_EQ(paused->sessions(), 0U) << crowd.report();
  }
}

}  // namespace
}  // namespace ringpost::schedule
