#include <gtest/gtest.h>

#include "tests/unit/deliver/deliver_world.h"

// Idle connections that go on for another queue with the same settings.

namespace ringpost::deliver {
namespace {

constexpr const char* kMailHost = "192.0.2.1";

/// Counts the permits in use; a permit is known by a number.
class CountingGate final : public ConnectGate {
 public:
  bool may_connect_again(QueueId, Now) override { return true; }
  bool may_connect_to(QueueId queue, const ConnectWay&, ConnectPermit& permit, Now) override {
    EXPECT_EQ(permit.own[0], 0U);
    permit.own[0] = ++given;
    held[permit.own[0]] = queue.value;
    return true;
  }
  void disconnected(QueueId queue, ConnectPermit& permit, Now) override {
    if (permit.own[0] != 0) {
      EXPECT_EQ(held[permit.own[0]], queue.value) << "returned for another queue";
      held.erase(permit.own[0]);
    }
    permit = {};
  }
  bool gives_way(ConnectPermit&, bool, Now) override { return false; }
  void way_seen(QueueId, const ConnectWay&) override {}
  void scouted(QueueId, SessionEnd, const Outcome&, std::string_view, Now) override {}

  std::uint64_t given = 0;
  std::map<std::uint64_t, std::uint32_t> held;  ///< number to queue
};

struct HandoverWorld : DeliverWorld {
  HandoverWorld() : host(add_host(kMailHost)) {
    deliverer->set_connect_gate(gate);
    add_route("mx.example.org", 10, kMailHost);
    policy->idle_timeout = Duration::seconds(30);
  }

  /// One message of the first queue is delivered and its session idle.
  void leave_one_idle() {
    add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(open());
    ASSERT_TRUE(run_until([&] { return messages[0].finished == 1; }));
    world.run_for(Duration::seconds(1));
    ASSERT_EQ(deliverer->sessions_open(), 1U);
  }
  /// A message of the other queue, which is left to a session of that queue.
  std::size_t add_other() {
    const std::size_t number = add_message("x: z\r\n\r\n", {"b@example.net"});
    queued.pop_back();
    others_queued.push_back(number);
    return number;
  }

  TestHost& host;
  CountingGate gate;
};

TEST(Handover, AnIdleConnectionServesAnotherQueueOfTheSameSettings) {
  HandoverWorld world;
  world.leave_one_idle();
  const std::size_t other = world.add_other();
  ASSERT_TRUE(world.open_other());
  ASSERT_TRUE(world.run_until([&] { return world.messages[other].finished == 1; }));
  EXPECT_EQ(world.host.connections, 1U) << "no greeting was needed";
  EXPECT_EQ(world.messages[other].outcomes[0].kind, OutcomeKind::delivered);
  EXPECT_EQ(world.deliverer->stats().handed_over, 1U);
  EXPECT_EQ(world.established, 2) << "each queue's clock hears of the host";
  ASSERT_EQ(world.ended.size(), 1U);
  EXPECT_EQ(world.ended[0].queue, DeliverWorld::kQueue) << "its permit came back";
  EXPECT_EQ(world.ended[0].end, SessionEnd::normal);
  ASSERT_EQ(world.gate.held.size(), 1U);
  EXPECT_EQ(world.gate.held.begin()->second, DeliverWorld::kOther);
  EXPECT_FALSE(world.deliverer->offer({DeliverWorld::kQueue})) << "it is the first queue's no more";
  world.world.run_for(Duration::seconds(5));
  EXPECT_EQ(world.deliverer->sessions_open(), 1U);
  const std::size_t second = world.add_other();
  EXPECT_TRUE(world.deliverer->offer({DeliverWorld::kOther}));
  ASSERT_TRUE(world.run_until([&] { return world.messages[second].finished == 1; }));
  ASSERT_TRUE(world.run());
  ASSERT_EQ(world.ended.size(), 2U);
  EXPECT_EQ(world.ended[1].queue, DeliverWorld::kOther);
  EXPECT_TRUE(world.gate.held.empty());
  EXPECT_EQ(world.host.connections, 1U);
  EXPECT_EQ(world.host.messages.size(), 3U);
}

TEST(Handover, AConnectionWithOtherSettingsStaysWhereItIs) {
  HandoverWorld world;
  world.leave_one_idle();
  world.policy = std::make_shared<QueuePolicy>(*world.policy);  // equal, but another's
  const std::size_t other = world.add_other();
  ASSERT_TRUE(world.open_other());
  ASSERT_TRUE(world.run_until([&] { return world.messages[other].finished == 1; }));
  EXPECT_EQ(world.host.connections, 2U);
  EXPECT_EQ(world.deliverer->stats().handed_over, 0U);
  ASSERT_TRUE(world.run());
}

TEST(Handover, AConnectionKeptForAPermitStays) {
  HandoverWorld world;
  world.leave_one_idle();
  world.kept_for = Duration::seconds(3);
  const std::size_t other = world.add_other();
  ASSERT_TRUE(world.open_other());
  ASSERT_TRUE(world.run_until([&] { return world.messages[other].finished == 1; }));
  EXPECT_EQ(world.host.connections, 2U);
  world.kept_for = {};
  ASSERT_TRUE(world.run());
}

TEST(Handover, AHostWithAPolicyOfTheDestinationsOwnIsGreetedAnew) {
  HandoverWorld world;
  world.leave_one_idle();
  auto tls = std::make_shared<HostTls>();
  tls->kind = TlsPolicyKind::sts;
  tls->testing = true;
  world.route->hosts[0].tls = tls;
  const std::size_t other = world.add_other();
  ASSERT_TRUE(world.open_other());
  ASSERT_TRUE(world.run_until([&] { return world.messages[other].finished == 1; }));
  EXPECT_EQ(world.host.connections, 2U);
  EXPECT_EQ(world.deliverer->stats().handed_over, 0U);
  ASSERT_TRUE(world.run());
}

TEST(Handover, AConnectionThatBreaksDoesNotDeferItsNewQueue) {
  HandoverWorld world;
  world.leave_one_idle();
  world.host.manners.hook = [](const std::string& command) {
    return command.substr(0, 4) == "MAIL" ? std::string("CLOSE") : std::string();
  };
  const std::size_t other = world.add_other();
  ASSERT_TRUE(world.open_other());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.messages[other].outcomes[0].kind, OutcomeKind::deferred);
  ASSERT_EQ(world.ended.size(), 2U);
  EXPECT_EQ(world.ended[1].end, SessionEnd::lost) << "connect anew; the host was not unreachable";
  EXPECT_TRUE(world.gate.held.empty());
}

}  // namespace
}  // namespace ringpost::deliver
