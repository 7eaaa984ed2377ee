#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/schedule/hand.h"

// What `why` says of mail that waits: of several limits at one place the one that holds it, and
// when that one opens.

namespace ringpost::schedule {
namespace {

using test::Hand;

/// One session came and went; the queue wants another.
void connect_once(Hand& hand) {
  hand.admit("a.com", 1);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 1U);
  hand.end(hand.opened.back().first, SessionEnd::next_host);
  hand.run();
}

TEST(ToldGates, OfTwoLimitsOnNewConnectionsTheOneThatOpensLast) {
  struct Case {
    RateLimit connects;
    Duration gap;
    Gate gate;
    Duration opens;  ///< both count a fiftieth more, one second at most
  };
  const Duration minute = Duration::minutes(1);
  const Case cases[] = {
      {{}, Duration::seconds(10), Gate::connect_gap, Duration::milliseconds(10'200)},
      {{600, minute}, Duration::seconds(10), Gate::connect_gap, Duration::milliseconds(10'200)},
      {{1, Duration::seconds(5)}, minute, Gate::connect_gap, Duration::seconds(61)},
      {{1, minute}, Duration::seconds(10), Gate::connect_rate, Duration::seconds(61)},
      {{1, minute}, {}, Gate::connect_rate, Duration::seconds(61)},
  };
  for (const Case& one : cases) {
    Hand hand;
    hand.limits.connects = one.connects;
    hand.limits.connect_gap = one.gap;
    connect_once(hand);
    const QueueRow row = hand.row("a.com");
    EXPECT_EQ(row.state, QueueState::waiting);
    EXPECT_EQ(name_of(row.gate), name_of(one.gate));
    EXPECT_EQ((row.gate_opens - hand.now.wall).ns, one.opens.ns) << name_of(one.gate);
    hand.advance_by_wakeups(one.opens - Duration::milliseconds(1));
    EXPECT_EQ(hand.opened.size(), 1U);
    hand.advance_by_wakeups(Duration::milliseconds(2));
    EXPECT_EQ(hand.opened.size(), 2U) << "it opens when it was said to";
  }
}

TEST(ToldGates, AWaitForDnsIsToldFromOneForTheHost) {
  Hand hand;
  hand.policy->retry_after = {Duration::minutes(30)};
  hand.policy->retry_after_dns_error = Duration::minutes(4);
  hand.admit("a.com", 1);
  hand.run();
  hand.end(hand.opened.back().first, SessionEnd::no_route);
  EXPECT_EQ(hand.row("a.com").gate, Gate::dns_retry);
  EXPECT_EQ(hand.row("a.com").gate_opens, hand.now.wall + Duration::minutes(4));
  std::string lines;
  hand.scheduler().write_kept(lines, true, hand.now);
  Hand next;
  next.policy = hand.policy;
  next.now = hand.now;
  next.scheduler().restore(lines, true, next.now);
  next.admit("a.com", 1);
  next.run();
  EXPECT_EQ(next.row("a.com").gate, Gate::dns_retry) << "after a restart";
  EXPECT_EQ(next.row("a.com").gate_opens, hand.now.wall + Duration::minutes(4));
  hand.advance(Duration::minutes(4));
  ASSERT_EQ(hand.opened.size(), 2U);
  hand.end(hand.opened.back().first, SessionEnd::unreachable);
  EXPECT_EQ(hand.row("a.com").gate, Gate::queue_retry);
  EXPECT_EQ(hand.row("a.com").gate_opens, hand.now.wall + Duration::minutes(30));
}

TEST(ToldGates, WithoutATimeForDnsErrorsTheHostsHolds) {
  Hand hand;
  hand.policy->retry_after = {Duration::minutes(30)};
  hand.policy->retry_after_dns_error = {};
  hand.admit("a.com", 1);
  hand.run();
  hand.end(hand.opened.back().first, SessionEnd::no_route);
  EXPECT_EQ(hand.row("a.com").gate, Gate::queue_retry);
}

/// Every permit counts in the plan.
struct Planned : Hand {
  const RatePlan* rate_plan(std::uint64_t) override { return &plan; }
  RatePlan plan;
};

// Of several rates of a kind, as of two pools, the key tells which one it is.
TEST(ToldGates, OfSharedRatesTheOneThatOpensLastIsToldByItsKey) {
  Planned hand;
  const Duration minute = Duration::minutes(1);
  hand.plan.rates = {{11, {1000, minute}, RateOf::vmta},
                     {22, {1, minute}, RateOf::pool},
                     {33, {10, minute}, RateOf::pool}};
  hand.limits.shared_messages = {5, 5, {}};
  for (std::uint32_t slot = 1; slot <= 3; ++slot) {
    hand.admit("a.com", slot);
  }
  hand.run();
  const QueueId queue = hand.establish();
  const auto exchange = [&hand] {
    for (int turns = 0; turns < 10; ++turns) {
      hand.run();
      for (const auto& [shard, message] : std::exchange(hand.sent, {})) {
        hand.scheduler().on_lease(message, shard);
      }
    }
  };
  exchange();
  hand.scheduler().take(queue, hand.now);
  exchange();
  ASSERT_NE(hand.scheduler().take(queue, hand.now), nullptr);
  EXPECT_EQ(hand.scheduler().take(queue, hand.now), nullptr);
  exchange();
  std::vector<WhyRow> rows;
  std::uint32_t cursor = 0;
  hand.scheduler().why({1, 3, 7}, cursor, ~0U, rows, hand.now);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(name_of(rows[0].gate), "pool-message-rate");
  EXPECT_EQ(rows[0].rate, 22U);
  EXPECT_GE(rows[0].gate_opens - hand.now.wall, minute);
  EXPECT_LE(rows[0].gate_opens - hand.now.wall, minute + Duration::seconds(2));
}

}  // namespace
}  // namespace ringpost::schedule
