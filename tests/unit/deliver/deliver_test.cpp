#include <gtest/gtest.h>

#include "tests/unit/deliver/deliver_world.h"

namespace ringpost::deliver {

namespace {

constexpr const char* kA = "192.0.2.1";
constexpr const char* kB = "192.0.2.2";

bool begins(const std::string& text, const char* with) { return text.rfind(with, 0) == 0; }

DeliverOptions grouping_at_once() {
  DeliverOptions options;
  options.hosts.clean_before_grouping = 0;
  return options;
}

TEST(Deliver, SendsContentAsItLies) {
  DeliverWorld world;
  TestHost& host = world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  world.add_message("Subject: x\r\n\r\n..dot line", {"a@example.org", "b@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  ASSERT_EQ(host.messages.size(), 1U);
  EXPECT_EQ(host.messages[0].content, world.expected_content(0));
  EXPECT_EQ(host.messages[0].recipients.size(), 2U);
  const auto& message = world.messages[0];
  ASSERT_EQ(message.finished, 1);
  for (const Outcome& outcome : message.outcomes) {
    EXPECT_EQ(outcome.kind, OutcomeKind::delivered);
    EXPECT_EQ(outcome.phase, Phase::final_reply);
    EXPECT_EQ(outcome.reply_code, 250);
    EXPECT_EQ(outcome.status, (EnhancedStatus{2, 0, 0}));
    EXPECT_FALSE(outcome.ambiguous);
  }
  EXPECT_EQ(message.texts[0], "queued");
  EXPECT_EQ(message.facts.host, "mx.example.org");
  EXPECT_EQ(message.facts.remote.text(), "192.0.2.1:25");
  EXPECT_TRUE(message.facts.local.valid());
  ASSERT_EQ(world.ended.size(), 1U);
  EXPECT_EQ(world.ended[0].end, SessionEnd::normal);
  EXPECT_EQ(world.established, 1);
  EXPECT_EQ(host.commands.back(), "QUIT");
}

TEST(Deliver, ManyMessagesShareOneConnectionOneRoundTripEach) {
  DeliverWorld world(7, grouping_at_once());
  TestHost& host = world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  for (int i = 0; i < 50; ++i) {
    world.add_message("Subject: " + std::to_string(i) + "\r\n\r\nbody", {"a@example.org"});
  }
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.connections, 1U);
  ASSERT_EQ(host.messages.size(), 50U);
  for (std::size_t i = 0; i < 50; ++i) {
    EXPECT_EQ(host.messages[i].content, world.expected_content(i));
    EXPECT_EQ(world.messages[i].outcomes.at(0).kind, OutcomeKind::delivered);
  }
  EXPECT_GE(host.reads_with_content_and_envelope, 45U);
}

TEST(Deliver, GroupsOnlyAfterEnoughCleanTransactions) {
  DeliverOptions options;
  options.hosts.clean_before_grouping = 20;
  DeliverWorld world(7, options);
  TestHost& host = world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  for (int i = 0; i < 60; ++i) {
    world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
  }
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run_until([&] { return host.messages.size() == 19; }));
  EXPECT_EQ(host.reads_with_content_and_envelope, 0U);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.messages.size(), 60U);
  EXPECT_GE(host.reads_with_content_and_envelope, 30U);
}

TEST(Deliver, LockStepHosts) {
  DeliverWorld world;
  HostManners manners;
  manners.hook = [](const std::string& line) {
    return begins(line, "EHLO") ? std::string("502 no") : std::string();
  };
  TestHost& host = world.add_host(kA, manners);
  world.add_route("old.example.org", 10, kA);
  for (int i = 0; i < 5; ++i) {
    world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
  }
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.messages.size(), 5U);
  EXPECT_EQ(world.messages[4].outcomes[0].kind, OutcomeKind::delivered);
}

TEST(Deliver, EveryRecipientHasItsOwnOutcome) {
  DeliverWorld world;
  HostManners manners;
  manners.hook = [](const std::string& line) -> std::string {
    if (line.find("bad@") != std::string::npos) {
      return "550 5.1.1 no such user";
    }
    if (line.find("busy@") != std::string::npos) {
      return "450 4.2.1 mailbox busy";
    }
    return line.find("many@") != std::string::npos ? "552 too many recipients" : "";
  };
  world.add_host(kA, manners);
  world.add_route("mx.example.org", 10, kA);
  world.add_message("x: y\r\n\r\n", {"bad@example.org", "busy@example.org", "good@example.org",
                                     "many@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  const auto& message = world.messages[0];
  ASSERT_EQ(message.outcomes.size(), 4U);
  EXPECT_EQ(message.outcomes[0].kind, OutcomeKind::bounced);
  EXPECT_EQ(message.outcomes[0].phase, Phase::rcpt);
  EXPECT_EQ(message.outcomes[0].reply_code, 550);
  EXPECT_EQ(message.outcomes[0].status, (EnhancedStatus{5, 1, 1}));
  EXPECT_EQ(message.texts[0], "no such user");
  EXPECT_EQ(message.outcomes[1].kind, OutcomeKind::deferred);
  EXPECT_EQ(message.outcomes[2].kind, OutcomeKind::delivered);
  EXPECT_EQ(message.outcomes[3].kind, OutcomeKind::deferred);
}

TEST(Deliver, GoesThroughTheHostsInOrder) {
  DeliverWorld world;
  HostManners refusing;
  refusing.hook = [](const std::string& line) {
    return line == "BANNER" ? std::string("554 5.7.1 go away") : std::string();
  };
  TestHost& first = world.add_host(kA, refusing);
  TestHost& second = world.add_host(kB);
  world.add_route("mx1.example.org", 10, kA);
  world.add_route("down.example.org", 15, "192.0.2.9");
  world.add_route("mx2.example.org", 20, kB);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(first.connections, 1U);
  EXPECT_EQ(second.messages.size(), 1U);
  EXPECT_EQ(world.messages[0].facts.host, "mx2.example.org");
  EXPECT_EQ(world.ended[0].end, SessionEnd::normal);
  const Instant now = world.loop->now().instant;
  EXPECT_TRUE(world.deliverer->hosts().view({*IpAddress::parse(kA), 25}, now).bad);
  EXPECT_FALSE(world.deliverer->hosts().view({*IpAddress::parse(kB), 25}, now).bad);
}

TEST(Deliver, MailThatBelongsElsewhereIsNotConnectedFor) {
  DeliverWorld world;
  TestHost& host = world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  world.turn_away = true;
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.connections, 0U);
  EXPECT_EQ(world.messages[0].taken, 0);
  EXPECT_EQ(world.ended.at(0).end, SessionEnd::normal);
}

TEST(Deliver, NoHostReachableIsTheQueuesMatter) {
  DeliverWorld world;
  world.add_route("mx1.example.org", 10, kA);
  world.add_route("mx2.example.org", 20, kB);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  ASSERT_EQ(world.ended.size(), 1U);
  EXPECT_EQ(world.ended[0].end, SessionEnd::unreachable);
  EXPECT_EQ(world.ended[0].failure.phase, Phase::connect);
  EXPECT_EQ(world.ended[0].failure.kind, OutcomeKind::deferred);
  EXPECT_NE(world.ended[0].text.find("mx2.example.org 192.0.2.2:25: "), std::string::npos)
      << world.ended[0].text;
  EXPECT_EQ(world.ended[0].host, "mx2.example.org");
  EXPECT_EQ(world.ended[0].remote.text(), "192.0.2.2:25");
  EXPECT_EQ(world.messages[0].taken, 0);
  EXPECT_EQ(world.established, 0);
}

TEST(Deliver, SilentHostsMeetTheirTimeouts) {
  for (const char* at : {"BANNER", "EHLO", "MAIL", "DATA", "."}) {
    DeliverWorld world;
    HostManners manners;
    manners.hook = [at](const std::string& line) {
      return begins(line, at) ? std::string("SILENT") : std::string();
    };
    world.add_host(kA, manners);
    world.add_route("mx.example.org", 10, kA);
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run()) << at;
    ASSERT_EQ(world.ended.size(), 1U);
    EXPECT_EQ(world.ended[0].end, SessionEnd::unreachable) << at;
    const auto& message = world.messages[0];
    if (message.taken == 0) {
      EXPECT_TRUE(begins(at, "BANNER") || begins(at, "EHLO"));
      continue;
    }
    ASSERT_EQ(message.finished, 1) << at;
    EXPECT_EQ(message.outcomes[0].kind, OutcomeKind::deferred) << at;
    EXPECT_EQ(message.outcomes[0].ambiguous, std::string(at) == ".") << at;
  }
}

TEST(Deliver, BrokenConnectionsSayHowFarTheyCame) {
  struct Case {
    const char* at;
    OutcomeKind kind;
    bool ambiguous;
  };
  for (const Case& one :
       {Case{"MAIL", OutcomeKind::deferred, false}, Case{"DATA", OutcomeKind::deferred, false},
        Case{".", OutcomeKind::deferred, true}}) {
    DeliverWorld world;
    HostManners manners;
    manners.hook = [&](const std::string& line) {
      return begins(line, one.at) ? std::string("CLOSE") : std::string();
    };
    world.add_host(kA, manners);
    world.add_route("mx.example.org", 10, kA);
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    const auto& message = world.messages[0];
    ASSERT_EQ(message.finished, 1);
    EXPECT_EQ(message.outcomes[0].kind, one.kind) << one.at;
    EXPECT_EQ(message.outcomes[0].ambiguous, one.ambiguous) << one.at;
    EXPECT_FALSE(message.texts[0].empty());
    EXPECT_EQ(world.deliverer->stats().downgrades, begins(one.at, ".") ? 0U : 1U);
  }
}

TEST(Deliver, DoubtIsDecidedWhereTheQueueSaysSo) {
  for (const char* ending : {"SILENT", "CLOSE"}) {
    DeliverWorld world;
    world.policy->assume_delivered_on_timeout = true;
    HostManners manners;
    manners.hook = [ending](const std::string& line) {
      return line == "." ? std::string(ending) : std::string();
    };
    world.add_host(kA, manners);
    world.add_route("mx.example.org", 10, kA);
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    const Outcome& outcome = world.messages[0].outcomes[0];
    const bool late = std::string(ending) == "SILENT";
    EXPECT_EQ(outcome.kind, late ? OutcomeKind::delivered : OutcomeKind::deferred) << ending;
    EXPECT_EQ(outcome.ambiguous, !late) << ending;
  }
}

TEST(Deliver, MailMayBeReturnedWhenItsContentBreaksOff) {
  for (const bool returned : {false, true}) {
    DeliverWorld world;
    world.policy->bounce_on_broken_content = returned;
    HostManners manners;
    manners.hook = [&world](const std::string& line) {
      if (line == "DATA") {  // what is sent after the answer to it breaks the connection
        world.world.after(Duration::microseconds(1),
                          [&world] { world.network.faults().reset_percent = 100; });
      }
      return std::string();
    };
    world.add_host(kA, manners);
    world.add_route("mx.example.org", 10, kA);
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    const Outcome& outcome = world.messages[0].outcomes[0];
    EXPECT_EQ(outcome.kind, returned ? OutcomeKind::bounced : OutcomeKind::deferred);
    EXPECT_FALSE(outcome.ambiguous);
    EXPECT_EQ(outcome.phase, Phase::content);
  }
}

TEST(Deliver, EightBitContentMayNeedTheOffer) {
  for (const bool offered : {false, true}) {
    DeliverWorld world;
    world.policy->eight_bit_needs_offer = true;
    HostManners manners;
    manners.extensions = offered ? "PIPELINING|8BITMIME" : "PIPELINING";
    world.add_host(kA, manners);
    world.add_route("mx.example.org", 10, kA);
    world.add_message("x: y\r\n\r\nplain\r\n", {"a@example.org"});
    world.add_message("x: y\r\n\r\n\xe4\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::delivered);
    const Outcome& outcome = world.messages[1].outcomes[0];
    EXPECT_EQ(outcome.kind, offered ? OutcomeKind::delivered : OutcomeKind::bounced);
    EXPECT_EQ(outcome.status, (offered ? EnhancedStatus{2, 0, 0} : EnhancedStatus{5, 6, 3}));
  }
}

TEST(Deliver, AReplyThatDripsMeetsItsTimeout) {
  DeliverWorld world;
  world.policy->timeouts.whole_reply = Duration::minutes(3);
  HostManners manners;
  manners.extensions = "8BITMIME";      // in lock step
  manners.drip = Duration::minutes(1);  // each a sign of life, less than the time for a command
  manners.hook = [](const std::string& line) {
    return begins(line, "MAIL") ? "DRIP" : std::string();
  };
  world.add_host(kA, manners);
  world.add_route("mx.example.org", 10, kA);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  const Instant begun = world.loop->now().instant;
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::deferred);
  const Duration took = world.loop->now().instant - begun;
  EXPECT_GE(took, Duration::minutes(3));
  EXPECT_LE(took, Duration::minutes(4));
}

TEST(Deliver, ShuttingDownGivesMailBackUncounted) {
  DeliverWorld world;
  int mails = 0;
  HostManners manners;
  manners.hook = [&](const std::string& line) -> std::string {
    return begins(line, "MAIL") && ++mails == 3 ? "421 4.3.2 too many messages" : "";
  };
  world.add_host(kA, manners);
  world.add_route("mx.example.org", 10, kA);
  for (int i = 0; i < 5; ++i) {
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
  }
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::delivered);
  EXPECT_EQ(world.messages[1].outcomes[0].kind, OutcomeKind::delivered);
  EXPECT_EQ(world.messages[2].outcomes[0].kind, OutcomeKind::returned);
  for (const auto& message : world.messages) {
    EXPECT_EQ(message.taken, message.finished);
  }
  EXPECT_EQ(world.ended[0].end, SessionEnd::lost);
  EXPECT_EQ(world.ended[0].failure.reply_code, 421);
}

TEST(Deliver, AHostThatNeverTakesMailIsAsGoodAsUnreachable) {
  DeliverWorld world;
  HostManners manners;
  manners.hook = [](const std::string& line) {
    return begins(line, "MAIL") ? std::string("421 4.3.2 not today") : std::string();
  };
  world.add_host(kA, manners);
  world.add_route("mx.example.org", 10, kA);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::returned);
  EXPECT_EQ(world.ended[0].end, SessionEnd::unreachable);
  EXPECT_EQ(world.established, 0);
}

TEST(Deliver, SequenceErrorsInAGroupAreMetInLockStepNextTime) {
  DeliverWorld world;
  HostManners manners;
  manners.hook = [](const std::string& line) {
    return begins(line, "DATA") ? std::string("503 5.5.1 out of order") : std::string();
  };
  TestHost& host = world.add_host(kA, manners);
  world.add_route("mx.example.org", 10, kA);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::returned);
  EXPECT_EQ(world.ended[0].end, SessionEnd::lost);
  host.manners.hook = nullptr;
  world.messages[0].job.recipients[0].outcome = {};
  world.queued.push_back(0);
  host.commands.clear();
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::delivered);
  EXPECT_EQ(world.deliverer->stats().downgrades, 1U);
}

TEST(Deliver, OurOwnNameIsALoop) {
  DeliverOptions options;
  options.own_name = "HOST.example";
  DeliverWorld world(1, options);
  world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  world.add_route("mx2.example.org", 20, kB);
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  ASSERT_EQ(world.ended.size(), 1U);
  EXPECT_EQ(world.ended[0].end, SessionEnd::no_route);
  EXPECT_EQ(world.ended[0].failure.kind, OutcomeKind::bounced);
  EXPECT_EQ(world.ended[0].failure.status, (EnhancedStatus{5, 4, 6}));
}

TEST(Deliver, NoRouteIsPassedOn) {
  DeliverWorld world;
  world.route_failure.kind = OutcomeKind::bounced;
  world.route_failure.phase = Phase::route;
  world.route_failure.status = {5, 1, 2};
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.ended[0].end, SessionEnd::no_route);
  EXPECT_EQ(world.ended[0].failure.status, (EnhancedStatus{5, 1, 2}));
  EXPECT_EQ(world.ended[0].text, "no such domain");
}

TEST(Deliver, MissingAddressFamilyIsOurOwnFault) {
  DeliverWorld world;
  world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  world.policy->sources = {{*IpAddress::parse("2001:db8::1"), "out.example"}};
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.ended[0].end, SessionEnd::local_failure);
  EXPECT_EQ(world.hosts[0]->connections, 0U);
  EXPECT_FALSE(world.deliverer->hosts().view({*IpAddress::parse(kA), 25}, Instant{}).bad);
}

TEST(Deliver, LimitOfMessagesPerConnection) {
  DeliverWorld world(3, grouping_at_once());
  TestHost& host = world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  world.policy->messages_per_connection_max = 3;
  for (int i = 0; i < 5; ++i) {
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
  }
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.messages.size(), 3U);
  EXPECT_EQ(host.commands.back(), "QUIT");
  EXPECT_EQ(world.queued.size(), 2U);
  EXPECT_EQ(world.ended[0].end, SessionEnd::normal);
}

TEST(Deliver, IdleSessionTakesOfferedWorkAndQuitsInTime) {
  DeliverWorld world;
  TestHost& host = world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  world.policy->idle_timeout = Duration::seconds(30);
  EXPECT_FALSE(world.deliverer->offer({DeliverWorld::kQueue}));
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run_until([&] { return world.messages[0].finished == 1; }));
  world.world.run_for(Duration::seconds(20));
  EXPECT_EQ(world.deliverer->sessions_open(), 1U);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  EXPECT_TRUE(world.deliverer->offer({DeliverWorld::kQueue}));
  EXPECT_FALSE(world.deliverer->offer({DeliverWorld::kQueue})) << "it is busy now";
  ASSERT_TRUE(world.run_until([&] { return world.messages[1].finished == 1; }));
  EXPECT_EQ(host.connections, 1U);
  world.world.run_for(Duration::seconds(29));
  EXPECT_EQ(world.deliverer->sessions_open(), 1U);
  world.world.run_for(Duration::seconds(3));
  EXPECT_EQ(world.deliverer->sessions_open(), 0U);
  EXPECT_EQ(host.commands.back(), "QUIT");
}

TEST(Deliver, AnySessionStaysAMomentForMoreMail) {
  DeliverWorld world;
  TestHost& host = world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  world.policy->idle_timeout = {};
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run_until([&] { return world.messages[0].finished == 1; }));
  world.world.run_for(Duration::milliseconds(50));
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  EXPECT_TRUE(world.deliverer->offer({DeliverWorld::kQueue}));
  ASSERT_TRUE(world.run_until([&] { return world.messages[1].finished == 1; }));
  EXPECT_EQ(host.connections, 1U);
  world.world.run_for(Duration::seconds(1));
  EXPECT_EQ(world.deliverer->sessions_open(), 0U) << "a moment, not longer";
}

TEST(Deliver, ASessionStaysForAPermitThatComesAfterItsIdleTimeout) {
  DeliverWorld world;
  world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  world.policy->idle_timeout = Duration::seconds(2);
  world.kept_for = Duration::seconds(6);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run_until([&] { return world.messages[0].finished == 1; }));
  world.world.run_for(Duration::seconds(5));
  EXPECT_EQ(world.deliverer->sessions_open(), 1U);
  world.expected_in = Duration::seconds(1);
  world.world.run_for(Duration::seconds(5));
  EXPECT_EQ(world.deliverer->sessions_open(), 1U) << "its permit is about to come";
  world.expected_in = {};
  world.world.run_for(Duration::seconds(2));
  EXPECT_EQ(world.deliverer->sessions_open(), 0U);
}

TEST(Deliver, IdleSessionsEndWithTheSettingsTheyWereOpenedUnder) {
  DeliverWorld world;
  TestHost& host = world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  world.policy->idle_timeout = Duration::hours(1);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run_until([&] { return world.messages[0].finished == 1; }));
  world.world.run_for(Duration::seconds(1));
  world.deliverer->end_idle();
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.commands.back(), "QUIT");
  ASSERT_EQ(world.ended.size(), 1U);
  EXPECT_EQ(world.ended[0].end, SessionEnd::normal);
}

TEST(Deliver, LargeContentGoesByZeroCopyAndIsHeldUntilReleased) {
  DeliverWorld world(5, grouping_at_once());
  TestHost& host = world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  for (int i = 0; i < 12; ++i) {
    world.add_message("x: y\r\n\r\n" + std::string(40'000 + i * 20'000, 'z'), {"a@example.org"});
    world.add_message("x: small\r\n\r\nbody", {"a@example.org"});
  }
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  ASSERT_EQ(host.messages.size(), 24U);
  std::size_t by_zero_copy = 0;
  for (std::size_t i = 0; i < 24; ++i) {
    EXPECT_EQ(host.messages[i].content, world.expected_content(i));
    by_zero_copy += world.messages[i].facts.zero_copy ? 1 : 0;
    EXPECT_FALSE(i % 2 == 1 && world.messages[i].facts.zero_copy) << "below the threshold";
  }
  // Where notifications are late, content goes plainly rather than wait for them.
  EXPECT_GE(by_zero_copy, 4U);
  EXPECT_EQ(world.deliverer->stats().zero_copy, by_zero_copy);
}

TEST(Deliver, UnreadableSpoolDefersTheMessageOnly) {
  DeliverWorld world;
  world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  world.open_result = -EIO;
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  for (const auto& message : world.messages) {
    ASSERT_EQ(message.finished, 1);
    EXPECT_EQ(message.outcomes[0].kind, OutcomeKind::deferred);
    EXPECT_EQ(message.outcomes[0].status, (EnhancedStatus{4, 3, 0}));
  }
}

TEST(Deliver, DrainFinishesWhatIsInHand) {
  DeliverWorld world(9, grouping_at_once());
  TestHost& host = world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  for (int i = 0; i < 100; ++i) {
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
  }
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run_until([&] { return host.messages.size() == 10; }));
  world.deliverer->drain();
  EXPECT_FALSE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_LT(host.messages.size(), 16U);
  for (const auto& message : world.messages) {
    EXPECT_EQ(message.taken, message.finished);
    if (message.finished == 1) {
      const OutcomeKind kind = message.outcomes[0].kind;
      EXPECT_TRUE(kind == OutcomeKind::delivered || kind == OutcomeKind::returned);
    }
  }
  EXPECT_EQ(world.ended[0].end, SessionEnd::normal);
}

TEST(Deliver, AbortLeavesOnlyTheFinalReplyInDoubt) {
  DeliverWorld world;
  HostManners manners;
  manners.hook = [](const std::string& line) {
    return line == "." ? std::string("SILENT") : std::string();
  };
  TestHost& host = world.add_host(kA, manners);
  world.add_route("mx.example.org", 10, kA);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run_until([&] { return host.messages.size() == 1; }));
  world.world.run_for(Duration::seconds(1));
  world.deliverer->abort();
  ASSERT_TRUE(world.run());
  EXPECT_TRUE(world.messages[0].outcomes[0].ambiguous);
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::deferred);
  ASSERT_EQ(world.messages[1].taken, 1);
  EXPECT_EQ(world.messages[1].outcomes[0].kind, OutcomeKind::returned);
}

TEST(Deliver, AbortInEveryEarlyStage) {
  for (int steps = 0; steps < 40; ++steps) {
    DeliverWorld world(static_cast<std::uint64_t>(steps));
    world.add_host(kA);
    world.add_route("mx.example.org", 10, kA);
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    world.world.run_for(Duration::microseconds(250 * steps));
    world.deliverer->abort();
    ASSERT_TRUE(world.run()) << steps;
    EXPECT_EQ(world.messages[0].taken, world.messages[0].finished);
    EXPECT_EQ(world.ended.size(), 1U);
  }
}

TEST(Deliver, PoolGivesSessionsAgainAndHasALimit) {
  DeliverOptions options;
  options.sessions_max = 2;
  DeliverWorld world(1, options);
  world.add_host(kA);
  world.add_route("mx.example.org", 10, kA);
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(world.open());
    EXPECT_TRUE(world.open());
    EXPECT_FALSE(world.open());
    ASSERT_TRUE(world.run());
  }
  EXPECT_EQ(world.deliverer->sessions_pooled(), 2U);
  EXPECT_EQ(world.ended.size(), 6U);
}

// Hosts that break off, refuse and stall at random: every job comes back once for each time it was
// taken, nothing that a host accepted is called refused, and what it may have got is marked.
TEST(Deliver, RandomHosts) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Random random(seed);
    DeliverOptions options;
    options.hosts.clean_before_grouping = static_cast<std::uint32_t>(random.below(3));
    options.wait_for_recipients_above = random.chance(30) ? 1000 : 1'000'000;
    DeliverWorld world(seed, options);
    std::map<std::string, int> accepted;
    for (const char* at : {kA, kB}) {
      HostManners manners;
      manners.extensions = random.chance(70) ? "PIPELINING|SIZE 90000" : "SIZE";
      manners.extensions += random.chance(60) ? "|CHUNKING" : "";
      manners.hook = [&random](const std::string& line) -> std::string {
        if (line == "BANNER" || begins(line, "EHLO") || !random.chance(6)) {
          return "";
        }
        static constexpr const char* kBad[] = {"CLOSE",     "SILENT",       "421 4.0.0 bye",
                                               "450 later", "550 5.0.0 no", "503 5.5.1 order",
                                               "250 hm",    "CLOSE",        "nonsense"};
        const std::string pick = kBad[random.below(std::size(kBad))];
        return line == "DATA" && pick == "250 hm" ? "354 go" : pick;
      };
      world.add_host(at, manners);
      world.add_route(at, 10, at);
    }
    world.policy->pipeline_window = 1 + static_cast<std::uint32_t>(random.below(16));
    for (int i = 0; i < 30; ++i) {
      const std::string body(random.below(100) < 20 ? 60'000 : random.below(500), 'q');
      world.add_message("n: " + std::to_string(i) + "\r\n\r\n" + body,
                        std::vector<std::string>(1 + random.below(3), "a@example.org"));
    }
    for (int round = 0; round < 200 && !world.queued.empty(); ++round) {
      ASSERT_TRUE(world.open());
      ASSERT_TRUE(world.run()) << seed;
    }
    for (std::size_t i = 0; i < world.messages.size(); ++i) {
      const auto& message = world.messages[i];
      ASSERT_EQ(message.taken, 1) << seed;
      ASSERT_EQ(message.finished, 1) << seed;
      std::size_t arrived = 0;
      std::size_t refused = 0;
      for (const auto& host : world.hosts) {
        for (const ReceivedMessage& got : host->messages) {
          arrived += got.content == world.expected_content(i) ? 1 : 0;
          refused += got.content == world.expected_content(i) && got.refused ? 1 : 0;
        }
      }
      EXPECT_LE(arrived, 1U) << seed;
      for (const Outcome& outcome : message.outcomes) {
        if (outcome.kind == OutcomeKind::delivered) {
          EXPECT_EQ(arrived, 1U) << "seed " << seed << " message " << i;
        } else if (outcome.kind == OutcomeKind::returned) {
          EXPECT_EQ(arrived, refused) << "seed " << seed << " message " << i;
        } else if (arrived == 1 && outcome.phase != Phase::rcpt) {
          EXPECT_TRUE(outcome.ambiguous || outcome.phase == Phase::final_reply)
              << "seed " << seed << " message " << i;
        }
      }
    }
  }
}

// The same for the network between: resets, refused and lost connects, tiny windows. Each message
// is tried until it is final; two deliveries need a mark on the first.
TEST(Deliver, RandomNetwork) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    DeliverOptions options;
    options.hosts.clean_before_grouping = static_cast<std::uint32_t>(random.below(3));
    sim::NetFaults faults;
    faults.reset_percent = static_cast<unsigned>(random.below(8));
    faults.refuse_percent = static_cast<unsigned>(random.below(20));
    faults.lost_syn_percent = static_cast<unsigned>(random.below(5));
    faults.segment_max = 1 + random.below(3000);
    faults.window_bytes = 500 + random.below(60'000);
    DeliverWorld world(seed, options, faults);
    TestHost& host = world.add_host(kA);
    host.manners.extensions += random.chance(50) ? "|CHUNKING" : "";
    world.policy->pipeline_window = 1 + static_cast<std::uint32_t>(random.below(16));
    world.add_route("mx.example.org", 10, kA);
    for (int i = 0; i < 20; ++i) {
      const std::string body(random.chance(20) ? 60'000 : random.below(500), 'q');
      world.add_message("n: " + std::to_string(i) + "\r\n\r\n" + body, {"a@example.org"});
    }
    std::vector<bool> marked(world.messages.size());
    for (int round = 0; round < 500 && !world.queued.empty(); ++round) {
      ASSERT_TRUE(world.open());
      ASSERT_TRUE(world.run()) << seed;
      for (std::size_t i = 0; i < world.messages.size(); ++i) {
        auto& message = world.messages[i];
        ASSERT_EQ(message.taken, message.finished) << seed;
        if (message.finished > 0 && message.outcomes[0].kind != OutcomeKind::delivered &&
            message.job.recipients[0].outcome.kind != OutcomeKind::pending) {
          marked[i] = marked[i] || message.outcomes[0].ambiguous;
          message.job.recipients[0].outcome = {};
          world.queued.push_back(i);
        }
      }
    }
    for (std::size_t i = 0; i < world.messages.size(); ++i) {
      std::size_t arrived = 0;
      for (const ReceivedMessage& got : host.messages) {
        arrived += got.content == world.expected_content(i) ? 1 : 0;
      }
      ASSERT_EQ(world.messages[i].outcomes.at(0).kind, OutcomeKind::delivered) << seed;
      EXPECT_GE(arrived, 1U) << "seed " << seed;
      EXPECT_TRUE(arrived == 1 || marked[i]) << "seed " << seed << " message " << i;
    }
  }
}

}  // namespace

}  // namespace ringpost::deliver
