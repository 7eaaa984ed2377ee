#include "tests/unit/schedule/crowd.h"

// Queues that share a rate have their turns, however long their idle sessions stay.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

constexpr std::uint32_t kCount = 20;
constexpr std::uint32_t kMessageOctets = 1'000;

struct Sharing {
  const char* name;
  /// Sets a rate that all queues share, a message each `interval`.
  void (*draw)(CrowdPlan& plan, Duration interval);

  friend void PrintTo(const Sharing& one, std::ostream* out) { *out << one.name; }
};

const Sharing kSharings[] = {
    {"virtual MTA",
     [](CrowdPlan& plan, Duration interval) {
       plan.vmta_messages.push_back({kCount, interval * kCount});
     }},
    {"pool",
     [](CrowdPlan& plan, Duration interval) {
       plan.pooled = true;
       plan.pool_messages = {kCount, interval * kCount};
     }},
    {"group",
     [](CrowdPlan& plan, Duration interval) {
       plan.grouped = plan.queue_max.size();
       plan.group_messages = {kCount, interval * kCount};
     }},
    {"octets of a virtual MTA",
     [](CrowdPlan& plan, Duration interval) {
       plan.size_min = plan.size_max = kMessageOctets;
       plan.vmta_octets.push_back({kCount * kMessageOctets, interval * kCount});
     }},
    {"source addresses of a group",
     [](CrowdPlan& plan, Duration interval) {
       plan.grouped = plan.queue_max.size();
       plan.hosts = 1;
       plan.sources.resize(2);
       for (SourceLimit& one : plan.sources) {
         one.messages = {kCount, interval * 2 * kCount};
       }
     }},
    {"octets of source addresses of a group",
     [](CrowdPlan& plan, Duration interval) {
       plan.grouped = plan.queue_max.size();
       plan.hosts = 1;
       plan.size_min = plan.size_max = kMessageOctets;
       plan.sources.resize(2);
       for (SourceLimit& one : plan.sources) {
         one.octets = {kCount * kMessageOctets, interval * 2 * kCount};
       }
     }},
    {"sender in a group with source addresses",
     [](CrowdPlan& plan, Duration interval) {
       plan.grouped = plan.queue_max.size();
       plan.hosts = 1;
       plan.sources.resize(2);
       for (SourceLimit& one : plan.sources) {
         one.messages = {kCount, interval * 2 * kCount};
       }
       plan.sender_messages.push_back({kCount, interval * kCount});
     }},
    {"sender",
     [](CrowdPlan& plan, Duration interval) {
       plan.sender_messages.push_back({kCount, interval * kCount});
     }},
};

/// Each queue gets a third of its share at least.
void expect_turns(const Sharing& sharing, std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed * 15'485'863);
  CrowdPlan plan;
  plan.vmta_max = {0};
  plan.queue_max.assign(2 + random.below(14), 0);
  plan.service_max = Duration::milliseconds(random.chance(50) ? 2 : 300);
  plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
  plan.jobs_per_session_max = 100'000;
  plan.slow = random.chance(30) ? 100 : 0;
  plan.idle_timeout = random.chance(50) ? Duration::minutes(2) : Duration::milliseconds(100);
  const Duration interval = Duration::milliseconds(random.between(50, 4'000));
  sharing.draw(plan, interval);
  Crowd crowd(plan, seed);
  const std::size_t queues = plan.queue_max.size();
  const std::int64_t rounds =
      std::max<std::int64_t>(20, Duration::minutes(3).ns / (interval.ns * std::int64_t(queues)));
  for (std::size_t i = 0; i < 2 * queues * static_cast<std::size_t>(rounds); ++i) {
    crowd.admit(i % queues, 0, 1, plan.sender_messages.size());
  }
  crowd.run(interval * (rounds * static_cast<std::int64_t>(queues)));
  ASSERT_FALSE(::testing::Test::HasFatalFailure());
  std::uint64_t least = UINT64_MAX;
  for (std::size_t i = 0; i < queues; ++i) {
    least = std::min(least, crowd.taken_to[i]);
  }
  EXPECT_GE(least * 3, static_cast<std::uint64_t>(rounds))
      << interval.ns / 1'000'000 << " ms, idle " << plan.idle_timeout.ns / 1'000'000 << " ms, slow "
      << plan.slow << "\n"
      << crowd.report();
}

class Turns : public ::testing::TestWithParam<Sharing> {};

TEST_P(Turns, ComeToEachQueue) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    expect_turns(GetParam(), seed);
    ASSERT_FALSE(HasFatalFailure());
  }
}

INSTANTIATE_TEST_SUITE_P(All, Turns, ::testing::ValuesIn(kSharings));

// As many queues as permits in a round of turns, and connections that close at once: the same queue
// came near each time just as a permit had been used, and waited for its next turn.
TEST(TurnsOfSenders, DoNotMissTheSameQueueEachTime) {
  expect_turns(kSharings[6], 1484);
  expect_turns(kSharings[7], 2930);
  expect_turns(kSharings[7], 3215);
}

}  // namespace
}  // namespace ringpost::schedule
