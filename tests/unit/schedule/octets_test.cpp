#include "tests/unit/schedule/crowd.h"
#include "tests/unit/schedule/two_scopes.h"

// Limits of octets, of queues and of virtual MTAs over all shards. The crowd asserts at every take
// that what began within a period is at most the limit, or one message alone.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

TEST(Octets, AreNeverExceededAndNothingIsLeftOver) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 86'028'121);
    CrowdPlan plan;
    plan.shards = static_cast<unsigned>(1 + random.below(8));
    plan.vmta_max.assign(1 + random.below(3), 0);
    plan.queue_max.assign(1 + random.below(8), 5);
    plan.size_max = static_cast<std::uint32_t>(1 + random.below(100'000));
    if (random.chance(60)) {
      plan.octets = {1 + random.below(300'000),
                     Duration::seconds(1 + std::int64_t(random.below(20)))};
    }
    for (std::size_t i = 0; i < plan.vmta_max.size() && random.chance(70); ++i) {
      plan.vmta_octets.push_back(
          {1 + random.below(500'000), Duration::seconds(1 + std::int64_t(random.below(20)))});
    }
    plan.failing_sessions = random.chance(50) ? 0 : 5;
    plan.late_word = random.chance(50);
    plan.late_take = random.chance(30);
    Crowd crowd(plan, seed);
    for (int wave = 0; wave < 3; ++wave) {
      for (auto n = random.below(20); n > 0; --n) {
        crowd.admit(random.below(plan.queue_max.size()), random.below(plan.vmta_max.size()),
                    static_cast<std::uint32_t>(1 + random.below(4)));
      }
      crowd.run(Duration{random.between(0, 5'000'000'000)});
      if (HasFatalFailure()) {
        return;
      }
    }
    ASSERT_TRUE(crowd.run(Duration::hours(2000))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
  }
}

// 95 % of a limit over shards while mail waits.
TEST(Octets, ALimitOfAVirtualMtaIsReached) {
  for (const unsigned shards : {1U, 5U}) {
    CrowdPlan plan;
    plan.shards = shards;
    plan.vmta_max = {0};
    plan.queue_max.assign(12, 20);
    plan.size_max = 10'000;
    plan.vmta_octets = {{3'000'000, Duration::seconds(10)}};
    plan.failing_sessions = 1;
    plan.failing_recipients = plan.refused_sessions = plan.refused_letters = 0;
    plan.letter_delay_max = Duration::microseconds(200);
    plan.service_max = Duration::milliseconds(50);
    plan.late_word = true;
    Crowd crowd(plan, 3);
    for (std::size_t i = 0; i < 8'000; ++i) {
      crowd.admit(i % 12, 0, 1);
    }
    crowd.run(Duration::seconds(5));
    const std::uint64_t before = crowd.octets_of["v0"];
    crowd.run(Duration::seconds(60));
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_GE(crowd.octets_of["v0"] - before, 6 * 3'000'000U / 100 * 95) << crowd.report();
  }
}

// Limits of an hour hold over ends in order and crashes, with other numbers of shards.
TEST(Octets, HoldOverRestarts) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 179'424'673);
    CrowdPlan plan;
    plan.shards = static_cast<unsigned>(1 + random.below(8));
    plan.vmta_max.assign(2, 0);
    plan.queue_max.assign(4, 5);
    plan.size_max = static_cast<std::uint32_t>(1 + random.below(100'000));
    if (random.chance(60)) {
      plan.octets = {1 + random.below(5'000'000), Duration::hours(1)};
    }
    plan.vmta_octets.push_back({1 + random.below(9'000'000), Duration::hours(1)});
    Crowd crowd(plan, seed);
    for (int run = 0; run < 4; ++run) {
      for (auto n = random.below(20); n > 0; --n) {
        crowd.admit(random.below(4), random.below(2), 1);
      }
      crowd.run(Duration{random.between(0, 1'000'000'000'000)});
      crowd.keep();
      crowd.run(Duration{random.between(0, 5'000'000'000)});
      ASSERT_FALSE(HasFatalFailure());
      if (run < 3) {
        crowd.restart(static_cast<unsigned>(1 + random.below(8)), random.chance(50));
      }
    }
    ASSERT_TRUE(crowd.run(Duration::hours(5000))) << crowd.report();
    ASSERT_FALSE(HasFatalFailure());
  }
}

// What a message of many periods' allowance owes is known after a crash, also of a shared limit.
TEST(Octets, AreOwedOverACrash) {
  for (const bool shared : {false, true}) {
    CrowdPlan plan;
    plan.shards = 2;
    plan.vmta_max.assign(1, 0);
    plan.queue_max.assign(1, 5);
    plan.size_min = 6'001;
    plan.size_max = 23'000;
    const ByteLimit limit{1'000, Duration::hours(1)};
    plan.octets = shared ? ByteLimit{} : limit;
    plan.vmta_octets.assign(shared ? 1 : 0, limit);
    Crowd crowd(plan, 5);
    crowd.admit(0, 0, 1);
    const std::uint32_t size = crowd.last_size();
    crowd.run(Duration::minutes(1));
    ASSERT_EQ(crowd.taken, 1U);
    const Instant begun = crowd.now.instant;
    for (int crash = 0; crash < 3; ++crash) {
      crowd.keep();
      crowd.restart(static_cast<unsigned>(3 - crash), false);
      crowd.run(Duration::minutes(90));
    }
    crowd.admit(0, 0, 1);
    ASSERT_TRUE(crowd.run(Duration::hours(100'000)));
    EXPECT_GE(crowd.started.at(crowd.last_slot()).at, begun + Duration::hours(size / 1'000));
    EXPECT_LE(crowd.started.at(crowd.last_slot()).at, begun + Duration::hours(size / 1'000 + 4));
  }
}

// The room that small messages leave in the limit's period is too little for a large one.
TEST(Octets, ALargeMessageIsNotPassedByForEver) {
  test::TwoScopes two;
  two.plan.rates.push_back(
      {5, {}, RateOf::vmta_octets, false, nullptr, {20'000, Duration::seconds(1)}});
  RateScope& small = two.book.scope(1, 5, {}, 1);
  RateScope& large = two.book.scope(2, 5, {}, 1);
  const Instant end = two.now.instant + Duration::seconds(60);
  int passed = 0;
  int gone = 0;
  while (two.now.instant < end) {
    for (RateScope* const scope : {&small, &large}) {
      const std::uint32_t size = scope == &small ? 8'000 : 16'000;
      if (RateBook::available(*scope, size, two.now.instant) > 0) {
        RateBook::take(*scope, 1, size, two.now.instant);
        ++(scope == &small ? passed : gone);
      }
      two.book.set_want(*scope, 1, size);
    }
    do {
      two.book.run(two.now.instant);
      two.book.flush(two);
    } while (!two.book.quiet());
    const bool there = RateBook::available(small, 8'000, two.now.instant) > 0 ||
                       RateBook::available(large, 16'000, two.now.instant) > 0;
    two.now.instant = there ? two.now.instant : two.book.next_wakeup();
  }
  EXPECT_GE(gone, 20) << passed << " small ones";
  EXPECT_GE(passed, 20) << gone << " large ones";
}

// Two that ask again and again, and cannot use what they get, do not keep others from theirs.
TEST(Octets, EachThatWaitsHasItsTurn) {
  test::TwoScopes two;
  two.plan.rates.push_back(
      {5, {}, RateOf::vmta_octets, false, nullptr, {20'000, Duration::seconds(1)}});
  struct One {
    RateScope* scope;
    std::uint32_t size;
    Instant asks;
    int gone = 0;
  };
  std::vector<One> all;
  for (const std::uint32_t size : {10'550U, 8'280U, 10'650U, 12'636U}) {
    all.push_back({&two.book.scope(all.size() + 1, 5, {}, 1), size, two.now.instant});
  }
  all[2].asks = all[3].asks = two.now.instant - Duration::milliseconds(1);
  const Instant end = two.now.instant + Duration::seconds(120);
  while (two.now.instant < end) {
    for (One& one : all) {
      if (RateBook::available(*one.scope, one.size, two.now.instant) > 0) {
        one.asks = two.now.instant + Duration::milliseconds(25);
        if (one.size < 10'600) {
          RateBook::take(*one.scope, 1, one.size, two.now.instant);
        } else {
          two.book.hand_back(*one.scope, true, two.now.instant);
        }
        ++one.gone;
      }
      two.book.set_want(*one.scope, one.asks <= two.now.instant ? 1 : 0, one.size);
    }
    do {
      two.book.run(two.now.instant);
      two.book.flush(two);
    } while (!two.book.quiet());
    const bool there = std::any_of(all.begin(), all.end(), [&](const One& one) {
      return RateBook::available(*one.scope, one.size, two.now.instant) > 0;
    });
    Instant next = two.book.next_wakeup();
    for (const One& one : all) {
      next = one.asks > two.now.instant ? std::min(next, one.asks) : next;
    }
    two.now.instant = there ? two.now.instant : next;
  }
  for (const One& one : all) {
    EXPECT_GE(one.gone, 30) << one.size << " octets";
  }
}

}  // namespace
}  // namespace ringpost::schedule
