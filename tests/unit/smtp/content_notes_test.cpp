#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/smtp/content_scanner.h"

namespace ringpost::smtp {
namespace {

class NoRuns final : public ContentRuns {
 public:
  void on_content(std::string_view) override {}
};

/// What the scanner notes of `content`, fed in pieces of `piece` octets.
std::string noted_of(std::string_view content, std::size_t piece,
                     const std::vector<std::string_view>& names) {
  ContentScanner scanner;
  NoRuns runs;
  const ContentLimits limits;
  std::vector<char> scratch(ContentScanner::kHeaderLookBytes);
  const std::vector<std::string_view> controls = {"x-job"};
  scanner.use_notes(names);
  // Twice: nothing stays of the message before.
  for (int round = 0; round < 2; ++round) {
    scanner.start(Transfer::data, BareLineEnds::refuse, limits, controls, scratch);
    for (std::size_t at = 0; at < content.size(); at += piece) {
      scanner.feed(content.substr(at, piece), runs);
    }
    EXPECT_TRUE(scanner.ended());
    EXPECT_EQ(scanner.fault(), ContentFault::none);
  }
  const auto& noted = scanner.summary().noted;
  return {noted.begin(), noted.size()};
}

TEST(ContentNotes, TheFirstOfEachFieldAskedFor) {
  const std::string content =
      "Received: by x\r\nSUBJECT:  Hello,\r\n\tfolded \r\n  twice\r\nX-Job: j7\r\n"
      "From: A <a@example.org>\r\nSubject: second\r\nX-Empty:\r\nX-Other: o\r\n"
      "\r\nX-Body: no\r\n.\r\n";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, content.size()}) {
    EXPECT_EQ(noted_of(content, piece, {"subject", "x-job", "from", "x-empty", "x-body"}),
              "subject:Hello, folded twice\nx-job:j7\nfrom:A <a@example.org>\nx-empty:\n")
        << piece;
    EXPECT_EQ(noted_of(content, piece, {}), "");
  }
}

TEST(ContentNotes, AreCutNeverRefused) {
  const std::string long_line(200, 'a');
  std::string content;
  for (int i = 0; i < 8; ++i) {
    content += "X-N" + std::to_string(i) + ": " + long_line + "\r\n";
  }
  content += "X-Job: j\r\n\r\n.\r\n";
  const std::string noted =
      noted_of(content, content.size(), {"x-n0", "x-n1", "x-n2", "x-n3", "x-n4"});
  EXPECT_LE(noted.size(), kNotedBytesMax);
  EXPECT_TRUE(noted.starts_with("x-n0:" + long_line + "\nx-n1:" + long_line + "\nx-n2:aaa"));
  EXPECT_TRUE(noted.ends_with("a\n"));
}

TEST(ContentNotes, ControlCharactersBecomeBlanks) {
  EXPECT_EQ(noted_of("X-N: a\x01"
                     "b\x7f"
                     "c\r\n\r\n.\r\n",
                     3, {"x-n"}),
            "x-n:a b c\n");
}

}  // namespace
}  // namespace ringpost::smtp
