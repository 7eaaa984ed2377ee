#include "net/sign/signing_input.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/unit/sign/signing_testing.h"

namespace ringpost::sign {
namespace {

using testing::base64_of;
using testing::hashed;
using testing::read_header;
using testing::stuffed;

// RFC 8463 appendix A.3, the message and what its two signatures are made of.
constexpr std::string_view kMessage =
    "From: Joe SixPack <joe@football.example.com>\r\n"
    "To: Suzie Q <suzie@shopping.example.net>\r\n"
    "Subject: Is dinner ready?\r\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
    "\r\n"
    "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n\r\n";
constexpr std::string_view kEd25519Field =
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    " d=football.example.com; i=@football.example.com;\r\n"
    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    " subject : date : message-id : from : subject : date;\r\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    " b=";
constexpr std::string_view kRsaField =
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
    " d=football.example.com; i=@football.example.com;\r\n"
    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
    " date : message-id : from : subject : date;\r\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    " b=";
constexpr std::string_view kEd25519Signature =
    "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
constexpr std::string_view kRsaSignature =
    "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9"
    "mPYQTnGdaSGsgeefOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=";

// The digest behind a published field: the named fields, then the field itself.
Digest published_digest(std::string_view field) {
  HeaderSection section;
  read_header(stuffed(std::string(field) + "\r\n" + std::string(kMessage)), section);
  std::string text;
  for (const std::string_view name : {"from", "to", "subject", "date", "message-id"}) {
    append_canonical(*section.find(name), Canon::relaxed, text);
  }
  append_canonical(section.fields()[0], Canon::relaxed, text);
  text.resize(text.size() - 2);
  return Sha256::of(text);
}

TEST(Rfc8463, BodyHash) {
  const BodyHasher hasher = hashed(stuffed(kMessage), BodyHasher::Begin::content, 5);
  EXPECT_EQ(base64_of(hasher.hash(Canon::relaxed).digest),
            "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

TEST(Rfc8463, Signatures) {
  const auto ed25519 = testing::ed25519_key()->sign(published_digest(kEd25519Field));
  ASSERT_TRUE(ed25519.ok());
  EXPECT_EQ(to_base64(ed25519->view()), kEd25519Signature);
  const auto rsa = testing::rsa_key()->sign(published_digest(kRsaField));
  ASSERT_TRUE(rsa.ok());
  EXPECT_EQ(to_base64(rsa->view()), kRsaSignature);
}

struct Made {
  SigningInput input;
  Status status;
};

Made make(const SignatureOptions& options, SignatureFacts facts, std::string_view content) {
  HeaderSection section;
  read_header(stuffed(content), section);
  facts.body = hashed(stuffed(content), BodyHasher::Begin::content, 100).hash(options.body);
  Made made;
  made.status = made.input.make(options, facts, section);
  return made;
}

SignatureFacts facts_of(std::string_view identity = {}) {
  SignatureFacts facts;
  facts.domain = "Example.COM";
  facts.selector = "s1";
  facts.identity = identity;
  facts.now = WallTime{1'790'000'000'999'999};
  return facts;
}

std::string unfolded(std::string text) {
  for (std::size_t at = 0; (at = text.find("\r\n ", at)) != std::string::npos;) {
    text.replace(at, 3, " ");
  }
  return text;
}

constexpr std::string_view kShort = "From: a@example.com\r\nTo: b\r\n\r\nhello\r\n";

TEST(SigningInput, Tags) {
  SignatureOptions options;
  options.headers.clear_oversigned();
  options.expire_after = Duration::days(1);
  options.query_method = "dns/txt";
  options.body_length = true;
  options.header = Canon::simple;
  const Made made = make(options, facts_of("a;b=c@news.example.com"), kShort);
  ASSERT_TRUE(made.status.ok()) << made.status.error().describe();
  EXPECT_EQ(unfolded(made.input.field("sig")),
            "DKIM-Signature: v=1; a=rsa-sha256; c=simple/relaxed; d=example.com; s=s1; q=dns/txt; "
            "i=a=3Bb=3Dc@news.example.com; t=1790000000; x=1790086400; l=7; h=From:To; "
            "bh=" +
                base64_of(Sha256::of("hello\r\n")) + "; b=c2ln\r\n");
  EXPECT_EQ(made.input.expires(), 1'790'086'400);
}

TEST(SigningInput, FewestTags) {
  SignatureOptions options;
  options.headers.clear_oversigned();
  options.timestamp = false;
  SignatureFacts facts = facts_of();
  facts.algorithm = Algorithm::ed25519_sha256;
  const Made made = make(options, facts, "From: a\r\n\r\n");
  EXPECT_EQ(
      unfolded(made.input.field("sig")),
      "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=s1; h=From; "
      "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=c2ln\r\n");
  EXPECT_EQ(made.input.expires(), 0);
}

// What is signed: the fields in the order of h=, then our own without b= and CRLF.
TEST(SigningInput, CanonicalText) {
  SignatureOptions options;
  options.header = Canon::simple;
  Made made = make(options, facts_of(), "To: 1\r\nFrom:  a\r\n b\r\nTo: 2\r\n\r\n");
  const std::string field = made.input.field("");
  EXPECT_EQ(made.input.canonical(),
            "From:  a\r\n b\r\nTo: 2\r\nTo: 1\r\n" + field.substr(0, field.size() - 2));
  EXPECT_EQ(made.input.digest(), Sha256::of(made.input.canonical()));
  options.header = Canon::relaxed;
  made = make(options, facts_of(), "To: 1\r\nFrom:  a\r\n b\r\nTo: 2\r\n\r\n");
  EXPECT_EQ(made.input.canonical().substr(0, 56),
            "from:a b\r\nto:2\r\nto:1\r\ndkim-signature:v=1; a=rsa-sha256; ");
  EXPECT_EQ(made.input.canonical().substr(made.input.canonical().size() - 4), "; b=");
}

TEST(SigningInput, FoldsAtSeventyEightColumns) {
  SignatureOptions options;
  std::string content = "From: a\r\n";
  for (std::size_t size = 1; size <= 70; ++size) {
    ASSERT_TRUE(options.headers.sign_also(std::vector<std::string>{std::string(size, 'x')}).ok());
    content += std::string(size, 'x') + ": y\r\n";
  }
  for (std::size_t octets = 1; octets < 512; octets += 7) {
    const Made made = make(options, facts_of("someone@example.com"), content + "\r\n");
    const std::string field = made.input.field(std::string(octets, 's'));
    for (std::size_t at = 0; at < field.size();) {
      const std::size_t end = field.find("\r\n", at);
      ASSERT_NE(end, std::string::npos);
      ASSERT_LE(end - at, 78U) << field;
      ASSERT_TRUE(at == 0 || (field[at] == ' ' && field[at + 1] != ' ')) << field;
      at = end + 2;
    }
  }
}

TEST(SigningInput, RefusesWhatNobodyWouldVerify) {
  const SignatureOptions options;
  EXPECT_FALSE(make(options, facts_of(), "To: x\r\n\r\n").status.ok());
  EXPECT_FALSE(make(options, facts_of(), "no header\r\n").status.ok());
  EXPECT_FALSE(make(options, facts_of("a@other.com"), kShort).status.ok());
  EXPECT_FALSE(make(options, facts_of("a@notexample.com"), kShort).status.ok());
  EXPECT_FALSE(make(options, facts_of("a"), kShort).status.ok());
  EXPECT_FALSE(make(options, facts_of("a@x;y.example.com"), kShort).status.ok());
  SignatureFacts facts = facts_of();
  facts.selector = "";
  EXPECT_FALSE(make(options, facts, kShort).status.ok());
  facts = facts_of();
  facts.domain = "exa mple.com";
  EXPECT_FALSE(make(options, facts, kShort).status.ok());
  SignatureOptions odd;
  odd.query_method = "dns; x=";
  EXPECT_FALSE(make(odd, facts_of(), kShort).status.ok());
}

TEST(SigningNames, DomainsAndParents) {
  EXPECT_TRUE(is_signing_name("a.b-c_d.xn--p1ai"));
  for (const std::string_view bad : {"", ".", "a.", ".a", "a..b", "a b", "\xc3\xa4.de", "a@b"}) {
    EXPECT_FALSE(is_signing_name(bad)) << bad;
  }
  EXPECT_FALSE(is_signing_name(std::string(64, 'a') + ".de"));
  EXPECT_TRUE(is_within("a.B.c", "b.C"));
  EXPECT_TRUE(is_within("b.c", "B.c"));
  EXPECT_FALSE(is_within("ab.c", "b.c"));
  EXPECT_FALSE(is_within("c", "b.c"));
}

}  // namespace
}  // namespace ringpost::sign
