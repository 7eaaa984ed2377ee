#include "net/ingest/session_slots.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ringpost::ingest {
namespace {

constexpr std::uint32_t kNobody = SessionSlots::kNoGroup;

TEST(SessionSlots, GroupsHaveTheirMostAndTheirOwn) {
  SessionSlots slots(5);
  const std::uint32_t inside = slots.group("inside");
  const std::uint32_t partners = slots.group("partners");
  slots.set_limits(5, {{"inside", SessionSlots::kNoLimit, 2}, {"partners", 2, 0}});
  EXPECT_TRUE(slots.take(partners));
  EXPECT_TRUE(slots.take(partners));
  EXPECT_FALSE(slots.take(partners)) << "the most of a group";
  EXPECT_TRUE(slots.take(kNobody));
  EXPECT_FALSE(slots.take(kNobody)) << "two are kept for the other group";
  EXPECT_TRUE(slots.take(inside));
  EXPECT_FALSE(slots.take(kNobody));
  EXPECT_TRUE(slots.take(inside));
  EXPECT_FALSE(slots.take(inside)) << "the most in all";
  slots.give_back(partners);
  EXPECT_TRUE(slots.take(inside)) << "beyond what is reserved as anybody";
  EXPECT_EQ(slots.used(), 5U);
  EXPECT_EQ(slots.used_by(inside), 3U);
}

TEST(SessionSlots, LimitsChangeAndUsesStay) {
  SessionSlots slots(10);
  const std::uint32_t group = slots.group("g");
  EXPECT_EQ(slots.group("g"), group);
  EXPECT_TRUE(slots.take(group));
  EXPECT_TRUE(slots.take(group));
  slots.set_limits(10, {{"new", 1, 0}, {"g", 1, 0}});
  EXPECT_FALSE(slots.take(group));
  slots.give_back(group);
  EXPECT_FALSE(slots.take(group));
  slots.set_limits(10, {});
  EXPECT_TRUE(slots.take(group)) << "a group that is gone limits nobody";
  slots.set_limits(1, {});
  EXPECT_FALSE(slots.take(kNobody));
}

TEST(SessionSlots, MovesKeepTheCount) {
  SessionSlots slots(2);
  const std::uint32_t full = slots.group("full");
  slots.set_limits(2, {{"full", 1, 0}});
  ASSERT_TRUE(slots.take(full));
  ASSERT_TRUE(slots.take(kNobody));
  EXPECT_FALSE(slots.move(kNobody, full));
  EXPECT_TRUE(slots.move(full, kNobody));
  EXPECT_TRUE(slots.move(kNobody, full));
  EXPECT_EQ(slots.used(), 2U);
  EXPECT_EQ(slots.used_by(full), 1U);
}

TEST(SessionSlots, ThreadsNeverTakeMoreThanThereAre) {
  SessionSlots slots(7);
  const std::uint32_t group = slots.group("g");
  slots.set_limits(7, {{"g", 3, 2}});
  std::vector<std::thread> threads;
  std::atomic<int> excess{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 2'000; ++round) {
        const std::uint32_t mine = i % 2 == 0 ? group : kNobody;
        if (slots.take(mine)) {
          excess += slots.used() > 7 || slots.used_by(group) > 3 ? 1 : 0;
          slots.give_back(mine);
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(excess, 0);
  EXPECT_EQ(slots.used(), 0U);
}

}  // namespace
}  // namespace ringpost::ingest
