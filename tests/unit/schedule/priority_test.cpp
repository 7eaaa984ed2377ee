#include "tests/unit/schedule/crowd.h"
#include "tests/unit/schedule/hand.h"

// Priorities of queues: who gets connections where they are short, and when lower ones get theirs.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

CrowdPlan calm(unsigned shards) {
  CrowdPlan plan;
  plan.shards = shards;
  plan.vmta_max = {0};
  plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
  plan.refused_letters = 0;
  plan.jobs_max = 1000;
  plan.service_max = Duration::milliseconds(100);
  plan.jobs_per_session_max = 1'000'000'000;  // no session ends of itself
  return plan;
}

// All connections are with queues of normal priority that have mail for hours; a higher one comes.
TEST(Priority, AHigherQueueTakesConnectionsFromLowerOnes) {
  for (const unsigned shards : {1u, 2u, 5u}) {
    for (const std::uint32_t total : {1u, 4u, 40u}) {
      SCOPED_TRACE(std::to_string(shards) + " shards, " + std::to_string(total) + " connections");
      CrowdPlan plan = calm(shards);
      plan.total_max = total;
      plan.queue_max = std::vector<std::uint32_t>(9, 0);
      plan.priorities = {80, 50, 50, 50, 50, 50, 50, 50, 50};
      Crowd crowd(plan, shards * 100 + total);
      for (int i = 0; i < 4000; ++i) {
        for (std::size_t lower = 1; lower < 9; ++lower) {
          crowd.admit(lower, 0, 1);
        }
      }
      crowd.run(Duration::seconds(10));
      const std::uint64_t before = crowd.delivered["d0.example/v0"];
      const Instant start = crowd.now.instant;
      for (int i = 0; i < 60'000; ++i) {
        crowd.admit(0, 0, 1);
      }
      crowd.run(Duration::seconds(total > 4 ? 60 : 30));  // they change hands one by one
      ASSERT_FALSE(testing::Test::HasFatalFailure());
      ASSERT_EQ(crowd.first_take.count("d0.example/v0"), 1u);
      // A short slice, the transaction under way, and what letters, closing and opening take.
      EXPECT_LE(crowd.first_take["d0.example/v0"] - start, Duration::seconds(2));
      // By then nearly all connections are its own: 20 transactions a second on each, but for the
      // times in which they change hands.
      const std::uint64_t mine = crowd.delivered["d0.example/v0"] - before;
      crowd.run(Duration::seconds(10));
      const std::uint64_t later = crowd.delivered["d0.example/v0"] - before - mine;
      EXPECT_GE(later, total * 10 * 20 * 6 / 10);
    }
  }
}

// Whose connections are not to be interrupted keeps them for as long as against its like.
TEST(Priority, WhatIsNotToBeInterruptedKeepsItsSlice) {
  for (const bool untouchable : {false, true}) {
    CrowdPlan plan = calm(2);
    plan.total_max = 1;
    plan.queue_max = {1, 1};
    plan.priorities = {80, 50};
    plan.untouchable = {false, untouchable};
    Crowd crowd(plan, 7);
    for (int i = 0; i < 4000; ++i) {
      crowd.admit(1, 0, 1);
    }
    crowd.run(Duration::milliseconds(1'500));
    const Instant start = crowd.now.instant;
    crowd.admit(0, 0, 1);
    crowd.run(Duration::seconds(30));
    ASSERT_EQ(crowd.first_take.count("d0.example/v0"), 1u);
    const Duration waited = crowd.first_take["d0.example/v0"] - start;
    EXPECT_GE(waited, untouchable ? Duration::seconds(3) : Duration{});
    EXPECT_LE(waited, Duration::seconds(untouchable ? 7 : 1));
  }
}

struct LowerCase {
  unsigned shards;
  std::uint32_t total;
  int per_session;
};

// One that lost its only connection after it had asked for another waits with none at all.
TEST(Priority, EqualsTakeTurnsWhileALowerOneWaits) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    for (const unsigned shards : {1u, 3u, 8u}) {
      SCOPED_TRACE(std::to_string(shards) + " shards, seed " + std::to_string(seed));
      CrowdPlan plan = calm(shards);
      plan.total_max = 1;
      plan.queue_max = {0, 0, 0};
      plan.priorities = {90, 90, 10};
      Crowd crowd(plan, seed);
      for (int i = 0; i < 1500; ++i) {
        crowd.admit(0, 0, 1);
        crowd.admit(1, 0, 1);
      }
      crowd.admit(2, 0, 1);
      crowd.run(Duration::seconds(50));
      const std::uint64_t first = crowd.delivered["d0.example/v0"];
      const std::uint64_t second = crowd.delivered["d1.example/v0"];
      ASSERT_GT(first + second, 700u);
      EXPECT_GE(std::min(first, second) * 10, (first + second) * 3) << first << ", " << second;
    }
  }
}

// The bound that the documentation states for lower priorities: a minute, up to two seconds where
// connections go from shard to shard, and where one is under way then its transaction, closing it
// and the one that follows.
TEST(Priority, ALowerQueueIsServedInTheEnd) {
  constexpr int kForEver = 1'000'000'000;
  constexpr LowerCase kCases[] = {{1, 2, 3},        {3, 2, 3},        {1, 2, 400},
                                  {3, 2, 400},      {8, 1, 800},      {1, 2, kForEver},
                                  {3, 2, kForEver}, {8, 5, kForEver}, {2, 40, 900}};
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    const LowerCase& one = kCases[seed % std::size(kCases)];
    SCOPED_TRACE(std::to_string(one.shards) + " shards, " + std::to_string(one.total) + ", " +
                 std::to_string(one.per_session) + ", seed " + std::to_string(seed));
    CrowdPlan plan = calm(one.shards);
    plan.total_max = one.total;
    plan.queue_max = {0, 0, 0};
    plan.priorities = {90, 90, 10};
    plan.jobs_per_session_max = one.per_session;
    Crowd crowd(plan, seed);
    for (std::uint32_t i = 0; i < 800 * one.total; ++i) {
      crowd.admit(0, 0, 1);
      crowd.admit(1, 0, 1);
    }
    crowd.run(Duration::seconds(5));
    const Instant start = crowd.now.instant;
    crowd.admit(2, 0, 1);
    crowd.run(Duration::seconds(63));
    ASSERT_GT(crowd.admitted, crowd.ended + 1) << "those of higher priority had enough";
    EXPECT_EQ(crowd.first_take.count("d2.example/v0"), 1u);
    EXPECT_LE(crowd.first_take["d2.example/v0"] - start, Duration::seconds(63));
  }
}

// A reload gives a queue that waits its new place, and one that has connections a new standing.
TEST(Priority, AReloadChangesPlacesAndStandings) {
  test::Hand hand;
  hand.global.connections_max = 1;
  hand.admit("low.example", 1, 20);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 1u);
  const QueueId low = hand.opened[0].first;
  hand.establish(low);
  hand.admit("one.example", 2);
  hand.admit("two.example", 3);
  hand.run();
  EXPECT_EQ(hand.row("two.example").gate, Gate::total_connections);
  hand.limits_of["two.example"].priority = 70;
  hand.limits_of["low.example"].priority = 20;
  ++hand.global.version;
  hand.scheduler().refresh(hand.now);
  hand.run();
  hand.advance(Duration::seconds(2));
  EXPECT_NE(hand.scheduler().take(low, hand.now), nullptr) << "what it was opened for";
  EXPECT_EQ(hand.scheduler().take(low, hand.now), nullptr) << "it yields";
  hand.end(low, SessionEnd::normal);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 2u);
  EXPECT_EQ(hand.opened[1].second, "two.example");
}

// A host whose greeting takes longer than its queue may keep a connection from others.
TEST(Priority, OneTransactionGoesBeforeAConnectionIsGivenUp) {
  test::Hand hand;
  hand.global.connections_max = 1;
  hand.admit("slow.example", 1);
  hand.admit("slow.example", 2);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 1u);
  const QueueId slow = hand.opened[0].first;
  hand.admit("other.example", 3);
  hand.run();
  hand.advance(Scheduler::kLongSlice * 2);
  hand.establish(slow);
  EXPECT_NE(hand.scheduler().take(slow, hand.now), nullptr);
  EXPECT_EQ(hand.scheduler().take(slow, hand.now), nullptr) << "the other one's turn";
  hand.end(slow, SessionEnd::normal);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 2u);
  EXPECT_EQ(hand.opened[1].second, "other.example");
}

// The same where the first permit takes longer: it is used before the connection goes to others.
TEST(Priority, APermitThatAConnectionWaitedForIsUsed) {
  for (const bool of_sender : {true, false}) {
    CrowdPlan plan = calm(3);
    plan.total_max = 1;
    plan.queue_max.assign(6, 0);
    plan.closer = false;
    const RateLimit rate = {12, Duration::minutes(1)};
    (of_sender ? plan.sender_messages : plan.vmta_messages).push_back(rate);
    Crowd crowd(plan, 1);
    for (std::size_t i = 0; i < 60; ++i) {
      crowd.admit(i % 6, 0, 1, of_sender ? 1 : 0);
    }
    ASSERT_TRUE(crowd.run(Duration::minutes(30))) << crowd.report();
  }
}

}  // namespace
}  // namespace ringpost::schedule
