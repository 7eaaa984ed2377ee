#include "core/schedule/scheduler.h"

#include <cstdio>

#include <gtest/gtest.h>

#include "tests/unit/schedule/hand.h"

namespace ringpost::schedule {
namespace {

using test::Hand;

TEST(Scheduler, OneMessageGoesThroughASession) {
  Hand hand;
  ASSERT_TRUE(hand.admit("Example.COM", 1, 3));
  EXPECT_EQ(hand.wakeup(), hand.now.instant);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 1u);
  EXPECT_EQ(hand.opened[0].second, "example.com");
  EXPECT_EQ(hand.row("example.com").sessions, 1u);
  const QueueId queue = hand.establish();
  Job* job = hand.scheduler().take(queue, hand.now);
  ASSERT_NE(job, nullptr);
  EXPECT_EQ(job->message, (SpoolHandle{1, 1, 7}));
  ASSERT_EQ(job->recipients.size(), 3u);
  EXPECT_EQ(job->recipients[2].index, 2u);
  EXPECT_EQ(job->message_expires, hand.now.wall + hand.policy->bounce_after);
  EXPECT_EQ(hand.scheduler().take(queue, hand.now), nullptr);
  hand.finish(*job, OutcomeKind::delivered);
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::delivered], 3);
  EXPECT_EQ(hand.scheduler().totals().entries, 0u);
  hand.end(queue, SessionEnd::normal);
  EXPECT_EQ(hand.row("example.com").sessions, 0u);
}

TEST(Scheduler, RecipientsTravelTogetherUpToTheMaximum) {
  Hand hand;
  hand.policy->recipients_per_transaction_max = 4;
  hand.admit("a.com", 1, 6);
  hand.admit("a.com", 2, 1);
  hand.run();
  const QueueId queue = hand.establish();
  Job* first = hand.scheduler().take(queue, hand.now);
  Job* second = hand.scheduler().take(queue, hand.now);
  Job* third = hand.scheduler().take(queue, hand.now);
  ASSERT_TRUE(first && second && third);
  EXPECT_EQ(first->recipients.size(), 4u);
  ASSERT_EQ(second->recipients.size(), 2u) << "the next message does not join";
  EXPECT_EQ(second->recipients[0].index, 4u);
  EXPECT_EQ(third->message.slot, 2u);
}

TEST(Scheduler, ReturnedRecipientsGoToTheFrontUnpenalised) {
  Hand hand;
  hand.admit("a.com", 1, 3);
  hand.admit("a.com", 2, 1);
  hand.run();
  const QueueId queue = hand.establish();
  Job* job = hand.scheduler().take(queue, hand.now);
  hand.finish(*job, OutcomeKind::returned);
  EXPECT_EQ(hand.row("a.com").in_flight, 3u) << "in flight until settled";
  hand.retire_all();
  Job* again = hand.scheduler().take(queue, hand.now);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->message.slot, 1u);
  ASSERT_EQ(again->recipients.size(), 3u);
  EXPECT_EQ(again->recipients[0].attempts, 0);
  EXPECT_EQ(again->recipients[0].index, 0u);
}

TEST(Scheduler, RecipientClockFollowsItsLadderExactly) {
  Hand hand;
  hand.policy->retry_after = {Duration::hours(9)};
  hand.policy->retry_recipients_after = {Duration::minutes(1), Duration::minutes(7)};
  hand.admit("a.com", 1);
  hand.run();
  const QueueId queue = hand.establish();
  const Duration expected[] = {Duration::minutes(1), Duration::minutes(7), Duration::minutes(7)};
  for (int attempt = 0; attempt < 3; ++attempt) {
    Job* job = hand.scheduler().take(queue, hand.now);
    ASSERT_NE(job, nullptr) << attempt;
    EXPECT_EQ(job->recipients[0].attempts, attempt);
    const Now at = hand.now;
    hand.finish(*job, OutcomeKind::deferred);
    EXPECT_EQ(job->recipients[0].next_attempt, at.wall + expected[attempt]);
    hand.retire_all();
    hand.run();
    EXPECT_EQ(hand.row("a.com").deferred, 1u);
    hand.idle_sessions[queue] = 1;
    hand.offered.clear();
    while (hand.offered.empty() && hand.now.instant < at.instant + Duration::hours(1)) {
      hand.advance(hand.wakeup() - hand.now.instant);
    }
    EXPECT_GE(hand.now.instant, at.instant + expected[attempt]);
    EXPECT_LT(hand.now.instant, at.instant + expected[attempt] + DueWheel::kTick);
  }
}

TEST(Scheduler, BothClocksGrowPastTheirListsAndSpreadWithinTheJitter) {
  Hand hand;
  hand.policy->retry_after = {Duration::minutes(5)};
  hand.policy->retry_recipients_after = {Duration::minutes(1)};
  hand.policy->retry_curve = {3, Duration::minutes(7), 10};
  hand.admit("a.com", 1, 4);
  hand.run();
  const QueueId queue = hand.establish();
  const Duration least[] = {Duration::minutes(1), Duration::minutes(3), Duration::minutes(7),
                            Duration::minutes(7)};
  for (int attempt = 0; attempt < 4; ++attempt) {
    Job* job = hand.scheduler().take(queue, hand.now);
    ASSERT_NE(job, nullptr) << attempt;
    ASSERT_EQ(job->recipients.size(), 4u) << "jitter does not part recipients of one message";
    const WallTime at = hand.now.wall;
    hand.finish(*job, OutcomeKind::deferred);
    const Duration wait = job->recipients[0].next_attempt - at;
    EXPECT_GE(wait, least[attempt]);
    EXPECT_LE(wait.ns, least[attempt].ns / 100 * 110);
    hand.retire_all();
    hand.advance(wait + DueWheel::kTick);
  }
}

TEST(Scheduler, PartialOutcomesSplitAndKeepTheirOwnFates) {
  Hand hand;
  hand.admit("a.com", 1, 5);
  hand.run();
  const QueueId queue = hand.establish();
  Job* job = hand.scheduler().take(queue, hand.now);
  const OutcomeKind kinds[] = {OutcomeKind::delivered, OutcomeKind::deferred, OutcomeKind::returned,
                               OutcomeKind::bounced, OutcomeKind::deferred};
  for (std::size_t i = 0; i < 5; ++i) {
    job->recipients[i].outcome.kind = kinds[i];
  }
  job->recipients[4].outcome.ambiguous = true;
  hand.scheduler().finished(*job, hand.now);
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::delivered], 1);
  EXPECT_EQ(hand.finals[OutcomeKind::bounced], 1);
  EXPECT_EQ(hand.row("a.com").ready, 1u);
  EXPECT_EQ(hand.row("a.com").deferred, 2u);
  job = hand.scheduler().take(queue, hand.now);
  ASSERT_EQ(job->recipients.size(), 1u);
  EXPECT_EQ(job->recipients[0].index, 2u);
  hand.finish(*job, OutcomeKind::delivered);
  hand.retire_all();
  hand.advance(Duration::minutes(10) + DueWheel::kTick);
  job = hand.scheduler().take(queue, hand.now);
  ASSERT_NE(job, nullptr);
  ASSERT_EQ(job->recipients.size(), 2u) << "what is due together travels together";
  EXPECT_EQ(job->recipients[1].index + job->recipients[0].index, 5u);
  for (const JobRecipient& recipient : job->recipients) {
    EXPECT_EQ(recipient.ambiguous_before, recipient.index == 4);
    EXPECT_EQ(recipient.attempts, 1);
  }
}

TEST(Scheduler, UnreachableDefersTheWholeQueueByItsLadder) {
  Hand hand;
  hand.policy->retry_after = {Duration::minutes(5), Duration::hours(1)};
  for (std::uint32_t i = 0; i < 1000; ++i) {
    hand.admit("dead.com", i);
  }
  hand.run();
  const Duration expected[] = {Duration::minutes(5), Duration::hours(1), Duration::hours(1)};
  for (int step = 0; step < 3; ++step) {
    ASSERT_EQ(hand.opened.size(), static_cast<std::size_t>(step + 1))
        << "one connection a step, not one a message";
    hand.end(hand.opened.back().first, SessionEnd::unreachable);
    const Instant failed = hand.now.instant;
    hand.run();
    const QueueRow row = hand.row("dead.com");
    EXPECT_EQ(row.state, QueueState::deferred);
    EXPECT_EQ(row.last_error, "no answer");
    EXPECT_EQ(row.next_retry, hand.now.wall + expected[step]);
    hand.admit("dead.com", 5000);
    hand.run();
    EXPECT_EQ(hand.wakeup(), failed + expected[step]) << "exact, and new mail does not wake it";
    hand.advance(expected[step] - Duration{1});
    EXPECT_EQ(hand.row("dead.com").state, QueueState::deferred);
    hand.advance(Duration{1});
  }
  // An established session resets the clock.
  hand.establish();
  hand.end(hand.opened.back().first, SessionEnd::unreachable);
  EXPECT_EQ(hand.row("dead.com").next_retry, hand.now.wall + Duration::minutes(5));
  EXPECT_EQ(hand.scheduler().totals().queues_deferred, 1u);
  EXPECT_EQ(hand.deferrals, std::vector<std::string>(4, "dead.com/v1: no answer"))
      << "once a step, for accounting";
}

TEST(Scheduler, TheQueueClockGoesOnAfterAnOrderlyRestart) {
  Hand hand;
  hand.policy->retry_after = {Duration::minutes(5), Duration::hours(1)};
  hand.admit("dead.com", 1);
  hand.run();
  hand.end(hand.opened.back().first, SessionEnd::unreachable);
  hand.run();
  std::string crashed;
  hand.scheduler().write_kept(crashed, false, hand.now);
  EXPECT_EQ(crashed.find("dead.com"), std::string::npos) << "nothing is kept while mail flows";
  std::string lines;
  hand.scheduler().write_kept(lines, true, hand.now);

  Hand next;
  next.policy = hand.policy;
  next.now.instant = Instant{} + Duration::seconds(9);  // another boot
  next.now.wall = hand.now.wall + Duration::minutes(2);
  next.scheduler().restore(lines, true, next.now);
  std::string again;
  next.scheduler().write_kept(again, true, next.now);
  EXPECT_EQ(again, lines) << "what no queue began with is kept further";
  next.admit("dead.com", 1);
  next.admit("other.com", 2);
  next.run();
  ASSERT_EQ(next.opened.size(), 1U) << "only the one whose hosts were not known to be dead";
  EXPECT_EQ(next.row("dead.com").state, QueueState::deferred);
  EXPECT_EQ(next.row("dead.com").last_error, "no answer") << "why is known too";
  EXPECT_EQ(next.row("dead.com").next_retry, hand.now.wall + Duration::minutes(5));
  next.advance(Duration::minutes(3));
  ASSERT_EQ(next.opened.size(), 2U);
  next.end(next.opened.back().first, SessionEnd::unreachable);
  EXPECT_EQ(next.row("dead.com").next_retry, next.now.wall + Duration::hours(1)) << "second step";

  Hand late;
  late.now.wall = hand.now.wall + Duration::minutes(6);
  late.scheduler().restore(lines + "retry\tx.com\nretry\tx.com\tv1\t9\tz\n", true, late.now);
  late.admit("dead.com", 1);
  late.run();
  EXPECT_EQ(late.opened.size(), 1U) << "its time has passed";
}

TEST(Scheduler, DeliveryOnAnotherSessionResetsTheQueueClock) {
  Hand hand;
  hand.admit("a.com", 1);
  hand.admit("a.com", 2);
  hand.run();
  const QueueId queue = hand.establish();
  Job* job = hand.scheduler().take(queue, hand.now);
  hand.end(queue, SessionEnd::unreachable);
  hand.run();
  ASSERT_EQ(hand.row("a.com").state, QueueState::deferred);
  hand.finish(*job, OutcomeKind::delivered);
  EXPECT_EQ(hand.row("a.com").state, QueueState::ready);
}

TEST(Scheduler, AFailedFurtherSessionOnlyPausesGrowth) {
  SchedulerOptions options;
  options.backlog_per_session = 1;
  Hand hand(options);
  for (std::uint32_t i = 0; i < 10; ++i) {
    hand.admit("a.com", i);
  }
  hand.run();
  const QueueId queue = hand.establish();
  Job* job = hand.scheduler().take(queue, hand.now);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 2u);
  hand.end(queue, SessionEnd::unreachable);  // the second; the first goes on
  hand.run();
  EXPECT_EQ(hand.row("a.com").gate, Gate::growth);
  EXPECT_EQ(hand.opened.size(), 2u);
  EXPECT_TRUE(hand.deferrals.empty()) << "the queue goes on";
  // Without any session the pause is none: the host was there a moment ago.
  hand.finish(*job, OutcomeKind::delivered);
  hand.end(queue, SessionEnd::normal);
  hand.run();
  EXPECT_EQ(hand.opened.size(), 3u);
  EXPECT_NE(hand.row("a.com").state, QueueState::deferred);
}

// A single failure among many connections costs a second; a host that takes no more is asked less
// and less often.
TEST(Scheduler, GrowthPausesLongerWhileItFails) {
  SchedulerOptions options;
  options.backlog_per_session = 1;
  Hand hand(options);
  for (std::uint32_t i = 0; i < 10; ++i) {
    hand.admit("a.com", i);
  }
  hand.run();
  const QueueId queue = hand.establish();
  hand.run();
  for (const std::int64_t pause : {1, 2, 4, 8, 16, 32, 60, 60}) {
    const std::size_t opened = hand.opened.size();
    hand.end(queue, SessionEnd::unreachable);
    hand.run();
    hand.advance(Duration::seconds(pause) - Duration::milliseconds(1));
    EXPECT_EQ(hand.opened.size(), opened) << pause;
    hand.advance(Duration::milliseconds(1));
    ASSERT_EQ(hand.opened.size(), opened + 1) << pause;
  }
  hand.establish(queue);  // it takes more after all
  hand.run();
  const std::size_t opened = hand.opened.size();
  hand.end(queue, SessionEnd::unreachable);
  hand.run();
  hand.advance(Duration::seconds(1));
  EXPECT_EQ(hand.opened.size(), opened + 1);
}

TEST(Scheduler, HeldMailWaitsExpiresAndLeavesOnceItMay) {
  Hand hand;
  const auto open = hand.policy;
  auto held = std::make_shared<QueuePolicy>(*open);
  held->held = true;
  hand.policy = held;
  hand.admit("a.com", 1);
  hand.run();
  EXPECT_TRUE(hand.opened.empty());
  EXPECT_EQ(hand.row("a.com").gate, Gate::held);
  hand.policy = open;
  hand.global.version = 2;
  hand.scheduler().refresh(hand.now);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 1u);
  const QueueId queue = hand.establish();
  // Held again under a session: it gets nothing more, and what waits grows too old.
  hand.policy = held;
  hand.global.version = 3;
  hand.scheduler().refresh(hand.now);
  hand.run();
  EXPECT_EQ(hand.scheduler().take(queue, hand.now), nullptr);
  hand.end(queue, SessionEnd::normal);
  hand.advance_by_wakeups(held->bounce_after + DueWheel::kTick);
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::expired], 1);
  EXPECT_EQ(hand.opened.size(), 1u);
}

TEST(Scheduler, NoRouteBouncesEveryRecipientInBoundedPieces) {
  SchedulerOptions options;
  options.jobs_max = 16;
  Hand hand(options);
  for (std::uint32_t i = 0; i < 3000; ++i) {
    ASSERT_TRUE(hand.admit("gone.invalid", i, 2));
  }
  hand.run();
  Outcome failure;
  failure.kind = OutcomeKind::bounced;
  failure.phase = Phase::route;
  failure.status = {5, 1, 2};
  hand.scheduler().session_ended(hand.opened[0].first, SessionEnd::no_route, failure,
                                 {"no such domain"}, hand.now);
  hand.admit("gone.invalid", 9999);
  EXPECT_EQ(hand.row("gone.invalid").state, QueueState::ending);
  for (int turn = 0; turn < 10'000 && hand.finals[OutcomeKind::bounced] < 6000; ++turn) {
    hand.scheduler().run(hand.now);
    ASSERT_LE(hand.settling.size(), 4u);
    hand.retire_all();
  }
  EXPECT_EQ(hand.finals[OutcomeKind::bounced], 6000);
  EXPECT_EQ(hand.last_text, "no such domain");
  EXPECT_EQ(hand.last_outcome.phase, Phase::route);
  EXPECT_EQ(hand.last_outcome.status, (EnhancedStatus{5, 1, 2}));
  hand.run();
  EXPECT_EQ(hand.row("gone.invalid").ready, 1u) << "later mail has its own fate";
  EXPECT_EQ(hand.opened.size(), 2u);
}

TEST(Scheduler, MailWaitsForAnExchangerAsLongAsItsPolicySays) {
  Hand hand;
  hand.policy->no_mx_wait = Duration::hours(4);
  hand.policy->retry_after = {Duration::hours(3)};
  hand.admit("a.com", 1, 3);
  hand.run();
  hand.end(hand.opened[0].first, SessionEnd::no_exchanger, OutcomeKind::deferred, "no MX");
  EXPECT_EQ(hand.row("a.com").state, QueueState::deferred);
  hand.advance(Duration::hours(2));
  hand.admit("a.com", 2, 1);
  hand.advance(Duration::hours(1));
  ASSERT_EQ(hand.opened.size(), 2U);
  hand.end(hand.opened[1].first, SessionEnd::no_exchanger, OutcomeKind::deferred, "no MX");
  EXPECT_EQ(hand.row("a.com").ready, 4U) << "three hours are not four";
  hand.advance(Duration::hours(4));
  ASSERT_EQ(hand.opened.size(), 3U);
  hand.end(hand.opened[2].first, SessionEnd::no_exchanger, OutcomeKind::deferred, "no MX");
  hand.run();
  hand.retire_all();
  hand.run();
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::bounced], 4);
  EXPECT_EQ(hand.last_text, "no MX");
  EXPECT_EQ(hand.last_outcome.status.klass, 5);
}

TEST(Scheduler, NoRouteThatDefersRunsTheQueueClock) {
  Hand hand;
  hand.admit("a.com", 1);
  hand.run();
  hand.end(hand.opened[0].first, SessionEnd::no_route, OutcomeKind::deferred, "DNS silent");
  EXPECT_EQ(hand.row("a.com").state, QueueState::deferred);
  EXPECT_EQ(hand.row("a.com").last_error, "DNS silent");
}

TEST(Scheduler, OwnFaultWaitsShortlyAndDoesNotBlameTheHost) {
  Hand hand;
  hand.admit("a.com", 1);
  hand.run();
  Duration last{};
  for (int i = 0; i < 9; ++i) {
    ASSERT_EQ(hand.opened.size(), static_cast<std::size_t>(i + 1));
    hand.end(hand.opened.back().first, SessionEnd::local_failure);
    hand.run();
    EXPECT_EQ(hand.row("a.com").gate, Gate::local_fault);
    const Duration wait = hand.wakeup() - hand.now.instant;
    EXPECT_GE(wait, last);
    EXPECT_LE(wait, Scheduler::kPauseMax);
    last = wait;
    hand.advance(wait);
  }
}

TEST(Scheduler, LostSessionsReconnectAtOnceThenSlowerThenDefer) {
  Hand hand;
  hand.admit("a.com", 1);
  hand.run();
  std::size_t connects = 1;
  Duration last{};
  while (hand.row("a.com").state != QueueState::deferred) {
    ASSERT_EQ(hand.opened.size(), connects);
    ASSERT_LE(connects, Scheduler::kLostMax + 1u);
    hand.establish();
    hand.end(hand.opened.back().first, SessionEnd::lost);
    hand.run();
    if (hand.row("a.com").state == QueueState::deferred) {
      break;
    }
    if (connects == 1) {
      EXPECT_EQ(hand.opened.size(), 2u) << "at once the first time";
    } else {
      EXPECT_EQ(hand.opened.size(), connects);
      const Duration wait = hand.wakeup() - hand.now.instant;
      EXPECT_GT(wait, last);
      last = wait;
      hand.advance(wait);
    }
    ++connects;
  }
  EXPECT_EQ(connects, Scheduler::kLostMax);
}

TEST(Scheduler, ExpiresInEveryState) {
  for (const bool queue_deferred : {false, true}) {
    Hand hand;
    hand.policy->bounce_after = Duration::hours(2);
    hand.policy->retry_after = {Duration::hours(30)};
    hand.admit("a.com", 1, 2);
    hand.run();
    const QueueId queue = hand.opened[0].first;
    const Now start = hand.now;
    if (queue_deferred) {
      hand.end(queue, SessionEnd::unreachable);
    } else {
      hand.establish();
      Job* job = hand.scheduler().take(queue, hand.now);
      hand.finish(*job, OutcomeKind::deferred, "try later");
      hand.retire_all();
    }
    hand.run();
    hand.advance_by_wakeups(Duration::hours(2) - Duration{1});
    EXPECT_TRUE(hand.settling.empty());
    while (hand.settling.empty() && hand.now.instant < start.instant + Duration::hours(3)) {
      hand.advance(hand.wakeup() - hand.now.instant);
    }
    EXPECT_LT(hand.now.instant, start.instant + Duration::hours(2) + DueWheel::kTick);
    hand.retire_all();
    EXPECT_EQ(hand.finals[OutcomeKind::expired], 2);
    EXPECT_EQ(hand.last_outcome.phase, Phase::queue);
    EXPECT_EQ(hand.last_outcome.status, (EnhancedStatus{4, 4, 7}));
    EXPECT_NE(hand.last_text.find("expired after 2h0m"), std::string::npos) << hand.last_text;
    EXPECT_EQ(hand.scheduler().totals().entries, 0u);
  }
}

TEST(Scheduler, DeferralPastTheEndOfLifeExpiresThereAndKeepsTheLastAnswer) {
  Hand hand;
  hand.policy->bounce_after = Duration::minutes(30);
  hand.admit("a.com", 1);
  hand.run();
  const QueueId queue = hand.establish();
  Job* job = hand.scheduler().take(queue, hand.now);
  hand.advance(Duration::minutes(31));
  hand.finish(*job, OutcomeKind::deferred, "4.7.1 greylisted");
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::expired], 1);
  EXPECT_EQ(hand.last_outcome.reply_code, 0);
  EXPECT_NE(hand.last_text.find("4.7.1 greylisted"), std::string::npos);
}

TEST(Scheduler, PausedMailExpiresOnlyAfterResume) {
  Hand hand;
  hand.policy->bounce_after = Duration::hours(1);
  hand.admit("a.com", 1);
  ASSERT_TRUE(hand.scheduler().pause(*QueuePattern::parse("a.com/*"), true, hand.now).ok());
  hand.advance(Duration::hours(3));
  EXPECT_TRUE(hand.settling.empty());
  EXPECT_TRUE(hand.opened.empty());
  EXPECT_EQ(hand.row("a.com").ready, 1u);
  EXPECT_EQ(hand.row("a.com").state, QueueState::paused);
  ASSERT_TRUE(hand.scheduler().pause(*QueuePattern::parse("a.com/*"), false, hand.now).ok());
  hand.run();
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::expired], 1);

  Hand strict;
  strict.policy->bounce_after = Duration::hours(1);
  strict.limits.expire_while_paused = true;
  strict.admit("a.com", 1);
  ASSERT_TRUE(strict.scheduler().pause(*QueuePattern::parse("a.com/*"), true, strict.now).ok());
  strict.advance(Duration::hours(3));
  strict.retire_all();
  EXPECT_EQ(strict.finals[OutcomeKind::expired], 1);
}

TEST(Scheduler, ForeverMeansForever) {
  Hand hand;
  hand.policy->bounce_after = Duration::forever();
  hand.policy->retry_after = {Duration::forever()};
  hand.admit("a.com", 1);
  hand.run();
  hand.end(hand.opened[0].first, SessionEnd::unreachable);
  hand.run();
  EXPECT_EQ(hand.wakeup(), Instant::never());
  hand.scheduler().schedule_now(QueuePattern{}, hand.now);
  hand.run();
  EXPECT_EQ(hand.opened.size(), 2u);
}

TEST(Scheduler, AdmissionWithALaterAttemptWaitsForIt) {
  Hand hand;
  Admission admission;
  admission.message = {1, 5, 1};
  admission.domain = "a.com";
  admission.vmta = "v1";
  admission.count = 2;
  admission.attempts = 3;
  admission.received = hand.now.wall;
  admission.next_attempt = hand.now.wall + Duration::minutes(3);
  admission.ambiguous_before = true;
  ASSERT_TRUE(hand.scheduler().admit(admission, "a.com", hand.now));
  hand.run();
  EXPECT_TRUE(hand.opened.empty());
  hand.advance_by_wakeups(Duration::minutes(3));
  hand.advance(DueWheel::kTick);
  ASSERT_EQ(hand.opened.size(), 1u);
  const Job* job = hand.scheduler().take(hand.establish(), hand.now);
  ASSERT_NE(job, nullptr);
  EXPECT_EQ(job->recipients[0].attempts, 3);
  EXPECT_TRUE(job->recipients[0].ambiguous_before);
}

TEST(Scheduler, SessionsGrowWithTheBacklogAndStopAtTheLimit) {
  Hand hand;
  hand.policy->connections_max = 5;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    hand.admit("a.com", i);
  }
  hand.run();
  EXPECT_EQ(hand.opened.size(), 1u) << "one attempt until the host is known to answer";
  std::size_t before = 0;
  while (hand.opened.size() != before) {
    const std::size_t established = before;
    before = hand.opened.size();
    for (std::size_t i = established; i < before; ++i) {
      hand.establish(hand.opened[i].first);
    }
    hand.run();
    EXPECT_LE(hand.opened.size(), before * 2);
  }
  EXPECT_EQ(hand.opened.size(), 5u);
  EXPECT_EQ(hand.row("a.com").gate, Gate::queue_connections);
  hand.end(hand.opened[0].first, SessionEnd::normal);
  hand.run();
  EXPECT_EQ(hand.opened.size(), 6u);

  Hand small;
  for (std::uint32_t i = 0; i < 4; ++i) {
    small.admit("a.com", i);
  }
  small.run();
  small.establish();
  small.run();
  EXPECT_EQ(small.opened.size(), 1u) << "four messages need one session";
}

TEST(Scheduler, MessageRateOfAQueueIsExactAndNearlyUsedUp) {
  Hand hand;
  hand.limits.messages = {60, Duration::minutes(1)};
  hand.policy->recipients_per_transaction_max = 3;
  for (std::uint32_t i = 0; i < 400; ++i) {
    hand.admit("a.com", i, 2);
  }
  hand.run();
  const QueueId queue = hand.establish();
  std::vector<Instant> sent;
  const Instant end = hand.now.instant + Duration::minutes(5);
  while (hand.now.instant < end) {
    while (Job* job = hand.scheduler().take(queue, hand.now)) {
      sent.insert(sent.end(), job->recipients.size(), hand.now.instant);
      hand.finish(*job, OutcomeKind::delivered);
      hand.retire_all();
    }
    EXPECT_EQ(hand.row("a.com").gate, Gate::message_rate);
    hand.idle_sessions[queue] = 1;
    const Instant wake = hand.wakeup();
    ASSERT_GT(wake, hand.now.instant) << "nothing polls";
    hand.advance(wake - hand.now.instant);
  }
  for (std::size_t i = 60; i < sent.size(); ++i) {
    ASSERT_GE(sent[i] - sent[i - 60], Duration::minutes(1));
  }
  EXPECT_GE(sent.size(), 300u * 95 / 100);
  EXPECT_EQ(hand.opened.size(), 1u) << "a rate needs no second session";
}

TEST(Scheduler, ConnectRateIsExact) {
  Hand hand;
  hand.limits.connects = {2, Duration::minutes(1)};
  hand.admit("a.com", 1);
  hand.run();
  std::vector<Instant> opens;
  for (int i = 0; i < 6; ++i) {
    while (hand.opened.size() == opens.size()) {
      ASSERT_NE(hand.wakeup(), Instant::never());
      hand.advance(hand.wakeup() - hand.now.instant);
    }
    opens.push_back(hand.now.instant);
    hand.establish();
    hand.end(hand.opened.back().first, SessionEnd::normal);
    hand.run();
    EXPECT_EQ(hand.row("a.com").gate, Gate::connect_rate);
  }
  for (std::size_t i = 2; i < opens.size(); ++i) {
    EXPECT_GE(opens[i] - opens[i - 2], Duration::minutes(1));
  }
  EXPECT_LE(opens[5] - opens[0], Duration::seconds(153));
}

TEST(Scheduler, HostWithoutRoomIsAskedAgainByOneQueueOnly) {
  Hand hand;
  hand.refuse_open = true;
  for (std::uint32_t i = 0; i < 50; ++i) {
    hand.admit("d" + std::to_string(i) + ".com", i);
  }
  hand.run();
  EXPECT_EQ(hand.refused, 1);
  EXPECT_EQ(hand.wakeup(), hand.now.instant + Scheduler::kRoomRetry);
  hand.advance(Scheduler::kRoomRetry);
  EXPECT_EQ(hand.refused, 2);
  hand.refuse_open = false;
  hand.advance(Scheduler::kRoomRetry);
  EXPECT_EQ(hand.opened.size(), 50u);
  EXPECT_FALSE(hand.exhausted);
}

TEST(Scheduler, JobsAreBoundedAndHandedOnInTurn) {
  SchedulerOptions options;
  options.jobs_max = 8;
  Hand hand(options);
  for (std::uint32_t i = 0; i < 100; ++i) {
    hand.admit("big.com", i);
  }
  hand.run();
  const QueueId big = hand.establish();
  std::vector<Job*> jobs;
  while (Job* job = hand.scheduler().take(big, hand.now)) {
    jobs.push_back(job);
  }
  EXPECT_EQ(jobs.size(), 7u) << "an eighth is left for endings";
  EXPECT_EQ(hand.row("big.com").gate, Gate::jobs);
  hand.idle_sessions[big] = 1;
  hand.admit("small.com", 500);
  hand.run();
  EXPECT_EQ(hand.row("small.com").gate, Gate::jobs);
  hand.finish(*jobs[0], OutcomeKind::delivered);
  hand.finish(*jobs[1], OutcomeKind::delivered);
  hand.retire_all();
  hand.run();
  ASSERT_EQ(hand.offered.size(), 1u);
  EXPECT_EQ(hand.offered[0], big);
  ASSERT_GE(hand.opened.size(), 2u);
  EXPECT_EQ(hand.opened[1].second, "small.com");
  EXPECT_NE(hand.scheduler().take(big, hand.now), nullptr);
  hand.establish();
  EXPECT_NE(hand.scheduler().take(hand.opened[1].first, hand.now), nullptr);
}

TEST(Scheduler, HeldStartsNothingAndThenGoesOn) {
  Hand hand;
  hand.scheduler().hold(true);
  hand.admit("a.com", 1);
  hand.run();
  EXPECT_TRUE(hand.opened.empty());
  EXPECT_EQ(hand.row("a.com").gate, Gate::journal);
  EXPECT_GT(hand.wakeup(), hand.now.instant);
  hand.scheduler().hold(false);
  hand.run();
  const QueueId queue = hand.establish();
  hand.scheduler().hold(true);
  EXPECT_EQ(hand.scheduler().take(queue, hand.now), nullptr);
  hand.idle_sessions[queue] = 1;
  hand.scheduler().hold(false);
  hand.run();
  ASSERT_EQ(hand.offered.size(), 1u);
  EXPECT_NE(hand.scheduler().take(queue, hand.now), nullptr);
}

TEST(Scheduler, AdmissionIsRefusedAtTheMaximum) {
  SchedulerOptions options;
  options.entries_max = 3;
  options.queues_max = 2;
  Hand hand(options);
  EXPECT_TRUE(hand.admit("a.com", 1));
  EXPECT_TRUE(hand.admit("b.com", 2));
  EXPECT_FALSE(hand.admit("c.com", 3)) << "no third queue";
  EXPECT_TRUE(hand.admit("b.com", 4));
  EXPECT_FALSE(hand.admit("a.com", 5));
}

TEST(Scheduler, EmptyQueuesAreForgottenAndTheirIdsUsedAgain) {
  Hand hand;
  hand.admit("a.com", 1);
  hand.run();
  const QueueId queue = hand.establish();
  Job* job = hand.scheduler().take(queue, hand.now);
  hand.finish(*job, OutcomeKind::delivered);
  hand.retire_all();
  hand.end(queue, SessionEnd::normal);
  hand.run();
  hand.advance_by_wakeups(Duration::minutes(9));
  EXPECT_EQ(hand.scheduler().totals().queues, 1u);
  hand.advance_by_wakeups(Duration::minutes(2));
  EXPECT_EQ(hand.scheduler().totals().queues, 0u);
  EXPECT_EQ(hand.wakeup(), Instant::never());
  EXPECT_EQ(hand.scheduler().take(queue, hand.now), nullptr);
  hand.admit("b.com", 2);
  hand.run();
  EXPECT_EQ(hand.opened.back().first, queue) << "ids stay dense";
}

TEST(Scheduler, RefreshTakesUpNewSettings) {
  Hand hand;
  hand.policy->bounce_after = Duration::hours(10);
  hand.policy->retry_after = {Duration::hours(20)};
  hand.admit("a.com", 1);
  hand.run();
  hand.end(hand.opened[0].first, SessionEnd::unreachable);
  hand.run();
  auto shorter = std::make_shared<QueuePolicy>(*hand.policy);
  shorter->bounce_after = Duration::hours(1);
  hand.policy = shorter;
  hand.global.version = 2;
  hand.scheduler().refresh(hand.now);
  hand.run();
  EXPECT_FALSE(hand.scheduler().refreshing());
  hand.advance_by_wakeups(Duration::hours(1) + DueWheel::kTick);
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::expired], 1);

  auto longer = std::make_shared<QueuePolicy>(*hand.policy);
  hand.admit("b.com", 2);
  longer->bounce_after = Duration::hours(5);
  hand.policy = longer;
  hand.global.version = 3;
  hand.scheduler().refresh(hand.now);
  hand.run();
  hand.end(hand.opened.back().first, SessionEnd::unreachable);
  hand.advance_by_wakeups(Duration::hours(4));
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::expired], 1) << "the longer life holds";
  hand.advance_by_wakeups(Duration::hours(1) + DueWheel::kTick);
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::expired], 2);
}

TEST(QueueStates, WaitingIsEnteredFromReadyOnly) {
  for (std::size_t from = 0; from < kQueueStates; ++from) {
    EXPECT_EQ(may_move(static_cast<QueueState>(from), QueueState::waiting),
              static_cast<QueueState>(from) == QueueState::ready);
    EXPECT_FALSE(may_move(static_cast<QueueState>(from), static_cast<QueueState>(from)));
    EXPECT_NE(name_of(static_cast<QueueState>(from)), "unknown");
  }
  for (std::size_t gate = 0; gate < kGates; ++gate) {
    EXPECT_NE(name_of(static_cast<Gate>(gate)), "unknown");
  }
}

}  // namespace
}  // namespace ringpost::schedule
