#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/schedule/hand.h"

// Rates of connections count each one that is tried, when it is tried.

namespace ringpost::schedule {
namespace {

using test::Hand;

bool again(Hand& hand) {
  return hand.scheduler().connect_gate().may_connect_again(hand.opened.back().first, hand.now);
}

/// Until another session is opened; what it took.
Duration wait_for_session(Hand& hand) {
  const Instant begin = hand.now.instant;
  const std::size_t before = hand.opened.size();
  while (hand.opened.size() == before && hand.wakeup() != Instant::never()) {
    hand.advance(hand.wakeup() - hand.now.instant);
  }
  EXPECT_EQ(hand.opened.size(), before + 1);
  return hand.now.instant - begin;
}

TEST(ConnectRates, TheNextHostIsTriedUnderAPermitOfItsOwn) {
  Hand hand;
  hand.limits.connects = {2, Duration::minutes(1)};
  hand.admit("a.com", 1);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 1U);
  EXPECT_FALSE(again(hand));
  hand.end(hand.opened.back().first, SessionEnd::next_host);
  hand.run();
  EXPECT_EQ(hand.row("a.com").gate, Gate::connect_rate) << "it is not put off";
  EXPECT_TRUE(hand.deferrals.empty());
  EXPECT_EQ(hand.row("a.com").last_error, "no answer");
  EXPECT_GE(wait_for_session(hand), Duration::seconds(20)) << "two thirds of an interval";
  hand.advance(Duration::seconds(41));
  EXPECT_TRUE(again(hand)) << "a permit that came meanwhile";
  EXPECT_FALSE(again(hand));
  hand.end(hand.opened.back().first, SessionEnd::unreachable);
  hand.run();
  EXPECT_EQ(hand.deferrals.size(), 1U);
}

TEST(ConnectRates, AnyWindowOfUseHoldsTheLimit) {
  Hand hand;
  hand.limits.connects = {6, Duration::minutes(1)};
  hand.admit("a.com", 1);
  hand.run();
  std::vector<Instant> earliest;
  std::vector<Instant> latest;
  for (int i = 0; i < 60; ++i) {
    earliest.push_back(hand.now.instant);
    latest.push_back(hand.leave_until);
    ASSERT_EQ(hand.leave_until - hand.now.instant, Duration::seconds(1));
    hand.establish();
    hand.end(hand.opened.back().first, SessionEnd::normal);
    wait_for_session(hand);
  }
  for (std::size_t i = 6; i < earliest.size(); ++i) {
    ASSERT_GE(earliest[i] - latest[i - 6], Duration::minutes(1));
  }
  EXPECT_LE(earliest[59] - earliest[0], Duration::seconds(600 * 100 / 95));
}

TEST(ConnectRates, TheLeastTimeBetweenTwoIsOneOfTheirUse) {
  Hand hand;
  hand.limits.connect_gap = Duration::seconds(10);
  hand.admit("a.com", 1);
  hand.run();
  const Instant latest = hand.leave_until;
  EXPECT_EQ(latest - hand.now.instant, Duration::milliseconds(200));
  EXPECT_FALSE(again(hand));
  hand.end(hand.opened.back().first, SessionEnd::next_host);
  hand.run();
  wait_for_session(hand);
  EXPECT_EQ(hand.now.instant - latest, Duration::seconds(10));
}

TEST(ConnectRates, WithoutOneTheNextHostIsTriedAtOnce) {
  Hand hand;
  hand.admit("a.com", 1);
  hand.run();
  EXPECT_EQ(hand.leave_until, Instant::never());
  EXPECT_TRUE(again(hand));
}

void begin_with_hosts_max(Hand& hand, std::uint32_t most) {
  auto policy = std::make_shared<QueuePolicy>(*hand.policy);
  policy->hosts_tried_max = most;
  hand.policy = policy;
  hand.limits.connects = {60, Duration::minutes(1)};
  hand.admit("a.com", 1);
  hand.run();
}

TEST(ConnectRates, HostsAreCountedOverTheSessionsOfOneAttempt) {
  Hand hand;
  begin_with_hosts_max(hand, 3);
  for (int tried = 1; tried <= 3; ++tried) {
    EXPECT_TRUE(hand.deferrals.empty());
    hand.end(hand.opened.back().first, SessionEnd::next_host);
    hand.run();
    if (tried < 3) {
      wait_for_session(hand);
    }
  }
  EXPECT_EQ(hand.deferrals.size(), 1U) << "no more hosts than that are tried";
  EXPECT_EQ(hand.row("a.com").state, QueueState::deferred);
}

TEST(ConnectRates, ASessionThatDidNotTryIsNoFailure) {
  Hand hand;
  begin_with_hosts_max(hand, 1);
  hand.end(hand.opened.back().first, SessionEnd::next_host, OutcomeKind::pending, "");
  hand.run();
  EXPECT_EQ(hand.row("a.com").last_error, "");
  wait_for_session(hand);
  EXPECT_TRUE(hand.deferrals.empty());
}

}  // namespace
}  // namespace ringpost::schedule
