#include "core/app/move_rules.h"

#include <gtest/gtest.h>

namespace ringpost::app {
namespace {

constexpr WallTime kGiven{1'800'000'000'000'000};

MoveRule priority(const char* queues, const char* job, std::uint8_t value) {
  MoveRule rule;
  rule.queues = *schedule::QueuePattern::parse(queues);
  rule.job = job;
  rule.priority = value;
  rule.before = kGiven;
  return rule;
}

MoveRule move(const char* queues, const char* vmta) {
  MoveRule rule;
  rule.queues = *schedule::QueuePattern::parse(queues);
  rule.vmta = vmta;
  rule.before = kGiven;
  return rule;
}

TEST(MoveRules, PrioritiesAndMovesComeBackInTheirOrder) {
  MoveRules rules;
  ASSERT_TRUE(rules.add(priority("a.example/*", "news 7", 80), kGiven));
  ASSERT_TRUE(rules.add(move("a.example/v1", "v2"), kGiven));
  ASSERT_TRUE(rules.add(priority("*", "*", 0), kGiven));
  MoveRules again;
  ASSERT_TRUE(again.restore(rules.serialized(), kGiven));
  EXPECT_EQ(again.serialized(), rules.serialized());
  ASSERT_EQ(again.rules().size(), rules.rules().size());
  EXPECT_EQ(again.rules().front().vmta, "v2") << "all priorities are covered by the last one";
  EXPECT_EQ(again.rules().back().priority, 0);
  EXPECT_TRUE(again.concern(kGiven));
  EXPECT_FALSE(again.concern({kGiven.us + 1}));
}

TEST(MoveRules, APriorityReplacesThoseItCoversUnlessMailMovedSince) {
  MoveRules rules;
  ASSERT_TRUE(rules.add(priority("a.example/v1", "j1", 10), kGiven));
  ASSERT_TRUE(rules.add(priority("a.example/v1", "j2", 20), kGiven));
  ASSERT_TRUE(rules.add(priority("a.example/*", "j*", 30), kGiven));
  EXPECT_EQ(rules.rules().size(), 1U);
  EXPECT_EQ(rules.rules()[0].serial, 2U) << "numbers are not used again";
  ASSERT_TRUE(rules.add(move("a.example/v1", "v2"), kGiven));
  ASSERT_TRUE(rules.add(priority("a.example/*", "j*", 40), kGiven));
  EXPECT_EQ(rules.rules().size(), 3U) << "what went to other queues keeps what it had";
  ASSERT_TRUE(rules.add(priority("*", "j*", 50), kGiven));
  EXPECT_EQ(rules.rules().size(), 2U);
  EXPECT_EQ(rules.next_serial(), 6U);
  for (std::size_t i = 0; i < MoveRules::kMax * 2; ++i) {
    ASSERT_TRUE(rules.add(priority("*", "*", static_cast<std::uint8_t>(i % 101)), kGiven));
  }
}

MoveRule at_once(const char* queues, const char* job = nullptr) {
  MoveRule rule;
  rule.at_once = true;
  rule.by_job = job != nullptr;
  rule.job = job != nullptr ? job : "";
  rule.queues = *schedule::QueuePattern::parse(queues);
  rule.before = kGiven;
  return rule;
}

TEST(MoveRules, WhatIsDueComesBackInItsOrder) {
  MoveRules rules;
  MoveRule rolled = at_once("big.rollup/v1");
  rolled.add_rolled({{"a.example", "big.rollup"}});
  ASSERT_TRUE(rules.add(rolled, kGiven));
  ASSERT_TRUE(rules.add(move("a.example/v1", "v2"), kGiven));
  ASSERT_TRUE(rules.add(at_once("*", "news*"), kGiven));
  MoveRules again;
  ASSERT_TRUE(again.restore(rules.serialized(), kGiven));
  EXPECT_EQ(again.serialized(), rules.serialized());
  ASSERT_EQ(again.rules().size(), 3U);
  EXPECT_TRUE(again.rules()[0].at_once);
  EXPECT_EQ(again.rules()[0].queues.text(), "big.rollup/v1");
  EXPECT_EQ(again.rules()[0].shared_queue_of("a.example"), "big.rollup");
  EXPECT_FALSE(again.rules()[1].at_once);
  EXPECT_TRUE(again.rules()[2].by_job);
  EXPECT_TRUE(again.rules()[2].may_concern(kGiven, "news 7"));
  EXPECT_FALSE(again.rules()[2].may_concern({kGiven.us + 1}, "news 7"));
  EXPECT_FALSE(again.restore("schedule-queue\ta.example/v1\tv2\t\t1\n", kGiven))
      << "it goes nowhere";
}

TEST(MoveRules, WhatIsDueReplacesWhatItCoversAndIsBounded) {
  MoveRules rules;
  MoveRule first = at_once("a.example/v1");
  first.add_rolled({{"b.example", "a.example"}});
  ASSERT_TRUE(rules.add(first, kGiven));
  ASSERT_TRUE(rules.add(at_once("*", "j1"), kGiven));
  ASSERT_TRUE(rules.add(priority("a.example/v1", "*", 10), kGiven));
  ASSERT_TRUE(rules.add(at_once("a.example/*"), kGiven));
  EXPECT_EQ(rules.rules().size(), 3U) << "neither the job nor the priority is covered";
  EXPECT_EQ(rules.rules().back().shared_queue_of("b.example"), "a.example");
  ASSERT_TRUE(rules.add(move("a.example/v1", "v2"), kGiven));
  ASSERT_TRUE(rules.add(at_once("a.example/*"), kGiven));
  EXPECT_EQ(rules.rules().size(), 5U) << "what moved may wait elsewhere";
  ASSERT_TRUE(rules.add(at_once("*"), kGiven));
  EXPECT_EQ(rules.rules().size(), 3U) << "the priority, the move and this";
  for (std::size_t i = 1; i < MoveRules::kMax; ++i) {
    ASSERT_TRUE(rules.add(at_once(("d" + std::to_string(i)).c_str()), kGiven));
  }
  EXPECT_FALSE(rules.add(at_once("more.example"), kGiven));
  EXPECT_TRUE(rules.add(move("b.example/v1", "v2"), kGiven)) << "these are counted apart";
  EXPECT_TRUE(rules.add(at_once("*"), kGiven));
  const WallTime late = kGiven + MoveRules::kLifeAtOnce + Duration::seconds(1);
  MoveRule next = at_once("a.example");
  next.before = late;
  ASSERT_TRUE(rules.add(next, late));
  EXPECT_EQ(rules.rules().size(), 4U) << "the old one is over, a priority and two moves are not";
}

TEST(MoveRules, AMoveKnowsWhoseMailWasInSharedQueues) {
  MoveRule rule = move("big.rollup/v1", "v2");
  EXPECT_TRUE(rule.add_rolled({{"b.example", "big.rollup"}, {"a.example", "big.rollup"}}));
  EXPECT_FALSE(rule.add_rolled({{"a.example", "big.rollup"}})) << "it is known";
  MoveRules rules;
  ASSERT_TRUE(rules.add(rule, kGiven));
  rules.learn({{"c.example", "big.rollup"}});
  MoveRules again;
  ASSERT_TRUE(again.restore(rules.serialized(), kGiven));
  EXPECT_EQ(again.serialized(), rules.serialized());
  EXPECT_EQ(again.rules()[0].shared_queue_of("c.example"), "big.rollup");
  EXPECT_EQ(again.rules()[0].shared_queue_of("bb.example"), "");
  EXPECT_FALSE(again.restore("queue\tbig.rollup/v1\tv2\t\t1\ta.example\n", kGiven));
}

TEST(MoveRules, TimeAndJobSayWhoIsMeant) {
  MoveRule by_job;
  by_job.by_job = true;
  by_job.job = "*";
  by_job.before = kGiven;
  EXPECT_TRUE(by_job.may_concern(kGiven, "j"));
  EXPECT_FALSE(by_job.may_concern(kGiven, "")) << "mail without a job is of none";
  EXPECT_FALSE(by_job.may_concern({kGiven.us + 1}, "j"));
  EXPECT_TRUE(priority("*", "*", 1).may_concern(kGiven, ""));
  EXPECT_FALSE(priority("*", "n*", 1).may_concern(kGiven, "j"));
  EXPECT_TRUE(move("*", "v").may_concern(kGiven, ""));
}

TEST(MoveRules, AFaultyLineIsNamedAndChangesNothing) {
  MoveRules rules;
  ASSERT_TRUE(rules.add(priority("*", "*", 7), kGiven));
  const std::string before = rules.serialized();
  for (const char* line :
       {"priority\t*/*\t*\t101\t1\n", "priority\t*/*\t\t5\t1\n", "priority\ta/b/c\t*\t5\t1\n",
        "priority\t*/*\t*\t5\n", "priority\t*/*\t*\tx\t1\n", "rank\t*/*\t*\t5\t1\n"}) {
    const Status restored = rules.restore(std::string("\n") + line, kGiven);
    ASSERT_FALSE(restored) << line;
    EXPECT_EQ(restored.error().detail.find("line 2: "), 0U) << restored.error().detail;
    EXPECT_EQ(rules.serialized(), before);
  }
}

}  // namespace
}  // namespace ringpost::app
