// Transactions whose RCPTs leave one by one as permits come, and how long they wait for the first.

#include <gtest/gtest.h>

#include <optional>

#include "tests/unit/deliver/deliver_world.h"

namespace ringpost::deliver {

namespace {

constexpr const char* kSlowHost = "192.0.2.1";

/// One message to a host that takes that long to answer MAIL; its permit comes so long after it was
/// first asked for, or never.
class MeteredWorld : public DeliverWorld {
 public:
  MeteredWorld(Duration mail_takes, std::optional<Duration> comes, bool pipelining = false)
      : DeliverWorld(1, {}, there_and_back(mail_takes)), comes_(comes) {
    HostManners manners;
    manners.extensions = pipelining ? "PIPELINING|8BITMIME" : "8BITMIME";
    add_host(kSlowHost, manners);
    add_route("mx.example.org", 10, kSlowHost);
    add_message("x: y\r\n\r\n", {"a@example.org"});
    messages[0].job.metered = true;
    PhaseTimeouts& limits = policy->timeouts;
    limits.connect = limits.greeting = limits.command = Duration::minutes(20);
  }

  Permits permits(Job& job, std::uint32_t, std::uint32_t want, Now now) override {
    if (want == 0) {
      given_up_after = now.instant - first_asked_;
      return {};
    }
    if (!asked_) {
      asked_ = true;
      first_asked_ = now.instant;
      if (comes_) {
        world.after(*comes_, [&job] { job.holder->permits_due(); });
      }
    }
    const bool there = comes_ && now.instant >= first_asked_ + *comes_;
    return there ? Permits{1, false} : Permits{0, true};
  }

  bool asked() const { return asked_; }

  std::optional<Duration> given_up_after;

 private:
  static sim::NetFaults there_and_back(Duration time) {
    sim::NetFaults faults;
    faults.latency_min = faults.latency_max = time / 2;
    return faults;
  }

  std::optional<Duration> comes_;
  bool asked_ = false;
  Instant first_asked_;
};

void expect_given_up(MeteredWorld& world, Duration after) {
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  ASSERT_EQ(world.messages[0].finished, 1);
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::returned);
  ASSERT_TRUE(world.given_up_after.has_value());
  EXPECT_GE(*world.given_up_after, after);
  EXPECT_LE(*world.given_up_after, after + Duration::seconds(1));
  EXPECT_TRUE(world.hosts[0]->messages.empty());
}

void expect_delivered(MeteredWorld& world) {
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  ASSERT_EQ(world.messages[0].finished, 1);
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::delivered);
  EXPECT_FALSE(world.given_up_after.has_value());
  EXPECT_EQ(world.hosts[0]->messages.size(), 1U);
}

TEST(Metered, AFirstRcptWaitsSixSecondsForItsPermit) {
  MeteredWorld never(Duration::milliseconds(100), {});
  expect_given_up(never, Duration::seconds(6));
  MeteredWorld comes(Duration::milliseconds(100), Duration::seconds(5));
  expect_delivered(comes);
}

TEST(Metered, AfterAHostThatTookLongItWaitsAsLongAgain) {
  MeteredWorld never(Duration::seconds(20), {});
  expect_given_up(never, Duration::seconds(20));
  MeteredWorld comes(Duration::seconds(20), Duration::seconds(19));
  expect_delivered(comes);
}

TEST(Metered, ButLessThanTheFiveMinutesThatHostsWait) {
  MeteredWorld never(Duration::seconds(280), {});
  expect_given_up(never, Duration::seconds(231));
}

TEST(Metered, NorAsLongAsTheTimeOutOfReplies) {
  MeteredWorld never(Duration::seconds(100), {});
  never.policy->timeouts.command = Duration::seconds(101);
  expect_given_up(never, Duration::seconds(100));
}

TEST(Metered, AStopDoesNotWaitForIt) {
  MeteredWorld never(Duration::seconds(20), {});
  ASSERT_TRUE(never.open());
  ASSERT_TRUE(never.run_until([&] { return never.asked(); }));
  never.deliverer->drain();
  ASSERT_TRUE(never.run());
  EXPECT_EQ(never.messages[0].outcomes[0].kind, OutcomeKind::returned);
  ASSERT_TRUE(never.given_up_after.has_value());
  EXPECT_LE(*never.given_up_after, Duration::seconds(1));
}

TEST(Metered, WithPipeliningItIsSixSecondsHoweverFarTheHost) {
  MeteredWorld never(Duration::seconds(20), {}, true);
  expect_given_up(never, Duration::seconds(6));
}

}  // namespace
}  // namespace ringpost::deliver
