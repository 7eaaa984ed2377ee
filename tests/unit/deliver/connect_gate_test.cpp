#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/deliver/deliver_world.h"

// How sessions heed limits on connections to single hosts.

namespace ringpost::deliver {
namespace {

constexpr const char* kFirstHost = "192.0.2.1";
constexpr const char* kEqualHost = "192.0.2.2";
constexpr const char* kLowerHost = "192.0.2.3";

/// So many connections to each address at a time.
class FakeGate final : public ConnectGate {
 public:
  bool may_connect_again(QueueId, Now) override { return leaves > 0 && leaves-- > 0; }
  bool may_connect_to(QueueId, const ConnectWay& way, ConnectPermit& permit, Now now) override {
    EXPECT_EQ(permit.since, Instant{}) << "it holds a permit already";
    asked.push_back(way.remote.text());
    if (open[way.remote.text()] >= most[way.remote.text()]) {
      return false;
    }
    ++open[way.remote.text()];
    permit.since = now.instant;
    permit.own[0] = way.remote.octets[3];
    return true;
  }
  void disconnected(QueueId, ConnectPermit& permit, Now) override {
    if (permit.own[0] != 0) {
      --open["192.0.2." + std::to_string(permit.own[0])];
    }
    permit = {};
  }
  bool gives_way(ConnectPermit&, bool idle, Now) override { return idle ? idle_gives : busy_gives; }
  void way_seen(QueueId, const ConnectWay& way) override {
    seen.push_back(std::string(way.host) + " " + way.remote.text());
  }
  void scouted(QueueId, SessionEnd end, const Outcome&, std::string_view, Now) override {
    scouts.push_back(end);
  }

  int leaves = 1000;  ///< for connections beside the first one of a session
  std::map<std::string, int> most;
  std::map<std::string, int> open;
  std::vector<std::string> asked;
  std::vector<std::string> seen;
  std::vector<SessionEnd> scouts;
  bool idle_gives = false;
  bool busy_gives = false;
};

struct GatedWorld : DeliverWorld {
  GatedWorld() { deliverer->set_connect_gate(gate); }
  FakeGate gate;
};

TEST(ConnectGate, AFullHostIsPassedOverForItsEqualsOnly) {
  GatedWorld world;
  TestHost& first = world.add_host(kFirstHost);
  TestHost& equal = world.add_host(kEqualHost);
  TestHost& lower = world.add_host(kLowerHost);
  world.add_route("mx1.example.org", 10, kFirstHost);
  world.add_route("mx2.example.org", 10, kEqualHost);
  world.add_route("mx3.example.org", 20, kLowerHost);
  world.gate.most = {{kEqualHost, 1}, {kLowerHost, 1}};
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(equal.messages.size(), 1U);
  EXPECT_EQ(world.gate.open[kEqualHost], 0) << "given back with the connection";

  world.gate.most[kEqualHost] = 0;
  world.add_message("x: y\r\n\r\n", {"b@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.ended.back().end, SessionEnd::host_busy);
  EXPECT_EQ(world.messages[1].taken, 0);
  EXPECT_EQ(first.connections + lower.connections, 0U);
}

TEST(ConnectGate, AHostThatFailsGivesItsPermitBackAndTheNextIsAsked) {
  GatedWorld world;
  TestHost& lower = world.add_host(kLowerHost);
  world.add_route("down.example.org", 10, kFirstHost);
  world.add_route("mx3.example.org", 20, kLowerHost);
  world.gate.most = {{kFirstHost, 1}, {kLowerHost, 1}};
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(lower.messages.size(), 1U);
  EXPECT_EQ(world.gate.asked, (std::vector<std::string>{kFirstHost, kLowerHost}));
  EXPECT_EQ(world.gate.open[kFirstHost] + world.gate.open[kLowerHost], 0);
}

TestHost& add_lower_behind_two_that_are_down(GatedWorld& world) {
  TestHost& lower = world.add_host(kLowerHost);
  world.add_route("down.example.org", 10, kFirstHost);
  world.add_route("down.example.org", 10, kEqualHost);
  world.add_route("mx3.example.org", 20, kLowerHost);
  world.gate.most = {{kFirstHost, 1}, {kEqualHost, 1}, {kLowerHost, 1}};
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  return lower;
}

TEST(ConnectGate, EachAddressThatIsTriedNeedsLeave) {
  GatedWorld world;
  TestHost& lower = add_lower_behind_two_that_are_down(world);
  world.gate.leaves = 0;
  for (std::size_t tried = 1; tried <= 3; ++tried) {
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    EXPECT_EQ(world.gate.asked.size(), tried) << "one connection for one leave";
    ASSERT_EQ(world.ended.size(), tried);
    EXPECT_EQ(world.ended.back().end, tried < 3 ? SessionEnd::next_host : SessionEnd::normal);
    EXPECT_EQ(world.ended.back().failure.kind,
              tried < 3 ? OutcomeKind::deferred : OutcomeKind::pending);
  }
  EXPECT_EQ(lower.messages.size(), 1U) << "those that failed were not tried again";
}

TEST(ConnectGate, LeaveForMoreConnectionsIsUsedByOneSession) {
  GatedWorld world;
  TestHost& lower = add_lower_behind_two_that_are_down(world);
  world.gate.leaves = 2;
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(lower.messages.size(), 1U);
  EXPECT_EQ(world.gate.leaves, 0);
}

TEST(ConnectGate, WhereAllHaveFailedTheQueueIsPutOff) {
  GatedWorld world;
  world.add_route("down.example.org", 10, kFirstHost);
  world.add_route("down.example.org", 10, kEqualHost);
  world.gate.most = {{kFirstHost, 1}, {kEqualHost, 1}};
  world.gate.leaves = 0;
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.ended.back().end, SessionEnd::next_host);
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.ended.back().end, SessionEnd::unreachable);
  EXPECT_EQ(world.ended.back().failure.status, (EnhancedStatus{4, 4, 1}));
}

TEST(ConnectGate, LeaveThatLapsedBeforeTheFirstConnectionIsAskedForAnew) {
  GatedWorld world;
  TestHost& first = world.add_host(kFirstHost);
  world.add_route("mx1.example.org", 10, kFirstHost);
  world.gate.most = {{kFirstHost, 1}};
  world.gate.leaves = 0;
  world.world.run_for(Duration::seconds(1));
  world.leave_until = Instant{1};
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.ended.back().end, SessionEnd::next_host);
  EXPECT_EQ(world.ended.back().failure.kind, OutcomeKind::pending) << "no host has failed";
  EXPECT_EQ(first.connections, 0U);
  world.gate.leaves = 1;
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(first.messages.size(), 1U);
}

TEST(ConnectGate, AConnectionAgainInClearNeedsLeave) {
  GatedWorld world;
  HostManners manners;
  manners.certificate = "broken:";
  TestHost& first = world.add_host(kFirstHost, manners);
  world.add_route("mx1.example.org", 10, kFirstHost);
  world.policy->tls.demand = TlsDemand::offered;
  world.policy->tls.context = *world.tls.client_context({});
  world.policy->vmta = "vmta";
  world.gate.most = {{kFirstHost, 1}};
  world.gate.leaves = 0;
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(first.connections, 1U);
  EXPECT_EQ(world.ended.back().end, SessionEnd::next_host);
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(first.connections, 2U);
  EXPECT_EQ(first.messages.size(), 1U);
}

TEST(ConnectGate, WhatIsFullDoesNotCountAsTried) {
  GatedWorld world;
  TestHost& second = world.add_host(kEqualHost);
  world.add_route("mx1.example.org", 10, kFirstHost);
  world.add_route("mx2.example.org", 10, kEqualHost);
  world.policy->hosts_tried_max = 1;
  world.gate.most = {{kEqualHost, 1}};
  for (int i = 0; i < 8; ++i) {
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
  }
  EXPECT_EQ(second.messages.size(), 8U);
}

TEST(ConnectGate, AScoutSeesTheBestHostsAndConnectsNowhere) {
  GatedWorld world;
  TestHost& first = world.add_host(kFirstHost);
  world.add_route("mx1.example.org", 10, kFirstHost);
  world.add_route("mx3.example.org", 20, kLowerHost);
  world.gate.most = {{kFirstHost, 1}, {kLowerHost, 1}};
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.deliverer->scout({DeliverWorld::kQueue}, "example.org", world.policy));
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.gate.seen, (std::vector<std::string>{"mx1.example.org 192.0.2.1"}));
  ASSERT_EQ(world.gate.scouts.size(), 1U);
  EXPECT_EQ(world.gate.scouts[0], SessionEnd::host_busy);
  EXPECT_TRUE(world.ended.empty());
  EXPECT_TRUE(world.gate.asked.empty());
  EXPECT_EQ(first.connections, 0U);
  EXPECT_EQ(world.messages[0].taken, 0);
}

TEST(ConnectGate, AnIdleSessionGivesWayWhenAskedAnew) {
  GatedWorld world;
  world.add_host(kFirstHost);
  world.add_route("mx1.example.org", 10, kFirstHost);
  world.gate.most = {{kFirstHost, 1}};
  world.policy->idle_timeout = Duration::minutes(10);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run_until([&] { return world.messages[0].finished == 1; }));
  const Instant then = world.loop->now().instant;
  world.gate.idle_gives = true;
  bool passed = false;
  world.world.after(Duration::seconds(1), [&] {
    world.deliverer->recheck({DeliverWorld::kQueue});
    passed = true;
  });
  ASSERT_TRUE(world.run_until([&] { return passed; }));
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.ended.at(0).end, SessionEnd::normal);
  EXPECT_LT(world.loop->now().instant - then, Duration::minutes(1));
  EXPECT_EQ(world.gate.open[kFirstHost], 0);
}

TEST(ConnectGate, ABusySessionGivesWayBetweenTwoTransactions) {
  GatedWorld world;
  TestHost& host = world.add_host(kFirstHost);
  world.add_route("mx1.example.org", 10, kFirstHost);
  world.gate.most = {{kFirstHost, 1}};
  world.gate.busy_gives = true;
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.ended.at(0).end, SessionEnd::normal);
  EXPECT_EQ(host.messages.size(), 0U) << "it was asked before the first one";
  world.gate.busy_gives = false;
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(host.messages.size(), 1U);
}

}  // namespace
}  // namespace ringpost::deliver
