// Encryption of deliveries, over the simulator's engines.

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/deliver/deliver_world.h"

namespace ringpost::deliver {
namespace {

constexpr const char* kFirst = "192.0.2.1";
constexpr const char* kSecond = "192.0.2.2";

struct TlsWorld : DeliverWorld {
  explicit TlsWorld(TlsDemand demand, std::uint64_t seed = 1, sim::NetFaults faults = {})
      : DeliverWorld(seed, {}, faults) {
    policy->tls.demand = demand;
    policy->tls.context = *tls.client_context({});
    policy->vmta = "vmta";
  }
  std::uint64_t results(TlsFailure failure) const {
    return deliverer->stats().tls.of(TlsPolicyKind::none, failure);
  }
};

HostManners with_certificate(const char* certificate) {
  HostManners manners;
  manners.certificate = certificate;
  return manners;
}

std::size_t count(const TestHost& host, const std::string& command) {
  return static_cast<std::size_t>(std::count(host.commands.begin(), host.commands.end(), command));
}

TEST(DeliverTls, EncryptsWhereItIsOffered) {
  TlsWorld world(TlsDemand::offered);
  TestHost& host = world.add_host(kFirst, with_certificate("self:other.example"));
  world.add_route("mx.example.org", 10, kFirst);
  const std::string large(200'000, 'x');  // several records, and more than is encrypted at once
  world.add_message("Subject: 0\r\n\r\n" + large, {"a@example.org", "b@example.org"});
  world.add_message("Subject: 1\r\n\r\nsmall", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.encrypted, 1U);
  EXPECT_EQ(host.connections, 1U);
  EXPECT_EQ(count(host, "EHLO out.example"), 2U);
  ASSERT_EQ(host.messages.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(host.messages[i].content, world.expected_content(i));
    EXPECT_EQ(world.messages[i].outcomes[0].kind, OutcomeKind::delivered);
    EXPECT_EQ(world.messages[i].facts.tls.version, TlsVersion::v1_3);
    EXPECT_EQ(world.messages[i].facts.tls.cipher, "SIM");
    EXPECT_FALSE(world.messages[i].facts.tls.verified);
  }
  EXPECT_EQ(world.results(TlsFailure::none), 1U);
  EXPECT_EQ(world.deliverer->stats().clear_sessions, 0U);
  EXPECT_EQ(world.secure_net->stats().streams_open, 0U);
}

TEST(DeliverTls, SurvivesEveryCutOfTheStream) {
  sim::NetFaults faults;
  faults.segment_max = 3;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    TlsWorld world(TlsDemand::verified, seed, faults);
    TestHost& host = world.add_host(kFirst, with_certificate("good:mx.example.org"));
    world.add_route("mx.example.org", 10, kFirst);
    world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    ASSERT_EQ(host.messages.size(), 1U);
    EXPECT_EQ(host.messages[0].content, world.expected_content(0));
    EXPECT_TRUE(world.messages[0].facts.tls.verified);
  }
}

TEST(DeliverTls, SendsInClearWhereItIsNotOffered) {
  TlsWorld world(TlsDemand::offered);
  TestHost& host = world.add_host(kFirst);
  world.add_route("mx.example.org", 10, kFirst);
  world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::delivered);
  EXPECT_EQ(world.messages[0].facts.tls.version, TlsVersion::none);
  EXPECT_EQ(count(host, "STARTTLS"), 0U);
  EXPECT_EQ(world.results(TlsFailure::starttls_not_supported), 1U);
  EXPECT_EQ(world.deliverer->stats().clear_sessions, 1U);
}

TEST(DeliverTls, NeverAsksWhereItMustNot) {
  TlsWorld world(TlsDemand::never);
  TestHost& host = world.add_host(kFirst, with_certificate("good:mx.example.org"));
  world.add_route("mx.example.org", 10, kFirst);
  world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(count(host, "STARTTLS"), 0U);
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::delivered);
}

TEST(DeliverTls, BrokenTlsIsRememberedAndRetriedInClear) {
  TlsWorld world(TlsDemand::offered);
  TestHost& host = world.add_host(kFirst, with_certificate("broken:"));
  world.add_route("mx.example.org", 10, kFirst);
  world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.connections, 2U);
  EXPECT_EQ(count(host, "STARTTLS"), 1U);
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::delivered);
  EXPECT_EQ(world.results(TlsFailure::validation_failure), 1U);
  EXPECT_EQ(world.deliverer->stats().tls_retried_in_clear, 1U);

  // Within the hour it is not tried again, later it is.
  world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.connections, 3U);
  EXPECT_EQ(count(host, "STARTTLS"), 1U);
  host.manners.certificate = "good:mx.example.org";
  world.world.run_for(Duration::hours(1));
  world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.encrypted, 1U);
}

TEST(DeliverTls, AStalledHandshakeEndsAndIsRetriedInClear) {
  TlsWorld world(TlsDemand::offered);
  TestHost& host = world.add_host(kFirst, with_certificate("stalled:"));
  world.add_route("mx.example.org", 10, kFirst);
  world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
  const Instant begin = world.world.instant();
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run_until([&] { return !host.messages.empty(); }));
  EXPECT_LT(world.world.instant() - begin, Duration::seconds(61));
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::delivered);
  EXPECT_EQ(world.results(TlsFailure::validation_failure), 1U);
}

struct Refusal {
  TlsDemand demand;
  const char* certificate;
  TlsFailure failure;
  EnhancedStatus status;
};

TEST(DeliverTls, WhatIsDemandedIsNeverSentInClear) {
  const Refusal cases[] = {
      {TlsDemand::encrypted, "", TlsFailure::starttls_not_supported, {4, 7, 4}},
      {TlsDemand::verified, "", TlsFailure::starttls_not_supported, {4, 7, 4}},
      {TlsDemand::encrypted, "broken:", TlsFailure::validation_failure, {4, 7, 5}},
      {TlsDemand::encrypted, "stalled:", TlsFailure::validation_failure, {4, 7, 5}},
      {TlsDemand::verified, "self:mx.example.org", TlsFailure::certificate_not_trusted, {4, 7, 5}},
      {TlsDemand::verified, "expired:mx.example.org", TlsFailure::certificate_expired, {4, 7, 5}},
      {TlsDemand::verified, "good:a.example", TlsFailure::certificate_host_mismatch, {4, 7, 5}},
  };
  for (const Refusal& one : cases) {
    SCOPED_TRACE(one.certificate);
    TlsWorld world(one.demand);
    TestHost& host = world.add_host(kFirst, with_certificate(one.certificate));
    world.add_route("mx.example.org", 10, kFirst);
    world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    EXPECT_EQ(host.connections, 1U);
    EXPECT_EQ(world.messages[0].taken, 0);
    ASSERT_EQ(world.ended.size(), 1U);
    EXPECT_EQ(world.ended[0].end, SessionEnd::unreachable);
    EXPECT_EQ(world.ended[0].failure.kind, OutcomeKind::deferred);
    EXPECT_EQ(world.ended[0].failure.phase, Phase::starttls);
    EXPECT_EQ(world.ended[0].failure.status, one.status);
    EXPECT_EQ(world.results(one.failure), 1U);
    for (const std::string& command : host.commands) {
      EXPECT_NE(command.rfind("MAIL", 0), 0U);
    }
  }
}

TEST(DeliverTls, TheNextHostIsTriedWhereTheFirstHasNoTls) {
  TlsWorld world(TlsDemand::encrypted);
  TestHost& bad = world.add_host(kFirst);
  TestHost& good = world.add_host(kSecond, with_certificate("self:x"));
  world.add_route("a.example", 10, kFirst);
  world.add_route("b.example", 20, kSecond);
  world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(bad.messages.size(), 0U);
  EXPECT_EQ(good.messages.size(), 1U);
}

TEST(DeliverTls, ARefusedStarttlsGoesOnInClearOnlyWhereAllowed) {
  for (const TlsDemand demand : {TlsDemand::offered, TlsDemand::encrypted}) {
    TlsWorld world(demand);
    HostManners manners = with_certificate("good:mx.example.org");
    manners.hook = [](const std::string& command) {
      return command == "STARTTLS" ? "454 4.7.0 not now" : "";
    };
    TestHost& host = world.add_host(kFirst, manners);
    world.add_route("mx.example.org", 10, kFirst);
    world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    EXPECT_EQ(host.connections, 1U);
    EXPECT_EQ(host.messages.size(), demand == TlsDemand::offered ? 1U : 0U);
    if (demand == TlsDemand::encrypted) {
      EXPECT_EQ(world.ended[0].failure.reply_code, 454);
      EXPECT_EQ(host.commands.back(), "QUIT");
    }
  }
}

TEST(DeliverTls, TextBehindTheReplyToStarttlsEndsTheSession) {
  TlsWorld world(TlsDemand::encrypted);
  HostManners manners = with_certificate("good:mx.example.org");
  manners.hook = [](const std::string& command) {
    return command == "STARTTLS" ? "220 go\r\n250-injected\r\n250 AUTH LOGIN" : "";
  };
  TestHost& host = world.add_host(kFirst, manners);
  world.add_route("mx.example.org", 10, kFirst);
  world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.messages.size(), 0U);
  EXPECT_EQ(world.ended[0].end, SessionEnd::unreachable);
}

TEST(DeliverTls, ALostConnectionAfterTheFinalDotIsAmbiguous) {
  TlsWorld world(TlsDemand::encrypted);
  HostManners manners = with_certificate("self:x");
  manners.hook = [](const std::string& command) { return command == "." ? "CLOSE" : ""; };
  world.add_host(kFirst, manners);
  world.add_route("mx.example.org", 10, kFirst);
  world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_TRUE(world.messages[0].outcomes.at(0).ambiguous);
}

TEST(DeliverTls, ConnectionsBreakAnywhereAndNothingIsLostTwice) {
  sim::NetFaults faults;
  faults.reset_percent = 8;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    TlsWorld world(TlsDemand::encrypted, seed, faults);
    world.add_host(kFirst, with_certificate("self:x"));
    world.add_route("mx.example.org", 10, kFirst);
    for (int i = 0; i < 5; ++i) {
      world.add_message("Subject: x\r\n\r\n" + std::string(30'000, 'y'), {"a@example.org"});
    }
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    for (const auto& message : world.messages) {
      EXPECT_EQ(message.taken, message.finished) << seed;
    }
  }
}

// RFC 7672: a host with TLSA records gets no mail in clear, whatever the queue is content with.
TEST(DeliverTls, WhatDnsDemandsOutranksTheQueue) {
  for (const bool matches : {true, false}) {
    for (const bool usable : {true, false}) {
      TlsWorld world(TlsDemand::offered);
      TestHost& host = world.add_host(kFirst, with_certificate("self:any"));
      world.add_route("mx.example.org", 10, kFirst);
      auto tls = std::make_shared<HostTls>();
      tls->name = "mx.example.org";
      if (usable) {
        tls->records.push_back({3, 1, 1, matches ? "self:any" : "self:other"});
      }
      world.route->hosts[0].tls = tls;
      world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
      ASSERT_TRUE(world.open());
      ASSERT_TRUE(world.run());
      const bool delivered = matches || !usable;
      EXPECT_EQ(host.messages.size(), delivered ? 1U : 0U);
      EXPECT_EQ(host.encrypted, delivered ? 1U : 0U);
      EXPECT_EQ(host.connections, 1U);
      const TlsFailure result = delivered ? TlsFailure::none : TlsFailure::validation_failure;
      EXPECT_EQ(world.deliverer->stats().tls.of(TlsPolicyKind::tlsa, result), 1U);
      if (delivered) {
        EXPECT_EQ(world.messages[0].facts.tls.verified, usable);
      } else {
        EXPECT_EQ(world.ended[0].failure.status, (EnhancedStatus{4, 7, 5}));
      }
    }
  }
}

// RFC 8461: enforced policies want certificates that are good, others only count.
TEST(DeliverTls, PoliciesOfMtaSts) {
  struct Case {
    const char* certificate;
    bool testing;
    bool delivered;
    TlsFailure result;
  };
  const Case cases[] = {
      {"good:mx.example.org", false, true, TlsFailure::none},
      {"good:other.example", false, false, TlsFailure::certificate_host_mismatch},
      {"self:x", false, false, TlsFailure::certificate_not_trusted},
      {"", false, false, TlsFailure::starttls_not_supported},
      {"good:mx.example.org", true, true, TlsFailure::none},
      {"expired:mx.example.org", true, true, TlsFailure::certificate_expired},
      {"", true, true, TlsFailure::starttls_not_supported},
  };
  for (const Case& one : cases) {
    TlsWorld world(TlsDemand::offered);
    TestHost& host = world.add_host(kFirst, with_certificate(one.certificate));
    world.add_route("mx.example.org", 10, kFirst);
    auto tls = std::make_shared<HostTls>();
    tls->kind = TlsPolicyKind::sts;
    tls->name = "mx.example.org";
    tls->testing = one.testing;
    world.route->hosts[0].tls = tls;
    world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    EXPECT_EQ(host.messages.size(), one.delivered ? 1U : 0U) << one.certificate;
    EXPECT_EQ(world.deliverer->stats().tls.of(TlsPolicyKind::sts, one.result), 1U)
        << one.certificate << name_of(one.result);
  }
}

TEST(DeliverTls, AHostThatATestedPolicyDoesNotNameIsCounted) {
  TlsWorld world(TlsDemand::offered);
  TestHost& host = world.add_host(kFirst, with_certificate("good:mx.example.org"));
  world.add_route("mx.example.org", 10, kFirst);
  auto tls = std::make_shared<HostTls>();
  tls->kind = TlsPolicyKind::sts;
  tls->testing = tls->stranger = true;
  world.route->hosts[0].tls = tls;
  world.add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.messages.size(), 1U);
  EXPECT_EQ(world.deliverer->stats().tls.of(TlsPolicyKind::sts, TlsFailure::validation_failure),
            1U);
}

}  // namespace
}  // namespace ringpost::deliver
