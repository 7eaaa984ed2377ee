// What a queue's failures and its mail's age mean in each state that it may be in.

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/schedule/hand.h"

namespace ringpost::schedule::test {
namespace {

constexpr Duration kLife = Duration::hours(2);

struct State {
  const char* name;
  void (*enter)(Hand&);  ///< the mail of a.com comes and stays in it
};

const QueuePattern kQueue = *QueuePattern::parse("a.com/v1");

void come(Hand& hand) {
  hand.admit("a.com", 1, 2);
  hand.run();
}

void wait_for_a_rate(Hand& hand) {
  hand.limits.messages = {1, Duration::hours(24)};
  hand.admit("a.com", 9);
  hand.run();
  Job* job = hand.scheduler().take(hand.establish(), hand.now);
  ASSERT_NE(job, nullptr);
  hand.finish(*job, OutcomeKind::delivered);
  hand.retire_all();
  hand.end(hand.opened[0].first, SessionEnd::normal);
  come(hand);
}

void wait_for_a_connection(Hand& hand) {
  hand.limits.vmta_connections_max = 1;
  hand.admit("b.com", 9, 1);
  hand.run();
  hand.establish();
  EXPECT_NE(hand.scheduler().take(hand.opened[0].first, hand.now), nullptr);
  come(hand);
}

void have_no_source(Hand& hand) {
  hand.policy->sources = {{*IpAddress::parse("192.0.2.1"), "one"}};
  come(hand);
  EXPECT_TRUE(hand.scheduler().use_source(*IpAddress::parse("192.0.2.1"), kQueue, false, hand.now));
  hand.end(hand.opened[0].first, SessionEnd::local_failure);
}

void fail_by_ourselves(Hand& hand) {
  come(hand);
  hand.refuse_open = true;
  hand.end(hand.opened[0].first, SessionEnd::local_failure);
}

void find_no_room(Hand& hand) {
  hand.refuse_open = true;
  come(hand);
}

void come_for_later(Hand& hand) {
  Admission admission;
  admission.message = {1, 1, 7};
  admission.domain = "a.com";
  admission.vmta = "v1";
  admission.count = 2;
  admission.received = hand.now.wall;
  admission.next_attempt = hand.now.wall + Duration::hours(30);
  EXPECT_TRUE(hand.scheduler().admit(admission, "a.com", hand.now));
}

void be_scheduled(Hand& hand) {
  come(hand);
  hand.end(hand.opened[0].first, SessionEnd::unreachable);
  hand.run();
  hand.refuse_open = true;
  hand.scheduler().schedule_now(kQueue, hand.now);
}

void wait_to_connect(Hand& hand) {
  hand.limits.connects = {1, Duration::hours(24)};
  come(hand);
  hand.establish();
  hand.end(hand.opened[0].first, SessionEnd::normal);
}

void back_off(Hand& hand) {
  hand.twin = std::make_shared<BackoffTwin>();
  auto policy = std::make_shared<QueuePolicy>(*hand.policy);
  policy->backoff = true;
  policy->retry_after = {Duration::hours(9)};
  hand.twin->policy = policy;
  hand.twin->to_normal_after = Duration::forever();
  come(hand);
  hand.scheduler().set_mode(kQueue, true, hand.now);
  hand.end(hand.opened[0].first, SessionEnd::unreachable);
  hand.run();
}

void be_deferred_by_reply(Hand& hand) {
  come(hand);
  JudgedReply reply;
  reply.verdict.defer_queue = true;
  reply.text = "go away";
  const QueueId queue = hand.establish();
  hand.scheduler().reply_judged(queue, reply, hand.now);
  hand.end(queue, SessionEnd::normal);
}

/// The states in which mail may be when its time is over, sessions that talk aside.
const State kStates[] = {
    {"a rate", wait_for_a_rate},
    {"connections", wait_for_a_connection},
    {"back-off mode", back_off},
    {"a reply that defers the queue", be_deferred_by_reply},
    {"no source address", have_no_source},
    {"a fault of our own", fail_by_ourselves},
    {"a session that is being opened", come},
    {"no room for sessions", find_no_room},
    {"a first attempt in the future", come_for_later},
    {"what an operator scheduled", be_scheduled},
    {"another one's turn to connect", wait_to_connect},
};

TEST(RetryStates, MailIsReturnedWhenItsTimeIsOverWhereverItWaits) {
  for (const State& state : kStates) {
    SCOPED_TRACE(state.name);
    Hand hand;
    hand.policy->bounce_after = kLife;
    hand.policy->retry_after = {Duration::hours(30)};
    state.enter(hand);
    hand.run();
    ASSERT_TRUE(hand.settling.empty());
    const Now start = hand.now;
    hand.advance_by_wakeups(kLife - Duration{1});
    EXPECT_TRUE(hand.settling.empty()) << "too early";
    hand.advance_by_wakeups(DueWheel::kTick + Duration::seconds(1));
    EXPECT_LT(hand.now.instant, start.instant + kLife + DueWheel::kTick + Duration::seconds(2));
    hand.retire_all();
    EXPECT_EQ(hand.finals[OutcomeKind::expired], 2);
    EXPECT_EQ(hand.last_outcome.status, (EnhancedStatus{4, 4, 7}));
    EXPECT_EQ(hand.row("a.com").ready + hand.row("a.com").deferred, 0U);
  }
}

/// A delivery by the queue's only session, which then ends.
void deliver(Hand& hand, std::uint32_t slot) {
  hand.admit("a.com", slot);
  hand.run();
  const QueueId queue = hand.establish();
  Job* job = hand.scheduler().take(queue, hand.now);
  ASSERT_NE(job, nullptr);
  hand.finish(*job, OutcomeKind::delivered);
  hand.retire_all();
  hand.end(queue, SessionEnd::normal);
}

TEST(RetryStates, AHostThatTookMailAMomentAgoIsTriedAgainBeforeTheQueueWaits) {
  Hand hand;
  hand.policy->retry_after = {Duration::minutes(10)};
  hand.policy->connections_max = 1;
  for (int round = 0; round < 2; ++round) {
    deliver(hand, 1);
    hand.admit("a.com", 2, 1);
    hand.run();
    for (const std::int64_t pause : {1, 2, 4}) {
      const std::size_t opened = hand.opened.size();
      hand.end(hand.opened.back().first, SessionEnd::unreachable);
      hand.run();
      EXPECT_EQ(hand.row("a.com").gate, Gate::reconnect);
      EXPECT_EQ(hand.wakeup() - hand.now.instant, Duration::seconds(pause));
      hand.advance(Duration::seconds(pause));
      ASSERT_EQ(hand.opened.size(), opened + 1);
    }
    EXPECT_TRUE(hand.deferrals.empty());
    if (round == 0) {  // it is there again, and its failures are forgotten
      Job* job = hand.scheduler().take(hand.establish(), hand.now);
      ASSERT_NE(job, nullptr);
      hand.finish(*job, OutcomeKind::delivered);
      hand.retire_all();
      hand.end(hand.opened.back().first, SessionEnd::normal);
    }
  }
  hand.end(hand.opened.back().first, SessionEnd::unreachable);
  hand.run();
  EXPECT_EQ(hand.row("a.com").state, QueueState::deferred);
  EXPECT_EQ(hand.row("a.com").next_retry, hand.now.wall + Duration::minutes(10)) << "first step";
  EXPECT_EQ(hand.deferrals.size(), 1U);
}

TEST(RetryStates, AWaitOfBackOffModeEndsWithItThoughTheQueueIsNotThereYet) {
  Hand hand;
  hand.policy->retry_after = {Duration::minutes(5)};
  back_off(hand);  // for nine hours
  std::string lines;
  hand.scheduler().write_kept(lines, true, hand.now);
  for (const bool cancelled : {false, true}) {
    Hand next;
    next.policy = hand.policy;
    next.twin = hand.twin;
    next.now = hand.now;
    next.scheduler().restore(lines, true, next.now);
    if (cancelled) {
      EXPECT_TRUE(next.scheduler().cancel_decision("backoff:a.com/v1", next.now));
    }
    next.admit("a.com", 3);
    next.run();
    next.advance(Duration::minutes(5));
    EXPECT_EQ(next.opened.size(), cancelled ? 1U : 0U);
  }
}

TEST(RetryStates, WhatWasLongAgoSparesNothing) {
  Hand hand;
  hand.policy->retry_after = {Duration::minutes(10)};
  deliver(hand, 1);
  hand.advance(Duration::seconds(61));
  hand.admit("a.com", 2);
  hand.run();
  hand.end(hand.opened.back().first, SessionEnd::unreachable);
  hand.run();
  EXPECT_EQ(hand.row("a.com").state, QueueState::deferred);
}

}  // namespace
}  // namespace ringpost::schedule::test
