#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/smtp/reply_parser.h"

namespace ringpost::smtp {

namespace {

struct Parsed {
  std::vector<Reply> replies;
  std::vector<std::string> texts;
  ReplyError error = ReplyError::none;
};

Parsed parse(std::string_view bytes, std::size_t piece) {
  ReplyParser parser;
  Parsed out;
  while (!bytes.empty()) {
    std::string_view part = bytes.substr(0, piece);
    while (!part.empty()) {
      const ReplyParser::Step step = parser.feed(part);
      EXPECT_GT(step.consumed, 0U);
      bytes.remove_prefix(step.consumed);
      part.remove_prefix(step.consumed);
      if (step.event == ReplyParser::Event::reply) {
        out.replies.push_back(parser.reply());
        out.texts.emplace_back(parser.reply().text);
      } else if (step.event == ReplyParser::Event::error) {
        out.error = parser.error();
        return out;
      }
    }
  }
  return out;
}

Parsed parse(std::string_view bytes) { return parse(bytes, bytes.size() + 1); }

TEST(EnhancedStatus, IsReadOnlyWhereItFitsTheReply) {
  const EnhancedStatus status = read_enhanced_status("5.1.1 no such user", 550);
  EXPECT_EQ(status, (EnhancedStatus{5, 1, 1}));
  EXPECT_EQ(read_enhanced_status("4.123.999", 451), (EnhancedStatus{4, 123, 999}));
  EXPECT_FALSE(read_enhanced_status("4.1.1 no such user", 550).known());
  EXPECT_FALSE(read_enhanced_status("5.1.1: no", 550).known());
  EXPECT_FALSE(read_enhanced_status("5.1234.1 no", 550).known());
  EXPECT_FALSE(read_enhanced_status("5.1.", 550).known());
  EXPECT_FALSE(read_enhanced_status("5..1 x", 550).known());
  EXPECT_FALSE(read_enhanced_status("", 550).known());
}

TEST(ReplyParser, JoinsLinesHoweverBytesAreCut) {
  const std::string bytes = "250-2.1.0 first\r\n250-\r\n250 last\r\n550 5.1.1 no\n354\r\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    const Parsed parsed = parse(bytes, piece);
    ASSERT_EQ(parsed.error, ReplyError::none);
    ASSERT_EQ(parsed.replies.size(), 3U) << piece;
    EXPECT_EQ(parsed.replies[0].code, 250);
    EXPECT_EQ(parsed.replies[0].status, (EnhancedStatus{2, 1, 0}));
    EXPECT_EQ(parsed.texts[0], "2.1.0 first last");
    EXPECT_EQ(parsed.replies[1].code, 550);
    EXPECT_EQ(parsed.texts[1], "5.1.1 no");
    EXPECT_EQ(parsed.replies[2].code, 354);
    EXPECT_EQ(parsed.texts[2], "");
  }
}

TEST(ReplyParser, RefusesWhatIsNoReply) {
  for (const char* bad : {"hello\r\n", "25 x\r\n", "150 x\r\n", "650 x\r\n", "2x0 y\r\n",
                          "250_x\r\n", "\r\n", "\n", "2500 x\r\n", " 250 x\r\n"}) {
    EXPECT_EQ(parse(bad).error, ReplyError::bad_code) << bad;
  }
  EXPECT_EQ(parse("250-a\r\n251 b\r\n").error, ReplyError::code_changed);
}

TEST(ReplyParser, StaysAtItsError) {
  ReplyParser parser;
  EXPECT_EQ(parser.feed("nonsense\r\n").event, ReplyParser::Event::error);
  EXPECT_EQ(parser.feed("250 fine\r\n").event, ReplyParser::Event::error);
  EXPECT_EQ(parser.error(), ReplyError::bad_code);
}

TEST(ReplyParser, KeepsItsLimits) {
  const std::string longest = "250 " + std::string(kReplyLineMax - 6, 'x') + "\r\n";
  ASSERT_EQ(longest.size(), kReplyLineMax);
  const Parsed parsed = parse(longest);
  ASSERT_EQ(parsed.replies.size(), 1U);
  EXPECT_EQ(parsed.texts[0].size(), kReplyLineKept - 4);
  EXPECT_EQ(parse("250 " + std::string(kReplyLineMax - 5, 'x') + "\r\n").error,
            ReplyError::line_too_long);
  EXPECT_EQ(parse(std::string(kReplyLineMax + 1, '2')).error, ReplyError::line_too_long);

  std::string lines;
  for (std::size_t i = 1; i < kReplyLinesMax; ++i) {
    lines += "250-x\r\n";
  }
  EXPECT_EQ(parse(lines + "250 x\r\n").replies.size(), 1U);
  EXPECT_EQ(parse(lines + "250-x\r\n250 x\r\n").error, ReplyError::reply_too_long);

  std::string large;
  while (large.size() <= kReplyBytesMax) {
    large += "250-" + std::string(2000, 'y') + "\r\n";
  }
  EXPECT_EQ(parse(large).error, ReplyError::reply_too_long);
}

TEST(ReplyParser, ReplacesControlOctets) {
  const Parsed parsed = parse(std::string_view("250 a\0b\x1b[2J\tc\r\n", 15));
  ASSERT_EQ(parsed.texts.size(), 1U);
  EXPECT_EQ(parsed.texts[0], "a?b?[2J c");
}

TEST(ReplyParser, TellsWhetherItIsInsideAReply) {
  ReplyParser parser;
  EXPECT_FALSE(parser.in_reply());
  parser.feed("25");
  EXPECT_TRUE(parser.in_reply());
  parser.feed("0 x\r\n");
  EXPECT_FALSE(parser.in_reply());
}

}  // namespace

}  // namespace ringpost::smtp
