#include "net/smtp/content_scanner.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/smtp/server_content_reference.h"

namespace ringpost::smtp {
namespace {

using reference::Case;
using reference::difference;
using reference::Scan;
using reference::Scanned;

const std::vector<std::string_view> kControls = {"x-job", "x-virtual-mta"};

Case data_case() {
  Case c;
  c.controls = kControls;
  return c;
}

Case bdat_case() {
  Case c = data_case();
  c.transfer = Transfer::bdat;
  return c;
}

Scan whole(std::string_view raw, const Case& c) { return Scanned(raw, c, {}).result; }

// Compares with the twin: in one piece, cut once anywhere, and octet by octet.
void expect_twin_agrees(std::string_view raw, const Case& c) {
  EXPECT_EQ(difference(raw, c, {}), "") << raw;
  EXPECT_EQ(difference(raw, c, reference::every_octet(raw.size())), "") << raw;
  for (std::size_t cut = 1; cut < raw.size() && raw.size() < 2000; ++cut) {
    ASSERT_EQ(difference(raw, c, {cut}), "") << "cut at " << cut << " of: " << raw;
  }
}

TEST(ContentScanner, HandsDataOnAsItCame) {
  const std::string raw = "From: a@b\r\nDate: now\r\n\r\nHello\r\n..dot\r\n.\r\nRSET\r\n";
  const Scan scan = whole(raw, data_case());
  EXPECT_TRUE(scan.ended);
  EXPECT_EQ(scan.wire, raw.substr(0, raw.size() - 6));
  EXPECT_EQ(scan.facts,
            "wire=41 size=37 header=22/24 fields=2 received=0 longest=9 dots "
            "from[0,11) date[11,22)");
  expect_twin_agrees(raw, data_case());
}

TEST(ContentScanner, EmptyMessageIsItsDotLine) {
  EXPECT_EQ(whole(".\r\n", data_case()).wire, ".\r\n");
  EXPECT_EQ(whole("", bdat_case()).wire, ".\r\n");
  EXPECT_EQ(whole("", bdat_case()).facts, whole(".\r\n", data_case()).facts);
  expect_twin_agrees(".\r\n", data_case());
}

TEST(ContentScanner, OnlyCrlfDotCrlfEndsData) {
  for (const std::string_view end :
       {"\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\n.\r", "\r\n\x00.\r\n",
        "\r\n.\x00\r\n", "\r\n. \r\n", "\r\n..\r\n", "\n\n.\r\n", "\r\r\n.\n"}) {
    const std::string raw = "body" + std::string(end) + "MAIL FROM:<evil@x>\r\n";
    for (const BareLineEnds bare : {BareLineEnds::refuse, BareLineEnds::normalise}) {
      Case c = data_case();
      c.bare = bare;
      EXPECT_FALSE(whole(raw, c).ended);
      const std::string full = raw + ".\r\n";
      const Scan scan = whole(full, c);
      EXPECT_TRUE(scan.ended);
      EXPECT_EQ(scan.consumed, full.size());
      // What is passed on has one end, at its end.
      EXPECT_TRUE(scan.fault != ContentFault::none ||
                  scan.wire.find("\r\n.\r\n") == scan.wire.size() - 5);
      expect_twin_agrees(full, c);
    }
  }
}

TEST(ContentScanner, RefusesBareLineEnds) {
  for (const std::string_view body : {"a\nb\r\n", "a\rb\r\n", "\n\r\n", "\r\r\n", "a\r\n\n"}) {
    const std::string raw = std::string(body) + ".\r\n";
    EXPECT_EQ(whole(raw, data_case()).fault, ContentFault::bare_line_end) << body;
    EXPECT_EQ(whole(body, bdat_case()).fault, ContentFault::bare_line_end) << body;
    expect_twin_agrees(raw, data_case());
    expect_twin_agrees(body, bdat_case());
  }
  EXPECT_EQ(whole("no line end\r", bdat_case()).fault, ContentFault::bare_line_end);
}

TEST(ContentScanner, NormalisesBareLineEnds) {
  Case c = data_case();
  c.bare = BareLineEnds::normalise;
  EXPECT_EQ(whole("a\nb\rc\r\n.\r\n", c).wire, "a\r\nb\r\nc\r\n.\r\n");
  EXPECT_EQ(whole("a\r\n.\nb\r\n.\r\n", c).wire, "a\r\n..\r\nb\r\n.\r\n");
  EXPECT_EQ(whole("a\r\n.\rb\r\n.\r\n", c).wire, "a\r\n..\r\nb\r\n.\r\n");
  EXPECT_EQ(whole("a\n.b\r\n.\r\n", c).wire, "a\r\n..b\r\n.\r\n");
  for (const std::string_view raw :
       {"a\nb\rc\r\n.\r\n", "a\r\n.\nb\r\n.\r\n", "a\r\n.\rb\r\n.\r\n", "a\r\r\n\r\r.\r\r\n.\r\n",
        "\n\r\n\r.\n.\r.\r\n.\r\n", "X-Job: a\n b\r c\r\n\n\r\n.\r\n", ".\n.\r\n"}) {
    expect_twin_agrees(raw, c);
    c.transfer = Transfer::bdat;
    expect_twin_agrees(raw, c);
    c.transfer = Transfer::data;
  }
  c.transfer = Transfer::bdat;
  expect_twin_agrees("a\r", c);
  expect_twin_agrees(".\r", c);
}

TEST(ContentScanner, BringsBdatIntoWireForm) {
  EXPECT_EQ(whole("a\r\n.b\r\n", bdat_case()).wire, "a\r\n..b\r\n.\r\n");
  EXPECT_EQ(whole(".\r\n.\r\n", bdat_case()).wire, "..\r\n..\r\n.\r\n");
  EXPECT_EQ(whole("no end", bdat_case()).wire, "no end\r\n.\r\n");
  EXPECT_EQ(whole("a\r\n.b\r\n", bdat_case()).facts,
            "wire=11 size=7 header=0/0 fields=0 received=0 longest=2 dots");
  for (const std::string_view raw :
       {"a\r\n.b\r\n", ".\r\n.\r\n", "no end", ".", "From: x", "\r\n"}) {
    expect_twin_agrees(raw, bdat_case());
  }
}

TEST(ContentScanner, NotesHeaderFields) {
  const std::string raw =
      "Received: from a\r\n\tby b\r\nrECEIVED : x\r\nX-Job: one\r\n two\r\n\tthree\r\n"
      "Message-ID: <1@x>\r\nx-virtual-mta:  v1 \r\nBcc: c@d\r\nDate: d\r\nSender: s\r\n"
      "X-Jobs: no\r\n\r\nDate: in the body\r\n.\r\n";
  const Scan scan = whole(raw, data_case());
  EXPECT_NE(scan.facts.find(" received=2 "), std::string::npos) << scan.facts;
  EXPECT_NE(scan.facts.find("received[0,25) received[25,39) control0=one two three[39,65) "
                            "message-id[65,84) control1=v1[84,105) bcc[105,115)"),
            std::string::npos)
      << scan.facts;
  EXPECT_EQ(scan.facts.find("in the body"), std::string::npos);
  expect_twin_agrees(raw, data_case());
  expect_twin_agrees(raw.substr(0, raw.size() - 3), bdat_case());
}

TEST(ContentScanner, HeaderSectionMayEndWithoutEmptyLine) {
  for (const std::string_view raw :
       {"From: a\r\nnot a field\r\nDate: x\r\n.\r\n", " starts with a blank\r\nFrom: a\r\n.\r\n",
        "From: a\r\n.\r\n", "no colon at all\r\n.\r\n", ": empty name\r\n.\r\n",
        "Fr\xc3\xb6m: x\r\n\r\n.\r\n", "..From: dotted\r\n\r\n.\r\n", "..\r\n.\r\n",
        "A: b\r\n..\r\nC: d\r\n.\r\n", "A: b\r\n. \r\n\r\n.\r\n"}) {
    expect_twin_agrees(raw, data_case());
    expect_twin_agrees(raw, bdat_case());
  }
  EXPECT_NE(whole("From: a\r\nnot a field\r\n.\r\n", data_case()).facts.find("header=9/9"),
            std::string::npos);
}

TEST(ContentScanner, TellsEightBitHeaderFromBody) {
  EXPECT_NE(whole("A: \xe4\r\n\r\nb\r\n.\r\n", data_case()).facts.find("8bit-header"),
            std::string::npos);
  const Scan body = whole("A: b\r\n\r\n\xe4\r\n.\r\n", data_case());
  EXPECT_NE(body.facts.find(" 8bit"), std::string::npos);
  EXPECT_EQ(body.facts.find("8bit-header"), std::string::npos);
  // What follows the final dot is not content.
  EXPECT_EQ(whole("A: b\r\n\r\n.\r\n\xe4", data_case()).facts.find("8bit"), std::string::npos);
}

TEST(ContentScanner, LimitsHoldToTheOctet) {
  Case c = data_case();
  c.limits.message_bytes_max = 10;
  EXPECT_EQ(whole("12345678\r\n.\r\n", c).fault, ContentFault::none);
  EXPECT_EQ(whole("123456789\r\n.\r\n", c).fault, ContentFault::too_large);
  EXPECT_EQ(whole("..345678\r\n.\r\n", c).fault, ContentFault::none);
  EXPECT_EQ(whole("..3456789\r\n.\r\n", c).fault, ContentFault::none);
  EXPECT_EQ(whole("..34567890\r\n.\r\n", c).fault, ContentFault::too_large);
  expect_twin_agrees("..3456789\r\n.\r\n", c);
  expect_twin_agrees("..34567890\r\n.\r\n", c);
  c = data_case();
  c.limits.line_bytes_max = 4;
  EXPECT_EQ(whole("1234\r\n.\r\n", c).fault, ContentFault::none);
  EXPECT_EQ(whole("12345\r\n.\r\n", c).fault, ContentFault::line_too_long);
  c = data_case();
  c.limits.received_fields_max = 2;
  EXPECT_EQ(whole("Received: a\r\nReceived: b\r\n\r\n.\r\n", c).fault, ContentFault::none);
  EXPECT_EQ(whole("Received: a\r\nReceived: b\r\nReceived: c\r\n\r\n.\r\n", c).fault,
            ContentFault::mail_loop);
  c = data_case();
  c.limits.header_fields_max = 1;
  EXPECT_EQ(whole("A: a\r\nB: b\r\n\r\n.\r\n", c).fault, ContentFault::too_many_fields);
  c = data_case();
  c.limits.header_bytes_max = 8;
  EXPECT_EQ(whole("A: 345\r\n\r\n.\r\n", c).fault, ContentFault::none);
  EXPECT_EQ(whole("A: 3456\r\n\r\n.\r\n", c).fault, ContentFault::header_too_large);
  expect_twin_agrees("A: 345\r\n\r\n.\r\n", c);
  expect_twin_agrees("A: 3456\r\n\r\n.\r\n", c);
}

TEST(ContentScanner, EndlessLineMeetsItsLimitBeforeItsEnd) {
  Case c = data_case();
  c.limits.line_bytes_max = 100;
  EXPECT_EQ(whole(std::string(200, 'x'), c).fault, ContentFault::line_too_long);
  c = data_case();
  c.limits.message_bytes_max = 100;
  EXPECT_EQ(whole(std::string(200, 'x'), c).fault, ContentFault::too_large);
  c = data_case();
  c.limits.header_bytes_max = 1000;
  EXPECT_EQ(whole(std::string(2000, 'x'), c).fault, ContentFault::none) << "not a field";
  EXPECT_EQ(Scanned("A: " + std::string(2000, 'x'), c, {600, 1500}).result.fault,
            ContentFault::header_too_large);
}

TEST(ContentScanner, TooManyRepeatsOfNotedFieldsAreRefused) {
  std::string raw;
  for (std::size_t i = 0; i <= kFieldMarksMax; ++i) {
    raw += "Date: x\r\n";
  }
  EXPECT_EQ(whole(raw + "\r\n.\r\n", data_case()).fault, ContentFault::repeated_fields);
}

TEST(ContentScanner, LongControlValueIsCutAndSaysSo) {
  const std::string raw = "X-Job: " + std::string(200, 'a') + "\r\n " + std::string(200, 'a') +
                          "\r\n " + std::string(200, 'b') + "\r\nX-Job: c\r\n\r\n.\r\n";
  const Scan scan = whole(raw, data_case());
  EXPECT_NE(scan.facts.find("b(cut)"), std::string::npos);
  EXPECT_NE(scan.facts.find("=(cut)"), std::string::npos);
  expect_twin_agrees(raw, data_case());
}

// Random content from an alphabet of the octets that matter, in random pieces.
TEST(ContentScanner, AgreesWithTwinOnRandomContent) {
  static constexpr std::string_view kWords[] = {
      "\r\n",
      "\r\n",
      "\r\n",
      "\r",
      "\n",
      ".",
      ".",
      "..",
      "a",
      ":",
      " ",
      "\t",
      "\xc3",
      "Date: x",
      "From",
      "X-Job:",
      "\r\n.\r\n",
      "some longer text of a line that goes on past sixty-four octets of a block, and on"};
  Random random(20261121);
  for (int round = 0; round < 6000; ++round) {
    Case c = data_case();
    c.transfer = random.chance(50) ? Transfer::data : Transfer::bdat;
    c.bare = random.chance(70) ? BareLineEnds::normalise : BareLineEnds::refuse;
    if (random.chance(20)) {
      c.limits = {random.below(200) + 1, static_cast<std::uint32_t>(random.below(100) + 1), 3, 1,
                  static_cast<std::uint32_t>(random.below(80) + 1)};
    }
    std::string raw;
    for (std::uint64_t i = random.below(40); i > 0; --i) {
      // Without bare line ends most of the time when they are refused, or nothing else is seen.
      const std::string_view word = kWords[random.below(std::size(kWords))];
      const bool bare = word == "\r" || word == "\n";
      raw += bare && c.bare == BareLineEnds::refuse && random.chance(95) ? "-" : word;
    }
    if (c.transfer == Transfer::data) {
      raw += "\r\n.\r\n";
    }
    ASSERT_EQ(difference(raw, c, {}), "") << round << ": " << raw;
    ASSERT_EQ(difference(raw, c, reference::every_octet(raw.size())), "") << round << ": " << raw;
    ASSERT_EQ(difference(raw, c, reference::random_cuts(raw.size(), random)), "")
        << round << ": " << raw;
  }
}

}  // namespace
}  // namespace ringpost::smtp
