#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/unit/schedule/hand.h"

namespace ringpost::schedule::test {
namespace {

/// Mail that leaves a queue comes back here, and into the queue of the virtual MTA it was given.
class MovingHand : public Hand, public AdmissionSink {
 public:
  MovingHand() { mover = this; }

  bool admit(const Admission& admission) override {
    if (!room) {
      return false;
    }
    moved.push_back(admission);
    moved.back().domain = moved.back().job = {};
    return scheduler().admit(admission, admission.domain, now);
  }
  bool take_in(std::uint32_t slot, bool pooled = false, Duration later = {}) {
    Admission admission;
    admission.message = {1, slot, 7};
    admission.domain = "a.example";
    admission.vmta = "v1";
    admission.count = 1;
    admission.pooled = pooled;
    admission.received = now.wall;
    admission.next_attempt = later.ns > 0 ? now.wall + later : WallTime{};
    return scheduler().admit(admission, "a.example", now);
  }
  QueueSettings settings_of(std::string_view domain, std::string_view vmta) override {
    QueueSettings settings = Hand::settings_of(domain, vmta);
    settings.move = vmta == "v1" ? order : MoveOrder{};
    settings.backoff_move = vmta == "v1" ? backoff_order : MoveOrder{};
    return settings;
  }
  QueueRow row_of(const char* vmta) {
    std::vector<QueueRow> rows;
    QueuePattern pattern;
    pattern.domain = "a.example";
    pattern.vmta = vmta;
    scheduler().rows(pattern, 1, rows, now);
    return rows.empty() ? QueueRow{} : rows.front();
  }
  void begin(const MoveOrder& to) {
    order = to;
    scheduler().refresh(now);
    run();
  }

  MoveOrder order;
  MoveOrder backoff_order;
  bool room = true;
  std::vector<Admission> moved;
};

TEST(Move, InBackOffModeThereAndFromThenOnUntilItEnds) {
  MovingHand hand;
  hand.backoff_order = {"v2", false};
  hand.twin = std::make_shared<BackoffTwin>();
  hand.twin->policy = hand.policy;
  ASSERT_TRUE(hand.take_in(1));
  hand.run();
  EXPECT_TRUE(hand.moved.empty());
  const QueuePattern all = *QueuePattern::parse("a.example/v1");
  hand.scheduler().set_mode(all, true, hand.now);
  hand.run();
  EXPECT_EQ(hand.moved.size(), 1U) << "what was there";
  ASSERT_TRUE(hand.take_in(2));
  hand.run();
  EXPECT_EQ(hand.moved.size(), 2U) << "what came since";
  EXPECT_EQ(hand.row_of("v2").ready, 2U);
  hand.scheduler().set_mode(all, false, hand.now);
  ASSERT_TRUE(hand.take_in(3));
  hand.run();
  EXPECT_EQ(hand.row_of("v1").ready, 1U) << "the mode is over";
}

TEST(Move, ReadyAndDeferredMailGoesAndKeepsItsTime) {
  MovingHand hand;
  hand.refuse_open = true;
  hand.take_in(1);
  hand.take_in(2, false, Duration::minutes(30));
  hand.run();
  hand.begin({"v2", false});
  EXPECT_EQ(hand.row_of("v1").ready + hand.row_of("v1").deferred, 0U);
  EXPECT_EQ(hand.row_of("v2").ready, 1U);
  EXPECT_EQ(hand.row_of("v2").deferred, 1U);
  ASSERT_EQ(hand.moved.size(), 2U);
  EXPECT_EQ(hand.moved[1].next_attempt, hand.now.wall + Duration::minutes(30));
  hand.take_in(3);
  hand.run();
  EXPECT_EQ(hand.row_of("v2").ready, 2U) << "what comes later goes on too";
}

TEST(Move, NothingLeavesByTheOldQueueWhileTheTakerHasNoRoom) {
  MovingHand hand;
  hand.room = false;
  hand.order = {"v2", false};
  hand.take_in(1);
  hand.advance(Duration::seconds(1));
  EXPECT_TRUE(hand.opened.empty());
  EXPECT_EQ(hand.row_of("v1").gate, Gate::moving);
  hand.room = true;
  hand.advance_by_wakeups(Duration::seconds(1));
  EXPECT_EQ(hand.moved.size(), 1U);
  EXPECT_EQ(hand.opened.size(), 1U);
  EXPECT_FALSE(hand.exhausted);
}

TEST(Move, OnlyPooledMailLeavesAMemberThatCannotSend) {
  MovingHand hand;
  hand.refuse_open = true;
  for (std::uint32_t slot = 1; slot <= 6; ++slot) {
    hand.take_in(slot, slot % 2 == 0);
  }
  hand.begin({"pool", true});
  EXPECT_EQ(hand.row_of("v1").ready, 3U);
  std::set<std::uint32_t> gone;
  for (const Admission& admission : hand.moved) {
    gone.insert(admission.message.slot);
  }
  EXPECT_EQ(gone, (std::set<std::uint32_t>{2, 4, 6}));
  // What stays is sent in its order.
  hand.refuse_open = false;
  hand.advance(Duration::minutes(2));
  const QueueId stayed{0};  // the first that was made
  const auto opened = std::count_if(hand.opened.begin(), hand.opened.end(),
                                    [=](const auto& open) { return open.first == stayed; });
  ASSERT_EQ(opened, 1);
  hand.establish(stayed);
  for (const std::uint32_t slot : {1U, 3U, 5U}) {
    Job* job = hand.scheduler().take(stayed, hand.now);
    ASSERT_NE(job, nullptr);
    EXPECT_EQ(job->message.slot, slot);
    hand.finish(*job, OutcomeKind::delivered);
    hand.retire_all();
  }
}

TEST(Move, PausedMailWaitsForItsResume) {
  MovingHand hand;
  ASSERT_TRUE(hand.scheduler().pause(*QueuePattern::parse("a.example/v1"), true, hand.now).ok());
  hand.take_in(1);
  hand.begin({"v2", false});
  EXPECT_EQ(hand.row_of("v1").ready, 1U);
  ASSERT_TRUE(hand.scheduler().pause(*QueuePattern::parse("a.example/v1"), false, hand.now).ok());
  hand.run();
  EXPECT_EQ(hand.row_of("v1").ready, 0U);
  EXPECT_EQ(hand.row_of("v2").ready + hand.row_of("v2").in_flight, 1U);
}

TEST(Move, MailUnderWayFollowsWhenItComesBackDeferred) {
  MovingHand hand;
  hand.take_in(1, true);
  hand.run();
  const QueueId queue = hand.establish();
  Job* job = hand.scheduler().take(queue, hand.now);
  ASSERT_NE(job, nullptr);
  hand.begin({"pool", true});
  EXPECT_TRUE(hand.moved.empty());
  hand.finish(*job, OutcomeKind::deferred);
  hand.retire_all();
  hand.run();
  ASSERT_EQ(hand.moved.size(), 1U);
  EXPECT_EQ(hand.moved[0].attempts, 1U);
  EXPECT_GT(hand.moved[0].next_attempt, hand.now.wall);
}

}  // namespace
}  // namespace ringpost::schedule::test
