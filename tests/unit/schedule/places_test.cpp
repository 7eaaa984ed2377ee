#include "core/schedule/places.h"

#include <gtest/gtest.h>

#include "tests/unit/schedule/hand.h"

namespace ringpost::schedule::test {
namespace {

class PlacesTest : public testing::Test {
 protected:
  PlacesTest() : hand(three()) {}

  static SchedulerOptions three() {
    SchedulerOptions options;
    options.entries_max = 3;
    return options;
  }
  bool move_here(std::uint32_t slot) {
    Admission moved;
    moved.message = {1, slot, 7};
    moved.vmta = "v1";
    moved.count = 1;
    moved.received = hand.now.wall;
    moved.moved = true;
    return hand.scheduler().admit(moved, "a.com", hand.now);
  }

  Hand hand;
};

TEST_F(PlacesTest, MailThatMovesIsNotRefusedButNewMailIs) {
  for (std::uint32_t slot = 1; slot <= 3; ++slot) {
    EXPECT_TRUE(hand.admit("a.com", slot));
  }
  EXPECT_FALSE(hand.admit("a.com", 4));
  EXPECT_TRUE(move_here(4));
  EXPECT_EQ(hand.scheduler().places().left(), -1);
  hand.scheduler().places().lend(-1);
  EXPECT_EQ(hand.scheduler().places().left(), 0) << "its place came with it";
}

TEST_F(PlacesTest, MailInDeliveryCountsByRecipient) {
  hand.admit("a.com", 1, 2);
  hand.run();
  const QueueId queue = hand.establish();
  EXPECT_EQ(hand.scheduler().places().left(), 2);
  Job* const job = hand.scheduler().take(queue, hand.now);
  EXPECT_EQ(hand.scheduler().places().left(), 1);
  hand.finish(*job, OutcomeKind::delivered);
  hand.retire_all();
  EXPECT_EQ(hand.scheduler().places().left(), 3);
}

TEST_F(PlacesTest, WhatIsLentCountsUntilItIsGivenBack) {
  Places& places = hand.scheduler().places();
  hand.admit("a.com", 1);
  places.lend(2);
  EXPECT_EQ(places.left(), 0);
  EXPECT_FALSE(hand.admit("a.com", 2));
  places.lend(-2);
  EXPECT_TRUE(hand.admit("a.com", 2));
  places.lend(-2);
  EXPECT_EQ(places.left(), 3) << "one of its own and two of others";
  EXPECT_TRUE(hand.admit("a.com", 3));
  EXPECT_FALSE(hand.admit("a.com", 4)) << "those of others are not for new mail";
}

}  // namespace
}  // namespace ringpost::schedule::test
