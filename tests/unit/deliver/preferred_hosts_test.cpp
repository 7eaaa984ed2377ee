#include <gtest/gtest.h>

#include "tests/unit/deliver/deliver_world.h"

// Which of several hosts, and of several source addresses, a connection goes to and leaves from.

namespace ringpost::deliver {
namespace {

constexpr const char* kPreferred = "192.0.2.1";
constexpr const char* kLesser = "192.0.2.2";

TEST(PreferredHosts, BackupHostsTakeOverAndGiveBack) {
  DeliverWorld world;
  TestHost& spare = world.add_host(kLesser);
  world.add_route("spare.example.net", 0, kLesser);
  std::swap(world.route, world.backup_route);
  world.route = std::make_shared<Route>();
  world.add_route("mx.example.org", 10, kPreferred);  // nobody is there
  world.policy->backup = std::make_shared<QueuePolicy>(*world.policy);
  world.add_message("x: y\r\n\r\n", {"a@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.messages[0].facts.host, "spare.example.net");
  const std::uint64_t failed = world.deliverer->stats().connects_failed;
  EXPECT_EQ(failed, 1U);
  // Known to be down, the own host is left alone for a while.
  world.add_message("x: y\r\n\r\n", {"b@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(spare.messages.size(), 2U);
  EXPECT_EQ(world.deliverer->stats().connects_failed, failed);
  // It is back, and the memory of its failure has faded.
  TestHost& own = world.add_host(kPreferred);
  bool passed = false;
  world.world.after(Duration::minutes(6), [&passed] { passed = true; });
  ASSERT_TRUE(world.run_until([&passed] { return passed; }));
  world.add_message("x: y\r\n\r\n", {"c@example.org"});
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(own.messages.size(), 1U);
  EXPECT_EQ(spare.messages.size(), 2U);
}

TEST(PreferredHosts, ConnectionsOfAQueueLeaveFromEachSourceInTurn) {
  DeliverWorld world;
  world.add_host(kPreferred);
  world.add_route("mx.example.org", 10, kPreferred);
  world.policy->sources = {{IpAddress::v4(203, 0, 113, 1), "one"},
                           {IpAddress::v4(203, 0, 113, 2), "two"},
                           {IpAddress::v4(203, 0, 113, 3), "three"}};
  std::string used;
  for (int i = 0; i < 7; ++i) {
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    used += world.messages.back().facts.local.text().back();
  }
  EXPECT_NE(std::string("1231231231").find(used), std::string::npos) << used;
}

/// A message every ten seconds for that long, over one connection as long as there is one.
void deliver_steadily(DeliverWorld& world, Duration how_long) {
  const Instant end = world.loop->now().instant + how_long;
  std::function<void()> next = [&] {
    world.add_message("x: y\r\n\r\n", {"a@example.org"});
    ASSERT_TRUE(world.deliverer->offer({DeliverWorld::kQueue}) || world.open());
    if (world.loop->now().instant + Duration::seconds(10) < end) {
      world.world.after(Duration::seconds(10), [&next] { next(); });
    }
  };
  next();
  ASSERT_TRUE(world.run_until([&] { return world.loop->now().instant >= end; }));
}

// However busy the connection to the lesser host is.
TEST(PreferredHosts, MailGoesBackToAPreferredHostThatWasAway) {
  for (const bool backup : {false, true}) {
    SCOPED_TRACE(backup);
    DeliverWorld world;
    world.policy->idle_timeout = Duration::minutes(1);
    TestHost& lesser = world.add_host(kLesser);
    if (backup) {
      world.add_route("spare.example.net", 0, kLesser);
      std::swap(world.route, world.backup_route);
      world.route = std::make_shared<Route>();
      world.policy->backup = std::make_shared<QueuePolicy>(*world.policy);
    }
    world.add_route("mx1.example.org", 10, kPreferred);  // nobody is there
    if (!backup) {
      world.add_route("mx2.example.org", 20, kLesser);
    }
    deliver_steadily(world, Duration::minutes(17));
    const std::size_t by_lesser = lesser.messages.size();
    EXPECT_GE(by_lesser, 17U * 6) << "it serves meanwhile";
    const std::uint64_t failed = world.deliverer->stats().connects_failed;
    EXPECT_GE(failed, 3U) << "it is looked after";
    EXPECT_LE(failed, 4U);
    EXPECT_LE(lesser.connections, 4U);
    TestHost& preferred = world.add_host(kPreferred);
    deliver_steadily(world, Duration::minutes(7));
    EXPECT_GE(preferred.messages.size(), 6U);
    const std::size_t at_the_end = lesser.messages.size();
    deliver_steadily(world, Duration::minutes(3));
    EXPECT_EQ(lesser.messages.size(), at_the_end);
    EXPECT_EQ(world.deliverer->stats().connects_failed, failed);
    for (const auto& message : world.messages) {
      EXPECT_LE(message.finished, 1);
    }
    ASSERT_TRUE(world.run());
    EXPECT_EQ(lesser.messages.size() + preferred.messages.size(), world.messages.size());
  }
}

}  // namespace
}  // namespace ringpost::deliver
