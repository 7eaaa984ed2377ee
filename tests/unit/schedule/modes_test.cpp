// Back-off mode and source addresses out of use, as the scheduler keeps them.

#include <gtest/gtest.h>

#include "tests/unit/schedule/hand.h"

namespace ringpost::schedule {
namespace {

using test::Hand;

JudgedReply reply_of(std::uint16_t code, std::string_view text) {
  JudgedReply reply;
  reply.verdict.fits = true;
  reply.verdict.pattern = "slow";
  reply.verdict.place = "rules.conf:3";
  reply.outcome.kind = code >= 500 ? OutcomeKind::bounced : OutcomeKind::deferred;
  reply.outcome.phase = Phase::rcpt;
  reply.outcome.reply_code = code;
  reply.text = text;
  return reply;
}

JudgedReply slow_down() {
  JudgedReply reply = reply_of(421, "4.7.0 slow down");
  reply.verdict.mode = ModeChange::backoff;
  return reply;
}

/// A queue with 20 connections and no rate, in back-off mode 2 and 60/h, for two hours.
class Modes : public ::testing::Test {
 protected:
  Modes() {
    hand.policy->retry_after = {Duration::minutes(10)};
    hand.policy->sources = {{*IpAddress::parse("192.0.2.1"), "one"},
                            {*IpAddress::parse("192.0.2.2"), "two"}};
    auto other = std::make_shared<QueuePolicy>(*hand.policy);
    other->backoff = true;
    other->connections_max = 2;
    other->retry_after = {Duration::hours(3)};
    hand.twin = std::make_shared<BackoffTwin>();
    hand.twin->policy = other;
    hand.twin->limits.messages = {60, Duration::hours(1)};
    hand.twin->to_normal_after = Duration::hours(2);
  }
  QueueId start(std::uint32_t messages) {
    for (std::uint32_t i = 0; i < messages; ++i) {
      hand.admit("a.com", i + 1);
    }
    hand.run();
    return hand.establish();
  }
  /// Recipients that may start now.
  std::uint32_t take_all(QueueId queue) {
    std::uint32_t count = 0;
    while (Job* job = hand.scheduler().take(queue, hand.now)) {
      count += static_cast<std::uint32_t>(job->recipients.size());
      hand.finish(*job, OutcomeKind::delivered);
      hand.retire_all();
    }
    return count;
  }

  Hand hand;
};

TEST_F(Modes, ASessionOfOtherTermsIsToEnd) {
  const QueueId queue = start(3);
  QueuePolicy other = *hand.policy;
  EXPECT_FALSE(hand.scheduler().surplus(queue, other, {})) << "another copy of the same";
  other.terms = hand.policy->terms + 1;
  EXPECT_TRUE(hand.scheduler().surplus(queue, other, {}));
}

TEST_F(Modes, AReplyPutsTheQueueUnderItsTwins) {
  const QueueId queue = start(300);
  hand.scheduler().reply_judged(queue, slow_down(), hand.now);
  EXPECT_TRUE(hand.row("a.com").backoff);
  EXPECT_EQ(hand.row("a.com").connections_max, 2u);
  ASSERT_EQ(hand.decided_ids.size(), 1u);
  EXPECT_EQ(hand.decided_ids[0], "backoff:a.com/v1");
  const Decision* decision = hand.scheduler().decisions().backoff_of("a.com", "v1");
  ASSERT_NE(decision, nullptr);
  EXPECT_EQ(decision->reply, "421 4.7.0 slow down");
  EXPECT_EQ(decision->pattern, "slow");
  EXPECT_EQ(decision->place, "rules.conf:3");
  EXPECT_EQ(decision->until, hand.now.wall + Duration::hours(2));
  EXPECT_EQ(hand.rechecked.size(), 1u) << "sessions of the other mode are to end";
  EXPECT_TRUE(hand.scheduler().surplus(queue, *hand.policy, {}));
  EXPECT_FALSE(hand.scheduler().surplus(queue, *hand.twin->policy, {}));
  std::uint32_t sent = 0;
  for (int minute = 0; minute < 60; ++minute) {
    sent += take_all(queue);
    hand.advance(Duration::minutes(1));
  }
  EXPECT_LE(sent, 60u);
  EXPECT_GE(sent, 57u);
}

TEST_F(Modes, ItEndsByTimeAndTheRateOpensWithoutTheWaitOfTheTwin) {
  hand.twin->limits.messages = {1, Duration::hours(1)};
  const QueueId queue = start(50);
  hand.scheduler().reply_judged(queue, slow_down(), hand.now);
  EXPECT_EQ(take_all(queue), 1u);
  hand.advance(Duration::hours(2) - Duration::seconds(1));
  EXPECT_TRUE(hand.row("a.com").backoff);
  hand.advance(Duration::seconds(1));
  EXPECT_FALSE(hand.row("a.com").backoff);
  ASSERT_EQ(hand.ended_ids.size(), 1u);
  EXPECT_EQ(hand.ended_ids[0], "backoff:a.com/v1 by its time is over");
  EXPECT_EQ(take_all(queue), 49u);
}

TEST_F(Modes, TheRulesOwnTimeWins) {
  const QueueId queue = start(1);
  JudgedReply reply = slow_down();
  reply.verdict.own_time = true;
  reply.verdict.to_normal_after = Duration::minutes(5);
  hand.scheduler().reply_judged(queue, reply, hand.now);
  hand.advance(Duration::minutes(5));
  EXPECT_FALSE(hand.row("a.com").backoff);
  reply.verdict.to_normal_after = Duration::forever();
  hand.scheduler().reply_judged(queue, reply, hand.now);
  hand.advance(Duration::hours(3));
  EXPECT_TRUE(hand.row("a.com").backoff);
}

TEST_F(Modes, ADeliveryEndsItWhereTheConfigurationSaysSo) {
  hand.twin->ends_on_delivery = true;
  const QueueId queue = start(5);
  hand.scheduler().reply_judged(queue, slow_down(), hand.now);
  Job* job = hand.scheduler().take(queue, hand.now);
  ASSERT_NE(job, nullptr);
  hand.finish(*job, OutcomeKind::delivered);
  EXPECT_FALSE(hand.row("a.com").backoff);
  ASSERT_EQ(hand.ended_ids.size(), 1u);
  EXPECT_EQ(hand.ended_ids[0], "backoff:a.com/v1 by a delivery");
}

TEST_F(Modes, ARuleAndACommandEndIt) {
  const QueueId queue = start(1);
  hand.scheduler().reply_judged(queue, slow_down(), hand.now);
  JudgedReply fine = reply_of(450, "welcome back");
  fine.verdict.mode = ModeChange::normal;
  hand.scheduler().reply_judged(queue, fine, hand.now);
  EXPECT_FALSE(hand.row("a.com").backoff);
  hand.scheduler().set_mode(*QueuePattern::parse("*/v1"), true, hand.now);
  EXPECT_TRUE(hand.row("a.com").backoff);
  EXPECT_EQ(hand.scheduler().decisions().backoff_of("a.com", "v1")->cause, Cause::command);
  hand.scheduler().set_mode(*QueuePattern::parse("a.com"), false, hand.now);
  EXPECT_FALSE(hand.row("a.com").backoff);
  hand.scheduler().reply_judged(queue, slow_down(), hand.now);
  EXPECT_FALSE(hand.scheduler().cancel_decision("backoff:b.com/v1", hand.now));
  EXPECT_TRUE(hand.scheduler().cancel_decision("backoff:a.com/v1", hand.now));
  EXPECT_FALSE(hand.row("a.com").backoff);
}

TEST_F(Modes, ACommandReachesAQueueThatIsYetToCome) {
  hand.scheduler().set_mode(*QueuePattern::parse("later.com/v1"), true, hand.now);
  hand.advance(Duration::minutes(30));
  hand.admit("later.com", 1);
  hand.run();
  EXPECT_TRUE(hand.row("later.com").backoff);
  EXPECT_EQ(hand.last_policy, hand.twin->policy);
}

TEST_F(Modes, TheWaitsOfBackoffDoNotOutlastIt) {
  const QueueId queue = start(1);
  hand.scheduler().reply_judged(queue, slow_down(), hand.now);
  hand.end(queue, SessionEnd::unreachable);
  EXPECT_EQ(hand.row("a.com").next_retry, hand.now.wall + Duration::hours(3));
  hand.scheduler().set_mode(*QueuePattern::parse("a.com"), false, hand.now);
  EXPECT_EQ(hand.row("a.com").next_retry, hand.now.wall + Duration::minutes(10));
}

TEST_F(Modes, AReplyMayDeferTheQueueThoughSessionsWork) {
  const QueueId queue = start(50);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 2u);
  JudgedReply reply = reply_of(451, "come back later");
  reply.verdict.defer_queue = true;
  hand.scheduler().reply_judged(queue, reply, hand.now);
  EXPECT_EQ(hand.row("a.com").state, QueueState::deferred);
  EXPECT_EQ(hand.row("a.com").last_error, "451 come back later");
  EXPECT_EQ(hand.scheduler().take(queue, hand.now), nullptr);
  hand.establish(queue);
  EXPECT_EQ(hand.row("a.com").state, QueueState::deferred) << "a host that answers is no news";
  hand.advance(Duration::minutes(10));
  EXPECT_NE(hand.scheduler().take(queue, hand.now), nullptr);
}

TEST_F(Modes, AReplyMayEndTheQueuesMail) {
  const QueueId queue = start(4);
  JudgedReply reply = reply_of(550, "we know you");
  reply.verdict.bounce_queue = true;
  hand.scheduler().reply_judged(queue, reply, hand.now);
  hand.run();
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::bounced], 4);
  EXPECT_EQ(hand.last_outcome.reply_code, 550);
}

TEST_F(Modes, ADisabledSourceIsLeftOutUntilItsTimeIsOver) {
  const QueueId queue = start(1);
  JudgedReply reply = reply_of(451, "your address is listed");
  reply.verdict.disable_source = true;
  reply.verdict.disable_for = Duration::hours(1);
  reply.source = hand.policy->sources[0].ip;
  hand.scheduler().reply_judged(queue, reply, hand.now);
  EXPECT_TRUE(hand.scheduler().surplus(queue, *hand.policy, reply.source));
  EXPECT_FALSE(hand.scheduler().surplus(queue, *hand.policy, hand.policy->sources[1].ip));
  hand.end(queue, SessionEnd::normal);
  hand.run();
  ASSERT_EQ(hand.last_policy->sources.size(), 1u);
  EXPECT_EQ(hand.last_policy->sources[0].helo, "two");
  reply.source = hand.policy->sources[1].ip;
  hand.scheduler().reply_judged(hand.establish(), reply, hand.now);
  hand.end(queue, SessionEnd::normal);
  hand.run();
  EXPECT_EQ(hand.row("a.com").gate, Gate::no_source);
  EXPECT_EQ(hand.decided_ids.size(), 2u);
  hand.advance(Duration::hours(1));
  EXPECT_EQ(hand.ended_ids.size(), 2u);
  EXPECT_EQ(hand.last_policy->sources.size(), 2u);
}

TEST_F(Modes, WithoutAnySourceTheQueueMayBackOff) {
  hand.twin->upon_no_source = true;
  start(1);
  for (const char* source : {"192.0.2.1", "192.0.2.2"}) {
    ASSERT_TRUE(hand.scheduler().use_source(*IpAddress::parse(source), *QueuePattern::parse("*/v1"),
                                            false, hand.now));
  }
  ASSERT_TRUE(hand.row("a.com").backoff);
  EXPECT_EQ(hand.scheduler().decisions().backoff_of("a.com", "v1")->cause, Cause::no_source);
  ASSERT_TRUE(hand.scheduler().use_source(*IpAddress::parse("192.0.2.2"),
                                          *QueuePattern::parse("*/*"), true, hand.now));
  EXPECT_FALSE(hand.row("a.com").backoff);
}

// An address that the host lacks is as good as disabled, whatever an operator says of it.
TEST_F(Modes, AddressesThatTheHostLacksAreNotUsed) {
  hand.twin->upon_no_source = true;
  const QueueId queue = start(1);
  const IpAddress one = hand.policy->sources[0].ip;
  const IpAddress two = hand.policy->sources[1].ip;
  hand.scheduler().set_missing_sources({one}, hand.now);
  EXPECT_TRUE(hand.scheduler().surplus(queue, *hand.policy, one));
  EXPECT_FALSE(hand.scheduler().surplus(queue, *hand.policy, two));
  EXPECT_FALSE(hand.row("a.com").backoff);
  ASSERT_TRUE(hand.scheduler().use_source(two, *QueuePattern::parse("*/*"), false, hand.now));
  ASSERT_TRUE(hand.row("a.com").backoff) << "one is missing, the other disabled";
  EXPECT_EQ(hand.scheduler().decisions().backoff_of("a.com", "v1")->cause, Cause::no_source);
  auto enabled = hand.scheduler().use_source(one, *QueuePattern::parse("*/*"), true, hand.now);
  ASSERT_TRUE(enabled);
  EXPECT_EQ(enabled->queues, 0U) << "it is still not there";
  ASSERT_TRUE(hand.row("a.com").backoff);
  hand.scheduler().set_missing_sources({}, hand.now);
  EXPECT_FALSE(hand.row("a.com").backoff);
  EXPECT_FALSE(hand.scheduler().surplus(queue, *hand.policy, one));
  EXPECT_TRUE(hand.scheduler().surplus(queue, *hand.policy, two));
}

TEST_F(Modes, MailWaitsForAddressesThatTheHostLacks) {
  hand.scheduler().set_missing_sources({hand.policy->sources[0].ip, hand.policy->sources[1].ip},
                                       hand.now);
  hand.admit("a.com", 1);
  hand.run();
  EXPECT_TRUE(hand.opened.empty());
  EXPECT_EQ(hand.row("a.com").gate, Gate::no_source);
  hand.scheduler().set_missing_sources({hand.policy->sources[0].ip}, hand.now);
  hand.run();
  ASSERT_EQ(hand.opened.size(), 1U);
  ASSERT_EQ(hand.last_policy->sources.size(), 1U);
  EXPECT_EQ(hand.last_policy->sources[0].helo, "two");
}

TEST_F(Modes, DecisionsOutliveTheSchedulerAndTheirTimeRunsOn) {
  const QueueId queue = start(1);
  hand.scheduler().reply_judged(queue, slow_down(), hand.now);
  std::string lines = "nonsense\tx\ty\n";
  hand.scheduler().decisions().for_all(
      [&](const Decision& decision) { lines += write_decision(decision) + "\n"; });

  Hand next;
  next.twin = hand.twin;
  next.policy = hand.policy;
  next.now = hand.now;
  next.now.wall = next.now.wall + Duration::minutes(90);  // it was down so long
  next.scheduler().restore(lines, true, next.now);
  next.admit("a.com", 1);
  next.run();
  EXPECT_TRUE(next.row("a.com").backoff);
  next.advance(Duration::minutes(30));
  EXPECT_FALSE(next.row("a.com").backoff);

  Hand late;
  late.twin = hand.twin;
  late.policy = hand.policy;
  late.now = hand.now;
  late.now.wall = late.now.wall + Duration::hours(9);
  late.scheduler().restore(lines, true, late.now);
  late.admit("a.com", 1);
  late.run();
  EXPECT_FALSE(late.row("a.com").backoff);
  EXPECT_EQ(late.ended_ids.size(), 1u) << "its end is heard of";
}

TEST_F(Modes, NewMailWakesAQueueThatWaits) {
  hand.policy->retry_upon_new_mail = true;
  const QueueId queue = start(1);
  hand.end(queue, SessionEnd::normal);
  hand.run();
  hand.end(hand.opened.back().first, SessionEnd::unreachable);
  ASSERT_EQ(hand.row("a.com").state, QueueState::deferred);
  const std::size_t before = hand.opened.size();
  hand.admit("a.com", 77);
  hand.run();
  EXPECT_EQ(hand.opened.size(), before + 1);
}

TEST_F(Modes, ADnsErrorHasItsOwnWait) {
  hand.policy->retry_after_dns_error = Duration::minutes(1);
  hand.admit("a.com", 1);
  hand.run();
  hand.end(hand.opened.back().first, SessionEnd::no_route);
  EXPECT_EQ(hand.row("a.com").next_retry, hand.now.wall + Duration::minutes(1));
}

/// The group "big" of one.com and two.com; other.com belongs to none.
class ModesOfAGroup : public Modes {
 protected:
  ModesOfAGroup() {
    for (const char* name : {"one.com", "two.com", "big"}) {
      put_into_group(name, "big");
    }
    for (const char* name : {"one.com", "other.com"}) {
      hand.admit(name, ++slot_);
      hand.run();
    }
  }
  void put_into_group(const std::string& name, const char* group) {
    const auto in = [&](const QueuePolicyRef& of) {
      auto policy = std::make_shared<QueuePolicy>(*of);
      policy->group = group;
      return policy;
    };
    QueueSettings& own = hand.settings[name];
    own.policy = in(hand.policy);
    auto twin = std::make_shared<BackoffTwin>(*hand.twin);
    twin->policy = in(hand.twin->policy);
    own.backoff = std::move(twin);
  }
  void come(const char* name) {
    hand.admit(name, ++slot_);
    hand.run();
  }
  Touched set_mode(const char* queues, bool backoff) {
    return hand.scheduler().set_mode(*QueuePattern::parse(queues), backoff, hand.now);
  }
  Touched use_source(const char* queues, bool use) {
    auto done = hand.scheduler().use_source(*IpAddress::parse("192.0.2.1"),
                                            *QueuePattern::parse(queues), use, hand.now);
    EXPECT_TRUE(done.ok());
    return done ? *done : Touched{};
  }
  bool off(const char* name) {
    Queue* queue = hand.scheduler().queues().find(name, "v1");
    EXPECT_NE(queue, nullptr) << name;
    return queue != nullptr &&
           hand.scheduler().surplus(queue->id(), *queue->policy, *IpAddress::parse("192.0.2.1"));
  }

 private:
  std::uint32_t slot_ = 0;
};

TEST_F(ModesOfAGroup, ACommandThatNamesItMeansItsQueuesAndMakesNone) {
  come("two.com");
  for (const char* queues : {"big/v1", "big/*", "BIG", "b*/v1"}) {
    SCOPED_TRACE(queues);
    EXPECT_EQ(set_mode(queues, true).queues, 2u);
    EXPECT_TRUE(hand.row("one.com").backoff);
    EXPECT_TRUE(hand.row("two.com").backoff);
    EXPECT_FALSE(hand.row("other.com").backoff);
    EXPECT_EQ(hand.scheduler().queues().find("big", "v1"), nullptr);
    EXPECT_EQ(hand.scheduler().decisions().size(), 2u);
    EXPECT_EQ(set_mode(queues, true).queues, 0u) << "it is as a whole already";
    EXPECT_EQ(set_mode(queues, false).queues, 2u);
    EXPECT_FALSE(hand.row("one.com").backoff);
    EXPECT_FALSE(hand.row("two.com").backoff);
    EXPECT_EQ(hand.scheduler().decisions().size(), 0u);
  }
  EXPECT_EQ(set_mode("big/v2", true).queues, 0u) << "no queue of that virtual MTA";
}

TEST_F(ModesOfAGroup, AQueueOfItStandsForItself) {
  come("two.com");
  EXPECT_EQ(set_mode("one.com/v1", true).queues, 1u);
  EXPECT_FALSE(hand.row("two.com").backoff);
  EXPECT_EQ(set_mode("big/v1", true).queues, 1u) << "the other one";
  EXPECT_EQ(set_mode("two.com/v1", false).queues, 1u);
  EXPECT_TRUE(hand.row("one.com").backoff);
  // One that was there in back-off mode and is not any more.
  Hand next;
  next.policy = hand.policy;
  next.twin = hand.twin;
  next.settings = hand.settings;
  std::string lines;
  hand.scheduler().write_kept(lines, true, hand.now);
  next.scheduler().restore(lines, true, next.now);
  const Touched ended = next.scheduler().set_mode(*QueuePattern::parse("big/v1"), false, next.now);
  EXPECT_EQ(ended.queues, 1u);
  EXPECT_EQ(next.scheduler().decisions().size(), 0u);
}

TEST_F(ModesOfAGroup, ItMayHaveTheNameOfOneOfItsDomains) {
  put_into_group("one.com", "one.com");
  put_into_group("two.com", "one.com");
  hand.scheduler().refresh(hand.now);
  hand.run();
  come("two.com");
  EXPECT_EQ(set_mode("one.com/v1", true).queues, 2u);
  EXPECT_TRUE(hand.row("two.com").backoff);
  auto paused = hand.scheduler().pause(*QueuePattern::parse("one.com/v1"), true, hand.now);
  ASSERT_TRUE(paused.ok());
  EXPECT_EQ(paused->queues, 2u);
}

TEST_F(ModesOfAGroup, ItsSourceAddressIsOutOfUseForQueuesToComeToo) {
  for (const char* queues : {"big/v1", "big/*", "b*/v1"}) {
    SCOPED_TRACE(queues);
    EXPECT_GE(use_source(queues, false).queues, 1u);
    come("two.com");
    EXPECT_TRUE(off("one.com"));
    EXPECT_TRUE(off("two.com"));
    EXPECT_FALSE(off("other.com"));
    EXPECT_EQ(hand.scheduler().queues().find("two.com", "v1")->policy->sources.size(), 1u)
        << "no session is opened from there";
    EXPECT_EQ(use_source(queues, false).queues, 0u) << "nothing more to do";
    EXPECT_EQ(use_source("one.com/v1", true).queues, 0u) << "the rule for all of it holds";
    EXPECT_EQ(use_source(queues, true).queues, 2u);
    EXPECT_FALSE(off("one.com"));
    EXPECT_FALSE(off("two.com"));
  }
}

TEST_F(ModesOfAGroup, ToEnableItsSourceAddressEndsWhatHoldsForSingleQueuesOfIt) {
  EXPECT_EQ(use_source("one.com/v1", false).queues, 1u);
  EXPECT_EQ(use_source("other.com/v1", false).queues, 1u);
  JudgedReply reply = reply_of(451, "your address is listed");
  reply.verdict.disable_source = true;
  reply.source = *IpAddress::parse("192.0.2.1");
  come("two.com");
  hand.scheduler().reply_judged(hand.scheduler().queues().find("two.com", "v1")->id(), reply,
                                hand.now);
  ASSERT_TRUE(off("two.com"));
  EXPECT_EQ(use_source("big/v1", true).queues, 2u);
  EXPECT_FALSE(off("one.com"));
  EXPECT_FALSE(off("two.com"));
  EXPECT_TRUE(off("other.com"));
}

TEST_F(ModesOfAGroup, AReloadThatChangesItChangesWhatTheRuleMeans) {
  use_source("big/v1", false);
  put_into_group("one.com", "");
  put_into_group("other.com", "big");
  hand.scheduler().refresh(hand.now);
  hand.run();
  EXPECT_FALSE(off("one.com"));
  EXPECT_TRUE(off("other.com"));
}

/// What a dry run says, what the real one says, and what a second one does.
class WhatCommandsChange : public ModesOfAGroup {
 protected:
  using Say = std::pair<std::uint32_t, std::uint64_t>;

  template <class Command>
  void expect(Say counts, Command command) {
    const auto say = [](const Result<Touched>& done) {
      return done ? Say{done->queues, done->recipients} : Say{~0U, 0};
    };
    EXPECT_EQ(say(command(true)), counts) << "dry";
    EXPECT_EQ(say(command(true)), counts) << "dry, once more";
    EXPECT_EQ(say(command(false)), counts) << "real";
    EXPECT_EQ(say(command(true)), (Say{0, 0})) << "nothing is left to do";
    EXPECT_EQ(say(command(false)), (Say{0, 0})) << "nothing is left to do";
  }
  auto mode(const char* queues, bool backoff) {
    return [=, this](bool dry) -> Result<Touched> {
      return hand.scheduler().set_mode(*QueuePattern::parse(queues), backoff, hand.now, dry);
    };
  }
  auto pause(const char* queues, bool on) {
    return [=, this](bool dry) {
      return hand.scheduler().pause(*QueuePattern::parse(queues), on, hand.now, dry);
    };
  }
  auto source(const char* queues, bool use) {
    return [=, this](bool dry) {
      return hand.scheduler().use_source(*IpAddress::parse("192.0.2.1"),
                                         *QueuePattern::parse(queues), use, hand.now, dry);
    };
  }
};

TEST_F(WhatCommandsChange, AModeIsNotThatOfQueuesThatHaveItAlready) {
  hand.admit("two.com", 77, 5);
  expect({1, 5}, mode("two.com", true));
  expect({2, 2}, mode("*", true));
  expect({1, 5}, mode("two.com/v1", false));
  expect({2, 2}, mode("*", false));
}

TEST_F(WhatCommandsChange, AModeOfAQueueThatIsYetToCome) {
  expect({1, 0}, mode("later.com/v1", true));
  hand.advance(Duration::hours(1));
  EXPECT_EQ(hand.scheduler().queues().find("later.com", "v1"), nullptr) << "it is forgotten";
  EXPECT_EQ(mode("later.com/v1", true)(true)->queues, 0u) << "its mode is not";
  expect({1, 0}, mode("later.com/v1", false));
}

TEST_F(WhatCommandsChange, APauseIsNotThatOfQueuesThatArePaused) {
  hand.admit("two.com", 77, 5);
  expect({1, 5}, pause("two.com", true));
  expect({2, 2}, pause("*", true));
  expect({2, 6}, pause("big/v1", false));
  expect({1, 1}, pause("*", false));
}

TEST_F(WhatCommandsChange, WhatHasNoMailIsNotToBeSentOrEndedOrMoved) {
  ASSERT_TRUE(pause("*", true)(false));  // nothing is taken
  ASSERT_EQ(mode("later.com/v1", true)(false)->queues, 1u);
  LeaveOrder order;
  order.to.vmta = "v2";
  order.takers = {"v2"};
  EXPECT_EQ(hand.scheduler().count_leaving(order).queues, 2u);
  EXPECT_EQ(hand.scheduler().count(QueuePattern{}).queues, 2u);
  EXPECT_EQ(hand.scheduler().schedule_now(QueuePattern{}, hand.now).queues, 2u);
  EXPECT_EQ(hand.scheduler().cancel(QueuePattern{}, hand.now).queues, 2u);
  hand.run();
  EXPECT_EQ(hand.scheduler().count(QueuePattern{}).queues, 0u);
}

TEST_F(WhatCommandsChange, ASourceAddressIsThatOfQueuesThatHaveIt) {
  auto bare = std::make_shared<QueuePolicy>(*hand.policy);
  bare->sources.erase(bare->sources.begin());
  hand.settings["else.com"] = {bare, {}, {}, false, nullptr};
  hand.admit("else.com", 77, 5);
  expect({1, 1}, source("one.com/v1", false));
  expect({1, 1}, source("*", false));
  expect({2, 2}, source("*", true));
}

}  // namespace
}  // namespace ringpost::schedule
