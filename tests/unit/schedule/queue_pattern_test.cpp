#include "core/schedule/queue_pattern.h"

#include <gtest/gtest.h>

namespace ringpost::schedule {
namespace {

QueuePattern parsed(std::string_view text) { return *QueuePattern::parse(text); }

TEST(Glob, MatchesRunsWithoutRegardToCase) {
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("GMAIL.com", "gmail.COM"));
  EXPECT_TRUE(glob_matches("*.example.com", "a.b.example.com"));
  EXPECT_FALSE(glob_matches("*.example.com", "example.com"));
  EXPECT_TRUE(glob_matches("a*b*c", "aXbYbZc"));
  EXPECT_FALSE(glob_matches("a*b*c", "aXbYbZ"));
  EXPECT_FALSE(glob_matches("", "x"));
  EXPECT_TRUE(glob_matches("***", "x"));
}

TEST(QueuePatterns, ParseWhatOperatorsWrite) {
  EXPECT_EQ(parsed("gmail.com").text(), "gmail.com/*");
  EXPECT_EQ(parsed("gmail.com/v1").text(), "gmail.com/v1");
  EXPECT_TRUE(parsed("gmail.com/v1").literal());
  EXPECT_FALSE(parsed("gmail.com").literal());
  for (const char* bad : {"", "/", "a/", "/b", "a/b/c", "a b", "a\n/b"}) {
    const auto result = QueuePattern::parse(bad);
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_EQ(result.error().code, ErrorCode::invalid);
  }
  EXPECT_FALSE(QueuePattern::parse(std::string(300, 'x')).ok());
}

TEST(QueueHash, DisregardsCaseAndTellsNameFromVmta) {
  EXPECT_EQ(queue_hash("Example.COM", "V1"), queue_hash("example.com", "v1"));
  EXPECT_NE(queue_hash("example.com", "v1"), queue_hash("example.com", "v2"));
  EXPECT_NE(queue_hash("ab", "c"), queue_hash("a", "bc"));
  const std::string lengthy(200, 'A');
  EXPECT_EQ(queue_hash(lengthy, "v"), queue_hash(std::string(200, 'a'), "v"));
}

TEST(PauseRules, LaterRulesPrevail) {
  PauseRules rules;
  ASSERT_TRUE(rules.add(parsed("*"), true));
  ASSERT_TRUE(rules.add(parsed("gmail.com"), false));
  EXPECT_TRUE(rules.paused("aol.com", "v1"));
  EXPECT_FALSE(rules.paused("gmail.com", "v1"));
  ASSERT_TRUE(rules.add(parsed("gmail.com/v2"), true));
  EXPECT_TRUE(rules.paused("gmail.com", "v2"));
  EXPECT_FALSE(rules.paused("gmail.com", "v1"));
}

TEST(PauseRules, ForgetWhatALaterRuleCovers) {
  PauseRules rules;
  ASSERT_TRUE(rules.add(parsed("a.com"), true));
  ASSERT_TRUE(rules.add(parsed("b.com"), true));
  ASSERT_TRUE(rules.add(parsed("a.com"), false));
  EXPECT_FALSE(rules.paused("a.com", "v"));
  ASSERT_TRUE(rules.add(parsed("*"), false));
  EXPECT_TRUE(rules.rules().empty());
}

TEST(PauseRules, SurviveARestart) {
  PauseRules rules;
  ASSERT_TRUE(rules.add(parsed("*/v1"), true));
  ASSERT_TRUE(rules.add(parsed("gmail.com/v1"), false));
  PauseRules again;
  ASSERT_TRUE(again.restore(rules.serialized()));
  EXPECT_TRUE(again.paused("aol.com", "v1"));
  EXPECT_FALSE(again.paused("gmail.com", "v1"));
  EXPECT_FALSE(again.paused("aol.com", "v2"));
  EXPECT_EQ(again.serialized(), rules.serialized());
}

TEST(PauseRules, AFaultyListChangesNothingAndNamesTheLine) {
  PauseRules rules;
  ASSERT_TRUE(rules.add(parsed("a.com"), true));
  const Status bad = rules.restore("pause b.com\nhalt c.com\n");
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.error().detail.find("line 2"), std::string::npos);
  EXPECT_TRUE(rules.paused("a.com", "v"));
  EXPECT_FALSE(rules.paused("b.com", "v"));
}

TEST(PauseRules, AreBounded) {
  PauseRules rules;
  for (std::size_t i = 0; i < PauseRules::kMax; ++i) {
    ASSERT_TRUE(rules.add(parsed("d" + std::to_string(i) + ".com/v"), true));
  }
  const Status full = rules.add(parsed("one-more.com/v"), true);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::no_capacity);
}

}  // namespace
}  // namespace ringpost::schedule
