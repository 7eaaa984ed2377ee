#include "net/sign/body_hasher.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "net/smtp/content_scanner.h"
#include "tests/unit/sign/signing_testing.h"

namespace ringpost::sign {
namespace {

using testing::base64_of;
using testing::hashed;
using testing::stuffed;
using Begin = BodyHasher::Begin;

// Canonicalisation once more, by lines and without haste.
std::string reference(std::string_view body, Canon canon) {
  std::vector<std::string> lines;
  while (!body.empty()) {
    const auto end = body.find("\r\n");
    std::string line(body.substr(0, end));
    body.remove_prefix(end == std::string_view::npos ? body.size() : end + 2);
    if (canon == Canon::relaxed) {
      std::string reduced;
      for (const char c : line) {
        const bool blank = c == ' ' || c == '\t';
        if (!blank || reduced.empty() || reduced.back() != ' ') {
          reduced.push_back(blank ? ' ' : c);
        }
      }
      if (!reduced.empty() && reduced.back() == ' ') {
        reduced.pop_back();
      }
      line = reduced;
    }
    lines.push_back(line);
  }
  while (!lines.empty() && lines.back().empty()) {
    lines.pop_back();
  }
  std::string out;
  for (const std::string& line : lines) {
    out += line + "\r\n";
  }
  return out.empty() && canon == Canon::simple ? "\r\n" : out;
}

void expect_hash(const BodyHasher& hasher, Canon canon, std::string_view canonical) {
  EXPECT_EQ(base64_of(hasher.hash(canon).digest), base64_of(Sha256::of(canonical)))
      << name_of(canon) << ": " << canonical;
  EXPECT_EQ(hasher.hash(canon).canonical_bytes, canonical.size()) << name_of(canon);
}

void expect_reference(std::string_view body) {
  const std::string wire = stuffed(body);
  for (const std::size_t piece : {wire.size(), std::size_t{1}, std::size_t{3}, std::size_t{17}}) {
    const BodyHasher hasher = hashed(wire, Begin::body, piece);
    expect_hash(hasher, Canon::simple, reference(body, Canon::simple));
    expect_hash(hasher, Canon::relaxed, reference(body, Canon::relaxed));
  }
}

// RFC 6376 section 3.4.5.
TEST(BodyHasher, TheStandardsExample) {
  const BodyHasher hasher = hashed(stuffed(" C \r\nD \t E\r\n\r\n\r\n"), Begin::body, 100);
  expect_hash(hasher, Canon::relaxed, " C\r\nD E\r\n");
  expect_hash(hasher, Canon::simple, " C \r\nD \t E\r\n");
}

// The hashes that RFC 6376 sections 3.4.3 and 3.4.4 print for an empty body.
TEST(BodyHasher, EmptyBodies) {
  for (const std::string_view body : {"", "\r\n", "\r\n\r\n\r\n"}) {
    const BodyHasher hasher = hashed(stuffed(body), Begin::body, 2);
    EXPECT_EQ(base64_of(hasher.hash(Canon::simple).digest),
              "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
    EXPECT_EQ(base64_of(hasher.hash(Canon::relaxed).digest),
              "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  }
  // Lines of blanks are empty in the relaxed form alone.
  expect_reference(" \t\r\n  \r\n");
}

TEST(BodyHasher, OddBodies) {
  expect_reference("x\r\n");
  expect_reference("\r\n\r\nx\r\n\r\n");
  expect_reference("a\r\n \r\n\t\r\nb\r\n \r\n");
  expect_reference(".\r\n..\r\n.x\r\n. \r\nx.\r\n");
  expect_reference("a  b\tc \t d\r\n\te\r\n  f\r\n");
  expect_reference("trailing  \r\n\r\n  \r\nmore\t\r\n");
  expect_reference(std::string(5000, 'y') + "\r\n" + std::string(300, ' ') + "z\r\n");
  expect_reference("\xc3\xa4\xff\x80 \x01\r\n");
  expect_reference(std::string("nul\0octet\r\n", 11));
  std::string blank_lines;
  for (int i = 0; i < 100; ++i) {
    blank_lines += "\r\n";
  }
  expect_reference(blank_lines + "end\r\n" + blank_lines);
}

TEST(BodyHasher, NothingBehindTheFinalDotCounts) {
  const BodyHasher one = hashed("a\r\n.\r\n", Begin::body, 100);
  const BodyHasher other = hashed("a\r\n.\r\nMAIL FROM:<>\r\n", Begin::body, 2);
  EXPECT_EQ(one.hash(Canon::simple), other.hash(Canon::simple));
  EXPECT_EQ(one.hash(Canon::relaxed), other.hash(Canon::relaxed));
}

TEST(BodyHasher, ALastLineWithoutEndGetsOne) {
  expect_hash(hashed("a\r\nb", Begin::body, 1), Canon::simple, "a\r\nb\r\n");
  expect_hash(hashed("a\r\nb ", Begin::body, 1), Canon::relaxed, "a\r\nb\r\n");
}

// Octets drawn from those that matter, in pieces of all sizes.
TEST(BodyHasher, RandomBodiesHoweverCut) {
  std::mt19937 random(7);
  const std::vector<std::string> parts = {
      "\r\n", "\r\n",  " ",
      "\t",   ".",     "x",
      "word", "\r\n.", "a line of some length that fills a block"};
  for (int round = 0; round < 400; ++round) {
    std::string body;
    const std::size_t count = random() % 60;
    for (std::size_t i = 0; i < count; ++i) {
      body += parts[random() % parts.size()];
    }
    body += "\r\n";
    const std::string wire = stuffed(body);
    BodyHasher hasher;
    hasher.start({true, true}, Begin::body);
    for (std::size_t at = 0; at < wire.size();) {
      const std::size_t size = 1 + random() % (round % 50 + 1);
      hasher.feed(std::string_view(wire).substr(at, size));
      at += size;
    }
    hasher.finish();
    expect_hash(hasher, Canon::simple, reference(body, Canon::simple));
    expect_hash(hasher, Canon::relaxed, reference(body, Canon::relaxed));
    ASSERT_FALSE(::testing::Test::HasFailure()) << "round " << round;
  }
}

TEST(BodyHasher, ACopyResumes) {
  const std::string wire = stuffed("first\r\n\r\n  second \r\n\r\nthird\r\n");
  const BodyHasher whole = hashed(wire, Begin::body, wire.size());
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    BodyHasher half;
    half.start({true, true}, Begin::body);
    half.feed(std::string_view(wire).substr(0, cut));
    BodyHasher copy = half;
    half.feed("something else\r\n");
    copy.feed(std::string_view(wire).substr(cut));
    copy.finish();
    EXPECT_EQ(copy.hash(Canon::simple), whole.hash(Canon::simple)) << cut;
    EXPECT_EQ(copy.hash(Canon::relaxed), whole.hash(Canon::relaxed)) << cut;
  }
}

class NoRuns : public smtp::ContentRuns {
 public:
  void on_content(std::string_view) override {}
};

// Where the content scanner says that the body begins.
std::size_t body_begin(std::string_view wire) {
  const smtp::ContentLimits limits;
  char scratch[smtp::ContentScanner::kHeaderLookBytes];
  smtp::ContentScanner scanner;
  scanner.start(smtp::Transfer::data, smtp::BareLineEnds::refuse, limits, {}, scratch);
  NoRuns runs;
  scanner.feed(wire, runs);
  EXPECT_TRUE(scanner.ended());
  return scanner.summary().info.header_bytes;
}

// A hasher that finds the body by itself agrees with one that was told where the scanner saw it.
void expect_scanner_agrees(std::string_view content) {
  const std::string wire = stuffed(content);
  const std::string_view body = std::string_view(wire).substr(body_begin(wire));
  const BodyHasher told = hashed(body, Begin::body, wire.size());
  for (const std::size_t piece : {wire.size(), std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
    const BodyHasher found = hashed(wire, Begin::content, piece);
    EXPECT_EQ(found.hash(Canon::simple), told.hash(Canon::simple)) << piece << ": " << content;
    EXPECT_EQ(found.hash(Canon::relaxed), told.hash(Canon::relaxed)) << piece << ": " << content;
  }
}

TEST(BodyHasher, FindsTheBody) {
  expect_scanner_agrees("From: a@b\r\nSubject: x\r\n\ty\r\n\r\nbody\r\n");
  expect_scanner_agrees("From: a@b\r\n");
  expect_scanner_agrees("");
  expect_scanner_agrees("\r\nbody after an empty header section\r\n");
  expect_scanner_agrees("no header section at all\r\nFrom: a@b\r\n");
  expect_scanner_agrees("Hello\r\nworld: x\r\n");
  expect_scanner_agrees("From: a@b\r\nthe empty line is missing\r\nmore\r\n");
  expect_scanner_agrees("From: a@b\r\nShort\r\n\r\nmore\r\n");
  expect_scanner_agrees("From : a@b\r\nTo\t : c\r\n\r\nbody\r\n");
  expect_scanner_agrees(".odd: field\r\n\r\n.body\r\n");
  expect_scanner_agrees("From: a@b\r\n.\r\nbody\r\n");
  expect_scanner_agrees(" a blank first\r\n\r\nbody\r\n");
  expect_scanner_agrees("From: a@b\r\n \r\n\t\r\n\r\nbody\r\n");
  expect_scanner_agrees(": no name\r\n\r\nbody\r\n");
  expect_scanner_agrees("N\xc3\xa4me: x\r\n\r\nbody\r\n");
  expect_scanner_agrees("X: " + std::string(3000, 'v') + "\r\n\r\nbody\r\n");
}

TEST(BodyHasher, FindsTheBodyInRandomContent) {
  std::mt19937 random(11);
  const std::vector<std::string> parts = {"\r\n",    "\r\n", " ",    ":",     "\t",  ".",
                                          "From: a", "name", "To:x", "\r\n ", "text"};
  for (int round = 0; round < 600; ++round) {
    std::string content;
    const std::size_t count = random() % 14;
    for (std::size_t i = 0; i < count; ++i) {
      content += parts[random() % parts.size()];
    }
    expect_scanner_agrees(content + "\r\n");
    ASSERT_FALSE(::testing::Test::HasFailure()) << "round " << round;
  }
}

TEST(BodyHasher, IsCompact) { EXPECT_LE(sizeof(BodyHasher), 512U); }

}  // namespace
}  // namespace ringpost::sign
