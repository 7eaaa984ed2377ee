#include "bench/tools/content.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "bench/tools/stats.h"

namespace ringpost::tools {
namespace {

/// What DotReader makes of `wire` fed in pieces of `step`; the rest after the end in `left`.
std::string read_back(std::string_view wire, std::size_t step, std::string* left = nullptr) {
  DotReader reader;
  reader.reset();
  std::string content;
  std::string rest;
  for (std::size_t at = 0; at < wire.size(); at += step) {
    const std::string_view piece = wire.substr(at, step);
    const std::size_t used = reader.feed(piece, [&](std::string_view run) { content += run; });
    rest += piece.substr(used);
  }
  EXPECT_TRUE(reader.done());
  if (left != nullptr) {
    *left = rest;
  }
  return content;
}

TEST(DotReader, UndoesStuffingWhereverTheStreamIsCut) {
  const std::string content =
      ".dot\r\n..two\r\n\r\n.\r\nmid.dot\r\nlone\rcr\r\n.\rx\r\nbare\n.lf\r\n";
  const std::string wire = to_wire(content);
  for (std::size_t step = 1; step <= wire.size(); ++step) {
    EXPECT_EQ(content, read_back(wire, step)) << "pieces of " << step;
  }
}

TEST(DotReader, LeavesWhatFollowsTheEnd) {
  std::string left;
  EXPECT_EQ("a\r\n", read_back("a\r\n.\r\nQUIT\r\n", 1000, &left));
  EXPECT_EQ("QUIT\r\n", left);
  EXPECT_EQ("", read_back(".\r\nQUIT\r\n", 1, &left));
  EXPECT_EQ("QUIT\r\n", left);
}

TEST(DotReader, BareLineFeedsDoNotEndTheMessage) {
  std::string left;
  EXPECT_EQ("a\n.\r\nb\r\n", read_back("a\n.\r\nb\r\n.\r\n", 3, &left));
  EXPECT_EQ("a\r\n\nb\r\n", read_back("a\r\n.\nb\r\n.\r\n", 1, &left));
}

TEST(ToWire, StuffsAndEnds) {
  EXPECT_EQ("..\r\n.\r\n", to_wire("."));
  EXPECT_EQ("a\r\n.\r\n", to_wire("a"));
  EXPECT_EQ(".\r\n", to_wire(""));
}

TEST(ContentDigest, IgnoresWhatRelaysPutBefore) {
  const std::string message = std::string(kIdField) + "abc-1\r\nSubject: x\r\n\r\nbody\r\n";
  const std::string relayed = "Received: from a\r\n\tby b\r\n" + message;
  EXPECT_EQ(content_hash(message), content_hash(relayed));
  EXPECT_NE(content_hash(message), content_hash(message + "\r\n"));
  for (std::size_t step = 1; step < relayed.size(); ++step) {
    ContentDigest digest;
    digest.reset(true);
    for (std::size_t at = 0; at < relayed.size(); at += step) {
      digest.update(std::string_view(relayed).substr(at, step));
    }
    digest.finish();
    EXPECT_EQ("abc-1", digest.id());
    EXPECT_EQ(content_hash(message), digest.hash());
    EXPECT_EQ(relayed.size(), digest.size());
  }
}

TEST(ContentDigest, CountsAMissingLastLineEndAsPresent) {
  const std::string open = std::string(kIdField) + "abc\r\n\r\nno end";
  EXPECT_EQ(content_hash(open), content_hash(open + "\r\n"));
  EXPECT_NE(content_hash(open), content_hash(open + "\n"));
}

TEST(ContentDigest, TheFieldCountsOnlyInTheHeaderAtALineStart) {
  ContentDigest digest;
  digest.reset(true);
  digest.update("Subject: X-Ringpost-Load-Id: no\r\n\r\nX-Ringpost-Load-Id: body\r\n");
  digest.finish();
  // The whole arrived in one piece: the body line must not be taken for the field.
  EXPECT_EQ("-", digest.id());
}

TEST(Histogram, QuantilesAreWithinABucket) {
  Histogram histogram;
  for (int i = 1; i <= 1000; ++i) {
    histogram.add(i * 1000);
  }
  EXPECT_EQ(1000U, histogram.count());
  EXPECT_NEAR(500'000, static_cast<double>(histogram.quantile_ns(0.5)), 20'000);
  EXPECT_NEAR(990'000, static_cast<double>(histogram.quantile_ns(0.99)), 35'000);
  EXPECT_EQ(1'000'000, histogram.quantile_ns(1.0));
  Histogram other;
  other.add(5'000'000);
  histogram.merge(other);
  EXPECT_EQ(5'000'000, histogram.max_ns());
  EXPECT_EQ(0, Histogram().quantile_ns(0.5));
}

}  // namespace
}  // namespace ringpost::tools
