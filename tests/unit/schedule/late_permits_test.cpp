#include <algorithm>

#include "tests/unit/schedule/crowd.h"

// Message rates where hosts take one command at a time: the crowd asserts at every RCPT that no
// window holds more than each rate allows.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

RateLimit draw_late_rate(Random& random) {
  const Duration periods[] = {Duration::seconds(1), Duration::seconds(5), Duration::minutes(1)};
  const Duration period = periods[random.below(3)];
  const auto most = static_cast<std::uint64_t>(period.whole_seconds() * 50);
  return {static_cast<std::uint32_t>(1 + random.below(random.chance(50) ? most : most / 20)),
          period, random.chance(20)};
}

RateLimit maybe_rate(Random& random) {
  RateLimit rate = random.chance(60) ? draw_late_rate(random) : RateLimit{};
  rate.burst = false;
  return rate;
}

void draw_late_rates(CrowdPlan& plan, Random& random) {
  plan.vmta_messages.clear();
  for (std::size_t i = 0; i < plan.vmta_max.size(); ++i) {
    plan.vmta_messages.push_back(maybe_rate(random));
  }
  plan.pool_messages = draw_late_rate(random);
  plan.pool_messages.burst = false;
  plan.group_messages = maybe_rate(random);
}

CrowdPlan draw_late_plan(Random& random) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(4));
  plan.vmta_max.assign(1 + random.below(3), 0);
  plan.queue_max.assign(1 + random.below(8), random.chance(50) ? 0 : 6);
  plan.pooled = random.chance(40);
  plan.grouped = random.chance(40) ? random.below(plan.queue_max.size() + 1) : 0;
  plan.messages = random.chance(50) ? draw_late_rate(random) : RateLimit{};
  plan.failing_sessions = random.chance(50) ? 0 : static_cast<unsigned>(random.below(20));
  plan.failing_recipients = random.chance(50) ? 0 : static_cast<unsigned>(random.below(30));
  plan.late_take = random.chance(30);
  plan.late_word = random.chance(50);
  plan.slow = random.chance(50) ? 100 : 50;
  plan.late_reads = random.chance(50) ? 0 : static_cast<unsigned>(random.below(100));
  plan.reply_max = Duration{random.between(1'000'000, 2'000'000'000)};
  draw_late_rates(plan, random);
  return plan;
}

/// Of the one host that takes very long, where there is one.
Duration draw_mail_takes(std::uint64_t seed) {
  Random random(seed * 86'028'121);
  return random.chance(30) ? Duration::seconds(random.between(3, 240)) : Duration{};
}

TEST(LatePermits, HoldRatesByTheRcptsThatLeave) {
  std::uint64_t given_up = 0;
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 6'700'417);
    CrowdPlan plan = draw_late_plan(random);
    plan.mail_takes = draw_mail_takes(seed);
    Crowd crowd(plan, seed);
    for (int wave = 0; wave < 3; ++wave) {
      for (auto n = random.below(40); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                    static_cast<std::uint32_t>(1 + random.below(8)));
      }
      crowd.run(Duration{random.between(0, 5'000'000'000)});
      if (random.chance(25)) {
        crowd.reload(plan.total_max, plan.vmta_max, plan.queue_max);  // the same once more
      }
      if (HasFatalFailure()) {
        return;
      }
    }
    ASSERT_TRUE(crowd.run(Duration::hours(19))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_EQ(crowd.ended, crowd.admitted);
    given_up += crowd.given_up;
  }
  EXPECT_TRUE(test::seeds() < 10 || given_up > 0) << "no transaction ever waited in vain";
}

// ---- mail whose permits are taken as its transaction begins ------------------------------------

RateLimit draw_kept_rate(Random& random, unsigned percent) {
  RateLimit rate = random.chance(percent) ? draw_late_rate(random) : RateLimit{};
  rate.count = rate.limited() ? std::max(rate.count, 6U) : 0;  // all of it leaves within a day
  return rate;
}

void draw_kept_rates(CrowdPlan& plan, Random& random) {
  for (RateLimit& rate : plan.sender_messages) {
    rate = draw_kept_rate(random, 80);
  }
  plan.vmta_messages.assign(plan.vmta_max.size(), {});
  for (RateLimit& rate : plan.vmta_messages) {
    rate = draw_kept_rate(random, 40);
  }
  plan.pool_messages = draw_kept_rate(random, 100);
  plan.group_messages = draw_kept_rate(random, 50);
}

std::vector<SourceLimit> draw_kept_sources(Random& random, std::size_t count) {
  std::vector<SourceLimit> out(count);
  for (SourceLimit& one : out) {
    one.messages = draw_kept_rate(random, 80);
    one.messages.burst = false;  // as the configuration has it
    if (random.chance(20)) {
      one.octets = {50'000 + random.below(200'000), Duration::seconds(5)};
    }
  }
  return out;
}

/// Rates of senders, of source addresses, and those beside a limit of octets; often only one kind.
CrowdPlan draw_kept_plan(Random& random) {
  CrowdPlan plan = draw_late_plan(random);
  plan.queue_max.assign(plan.queue_max.size(), 6);
  plan.messages = draw_kept_rate(random, 40);
  plan.grouped = random.chance(50) ? random.below(plan.queue_max.size() + 1) : 0;
  plan.sender_messages.resize(random.chance(60) ? 1 + random.below(3) : 0);
  plan.reply_max =
      Duration{random.between(1'000'000, random.chance(70) ? 500'000'000 : 8'000'000'000)};
  plan.size_max = static_cast<std::uint32_t>(1 + random.below(20'000));
  if (random.chance(60)) {
    plan.hosts = static_cast<unsigned>(1 + random.below(4));
    plan.addresses = static_cast<unsigned>(1 + random.below(3));
    plan.sources = draw_kept_sources(random, 1 + random.below(4));
  }
  if (random.chance(40)) {
    plan.vmta_octets.push_back({50'000 + random.below(200'000), Duration::seconds(5)});
  }
  draw_kept_rates(plan, random);
  return plan;
}

/// Mail of such a plan, with reloads, all of which leaves. Adds how often a transaction waited in
/// vain.
void expect_kept_permits_good(std::uint64_t seed, std::uint64_t& given_up) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed * 15'487'469);
  CrowdPlan plan = draw_kept_plan(random);
  plan.mail_takes = draw_mail_takes(seed);
  Crowd crowd(plan, seed);
  for (int wave = 0; wave < 3; ++wave) {
    for (auto n = random.below(40); n > 0; --n) {
      crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                  static_cast<std::uint32_t>(1 + random.below(5)),
                  random.below(plan.sender_messages.size() + 1));
    }
    crowd.run(Duration{random.between(0, 10'000'000'000)});
    if (random.chance(20)) {
      draw_kept_rates(plan, random);
      crowd.reload_rates(plan);
    } else if (random.chance(20)) {
      crowd.reload_sources(draw_kept_sources(random, plan.sources.size()));
    }
    if (::testing::Test::HasFatalFailure()) {
      return;
    }
  }
  ASSERT_TRUE(crowd.run(Duration::hours(19))) << crowd.report();
  ASSERT_FALSE(::testing::Test::HasFatalFailure());
  ASSERT_EQ(crowd.ended, crowd.admitted) << crowd.report();
  given_up += crowd.given_up;
}

TEST(LatePermits, OfMailThatCountsAsItBeginsAreGoodWhenRcptsLeave) {
  std::uint64_t given_up = 0;
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    expect_kept_permits_good(seed, given_up);
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_TRUE(test::seeds() < 10 || given_up > 0) << "no transaction ever waited in vain";
}

// A session asked later than it was offered mail, behind mail that was too large for what had come.
TEST(LatePermits, AreUsedBySessionsThatAskLater) {
  std::uint64_t given_up = 0;
  expect_kept_permits_good(2869, given_up);
}

struct LateLimit {
  const char* name;
  /// Sets it; returns what it allows in a period.
  std::uint32_t (*draw)(CrowdPlan& plan, RateLimit rate);
  unsigned percent = 95;  ///< of it that is used, at least
  /// The same where one host of several takes up to minutes to answer MAIL, and where all do.
  unsigned beside_tarpit = 95;
  unsigned to_tarpit = 93;
};

void PrintTo(const LateLimit& one, std::ostream* out) { *out << one.name; }

const LateLimit kLateLimits[] = {
    {"queue",
     [](CrowdPlan& plan, RateLimit rate) {
       plan.queue_max.assign(1, 0);
       plan.messages = rate;
       return rate.count;
     },
     95, 91, 91},
    {"queue in bursts",
     [](CrowdPlan& plan, RateLimit rate) {
       plan.queue_max.assign(1, 0);
       plan.messages = rate;
       plan.messages.burst = true;
       return rate.count;
     },
     85,  // what comes at once leaves over the few sessions there are, one by one
     50, 50},
    {"virtual MTA",
     [](CrowdPlan& plan, RateLimit rate) { return plan.vmta_messages.emplace_back(rate).count; }},
    {"pool",
     [](CrowdPlan& plan, RateLimit rate) {
       plan.vmta_max.assign(2, 0);
       plan.pooled = true;
       return (plan.pool_messages = rate).count;
     }},
    {"group",
     [](CrowdPlan& plan, RateLimit rate) {
       plan.grouped = plan.queue_max.size();
       return (plan.group_messages = rate).count;
     }},
    {
        "sender",
        [](CrowdPlan& plan, RateLimit rate) {
          return plan.sender_messages.emplace_back(rate).count;
        },
        95,
        80,
        44,
    },
    {
        "source address",
        [](CrowdPlan& plan, RateLimit rate) {
          plan.queue_max.assign(1, 0);
          plan.hosts = 1;
          plan.sources.resize(1);
          return (plan.sources[0].messages = rate).count;
        },
        95,
        95,
        95,
    },
    {
        "source address in a group",
        [](CrowdPlan& plan, RateLimit rate) {
          plan.grouped = plan.queue_max.size();
          plan.hosts = 1;
          plan.sources.resize(1);
          return (plan.sources[0].messages = rate).count;
        },
        95,
        80,
        44,
    },
    {
        "virtual MTA with a limit of octets",
        [](CrowdPlan& plan, RateLimit rate) {
          plan.vmta_octets.push_back({1'000'000, rate.period});
          return plan.vmta_messages.emplace_back(rate).count;
        },
        95,
        80,
        40,
    },
};

class LateReached : public ::testing::TestWithParam<LateLimit> {};

// Most of the limit is used while mail waits, though each RCPT leaves up to a second after the
// MAIL; with hosts of both kinds, and of the other alone, too.
TEST_P(LateReached, ByHostsThatAnswerSlowly) {
  const LateLimit& limit = GetParam();
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 2'147'029);
    CrowdPlan plan;
    plan.shards = static_cast<unsigned>(1 + random.below(4));
    plan.vmta_max.assign(1, 0);
    plan.queue_max.assign(12, 0);
    plan.failing_sessions = plan.failing_recipients = 0;
    plan.reply_max = Duration{random.between(20'000'000, 500'000'000)};
    const bool minutes = random.chance(50);
    const RateLimit rate{static_cast<std::uint32_t>(5 + random.below(100)),
                         minutes ? Duration::minutes(1) : Duration::seconds(10)};
    plan.slow = seed % 4 == 0 ? 30 : minutes && seed % 4 == 1 ? 0 : 100;
    const std::uint32_t allowed = limit.draw(plan, rate);
    Crowd crowd(plan, seed);
    for (std::size_t i = 0; i < 800; ++i) {
      crowd.admit(i % plan.queue_max.size(), i / plan.queue_max.size() % plan.vmta_max.size(), 3,
                  plan.sender_messages.size());
    }
    crowd.run(Duration::seconds(30));
    const std::uint64_t before = crowd.taken;
    const unsigned periods = minutes ? 20 : 10;
    crowd.run(rate.period * periods);
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_LT(crowd.ended, crowd.admitted) << "mail did not wait";
    EXPECT_GE((crowd.taken - before + 1) * 100, periods * allowed * limit.percent)
        << allowed << " in " << rate.period.whole_seconds() << " s, replies within "
        << plan.reply_max.ns / 1'000'000 << " ms\n"
        << crowd.given_up << " given up\n"
        << crowd.report();
  }
}
struct TarpitUse {
  std::uint64_t allowed = 0;
  std::uint64_t used = 0;
  std::uint64_t by_tarpit = 0;
};

/// Some runs with as many queues; the host of the first one takes up to minutes to answer MAIL.
TarpitUse use_beside_tarpit(const LateLimit& limit, std::size_t queues, std::uint64_t seed) {
  constexpr int kRuns = 8;
  constexpr unsigned kPeriods = 8;
  TarpitUse sum;
  for (int run = 0; run < kRuns; ++run) {
    Random random((seed * kRuns + static_cast<std::uint64_t>(run)) * 49'979'687);
    CrowdPlan plan;
    plan.shards = static_cast<unsigned>(1 + random.below(3));
    plan.vmta_max.assign(1, 0);
    plan.queue_max.assign(queues, 0);
    plan.failing_sessions = plan.failing_recipients = 0;
    plan.reply_max = Duration::milliseconds(100);
    plan.mail_takes = Duration::seconds(random.between(5, 200));
    plan.slow = 100;
    const RateLimit rate{static_cast<std::uint32_t>(5 + random.below(25)), Duration::minutes(5)};
    const std::uint32_t allowed = limit.draw(plan, rate);
    Crowd crowd(plan, seed);
    for (std::size_t i = 0; i < 1200; ++i) {
      crowd.admit(i % plan.queue_max.size(), i / plan.queue_max.size() % plan.vmta_max.size(), 1,
                  plan.sender_messages.size());
    }
    crowd.run(rate.period);  // what the host is like is learned
    const std::uint64_t before = crowd.taken;
    const std::uint64_t tarpit_before = crowd.taken_to[0];
    crowd.run(rate.period * kPeriods);
    sum.allowed += kPeriods * allowed;
    sum.used += crowd.taken - before;
    sum.by_tarpit += crowd.taken_to[0] - tarpit_before;
  }
  return sum;
}

// A host that tarpits keeps neither its own mail for ever nor the rate from others that share it.
TEST_P(LateReached, BesideAHostThatTarpits) {
  const LateLimit& limit = GetParam();
  const std::uint64_t seeds = (test::seeds() + 19) / 20;  // of eight runs each
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const TarpitUse beside = use_beside_tarpit(limit, 6, seed);
    const TarpitUse alone = use_beside_tarpit(limit, 1, seed);
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_GE(beside.used * 100, beside.allowed * limit.beside_tarpit) << beside.allowed;
    EXPECT_GE(beside.by_tarpit * 100, beside.allowed * 3) << beside.allowed;
    EXPECT_GE(alone.used * 100, alone.allowed * limit.to_tarpit) << alone.allowed;
  }
}

INSTANTIATE_TEST_SUITE_P(All, LateReached, ::testing::ValuesIn(kLateLimits));

}  // namespace
}  // namespace ringpost::schedule
