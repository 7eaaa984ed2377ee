#include "core/schedule/warmup.h"

#include <gtest/gtest.h>

#include "tests/unit/schedule/crowd.h"
#include "tests/unit/schedule/hand.h"

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;
using test::Hand;

constexpr RateLimit kStart{10, Duration::hours(1)};
constexpr RateLimit kEnd{160, Duration::hours(1)};
/// 2027-01-16, midnight.
constexpr WallTime kMidnight{1'800'057'600'000'000};

std::shared_ptr<WarmupPlan> plan_of(int days) {
  auto plan = std::make_shared<WarmupPlan>();
  plan->vmta = "v1";
  plan->source = "192.0.2.1";
  plan->period = Duration::days(days);
  plan->start = kStart;
  plan->end = kEnd;
  return plan;
}

TEST(WarmupRate, GrowsByTheSameFactorOrTheSameAmount) {
  const auto plan = plan_of(4);
  const std::uint32_t exponential[] = {10, 20, 40, 80, 160, 160};
  const std::uint32_t linear[] = {10, 47, 85, 122, 160, 160};
  for (std::uint32_t day = 0; day < 6; ++day) {
    plan->linear = false;
    EXPECT_EQ(warmup_rate(*plan, day), (RateLimit{exponential[day], Duration::hours(1)}));
    plan->linear = true;
    EXPECT_EQ(warmup_rate(*plan, day), (RateLimit{linear[day], Duration::hours(1)}));
  }
}

TEST(WarmupRate, OfDifferentPeriodsIsCountedInTheLongerOne) {
  const auto plan = plan_of(2);
  plan->start = {1, Duration::minutes(1)};
  plan->end = {14'400, Duration::days(1)};
  EXPECT_EQ(warmup_rate(*plan, 1), (RateLimit{4553, Duration::days(1)}));
  EXPECT_EQ(day_allowance(plan->start), 1440U);
  EXPECT_EQ(day_allowance(plan->end), 14'400U);
}

/// A book alone, in hours.
struct Warming {
  explicit Warming(std::shared_ptr<WarmupPlan> the_plan) : plan(std::move(the_plan)) {}

  WarmupBook& book() {
    if (!book_) {
      book_ = std::make_unique<WarmupBook>(now);
    }
    return *book_;
  }
  WarmupState& state() {
    book().roll(now);
    return book().state_of(plan, "a.com", {}, now.instant);
  }
  WarmupRow row() { return WarmupRow(state()); }
  /// Sends that many, as the gate lets it.
  void send(std::uint64_t count) {
    while (count > 0) {
      pass(std::max(Duration{}, state().opens_at() - now.instant));
      state().take(1, now.instant);
      --count;
    }
  }
  void pass(Duration time) {
    now.instant = now.instant + time;
    now.wall = now.wall + time;
  }
  void to_midnight() { pass(WallTime{(day_of(now.wall) + 1) * 86'400'000'000} - now.wall); }
  void write(std::string& lines) { book().write(lines, now); }
  /// Another run of the daemon.
  void restart(bool clean) {
    std::string lines;
    book().write(lines, now);
    book_ = std::make_unique<WarmupBook>(now);
    EXPECT_TRUE(lines.empty() || book_->restore(lines.substr(0, lines.find('\n'))));
    if (!clean) {
      book_->begin_after(now.instant);
    }
  }

  Now now{Instant{} + Duration::hours(3), kMidnight};
  std::shared_ptr<WarmupPlan> plan;

 private:
  std::unique_ptr<WarmupBook> book_;
};

TEST(Warmup, ADayCountsIfHalfOfItsAllowanceWasSent) {
  Warming one(plan_of(4));
  EXPECT_EQ(one.row().day, 1U);
  EXPECT_EQ(one.row().of, 4U);
  EXPECT_EQ(one.row().allowance, 240U);
  EXPECT_EQ(one.row().began.us, 0);
  one.send(119);
  EXPECT_EQ(one.row().sent, 119U);
  EXPECT_FALSE(one.row().counts);
  one.to_midnight();
  EXPECT_EQ(one.row().day, 1U) << "too little was sent";
  EXPECT_EQ(one.row().sent, 0U);
  one.send(120);
  EXPECT_TRUE(one.row().counts);
  EXPECT_EQ(one.row().next, (RateLimit{20, Duration::hours(1)}));
  one.to_midnight();
  EXPECT_EQ(one.row().day, 2U);
  EXPECT_EQ(one.row().rate, (RateLimit{20, Duration::hours(1)}));
  EXPECT_EQ(one.row().began, kMidnight);
  one.to_midnight();
  one.to_midnight();
  EXPECT_EQ(one.row().day, 2U) << "the clock stands still while nothing is sent";
}

TEST(Warmup, IdleDaysCountWhereConfiguredOnceItHasBegun) {
  auto plan = plan_of(10);
  plan->idle_days_count = true;
  Warming one(plan);
  one.to_midnight();
  EXPECT_EQ(one.row().day, 1U);
  one.send(1);
  for (int day = 0; day < 3; ++day) {
    one.to_midnight();
  }
  EXPECT_EQ(one.row().day, 4U);
}

TEST(Warmup, AStartInThePastCountsAndOneInTheFutureWaits) {
  auto plan = plan_of(4);
  plan->start_day = day_of(kMidnight) - 2;
  EXPECT_EQ(Warming(plan).row().day, 3U);
  auto later = plan_of(4);
  later->start_day = day_of(kMidnight) + 2;
  Warming one(later);
  for (int day = 0; day < 2; ++day) {
    one.send(130);
    one.to_midnight();
  }
  EXPECT_EQ(one.row().day, 1U);
  one.send(130);
  one.to_midnight();
  EXPECT_EQ(one.row().day, 2U);
}

TEST(Warmup, SurvivesARestartWithAllItHasCounted) {
  for (const bool clean : {true, false}) {
    Warming one(plan_of(4));
    one.send(130);
    one.to_midnight();
    one.send(7);
    const Instant next = one.state().opens_at();
    one.restart(clean);
    EXPECT_EQ(one.row().day, 2U);
    EXPECT_EQ(one.row().sent, 7U);
    EXPECT_EQ(one.row().began, kMidnight);
    EXPECT_EQ(one.state().available(one.now.instant), 0U);
    // The last of it may have left a minute after its permit was given, and two may have made up
    // for others.
    const Instant restarted = one.now.instant + Duration::minutes(1) + Duration::hours(1) / 20 * 3;
    EXPECT_EQ(one.state().opens_at().ns / 1'000'000, (clean ? next : restarted).ns / 1'000'000);
  }
}

TEST(Warmup, OtherAddressesBeginAnewAndTheOldOnesAreRemembered) {
  Warming one(plan_of(4));
  one.send(130);
  one.to_midnight();
  ASSERT_EQ(one.row().day, 2U);
  auto other = plan_of(4);
  other->source = "192.0.2.9";
  std::swap(one.plan, other);
  EXPECT_EQ(one.row().day, 1U);
  std::swap(one.plan, other);
  EXPECT_EQ(one.row().day, 2U);
}

TEST(Warmup, TheOrderOfAddressesDoesNotMatter) {
  EXPECT_EQ(in_order("192.0.2.10 2001:db8::1 192.0.2.9 192.0.2.10"),
            "192.0.2.9 192.0.2.10 2001:db8::1");
  EXPECT_EQ(in_order("any"), "any");
  EXPECT_EQ(in_order(" 192.0.2.1  "), "192.0.2.1");
  EXPECT_EQ(in_order(""), "");
}

// Earlier versions kept them as the configuration had them: each such line is still found, and of
// two orders the more advanced holds.
TEST(Warmup, WhatWasKeptInAnyOrderOfAddressesIsFound) {
  const char* const orders[] = {"192.0.2.9 192.0.2.10", "192.0.2.10 192.0.2.9"};
  for (const char* const first : orders) {
    for (const char* const second : orders) {
      Now now{Instant{} + Duration::hours(3), kMidnight};
      std::string lines;
      for (const char* const kept : {first, second}) {
        Warming one(plan_of(4));
        one.plan->source = kept;
        const int days = kept == first ? 2 : 1;  // that count
        for (int day = 0; day < days; ++day) {
          one.send(day == 0 ? 130 : 250);
          one.to_midnight();
        }
        one.row();
        one.write(lines);
        now = one.now;
      }
      WarmupBook next(now);
      for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1) {
        EXPECT_TRUE(next.restore(lines.substr(at, lines.find('\n', at) - at)));
      }
      auto plan = plan_of(4);
      plan->source = "192.0.2.9 192.0.2.10";
      EXPECT_EQ(WarmupRow(next.state_of(plan, "a.com", {}, now.instant)).day, 3U)
          << first << ", " << second;
    }
  }
}

TEST(Warmup, AClockThatIsSetBackGrantsNothing) {
  Warming one(plan_of(4));
  one.send(130);
  one.to_midnight();
  one.send(10);
  one.now.wall = one.now.wall - Duration::days(1);
  EXPECT_EQ(one.row().sent, 10U);
  EXPECT_EQ(one.row().day, 2U);
  one.restart(true);
  EXPECT_EQ(one.row().sent, 10U);
  one.pass(Duration::hours(2));
  one.now.wall = one.now.wall + Duration::days(1);
  EXPECT_EQ(one.row().day, 2U);
}

TEST(Warmup, OfAQueueIsAGateThatSaysWhenItOpensAndWidensAtMidnight) {
  Hand hand;
  hand.now.wall = kMidnight + Duration::hours(23);
  auto plan = plan_of(1);
  plan->start = {1, Duration::days(1)};
  plan->end = {24, Duration::hours(1)};
  hand.limits.warmup = plan;
  for (std::uint32_t i = 1; i <= 3; ++i) {
    hand.admit("a.com", i);
  }
  hand.run();
  const QueueId queue = hand.establish();
  Job* job = hand.scheduler().take(queue, hand.now);
  ASSERT_NE(job, nullptr);
  EXPECT_EQ(hand.scheduler().take(queue, hand.now), nullptr);
  EXPECT_EQ(hand.row("a.com").gate, Gate::warmup);
  EXPECT_EQ(hand.row("a.com").gate_opens, hand.now.wall + Duration::days(1));
  hand.idle_sessions[queue] = 1;
  hand.finish(*job, OutcomeKind::delivered);
  hand.retire_all();
  hand.advance_by_wakeups(Duration::hours(1) + Duration::minutes(2));
  EXPECT_TRUE(hand.offered.empty());
  hand.advance_by_wakeups(Duration::minutes(1));
  EXPECT_EQ(hand.offered.size(), 1U) << "an interval of the new day's rate";
  EXPECT_FALSE(hand.exhausted);
}

TEST(Warmup, TheSlowerOfBothRatesHolds) {
  Hand hand;
  hand.limits.warmup = plan_of(4);
  hand.limits.messages = {1, Duration::hours(1)};
  for (std::uint32_t i = 1; i <= 3; ++i) {
    hand.admit("a.com", i);
  }
  hand.run();
  const QueueId queue = hand.establish();
  ASSERT_NE(hand.scheduler().take(queue, hand.now), nullptr);
  EXPECT_EQ(hand.scheduler().take(queue, hand.now), nullptr);
  EXPECT_EQ(hand.row("a.com").gate, Gate::message_rate);
}

CrowdPlan draw_warming(Random& random) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(8));
  plan.vmta_max.assign(1 + random.below(3), 0);
  plan.queue_max.assign(2 + random.below(5), 4);
  plan.failing_sessions = random.chance(50) ? 0 : static_cast<unsigned>(random.below(20));
  plan.failing_recipients = random.chance(50) ? 0 : static_cast<unsigned>(random.below(30));
  auto warmup = std::make_shared<WarmupPlan>();
  warmup->source = "192.0.2.1";
  warmup->period = Duration::days(static_cast<std::int64_t>(1 + random.below(4)));
  warmup->start = {static_cast<std::uint32_t>(1 + random.below(15)), Duration::hours(1)};
  warmup->end = {static_cast<std::uint32_t>(20 + random.below(40)), Duration::hours(1)};
  warmup->linear = random.chance(50);
  warmup->idle_days_count = random.chance(20);
  plan.warmup = warmup;
  plan.vmta_warmup = random.chance(40);
  plan.group_warmup = !plan.vmta_warmup && random.chance(60);
  plan.grouped = plan.group_warmup ? 1 + random.below(plan.queue_max.size()) : 0;
  // A limit of its own beside it, of the kind that must outlive restarts too.
  plan.messages = random.chance(40) ? RateLimit{static_cast<std::uint32_t>(2 + random.below(30)),
                                                Duration::hours(1), random.chance(40)}
                                    : RateLimit{};
  return plan;
}

// The crowd asserts at every take that no window of any length holds more than the rate that the
// warm-up can have come to, and more than the fixed rate, whatever ended in between and how.
TEST(WarmupSim, NoWindowHoldsMoreOverRestartsAndCrashesWithOneToEightShards) {
  std::uint64_t taken = 0;
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 32'452'843);
    const CrowdPlan plan = draw_warming(random);
    Crowd crowd(plan, seed);
    for (int life = 0; life < 6; ++life) {
      for (auto n = 1 + random.below(40); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                    static_cast<std::uint32_t>(1 + random.below(20)));
      }
      for (auto n = 1 + random.below(3); n > 0; --n) {
        crowd.run(Duration::minutes(random.between(1, random.chance(30) ? 2000 : 90)));
        crowd.keep();
      }
      crowd.run(Duration::seconds(random.between(0, 600)));
      ASSERT_FALSE(HasFatalFailure());
      crowd.restart(static_cast<unsigned>(1 + random.below(8)), random.chance(50));
    }
    taken += crowd.taken;
  }
  EXPECT_GT(taken, test::seeds() * 300) << "the seeds draw too little";
}

// And it is as fast as it may be: with mail waiting, 95 % of each day's rate, and every day counts.
TEST(WarmupSim, GrowsDayByDayWhileMailWaits) {
  for (const unsigned shards : {1U, 8U}) {
    for (const bool shared : {false, true}) {
      CrowdPlan plan;
      plan.shards = shards;
      plan.vmta_max = {0};
      plan.queue_max = {4, 4};
      plan.failing_sessions = plan.failing_recipients = 0;
      auto warmup = plan_of(3);
      warmup->start = {20, Duration::hours(1)};
      plan.warmup = warmup;
      plan.vmta_warmup = shared;
      Crowd crowd(plan, shards);
      crowd.now.wall = kMidnight;
      crowd.restart(shards, true);
      const std::uint64_t times = shared ? 1 : 2;
      for (std::uint32_t day = 0; day < 4; ++day) {
        const std::uint64_t before = crowd.taken;
        for (int half = 1; half <= 2; ++half) {  // mail grows too old in 20 hours
          crowd.admit(0, 0, 2000);
          crowd.admit(1, 0, 2000);
          crowd.run(kMidnight + Duration::hours(24 * day + 12 * half) - crowd.now.wall);
        }
        const std::uint64_t most = times * day_allowance(warmup_rate(*warmup, day));
        // The wall clock loses what is less than a microsecond, so one may be of both days.
        EXPECT_LE(crowd.taken - before, most + times) << day;
        EXPECT_GE(crowd.taken - before, most * 95 / 100) << day;
      }
    }
  }
}

}  // namespace
}  // namespace ringpost::schedule
