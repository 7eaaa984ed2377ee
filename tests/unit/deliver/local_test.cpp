// Mail that no host gets.

#include <gtest/gtest.h>

#include "tests/unit/deliver/deliver_world.h"

namespace ringpost::deliver {
namespace {

/// Answers in the next turn, after letting go of what was asked before it.
struct TestStore : MailStore {
  explicit TestStore(Loop& turns) : loop(turns) {}
  void store(StoreOp& op) override {
    ++stored;
    for (JobRecipient& recipient : op.job->recipients) {
      if (result == 0) {
        recipient.outcome.kind = OutcomeKind::delivered;
      }
    }
    op.reason = "disk on fire";
    loop.complete(op, result);
  }
  Loop& loop;
  std::int32_t result = 0;
  int stored = 0;
};

struct LocalWorld : DeliverWorld {
  explicit LocalWorld(DeliveryWay way, bool as_bounce = false) : store(*loop) {
    auto how = std::make_shared<LocalDelivery>();
    how->way = way;
    how->as_bounce = as_bounce;
    policy->local = how;
    for (int i = 0; i < 20; ++i) {
      add_message("Subject: x\r\n\r\nbody", {"a@example.org", "b@example.org"});
    }
  }
  TestStore store;
};

TEST(LocalDelivery, DiscardsWithoutAHost) {
  for (const bool as_bounce : {false, true}) {
    LocalWorld world(DeliveryWay::discard, as_bounce);
    ASSERT_TRUE(world.open() && world.run());
    for (const auto& message : world.messages) {
      ASSERT_EQ(message.finished, 1);
      for (const Outcome& outcome : message.outcomes) {
        EXPECT_EQ(outcome.kind, as_bounce ? OutcomeKind::bounced : OutcomeKind::delivered);
      }
      EXPECT_EQ(message.texts[0], "discarded, as the configuration says");
      EXPECT_EQ(message.facts.way, DeliveryWay::discard);
    }
    EXPECT_EQ(world.established, 1);
    ASSERT_EQ(world.ended.size(), 1U);
    EXPECT_EQ(world.ended[0].end, SessionEnd::normal);
    EXPECT_EQ(world.deliverer->stats().connects, 0U);
    EXPECT_EQ(world.deliverer->sessions_open(), 0U);
  }
}

TEST(LocalDelivery, StoresAndStopsWhereThatFails) {
  LocalWorld world(DeliveryWay::file);
  world.deliverer->set_store(world.store);
  ASSERT_TRUE(world.open() && world.run());
  EXPECT_EQ(world.store.stored, 20);
  EXPECT_EQ(world.messages[19].outcomes[1].kind, OutcomeKind::delivered);
  LocalWorld failing(DeliveryWay::file);
  failing.store.result = -28;
  failing.deliverer->set_store(failing.store);
  ASSERT_TRUE(failing.open() && failing.run());
  EXPECT_LE(failing.store.stored, 8) << "the rest waits with its queue";
  EXPECT_EQ(failing.messages[0].outcomes[1].kind, OutcomeKind::deferred);
  EXPECT_EQ(failing.messages[0].texts[1], "disk on fire");
  ASSERT_EQ(failing.ended.size(), 1U);
  EXPECT_EQ(failing.ended[0].end, SessionEnd::unreachable);
  EXPECT_EQ(failing.ended[0].text, "disk on fire");
  EXPECT_EQ(failing.established, 0);
}

TEST(LocalDelivery, WhatCannotBeReadOrStoredAnywhereWaits) {
  LocalWorld world(DeliveryWay::pipe);
  ASSERT_TRUE(world.open() && world.run());
  EXPECT_EQ(world.messages[0].outcomes[0].kind, OutcomeKind::returned);
  EXPECT_EQ(world.ended[0].end, SessionEnd::unreachable);
  LocalWorld unreadable(DeliveryWay::discard);
  unreadable.open_result = -5;
  ASSERT_TRUE(unreadable.open() && unreadable.run());
  EXPECT_EQ(unreadable.messages[19].outcomes[0].kind, OutcomeKind::deferred);
}

TEST(LocalDelivery, EndsWhenTheShardDoes) {
  LocalWorld world(DeliveryWay::discard);
  ASSERT_TRUE(world.open());
  world.deliverer->drain();
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.messages[0].taken, 0);
  EXPECT_FALSE(world.open());
}

}  // namespace
}  // namespace ringpost::deliver
