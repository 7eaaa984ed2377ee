#include <cstdio>

#include <gtest/gtest.h>

#include "tests/unit/schedule/hand.h"

namespace ringpost::schedule {
namespace {

using test::Hand;

QueuePattern pattern(std::string_view text) { return *QueuePattern::parse(text); }

TEST(Control, PauseActsOnQueuesThatAreAndThatCome) {
  Hand hand;
  hand.admit("mail.a.com", 1);
  const auto touched = hand.scheduler().pause(pattern("*.a.com/*"), true, hand.now);
  ASSERT_TRUE(touched.ok());
  EXPECT_EQ(touched->queues, 1u);
  EXPECT_EQ(touched->recipients, 1u);
  hand.admit("other.a.com", 2);
  hand.admit("b.com", 3);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 1u);
  EXPECT_EQ(hand.opened[0].second, "b.com");
  EXPECT_EQ(hand.row("other.a.com").gate, Gate::paused);
  ASSERT_TRUE(hand.scheduler().pause(pattern("other.a.com"), false, hand.now).ok());
  hand.run();
  ASSERT_EQ(hand.opened.size(), 2u);
  EXPECT_EQ(hand.opened[1].second, "other.a.com");
}

TEST(Control, PausedQueueFinishesWhatIsInTransitAndStartsNothing) {
  Hand hand;
  hand.admit("a.com", 1);
  hand.admit("a.com", 2);
  hand.run();
  const QueueId queue = hand.establish();
  Job* job = hand.scheduler().take(queue, hand.now);
  ASSERT_TRUE(hand.scheduler().pause(pattern("a.com"), true, hand.now).ok());
  EXPECT_EQ(hand.scheduler().take(queue, hand.now), nullptr);
  hand.finish(*job, OutcomeKind::deferred);
  hand.retire_all();
  hand.advance(Duration::hours(1));
  EXPECT_EQ(hand.row("a.com").ready, 2u);
  hand.idle_sessions[queue] = 1;
  hand.scheduler().pause(pattern("a.com"), false, hand.now).ok();
  hand.run();
  ASSERT_EQ(hand.offered.size(), 1u);
  EXPECT_NE(hand.scheduler().take(queue, hand.now), nullptr);
}

TEST(Control, PauseRulesCrossARestart) {
  Hand before;
  ASSERT_TRUE(before.scheduler().pause(pattern("a.com"), true, before.now).ok());
  const std::string kept = before.scheduler().pause_rules().serialized();
  Hand after;
  ASSERT_TRUE(after.scheduler().restore_pauses(kept, after.now).ok());
  after.admit("a.com", 1);
  after.run();
  EXPECT_TRUE(after.opened.empty());
  EXPECT_FALSE(after.scheduler().restore_pauses("nonsense", after.now).ok());
}

TEST(Control, CancelEndsWhatIsThereButNotWhatComesLater) {
  Hand hand;
  for (std::uint32_t i = 0; i < 20; ++i) {
    hand.admit("a.com", i);
  }
  hand.run();
  const QueueId queue = hand.establish();
  Job* in_transit = hand.scheduler().take(queue, hand.now);
  Job* deferred = hand.scheduler().take(queue, hand.now);
  hand.finish(*deferred, OutcomeKind::deferred);
  hand.retire_all();
  EXPECT_EQ(hand.scheduler().count(pattern("a.*")).recipients, 19u);
  EXPECT_EQ(hand.scheduler().cancel(pattern("a.com/*"), hand.now).recipients, 19u);
  hand.admit("a.com", 100);
  hand.run();
  hand.retire_all();
  hand.run();
  EXPECT_EQ(hand.finals[OutcomeKind::cancelled], 19);
  EXPECT_EQ(hand.last_outcome.phase, Phase::queue);
  EXPECT_EQ(hand.row("a.com").ready, 1u);
  hand.finish(*in_transit, OutcomeKind::returned);
  hand.retire_all();
  hand.run();
  EXPECT_EQ(hand.row("a.com").ready, 2u) << "its queue's end is past: it is as good as new";
}

TEST(Control, CancelReachesMailThatReturnsWhileTheEndingGoesOn) {
  SchedulerOptions options;
  options.jobs_max = 8;
  Hand hand(options);
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    hand.admit("a.com", i);
  }
  hand.run();
  const QueueId queue = hand.establish();
  Job* one = hand.scheduler().take(queue, hand.now);
  Job* two = hand.scheduler().take(queue, hand.now);
  hand.scheduler().cancel(pattern("a.com"), hand.now);
  hand.scheduler().run(hand.now);
  ASSERT_EQ(hand.row("a.com").state, QueueState::ending);
  std::vector<Job*> endings;
  endings.swap(hand.settling);
  hand.finish(*one, OutcomeKind::returned);
  hand.finish(*two, OutcomeKind::deferred);
  hand.retire_all();
  hand.settling = endings;
  for (int i = 0; i < 100'000 && hand.scheduler().totals().entries > 0; ++i) {
    hand.scheduler().run(hand.now);
    hand.retire_all();
  }
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::cancelled], 20'000);
}

TEST(Control, CancelOfAPausedQueueEndsItAndItStaysPaused) {
  Hand hand;
  hand.policy->bounce_after = Duration::hours(1);
  hand.admit("a.com", 1);
  hand.scheduler().pause(pattern("a.com"), true, hand.now).ok();
  hand.advance(Duration::hours(2));
  hand.admit("a.com", 2);
  hand.scheduler().cancel(pattern("a.com"), hand.now);
  hand.run();
  hand.retire_all();
  hand.run();
  EXPECT_EQ(hand.finals[OutcomeKind::cancelled], 2);
  EXPECT_EQ(hand.row("a.com").state, QueueState::paused);
}

TEST(Control, CancelOfOneMessageGoesOverTheEntriesInPieces) {
  Hand hand;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    hand.admit(i % 2 == 0 ? "a.com" : "b.com", i % 10, 1);
  }
  std::uint32_t cursor = 0;
  Touched touched;
  int calls = 1;
  while (!hand.scheduler().cancel_message({1, 4, 7}, cursor, 100, touched, hand.now)) {
    ASSERT_LT(++calls, 100);
  }
  EXPECT_GE(calls, 10);
  EXPECT_EQ(touched.recipients, 100u);
  hand.run();
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::cancelled], 100);
  EXPECT_EQ(hand.row("a.com").ready, 400u);
}

TEST(Control, ScheduleNowTriesEverythingOnceAndKeepsTheLadder) {
  SchedulerOptions options;
  options.backlog_per_session = 100;
  Hand hand(options);
  hand.policy->retry_after = {Duration::hours(1), Duration::hours(3)};
  for (std::uint32_t i = 0; i < 10; ++i) {
    hand.admit("a.com", i);
  }
  hand.run();
  const QueueId queue = hand.establish();
  while (Job* job = hand.scheduler().take(queue, hand.now)) {
    hand.finish(*job, OutcomeKind::deferred);
    hand.retire_all();
  }
  hand.end(queue, SessionEnd::normal);
  hand.run();
  EXPECT_EQ(hand.row("a.com").deferred, 10u);
  EXPECT_EQ(hand.scheduler().schedule_now(pattern("a.com"), hand.now).recipients, 10u);
  hand.run();
  EXPECT_EQ(hand.row("a.com").ready, 10u);
  ASSERT_EQ(hand.opened.size(), 2u);
  hand.end(hand.opened[1].first, SessionEnd::unreachable);
  hand.run();
  EXPECT_EQ(hand.row("a.com").state, QueueState::deferred);
  hand.scheduler().schedule_now(QueuePattern{}, hand.now);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 3u);
  hand.end(hand.opened[2].first, SessionEnd::unreachable);
  EXPECT_EQ(hand.row("a.com").next_retry, hand.now.wall + Duration::hours(3));
}

TEST(Control, AQueueConnectsBeforeItsPermitIsDueAndTellsWhenThatIs) {
  Hand hand;
  hand.limits.messages = {1, Duration::minutes(1)};
  hand.admit("a.com", 1);
  hand.run();
  const QueueId queue = hand.establish();
  hand.finish(*hand.scheduler().take(queue, hand.now), OutcomeKind::delivered);
  hand.end(queue, SessionEnd::normal);
  hand.retire_all();
  hand.admit("a.com", 2);
  hand.run();
  EXPECT_EQ(hand.row("a.com").gate, Gate::message_rate);
  EXPECT_EQ(hand.row("a.com").gate_opens, hand.now.wall + Duration::minutes(1));
  hand.advance(Duration::seconds(58) - Duration::milliseconds(1));
  EXPECT_EQ(hand.opened.size(), 1u);
  hand.advance(Duration::milliseconds(1));
  ASSERT_EQ(hand.opened.size(), 2u);
  hand.establish();
  EXPECT_EQ(hand.scheduler().take(queue, hand.now), nullptr);
  EXPECT_EQ(hand.row("a.com").gate_opens, hand.now.wall + Duration::seconds(2));
  hand.advance(Duration::seconds(2));
  EXPECT_NE(hand.scheduler().take(queue, hand.now), nullptr);
}

TEST(Control, ASessionIsKeptForAPermitThatItsQueueIsFirstInLineFor) {
  Hand hand;
  hand.limits.shared_messages = {7, 0, {1, Duration::seconds(10)}};
  for (const char* const domain : {"a.com", "b.com"}) {
    hand.admit(domain, 1, 2);
    hand.admit(domain, 2);
  }
  hand.run();
  const QueueId first = hand.establish();
  ASSERT_EQ(hand.scheduler().take(first, hand.now), nullptr);
  hand.idle_sessions[first] = 1;
  hand.run();
  ASSERT_NE(hand.scheduler().take(first, hand.now), nullptr);
  const auto expects = [&](QueueId queue) {
    return hand.scheduler().expects(queue, {}, {}, hand.now);
  };
  EXPECT_EQ(hand.scheduler().take(first, hand.now), nullptr);
  hand.run();
  EXPECT_EQ(expects(first), Duration{}) << "it is not near yet";
  hand.advance(Duration::seconds(9));
  ASSERT_EQ(hand.opened.size(), 2u);
  const QueueId second = hand.establish();
  EXPECT_EQ(hand.scheduler().take(second, hand.now), nullptr);
  EXPECT_EQ(expects(second), Duration{}) << "it is behind the other";
  EXPECT_GT(expects(first), Duration::seconds(1));
  EXPECT_LT(expects(first), Duration::seconds(2));
}

TEST(Control, WhyNamesTheGateAndWhenItOpens) {
  Hand hand;
  hand.limits.messages = {1, Duration::minutes(1)};
  hand.admit("a.com", 1, 2);
  hand.admit("a.com", 2);
  hand.run();
  const QueueId queue = hand.establish();
  Job* job = hand.scheduler().take(queue, hand.now);
  hand.scheduler().take(queue, hand.now);
  const auto why = [&](std::uint32_t slot) {
    std::vector<WhyRow> rows;
    std::uint32_t cursor = 0;
    while (!hand.scheduler().why({1, slot, 7}, cursor, 1, rows, hand.now)) {
    }
    return rows;
  };
  auto rows = why(1);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].gate, Gate::in_flight);
  EXPECT_EQ(rows[0].first, 0u);
  EXPECT_EQ(rows[1].gate, Gate::message_rate);
  EXPECT_EQ(rows[1].first, 1u);
  EXPECT_EQ(rows[1].gate_opens, hand.now.wall + Duration::minutes(1));
  EXPECT_EQ(rows[1].expires, hand.now.wall + hand.policy->bounce_after);
  hand.finish(*job, OutcomeKind::deferred);
  hand.retire_all();
  rows = why(1);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(rows[0].gate == Gate::next_attempt || rows[1].gate == Gate::next_attempt);
  EXPECT_TRUE(why(77).empty());
}

TEST(Control, TotalsAddUp) {
  Hand hand;
  for (std::uint32_t i = 0; i < 9; ++i) {
    hand.admit("d" + std::to_string(i % 3) + ".com", i, 2);
  }
  hand.scheduler().pause(pattern("d0.com"), true, hand.now).ok();
  hand.run();
  const Totals totals = hand.scheduler().totals();
  EXPECT_EQ(totals.queues, 3u);
  EXPECT_EQ(totals.queues_paused, 1u);
  EXPECT_EQ(totals.ready, 18u);
  EXPECT_EQ(totals.sessions, 2u);
  EXPECT_EQ(totals.entries, 9u);
}

// Not an assertion on time: what a queue and an entry cost is fixed by static_assert; this prints
// the figures for whoever reads the log.
TEST(Control, MemoryPerQueueAndEntryIsAsPromised) {
  EXPECT_LE(sizeof(Entry), 64u);
  EXPECT_LE(sizeof(Queue), 512u);
  std::printf("entry %zu bytes, queue %zu bytes, job %zu bytes, scope %zu bytes\n", sizeof(Entry),
              sizeof(Queue), sizeof(PooledJob), sizeof(Scope));
}

}  // namespace
}  // namespace ringpost::schedule
