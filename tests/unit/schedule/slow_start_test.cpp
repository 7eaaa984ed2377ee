#include <gtest/gtest.h>

#include "tests/unit/schedule/hand.h"

// How many sessions a queue opens whose sessions carry few messages each.

namespace ringpost::schedule {
namespace {

using test::Hand;

/// Sessions that end after one message each.
class OneEach : public Hand {
 public:
  OneEach() : Hand(one_a_session()) {
    policy->connections_max = 8;
    for (std::uint32_t i = 0; i < 300; ++i) {
      admit("a.com", i);
    }
    run();
    queue = opened.back().first;
  }
  /// So many of those that are being made send their message and end.
  void serve(int count) {
    for (; count > 0; --count) {
      Job* const job = scheduler().take(queue, now);
      ASSERT_NE(job, nullptr);
      establish(queue);
      finish(*job, OutcomeKind::delivered);
      end(queue, SessionEnd::normal);
      retire_all();
      run();
    }
  }
  int at_once() { return opening[queue]; }

  QueueId queue;

 private:
  static SchedulerOptions one_a_session() {
    SchedulerOptions options;
    options.backlog_per_session = 1;
    return options;
  }
};

TEST(SlowStart, SessionsThatEndSoonGrowInNumberToo) {
  OneEach hand;
  for (const int expected : {1, 2, 4, 8, 8}) {
    ASSERT_EQ(hand.at_once(), expected);
    hand.serve(expected);
  }
  // What was shown long ago proves nothing.
  hand.advance(Duration::seconds(31));
  hand.serve(4);  // four are left, and four have proved that a fifth may be
  EXPECT_EQ(hand.at_once(), 5);
}

TEST(SlowStart, AHostThatTakesFewSessionsAtOnceKeepsThose) {
  OneEach hand;
  hand.serve(1);
  hand.serve(2);
  ASSERT_EQ(hand.at_once(), 4);
  hand.end(hand.queue, SessionEnd::unreachable);
  hand.run();
  EXPECT_TRUE(hand.deferrals.empty());
  EXPECT_EQ(hand.at_once(), 3) << "no further one for a second";
  hand.serve(3);
  EXPECT_EQ(hand.at_once(), 3) << "but each that ends is followed by another";
  hand.advance(Duration::seconds(1));
  hand.serve(1);
  EXPECT_EQ(hand.at_once(), 4);
}

}  // namespace
}  // namespace ringpost::schedule
