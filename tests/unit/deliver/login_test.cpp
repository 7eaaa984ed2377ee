// Authentication at smart hosts.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/deliver/deliver_world.h"

namespace ringpost::deliver {
namespace {

constexpr const char* kSmartHost = "192.0.2.1";
constexpr const char* kSpareHost = "192.0.2.2";
constexpr const char* kGood = "AUTH PLAIN AGpvZQBzZWNyZXQ=";

struct LoginWorld : DeliverWorld {
  explicit LoginWorld(bool clear_text_ok, std::uint64_t seed = 1, sim::NetFaults faults = {})
      : DeliverWorld(seed, {}, faults) {
    policy->login =
        std::make_shared<const Login>(Login{"joe", SecretText("secret"), clear_text_ok});
  }
  TestHost& add_smart_host(const char* address, const std::string& certificate = "") {
    HostManners manners;
    manners.extensions += "|AUTH PLAIN";
    manners.certificate = certificate;
    manners.hook = [](const std::string& line) -> std::string {
      return line == kGood                      ? "235 2.7.0 welcome"
             : line.rfind("AUTH PLAIN", 0) == 0 ? "535 5.7.8 no"
                                                : "";
    };
    TestHost& host = add_host(address, std::move(manners));
    add_route("mx.example.org", 10, address);
    return host;
  }
  bool deliver() {
    add_message("Subject: x\r\n\r\nbody", {"a@example.org"});
    return open() && run();
  }
};

bool heard(const TestHost& host, const std::string& begin) {
  return std::any_of(host.commands.begin(), host.commands.end(),
                     [&](const std::string& line) { return line.rfind(begin, 0) == 0; });
}

TEST(DeliverLogin, ComesBeforeTheFirstMessage) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    sim::NetFaults faults;
    faults.segment_max = 7;
    LoginWorld world(true, seed, faults);
    TestHost& host = world.add_smart_host(kSmartHost);
    ASSERT_TRUE(world.deliver());
    ASSERT_EQ(host.messages.size(), 1U);
    EXPECT_EQ(std::count(host.commands.begin(), host.commands.end(), kGood), 1);
    EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::delivered);
  }
}

TEST(DeliverLogin, NotInClearUnlessTold) {
  LoginWorld world(false);
  TestHost& host = world.add_smart_host(kSmartHost);
  ASSERT_TRUE(world.deliver());
  EXPECT_FALSE(heard(host, "AUTH"));
  EXPECT_FALSE(heard(host, "MAIL"));
  ASSERT_EQ(world.ended.size(), 1U);
  EXPECT_EQ(world.ended[0].end, SessionEnd::unreachable);
  EXPECT_EQ(world.ended[0].failure.kind, OutcomeKind::deferred);
  EXPECT_EQ(world.ended[0].failure.phase, Phase::auth);
  EXPECT_NE(world.ended[0].text.find("without TLS"), std::string::npos) << world.ended[0].text;
  EXPECT_EQ(world.deliverer->stats().logins_refused, 1U);
}

TEST(DeliverLogin, OverTlsThatNothingElseDemands) {
  LoginWorld world(false);
  world.policy->tls.demand = TlsDemand::offered;
  world.policy->tls.context = *world.tls.client_context({});
  TestHost& host = world.add_smart_host(kSmartHost, "self:other.example");
  ASSERT_TRUE(world.deliver());
  EXPECT_EQ(host.messages.size(), 1U);
  EXPECT_EQ(host.encrypted, 1U);
}

TEST(DeliverLogin, BrokenTlsIsNotGoneRound) {
  LoginWorld world(false);
  world.policy->tls.demand = TlsDemand::offered;
  world.policy->tls.context = *world.tls.client_context({});
  TestHost& host = world.add_smart_host(kSmartHost, "broken:mx.example.org");
  ASSERT_TRUE(world.deliver());
  EXPECT_FALSE(heard(host, "AUTH"));
  EXPECT_TRUE(host.messages.empty());
  EXPECT_EQ(host.connections, 1U);
  EXPECT_EQ(world.ended.at(0).failure.phase, Phase::starttls);
}

TEST(DeliverLogin, ARefusalDefersAndTheNextHostIsAsked) {
  LoginWorld world(true);
  TestHost& strict = world.add_smart_host(kSmartHost);
  strict.manners.hook = [](const std::string& line) -> std::string {
    return line.rfind("AUTH PLAIN", 0) == 0 ? "535 5.7.8 no such user" : "";
  };
  TestHost& second = world.add_host(kSpareHost, {});
  second.manners.extensions += "|AUTH LOGIN";
  second.manners.hook = [](const std::string& line) -> std::string {
    return line == "AUTH LOGIN" ? "334 VXNlcm5hbWU6"
           : line == "am9l"     ? "334 UGFzc3dvcmQ6"
           : line == "c2VjcmV0" ? "235 ok"
                                : "";
  };
  world.add_route("mx2.example.org", 20, kSpareHost);
  ASSERT_TRUE(world.deliver());
  EXPECT_EQ(second.messages.size(), 1U);
  EXPECT_TRUE(strict.messages.empty());
  // Refused by all: the mail waits, with the words of the host.
  LoginWorld alone(true);
  TestHost& host = alone.add_smart_host(kSmartHost);
  host.manners.hook = strict.manners.hook;
  ASSERT_TRUE(alone.deliver());
  ASSERT_EQ(alone.ended.size(), 1U);
  EXPECT_EQ(alone.ended[0].failure.kind, OutcomeKind::deferred);
  EXPECT_EQ(alone.ended[0].failure.reply_code, 535);
  EXPECT_NE(alone.ended[0].text.find("AUTH: "), std::string::npos) << alone.ended[0].text;
  EXPECT_NE(alone.ended[0].text.find("no such user"), std::string::npos);
  EXPECT_EQ(alone.ended[0].text.find("secret"), std::string::npos);
  EXPECT_EQ(alone.messages[0].finished, 0);
}

}  // namespace
}  // namespace ringpost::deliver
