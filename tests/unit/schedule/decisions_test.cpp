#include "core/schedule/decisions.h"

#include <gtest/gtest.h>

#include "core/schedule/source_rules.h"

namespace ringpost::schedule {
namespace {

const Now kNow{Instant{} + Duration::hours(3), WallTime{1'800'000'000'000'000}};

Decision backoff(std::string name, std::string vmta = "v1") {
  Decision decision;
  decision.name = std::move(name);
  decision.vmta = std::move(vmta);
  decision.since = kNow.wall;
  return decision;
}

TEST(Decisions, ALineReadsBackWhateverTheTextsHold) {
  Decision one = backoff("example.com");
  one.kind = Decision::Kind::source;
  one.cause = Cause::reply;
  one.source = *IpAddress::parse("2001:db8::7");
  one.until = kNow.wall + Duration::hours(2);
  one.reply = "421 4.7.0 slow\tdown\nplease\r";
  one.pattern = "slow\\tdown|^a b$";
  one.place = "/etc/a b.conf:12";
  const std::string line = write_decision(one);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  Decision again;
  ASSERT_TRUE(read_decision(line, again)) << line;
  EXPECT_EQ(again.kind, one.kind);
  EXPECT_EQ(again.cause, one.cause);
  EXPECT_EQ(again.id(), "source:2001:db8::7:example.com/v1");
  EXPECT_EQ(again.since, one.since);
  EXPECT_EQ(again.until, one.until);
  EXPECT_EQ(again.reply, "421 4.7.0 slow down please ");
  EXPECT_EQ(again.pattern, one.pattern);
  EXPECT_EQ(again.place, one.place);
}

TEST(Decisions, WhatIsNoDecisionIsNotRead) {
  Decision out;
  for (const char* line :
       {"", "backoff", "warmup\ta\tb", "backoff\ta\t\treply\t-\t1\t0\t\t\t",
        "backoff\ta\tv\tmood\t-\t1\t0\t\t\t", "backoff\ta\tv\treply\t-\t-1\t0\t\t\t",
        "source\ta\tv\treply\t-\t1\t0\t\t\t", "backoff\ta\tv\treply\t-\t1\tsoon\t\t\t"}) {
    EXPECT_FALSE(read_decision(line, out)) << line;
  }
}

TEST(Decisions, OneOfAKindForEachQueueAndSource) {
  DecisionBook book;
  ASSERT_NE(book.add(backoff("a.com"), kNow), nullptr);
  const Decision* second = book.add(backoff("a.com", "V1"), kNow);
  EXPECT_EQ(book.size(), 1u);
  EXPECT_EQ(book.backoff_of("A.com", "v1"), second);
  EXPECT_EQ(book.backoff_of("a.com", "v2"), nullptr);
  Decision source = backoff("a.com");
  source.kind = Decision::Kind::source;
  source.source = *IpAddress::parse("192.0.2.1");
  book.add(source, kNow);
  source.source = *IpAddress::parse("192.0.2.2");
  book.add(source, kNow);
  EXPECT_EQ(book.size(), 3u);
  EXPECT_EQ(book.backoffs(), 1u);
  int sources = 0;
  book.for_sources_of("a.com", "v1", [&](const Decision&) { ++sources; });
  EXPECT_EQ(sources, 2);
  book.remove(*book.backoff_of("a.com", "v1"));
  EXPECT_EQ(book.backoffs(), 0u);
  EXPECT_EQ(book.size(), 2u);
}

TEST(Decisions, TimesComeUpInOrderAndChangesAreCounted) {
  DecisionBook book;
  Decision late = backoff("late.com");
  late.until = kNow.wall + Duration::hours(2);
  Decision soon = backoff("soon.com");
  soon.until = kNow.wall + Duration::hours(1);
  book.add(late, kNow);
  book.add(soon, kNow);
  book.add(backoff("never.com"), kNow);
  EXPECT_EQ(book.next_due(), kNow.instant + Duration::hours(1));
  EXPECT_EQ(book.due(kNow.instant + Duration::minutes(59)), nullptr);
  const Decision* due = book.due(kNow.instant + Duration::hours(3));
  ASSERT_NE(due, nullptr);
  EXPECT_EQ(due->name, "soon.com");
  const std::uint64_t before = book.changes();
  book.remove(*due);
  EXPECT_GT(book.changes(), before);
  // Given again without an end: the old time is forgotten.
  book.add(backoff("late.com"), kNow);
  EXPECT_EQ(book.next_due(), Instant::never());
}

TEST(SourceRules, NarrowerOnesAreCoveredAndTextReadsBack) {
  SourceRules rules;
  const IpAddress one = *IpAddress::parse("192.0.2.1");
  const IpAddress two = *IpAddress::parse("2001:db8::1");
  ASSERT_TRUE(rules.disable(one, *QueuePattern::parse("a.com/v1")));
  ASSERT_TRUE(rules.disable(one, *QueuePattern::parse("*/v1")));
  ASSERT_TRUE(rules.disable(one, *QueuePattern::parse("b.com/v1")));
  ASSERT_TRUE(rules.disable(two, *QueuePattern::parse("*/*")));
  EXPECT_EQ(rules.rules().size(), 2u);
  EXPECT_TRUE(rules.disabled(one, "x.com", "v1"));
  EXPECT_FALSE(rules.disabled(one, "x.com", "v2"));
  SourceRules again;
  ASSERT_TRUE(again.restore(rules.serialized()));
  EXPECT_EQ(again.serialized(), rules.serialized());
  again.enable(one, *QueuePattern::parse("a.com/v1"));
  EXPECT_TRUE(again.disabled(one, "a.com", "v1")) << "the rule for all of v1 holds";
  again.enable(one, *QueuePattern::parse("*"));
  EXPECT_FALSE(again.disabled(one, "a.com", "v1"));
  EXPECT_TRUE(again.disabled(two, "a.com", "v1"));
  EXPECT_FALSE(again.restore("192.0.2.1 */*\nnonsense\n"));
  EXPECT_TRUE(again.disabled(two, "a.com", "v1")) << "nothing changed";
}

}  // namespace
}  // namespace ringpost::schedule
