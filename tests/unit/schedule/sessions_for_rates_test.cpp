#include "tests/unit/schedule/crowd.h"

// How many sessions rates get: where their permits come about as far apart as sessions stay idle,
// or further, none of them waits for a connection, and none gets several; where transactions take
// long, as many as it takes to use them.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

constexpr std::uint32_t kOctets = 1'000;

struct SlowLimit {
  const char* name;
  /// Sets it, a message each `interval`; returns over how many of its kind it is.
  unsigned (*draw)(CrowdPlan& plan, Duration interval, Random& random);
  unsigned percent = 95;  ///< of it that is used where receivers take long, at least

  friend void PrintTo(const SlowLimit& one, std::ostream* out) { *out << one.name; }
};

RateLimit one_each(Duration interval) {
  constexpr std::uint32_t kCount = 20;
  return {kCount, interval * kCount};
}

ByteLimit octets_each(Duration interval) {
  constexpr std::uint32_t kCount = 20;
  return {kCount * kOctets, interval * kCount};
}

unsigned some_sources(CrowdPlan& plan, Random& random) {
  plan.hosts = 1;
  plan.sources.resize(1 + random.below(3));
  return static_cast<unsigned>(plan.sources.size());
}

const SlowLimit kSlowLimits[] = {
    {"max-msg-rate of a queue",
     [](CrowdPlan& plan, Duration interval, Random&) {
       plan.messages = one_each(interval);
       return 1U;
     }},
    {"max-data-volume-rate of a queue",
     [](CrowdPlan& plan, Duration interval, Random&) {
       plan.octets = octets_each(interval);
       return 1U;
     }},
    {"source-ip-max-msg-rate",
     [](CrowdPlan& plan, Duration interval, Random& random) {
       const unsigned count = some_sources(plan, random);
       for (SourceLimit& one : plan.sources) {
         one.messages = one_each(interval);
       }
       return count;
     }},
    {"source-ip-max-data-volume-rate",
     [](CrowdPlan& plan, Duration interval, Random& random) {
       const unsigned count = some_sources(plan, random);
       for (SourceLimit& one : plan.sources) {
         one.octets = octets_each(interval);
       }
       return count;
     }},
    {"max-msg-rate of a virtual MTA",
     [](CrowdPlan& plan, Duration interval, Random& random) {
       plan.queue_max.assign(1 + random.below(6), 0);
       plan.vmta_messages.push_back(one_each(interval));
       return 1U;
     }},
    {"max-data-volume-rate of a virtual MTA",
     [](CrowdPlan& plan, Duration interval, Random& random) {
       plan.queue_max.assign(1 + random.below(6), 0);
       plan.vmta_octets.push_back(octets_each(interval));
       return 1U;
     }},
    {"max-msg-rate of a sender",
     [](CrowdPlan& plan, Duration interval, Random& random) {
       plan.queue_max.assign(1 + random.below(6), 0);
       plan.sender_messages.push_back(one_each(interval));
       return 1U;
     }},
    {"source-ip-max-msg-rate of a group",
     [](CrowdPlan& plan, Duration interval, Random& random) {
       plan.queue_max.assign(1 + random.below(6), 0);
       plan.grouped = plan.queue_max.size();
       const unsigned count = some_sources(plan, random);
       for (SourceLimit& one : plan.sources) {
         one.messages = one_each(interval);
       }
       return count;
     }},
    {"source-ip-max-data-volume-rate of a group",
     [](CrowdPlan& plan, Duration interval, Random& random) {
       plan.queue_max.assign(1 + random.below(6), 0);
       plan.grouped = plan.queue_max.size();
       const unsigned count = some_sources(plan, random);
       for (SourceLimit& one : plan.sources) {
         one.octets = octets_each(interval);
       }
       return count;
     }},
    {"source-ip-max-msg-rate of a group, of a rated sender",
     [](CrowdPlan& plan, Duration interval, Random& random) {
       plan.queue_max.assign(1 + random.below(6), 0);
       plan.grouped = plan.queue_max.size();
       plan.sender_messages.push_back({1'000, Duration::seconds(1)});
       const unsigned count = some_sources(plan, random);
       for (SourceLimit& one : plan.sources) {
         one.messages = one_each(interval);
       }
       return count;
     }},
    {"source-ip-max-data-volume-rate of a group, of a rated sender",
     [](CrowdPlan& plan, Duration interval, Random& random) {
       plan.queue_max.assign(1 + random.below(6), 0);
       plan.grouped = plan.queue_max.size();
       plan.sender_messages.push_back({1'000, Duration::seconds(1)});
       const unsigned count = some_sources(plan, random);
       for (SourceLimit& one : plan.sources) {
         one.octets = octets_each(interval);
       }
       return count;
     }},
    {"max-msg-rate of a sender in a group with source-ip-max-msg-rate",
     [](CrowdPlan& plan, Duration interval, Random& random) {
       plan.queue_max.assign(1 + random.below(6), 0);
       plan.grouped = plan.queue_max.size();
       plan.sender_messages.push_back(one_each(interval));
       some_sources(plan, random);
       for (SourceLimit& one : plan.sources) {
         one.messages = {1'000, Duration::seconds(1)};
       }
       return 1U;
     }},
};

CrowdPlan calm_plan(Random& random) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(4));
  plan.vmta_max = {0};
  plan.queue_max.assign(1, 0);
  plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
  plan.refused_letters = 0;
  plan.letter_delay_max = Duration::microseconds(random.between(50, 500));
  plan.jobs_per_session_max = 1'000;
  plan.late_word = random.chance(50);
  plan.size_min = plan.size_max = kOctets;
  return plan;
}

class IdleReached : public ::testing::TestWithParam<SlowLimit> {};

TEST_P(IdleReached, ByMailThatWaits) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 86'028'121);
    CrowdPlan plan = calm_plan(random);
    plan.service_max = Duration::milliseconds(random.between(5, 700));
    plan.slow = random.chance(30) ? 100 : 0;
    plan.idle_timeout = Duration::milliseconds(random.between(500, 4'000));
    const Duration interval = Duration::milliseconds(std::max<std::int64_t>(
        1'000, plan.idle_timeout.ns / 1'000'000 + random.between(-1'000, 6'000)));
    const unsigned parts = GetParam().draw(plan, interval, random);
    Crowd crowd(plan, seed);
    constexpr unsigned kPeriods = 4;
    constexpr unsigned kEach = 20 * kPeriods;
    for (std::size_t i = 0; i < 3ULL * kEach * parts * plan.queue_max.size(); ++i) {
      crowd.admit(i % plan.queue_max.size(), 0, 1, plan.sender_messages.size());
    }
    crowd.run(interval * 4);
    const std::uint64_t before = crowd.taken;
    const std::uint64_t opened = crowd.opens;
    crowd.run(interval * kEach);
    ASSERT_FALSE(HasFatalFailure());
    // Of each rate one message may fall due just before the time begins and the next just after
    // its end.
    EXPECT_GE((crowd.taken - before + parts) * 100, 95ULL * kEach * parts)
        << interval.ns / 1'000'000 << " ms, idle " << plan.idle_timeout.ns / 1'000'000
        << " ms, service " << plan.service_max.ns / 1'000'000 << " ms, slow " << plan.slow << ", "
        << parts << " of them, " << plan.queue_max.size() << " queues";
    if (plan.queue_max.size() == 1) {
      EXPECT_LE(crowd.opens - opened, 3 * (crowd.taken - before)) << "more connections than mail";
    }
  }
}

/// Each transaction takes as long as many permits do: it takes many connections to use them.
class SlowReached : public ::testing::TestWithParam<SlowLimit> {};

TEST_P(SlowReached, ByReceiversThatTakeSeconds) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 49'979'687);
    CrowdPlan plan = calm_plan(random);
    plan.service_max = Duration::milliseconds(random.between(200, 2'000));
    plan.idle_timeout = Duration::milliseconds(random.between(100, 4'000));
    plan.greeting_max = Duration::milliseconds(700);
    plan.backlog_per_session = 4;
    plan.jobs_max = 512;
    const Duration interval = Duration::milliseconds(random.between(20, 500));
    const unsigned parts = GetParam().draw(plan, interval, random);
    Crowd crowd(plan, seed);
    const auto seconds = [&](std::int64_t count) {
      return static_cast<std::uint64_t>(Duration::seconds(count).ns / interval.ns * parts);
    };
    for (std::size_t i = 0; i < 60 + seconds(100) * 2 * plan.queue_max.size(); ++i) {
      crowd.admit(i % plan.queue_max.size(), 0, 1, plan.sender_messages.size());
    }
    crowd.run(Duration::seconds(60));
    const std::uint64_t before = crowd.taken;
    crowd.run(Duration::seconds(40));
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_GE((crowd.taken - before + parts) * 100, GetParam().percent * seconds(40))
        << interval.ns / 1'000'000 << " ms, service " << plan.service_max.ns / 1'000'000 << " ms, "
        << parts << " of them, " << plan.queue_max.size() << " queues\n"
        << crowd.report();
  }
}

/// Mail comes one by one, more slowly than the limit would let it go, and sessions stay.
class BelowRate : public ::testing::TestWithParam<SlowLimit> {};

TEST_P(BelowRate, MailTakesFewConnections) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 32'416'190'071);
    CrowdPlan plan = calm_plan(random);
    plan.service_max = Duration::milliseconds(5);
    plan.jobs_per_session_max = 1'000'000'000;
    plan.idle_timeout = Duration::seconds(30);
    plan.late_take = true;
    const unsigned parts =
        GetParam().draw(plan, Duration::milliseconds(random.between(5, 40)), random);
    plan.queue_max.resize(1);
    plan.grouped = std::min<std::size_t>(plan.grouped, 1);
    Crowd crowd(plan, seed);
    for (int i = 0; i < 200; ++i) {
      crowd.admit(0, 0, 1, plan.sender_messages.size());
      crowd.pass(Duration::milliseconds(random.between(50, 200)));
    }
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_GE(crowd.taken, 199U);
    // Sessions in line for several addresses' permits now and then miss that mail has left.
    EXPECT_LE(crowd.opens, (plan.grouped > 0 ? 12 : 2) * parts) << crowd.report();
  }
}

INSTANTIATE_TEST_SUITE_P(All, IdleReached, ::testing::ValuesIn(kSlowLimits));
INSTANTIATE_TEST_SUITE_P(All, SlowReached, ::testing::ValuesIn(kSlowLimits));
INSTANTIATE_TEST_SUITE_P(All, BelowRate, ::testing::ValuesIn(kSlowLimits));

}  // namespace
}  // namespace ringpost::schedule
