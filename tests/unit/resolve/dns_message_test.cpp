#include "net/resolve/dns_message.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/resolve/answer.h"
#include "net/resolve/dns_name.h"
#include "tests/sim/world/sim_dns.h"

namespace ringpost::resolve {
namespace {

using Bytes = std::vector<std::uint8_t>;
using sim::DnsMessageWriter;

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

/// Header with these counts, then `rest`.
Bytes raw(std::uint8_t questions, std::uint8_t answers, std::string_view rest) {
  std::string text("\x12\x34\x81\x80\0\0\0\0\0\0\0\0", 12);
  text[5] = static_cast<char>(questions);
  text[7] = static_cast<char>(answers);
  return bytes_of(text + std::string(rest));
}

Answer read(const Bytes& response, std::string_view name = "example.org",
            DnsType type = DnsType::mx) {
  return read_answer(DnsStatus::answered, response, name, type);
}

TEST(DnsMessage, ReadsWhatWasWritten) {
  DnsMessageWriter writer("Example.ORG", DnsType::mx);
  writer.mx("example.org", 10, "MX1.example.org", 300).mx("example.org", 20, "", 400);
  writer.a("mx1.example.org", "192.0.2.1", 60).a("mx1.example.org", "2001:db8::1", 61);
  writer.soa("org", 900, 120);
  const auto message = parse_message(writer.take());
  ASSERT_TRUE(message.ok());
  EXPECT_TRUE(message->is_response);
  EXPECT_TRUE(message->recursion_available);
  EXPECT_FALSE(message->truncated);
  EXPECT_EQ(message->question, "example.org");
  ASSERT_EQ(message->answers.size(), 4U);
  EXPECT_EQ(message->answers[0].target, "mx1.example.org");
  EXPECT_EQ(message->answers[0].preference, 10);
  EXPECT_EQ(message->answers[0].ttl_seconds, 300U);
  EXPECT_EQ(message->answers[1].target, "");
  EXPECT_EQ(message->answers[2].address.text(), "192.0.2.1");
  EXPECT_EQ(message->answers[3].address.text(), "2001:db8::1");
  ASSERT_EQ(message->authorities.size(), 1U);
  EXPECT_EQ(message->authorities[0].minimum_seconds, 120U);
}

TEST(DnsMessage, EveryCutOfASoundMessageIsRefused) {
  DnsMessageWriter writer("example.org", DnsType::mx);
  writer.mx("example.org", 10, "mx1.example.org", 300).cname("a.example", "b.example", 1);
  writer.soa("org", 900, 120);
  const Bytes whole = writer.take();
  ASSERT_TRUE(parse_message(whole).ok());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_message(std::span(whole).first(size)).ok()) << size;
  }
}

TEST(DnsMessage, FollowsCompressionBackwardsOnly) {
  // Question at 12: 3www7example0; the answer's name points at "example" (16).
  const std::string question("\3www\7example\0\0\1\0\1", 17);
  const std::string rest("\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1", 14);
  const auto sound = parse_message(raw(1, 1, question + "\xc0\x10" + rest));
  ASSERT_TRUE(sound.ok());
  EXPECT_EQ(sound->answers[0].name, "example");
  // To itself, forwards, and past the end.
  for (const auto* pointer : {"\xc0\x1d", "\xc0\x1f", "\xc0\xff", "\xff\xff"}) {
    EXPECT_FALSE(parse_message(raw(1, 1, question + pointer + rest)).ok());
  }
  // Two pointers at each other: 29 -> 31 would be forwards; 31 -> 29 -> 29 is a loop.
  EXPECT_FALSE(parse_message(raw(1, 1, question + "\xc0\x1d\xc0\x1d" + rest)).ok());
}

TEST(DnsMessage, BoundsNamesAndLabels) {
  std::string longest;
  for (int i = 0; i < 127; ++i) {
    longest += "\1a";
  }
  const std::string tail("\0\0\1\0\1", 5);
  EXPECT_TRUE(parse_message(raw(1, 0, longest + tail)).ok());
  EXPECT_FALSE(parse_message(raw(1, 0, longest + "\1a" + tail)).ok());
  EXPECT_FALSE(parse_message(raw(1, 0, "\x40" + std::string(64, 'a') + tail)).ok());
  EXPECT_FALSE(parse_message(raw(1, 0,
                                 "\x80"
                                 "a" +
                                     tail))
                   .ok());
}

TEST(DnsMessage, OddOctetsInNamesStayApart) {
  const std::string tail("\0\0\1\0\1", 5);
  const auto message = parse_message(raw(1, 0, "\4a.b\n\2\xc3\xa9" + tail));
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->question, "a\\046b\\010.\\195\\169");
  EXPECT_FALSE(is_domain_name(message->question));
}

TEST(DnsMessage, RefusesDataThatDoesNotFitItsLength) {
  DnsMessageWriter shorter("example.org", DnsType::a);
  shorter.record("example.org", 1, 1, 60, "\1\2\3");
  EXPECT_FALSE(parse_message(shorter.take()).ok());
  DnsMessageWriter longer("example.org", DnsType::a);
  longer.record("example.org", 1, 1, 60, "\1\2\3\4\5").a("example.org", "192.0.2.1", 60);
  EXPECT_FALSE(parse_message(longer.take()).ok());
  DnsMessageWriter other("example.org", DnsType::a);
  other.record("example.org", 99, 1, 60, "anything").record("example.org", 1, 3, 60, "chaos");
  other.a("example.org", "192.0.2.1", 60);
  const auto message = parse_message(other.take());
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->answers.size(), 1U) << "other types and classes are passed over";
}

TEST(DnsMessage, TooManyRecordsOrQuestionsAreRefused) {
  EXPECT_FALSE(parse_message(raw(2, 0, std::string("\1a\0\0\1\0\1\1b\0\0\1\0\1", 14))).ok());
  Bytes many(12 + 4096 * 11, 0);
  many[2] = 0x80;
  many[6] = 0x10;
  EXPECT_FALSE(parse_message(many).ok());
}

TEST(DnsMessage, MappedAddressesAreIpv4AndTopBitTtlsAreZero) {
  DnsMessageWriter writer("example.org", DnsType::aaaa);
  const std::string mapped = std::string(10, '\0') + "\xff\xff\x7f" + std::string("\0\0\1", 3);
  writer.record("example.org", 28, 1, 0x80000001U, mapped);
  const auto message = parse_message(writer.take());
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->answers[0].address.text(), "127.0.0.1");
  EXPECT_EQ(message->answers[0].ttl_seconds, 0U);
}

TEST(Answer, FollowsTheChainAndTakesTheLowestTtl) {
  DnsMessageWriter writer("example.org", DnsType::mx);
  writer.mx("real.example", 5, "mx.example", 90);  // order does not matter
  writer.cname("next.example", "real.example", 40).cname("example.org", "next.example", 70);
  writer.mx("unasked.example", 1, "evil.example", 5);
  const Answer answer = read(writer.take());
  EXPECT_EQ(answer.kind, AnswerKind::found);
  EXPECT_EQ(answer.canonical, "real.example");
  ASSERT_EQ(answer.mx.size(), 1U);
  EXPECT_EQ(answer.mx[0].exchange, "mx.example");
  EXPECT_EQ(answer.ttl, Duration::seconds(40));
}

TEST(Answer, LoopsAreTemporary) {
  DnsMessageWriter writer("example.org", DnsType::mx);
  writer.cname("example.org", "b.example", 40).cname("b.example", "example.org", 70);
  EXPECT_EQ(read(writer.take()).kind, AnswerKind::temporary);
  DnsMessageWriter self("example.org", DnsType::mx);
  self.cname("example.org", "example.org", 40);
  EXPECT_EQ(read(self.take()).kind, AnswerKind::temporary);
}

TEST(Answer, TellsNothingThereFromNotAnswered) {
  DnsMessageWriter empty("example.org", DnsType::mx);
  EXPECT_EQ(read(empty.take()).kind, AnswerKind::no_data);
  EXPECT_FALSE(read(empty.take()).has_ttl);
  DnsMessageWriter referral("example.org", DnsType::mx);
  referral.flags(0x8000).ns("org", "ns.example", 60);
  EXPECT_EQ(read(referral.take()).kind, AnswerKind::temporary);
  DnsMessageWriter cut("example.org", DnsType::mx);
  cut.flags(0x8380);
  EXPECT_EQ(read(cut.take()).kind, AnswerKind::temporary);
  DnsMessageWriter query("example.org", DnsType::mx);
  query.flags(0x0100);
  EXPECT_EQ(read(query.take()).kind, AnswerKind::temporary) << "a query is no response";
  DnsMessageWriter other("example.net", DnsType::mx);
  EXPECT_EQ(read(other.take()).kind, AnswerKind::temporary);
  EXPECT_EQ(read(other.take(), "example.net", DnsType::a).kind, AnswerKind::temporary);
  EXPECT_EQ(read({}).kind, AnswerKind::temporary);
  DnsMessageWriter refused("example.org", DnsType::mx, 5);
  EXPECT_EQ(read(refused.take()).kind, AnswerKind::temporary);
  DnsMessageWriter alias("example.org", DnsType::mx);
  alias.cname("example.org", "elsewhere.example", 7);
  EXPECT_EQ(read(alias.take()).kind, AnswerKind::alias);
}

TEST(Answer, NegativeTtlIsTheLowerOfSoaTtlAndMinimum) {
  for (const auto& [ttl, minimum] : {std::pair{900U, 120U}, std::pair{120U, 900U}}) {
    DnsMessageWriter writer("example.org", DnsType::mx, 3);
    writer.soa("org", ttl, minimum);
    for (const DnsStatus status : {DnsStatus::answered, DnsStatus::no_domain}) {
      const Answer answer = read_answer(status, writer.take(), "example.org", DnsType::mx);
      EXPECT_EQ(answer.kind, AnswerKind::no_domain);
      EXPECT_EQ(answer.ttl, Duration::seconds(120));
    }
  }
}

TEST(DnsName, IsLookedUpInAscii) {
  EXPECT_EQ(*normal_domain("b\xc3\xbc"
                           "cher.example."),
            "xn--bcher-kva.example");
  EXPECT_EQ(*normal_domain("B\xc3\x9c"
                           "CHER.example"),
            "xn--bcher-kva.example");
  EXPECT_FALSE(normal_domain("b\xc3.example").ok()) << "not UTF-8";
  EXPECT_FALSE(normal_domain("\xc3\xbc b.example").ok());

  EXPECT_EQ(*normal_domain("Mail.Example.ORG."), "mail.example.org");
  EXPECT_EQ(*normal_domain("xn--bcher-kva.example"), "xn--bcher-kva.example");
  for (const auto* bad : {"", ".", "a..b", ".a", "a b", "a\\b", "a/b"}) {
    EXPECT_FALSE(normal_domain(bad).ok()) << bad;
  }
  EXPECT_TRUE(is_domain_name(std::string(63, 'a') + ".b"));
  EXPECT_FALSE(is_domain_name(std::string(64, 'a') + ".b"));
  std::string longest;
  while (longest.size() < 252) {
    longest += "a.";
  }
  EXPECT_TRUE(is_domain_name(longest + "a"));
  EXPECT_FALSE(is_domain_name(longest + "aa"));
}

}  // namespace
}  // namespace ringpost::resolve
