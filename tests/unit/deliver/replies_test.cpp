// What the rules of a queue make of replies.

#include <gtest/gtest.h>

#include "tests/unit/deliver/deliver_world.h"

namespace ringpost::deliver {
namespace {

constexpr const char* kOneHost = "192.0.2.1";
constexpr const char* kOtherHost = "192.0.2.2";

/// Fits replies that contain a word.
class Word : public ReplyRules {
 public:
  Word(std::string word, ReplyVerdict verdict)
      : word_(std::move(word)), verdict_(std::move(verdict)) {
    verdict_.fits = true;
  }
  ReplyVerdict judge(std::uint16_t, std::string_view text) const override {
    return text.find(word_) == std::string_view::npos ? ReplyVerdict{} : verdict_;
  }
  bool ends_backoff() const override { return true; }

 private:
  std::string word_;
  ReplyVerdict verdict_;
};

HostManners says(std::string at, std::string reply) {
  HostManners manners;
  manners.hook = [at = std::move(at), reply = std::move(reply)](const std::string& line) {
    return line.rfind(at, 0) == 0 ? reply : std::string();
  };
  return manners;
}

ReplyVerdict backoff() {
  ReplyVerdict verdict;
  verdict.mode = ModeChange::backoff;
  return verdict;
}

ReplyVerdict skip() {
  ReplyVerdict verdict;
  verdict.skip_host = true;
  return verdict;
}

TEST(Replies, OfEveryPhaseAreHeldAgainstTheRules) {
  for (const char* at : {"BANNER", "EHLO", "MAIL", "RCPT", "DATA", "."}) {
    DeliverWorld world;
    world.policy->reply_rules = std::make_shared<Word>("slow", backoff());
    const std::string code = std::string(at) == "EHLO" ? "421" : "451";
    HostManners manners = says(at, code + " 4.7.0 slow down");
    if (code == "421") {
      auto hook = manners.hook;
      manners.hook = [hook](const std::string& line) {
        return line.rfind("HELO", 0) == 0 ? std::string("421 4.7.0 slow down") : hook(line);
      };
    }
    world.add_host(kOneHost, manners);
    world.add_route("mx1.example.org", 10, kOneHost);
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    ASSERT_GE(world.judged.size(), 1U) << at;
    EXPECT_EQ(world.judged[0].mode, ModeChange::backoff);
    EXPECT_EQ(world.judged_texts[0], code + " 4.7.0 slow down") << at;
  }
}

TEST(Replies, PositiveOnesOnlyWhileBackingOff) {
  for (const bool backing_off : {false, true}) {
    DeliverWorld world;
    ReplyVerdict normal;
    normal.mode = ModeChange::normal;
    world.policy->reply_rules = std::make_shared<Word>("queued", normal);
    world.policy->backoff = backing_off;
    world.add_host(kOneHost, says(".", "250 2.0.0 queued"));
    world.add_route("mx1.example.org", 10, kOneHost);
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    EXPECT_EQ(world.judged.size(), backing_off ? 1U : 0U);
    EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::delivered);
  }
}

TEST(Replies, SkipMxOffersTheMailToTheNextHost) {
  for (const char* at : {"BANNER", "MAIL", "RCPT", "DATA", "."}) {
    DeliverWorld world;
    world.requeues_returned = true;
    world.policy->reply_rules = std::make_shared<Word>("not here", skip());
    TestHost& first = world.add_host(kOneHost, says(at, "550 5.7.1 not here"));
    TestHost& second = world.add_host(kOtherHost);
    world.add_route("mx1.example.org", 10, kOneHost);
    world.add_route("mx2.example.org", 20, kOtherHost);
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    EXPECT_EQ(first.connections, 1U) << at;
    EXPECT_EQ(second.messages.size(), 1U) << at;
    EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::delivered) << at;
    ASSERT_EQ(world.ended.size(), 1U);
    EXPECT_EQ(world.ended[0].end, SessionEnd::normal);
    EXPECT_EQ(world.established, 1) << at;
  }
}

TEST(Replies, AtTheLastHostTheReplyStands) {
  DeliverWorld world;
  world.requeues_returned = true;
  world.policy->reply_rules = std::make_shared<Word>("not here", skip());
  world.add_host(kOneHost, says("RCPT", "450 4.7.1 not here"));
  world.add_host(kOtherHost, says("RCPT", "450 4.7.1 not here either"));
  world.add_route("mx1.example.org", 10, kOneHost);
  world.add_route("mx2.example.org", 20, kOtherHost);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::deferred);
  EXPECT_EQ(world.messages[0].outcomes[0].reply_code, 450);
  ASSERT_EQ(world.ended.size(), 1U);
  EXPECT_EQ(world.ended[0].end, SessionEnd::unreachable) << "no host takes anything now";
}

TEST(Replies, A421MayMeanThatTheHostTakesNothing) {
  for (const char* at : {"BANNER", "MAIL"}) {
    for (const bool skips : {false, true}) {
      DeliverWorld world;
      world.requeues_returned = true;
      world.policy->skip_host_on_421 = skips;
      world.add_host(kOneHost, says(at, "421 4.3.2 busy"));
      TestHost& second = world.add_host(kOtherHost);
      world.add_route("mx1.example.org", 10, kOneHost);
      world.add_route("mx2.example.org", 20, kOtherHost);
      world.add_message("x: y\r\n\r\n", {"a@example.org"});
      ASSERT_TRUE(world.open());
      ASSERT_TRUE(world.run());
      // A host that refuses in its greeting has been passed over at all times.
      const bool reached = skips || std::string(at) == "BANNER";
      EXPECT_EQ(second.messages.size(), reached ? 1U : 0U) << at;
    }
  }
}

TEST(Replies, ARefusalMayBeFinalThoughTemporary) {
  DeliverWorld world;
  ReplyVerdict verdict;
  verdict.bounce_recipient = true;
  world.policy->reply_rules = std::make_shared<Word>("never", verdict);
  world.add_host(kOneHost, says("RCPT TO:<b", "450 4.2.1 never again"));
  world.add_route("mx1.example.org", 10, kOneHost);
  world.add_message("x: y\r\n\r\n", {"a@example.org", "b@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::delivered);
  EXPECT_EQ(world.messages[0].outcomes[1].kind, OutcomeKind::bounced);
  EXPECT_EQ(world.messages[0].outcomes[1].reply_code, 450);
}

TEST(Replies, A553WithoutStatusMeansNoSuchMailboxIfSo) {
  for (const bool means : {false, true}) {
    DeliverWorld world;
    world.policy->no_mailbox_on_553 = means;
    world.add_host(kOneHost, says("RCPT", "553 sorry"));
    world.add_route("mx1.example.org", 10, kOneHost);
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    const EnhancedStatus status = world.messages[0].outcomes[0].status;
    EXPECT_EQ(status, means ? (EnhancedStatus{5, 1, 1}) : EnhancedStatus{});
  }
}

TEST(Replies, A5xxGreetingReturnsTheQueuesMailIfSo) {
  for (const bool bounces : {false, true}) {
    DeliverWorld world;
    world.policy->bounce_on_5xx_greeting = bounces;
    world.add_host(kOneHost, says("BANNER", "554 5.7.1 go away"));
    world.add_route("mx1.example.org", 10, kOneHost);
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    ASSERT_EQ(world.ended.size(), 1U);
    EXPECT_EQ(world.ended[0].end, bounces ? SessionEnd::no_route : SessionEnd::unreachable);
    EXPECT_EQ(world.ended[0].failure.kind, bounces ? OutcomeKind::bounced : OutcomeKind::deferred);
    EXPECT_EQ(world.ended[0].failure.reply_code, 554);
  }
}

TEST(Replies, SoManyHostsAreTriedAndNoMore) {
  DeliverWorld world;
  world.policy->hosts_tried_max = 2;
  TestHost& third = world.add_host("192.0.2.3");
  world.add_route("mx1.example.org", 10, kOneHost);
  world.add_route("mx2.example.org", 20, kOtherHost);
  world.add_route("mx3.example.org", 30, "192.0.2.3");
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(third.connections, 0U);
  ASSERT_EQ(world.ended.size(), 1U);
  EXPECT_EQ(world.ended[0].end, SessionEnd::unreachable);
}

TEST(Replies, ASessionOfAnotherModeEndsWithoutTakingMore) {
  DeliverWorld world;
  TestHost& host = world.add_host(kOneHost);
  world.add_route("mx1.example.org", 10, kOneHost);
  world.policy->idle_timeout = Duration::hours(1);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run_until([&] { return host.messages.size() == 1; }));
  world.mode_changed = true;
  world.add_message("x: z\r\n\r\n", {"b@example.org"});
  world.deliverer->recheck({DeliverWorld::kQueue});
  world.deliverer->offer({DeliverWorld::kQueue});
  const Instant before = world.loop->now().instant;
  ASSERT_TRUE(world.run());
  EXPECT_LT(world.loop->now().instant - before, Duration::minutes(1)) << "it did not idle on";
  EXPECT_EQ(host.messages.size(), 1U);
  EXPECT_EQ(world.queued.size(), 1U) << "the second message stays with the queue";
}

}  // namespace
}  // namespace ringpost::deliver
