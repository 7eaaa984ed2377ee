#include "net/sign/signing_rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "net/sign/author.h"
#include "tests/unit/sign/signing_testing.h"

namespace ringpost::sign {
namespace {

using testing::ed25519_key;
using testing::hashed;
using testing::read_header;
using testing::rsa_key;
using testing::stuffed;

TEST(Author, Mailboxes) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {" joe@example.com", "joe@example.com"},
      {"Joe <joe@example.com>", "joe@example.com"},
      {" \"Joe, the <x> \\\"y\\\"\" <joe@example.com>", "joe@example.com"},
      {" (c (d) <no@no>) joe @ example . com (e)", "joe@example.com"},
      {"Joe\r\n\t<joe@example.com>\r\n", "joe@example.com"},
      {"Team: joe@example.com, b@other;", "joe@example.com"},
      {"<@a,@b:joe@example.com>", "joe@example.com"},
      {"\"a@b\\\" c\"@example.com", "\"a@b\\\" c\"@example.com"},
      {"Joe <joe@example.com> (home), Ann <ann@x>", "joe@example.com"},
      {"=?utf-8?q?J=2C?= <joe@example.com>", "joe@example.com"},
      {"", ""},
      {"Joe", ""},
      {"Joe Doe joe@example.com", ""},
      {"@example.com", ""},
      {"joe@", ""},
      {"<>", ""},
      {"\"unclosed <joe@example.com>", ""},
      {"<joe@example.com", ""},
      {"undisclosed:;", ""},
  };
  for (const auto& [value, address] : cases) {
    EXPECT_EQ(read_author(value).address, address) << value;
  }
}

TEST(Author, Counts) {
  EXPECT_EQ(read_author("a@b").count, 1U);
  EXPECT_EQ(read_author("a@b, c@d").count, 2U);
  EXPECT_EQ(read_author("G: a@b, c@d;, e@f").count, 3U);
  EXPECT_EQ(read_author("\"a, b\" <c@d>").count, 1U);
  EXPECT_EQ(read_author("").count, 0U);
  EXPECT_EQ(read_author("a@News.Example.com").domain(), "News.Example.com");
}

TEST(DomainKeyText, Parts) {
  const auto good = DomainKeyText::parse(" s1 , *.Example.COM, /etc/keys/a,b.pem ");
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good->selector, "s1");
  EXPECT_EQ(good->domain, "*.example.com");
  EXPECT_EQ(good->file, "/etc/keys/a,b.pem");
  for (const std::string_view bad : {"", "a", "a,b", "a,b,", ",b,c", "a b,c,d", "a,*b,c", "a,**,c",
                                     "a,b c,d", "a,\xc3\xa4.de,c", "a,*.,c"}) {
    EXPECT_FALSE(DomainKeyText::parse(bad).ok()) << bad;
  }
}

KeyBook book(std::vector<DomainKey> keys) {
  for (DomainKey& key : keys) {
    key.key = key.key != nullptr ? key.key : rsa_key();
  }
  auto made = KeyBook::make(std::move(keys));
  EXPECT_TRUE(made.ok());
  return *made;
}

// "selector/d=" of what is found.
std::string found(const KeyBook& keys, std::string_view domain, std::string_view selector = {}) {
  KeyMatch out[KeyBook::kMatchesMax];
  const std::size_t count = keys.find(domain, selector, out);
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += (i > 0 ? " " : "") + out[i].entry->selector + "/" + std::string(out[i].domain);
  }
  return text;
}

TEST(KeyBook, DomainsAndTheirChildren) {
  const KeyBook keys = book({{"a", "Example.com", nullptr},
                             {"b", "*.other.test", nullptr},
                             {"c", "news.other.test", nullptr}});
  EXPECT_EQ(found(keys, "example.com"), "a/example.com");
  EXPECT_EQ(found(keys, "X.Y.EXAMPLE.com"), "a/example.com");
  EXPECT_EQ(found(keys, "notexample.com"), "");
  EXPECT_EQ(found(keys, "com"), "");
  EXPECT_EQ(found(keys, "other.test"), "");
  EXPECT_EQ(found(keys, "x.other.test"), "b/x.other.test");
  EXPECT_EQ(found(keys, "news.other.test"), "b/news.other.test") << "file order decides";
  EXPECT_EQ(found(keys, ""), "");
  EXPECT_EQ(found(keys, std::string(300, 'x')), "");
  EXPECT_EQ(found(KeyBook(), "example.com"), "");
}

TEST(KeyBook, FileOrderAndAnyDomain) {
  const KeyBook keys = book(
      {{"a", "b.example.com", nullptr}, {"all", "*", nullptr}, {"late", "c.example.com", nullptr}});
  EXPECT_EQ(found(keys, "b.example.com"), "a/b.example.com");
  EXPECT_EQ(found(keys, "c.example.com"), "all/c.example.com");
  EXPECT_EQ(found(keys, "c.example.com", "LATE"), "late/c.example.com");
  EXPECT_EQ(found(keys, "d.test", "late"), "");
}

TEST(KeyBook, OneSignaturePerAlgorithm) {
  const KeyBook keys = book({{"r1", "example.com", nullptr},
                             {"r2", "example.com", nullptr},
                             {"x", "sub.example.com", ed25519_key()},
                             {"e1", "example.com", ed25519_key()},
                             {"e2", "example.com", ed25519_key()}});
  EXPECT_EQ(found(keys, "example.com"), "r1/example.com e1/example.com");
  EXPECT_EQ(found(keys, "sub.example.com"), "r1/example.com e1/example.com");
  EXPECT_EQ(found(keys, "example.com", "r2"), "r2/example.com");
  EXPECT_EQ(found(keys, "example.com", "e2"), "e2/example.com");
}

TEST(KeyBook, RefusesUnusableEntries) {
  EXPECT_FALSE(KeyBook::make({{"", "a.b", rsa_key()}}).ok());
  EXPECT_FALSE(KeyBook::make({{"s", "a b", rsa_key()}}).ok());
  EXPECT_FALSE(KeyBook::make({{"s", "a.b", nullptr}}).ok());
}

IdentityRule rule(std::string_view text) { return *IdentityRule::parse(text); }

// "selector/d=/i=" of the keys chosen.
std::string chosen(const SigningRules& rules, std::vector<const KeyBook*> scopes,
                   std::string_view header) {
  HeaderSection section;
  read_header(stuffed(std::string(header) + "\r\n"), section);
  std::vector<ChosenKey> keys;
  choose_keys(rules, scopes, section, keys);
  std::string text;
  for (const ChosenKey& key : keys) {
    text += (text.empty() ? "" : " ") + key.selector + "/" + key.domain + "/" + key.identity;
  }
  return text;
}

TEST(SigningRules, Identities) {
  const KeyBook inner = book({{"in", "inner.test", nullptr}, {"in", "*", nullptr}});
  const KeyBook outer = book({{"o", "example.com", nullptr}, {"o2", "other.test", nullptr}});
  SigningRules rules;
  const std::string_view both = "From: a@example.com\r\nSender: s@Other.test\r\n";
  EXPECT_EQ(chosen(rules, {&outer}, both), "") << "dkim-sign is off";
  rules.sign = true;
  EXPECT_EQ(chosen(rules, {&outer}, both), "o2/other.test/s@Other.test");
  EXPECT_EQ(chosen(rules, {&inner, &outer}, both), "in/other.test/s@Other.test");
  EXPECT_EQ(chosen(rules, {&outer}, "From: a@example.com\r\nSender: s@none.test\r\n"),
            "o/example.com/a@example.com");
  EXPECT_EQ(chosen(rules, {&outer}, "From: a@none.test\r\n"), "");
  rules.fallback = rule("@example.com");
  EXPECT_EQ(chosen(rules, {&outer}, "From: a@none.test\r\n"), "o/example.com/@example.com");
  rules.second = rule("other.test");
  EXPECT_EQ(chosen(rules, {&outer}, "From: a@example.com\r\n"),
            "o/example.com/a@example.com o2/other.test/@other.test");
  rules.second = rule("@example.com");
  EXPECT_EQ(chosen(rules, {&outer}, "From: a@example.com\r\n"), "o/example.com/a@example.com");
  rules.second = rule("none");
  rules.identity = rule("strict-from");
  rules.fallback = rule("");
  EXPECT_EQ(chosen(rules, {&outer}, both), "o/example.com/a@example.com");
  EXPECT_EQ(chosen(rules, {&outer}, "From: a@example.com, b@example.com\r\n"), "");
  EXPECT_EQ(chosen(rules, {&outer}, "From: a@example.com\r\nFrom: b@example.com\r\n"), "");
  EXPECT_EQ(chosen(rules, {&outer}, "To: x\r\n"), "");
}

TEST(SigningRules, OwnKey) {
  SigningRules rules;
  rules.sign = true;
  rules.own_key = rsa_key();
  rules.selector = "mail";
  rules.identity = rule("@YourDomain.com");
  EXPECT_EQ(chosen(rules, {}, "From: a@x\r\n"), "mail/yourdomain.com/@YourDomain.com");
}

TEST(SigningRules, FingerprintsTellWhatSignsAlike) {
  const KeyBook keys = book({{"a", "example.com", rsa_key()}});
  const KeyBook same = book({{"a", "Example.com", rsa_key()}});
  const KeyBook rotated = book({{"a", "example.com", ed25519_key()}});
  const auto print = [](const SigningRules& rules, const KeyBook& scope) {
    const KeyBook* scopes[] = {&scope};
    return fingerprint_of(rules, scopes);
  };
  const SigningRules plain;
  EXPECT_EQ(print(plain, keys), print(SigningRules(), same));
  std::vector<SigningRules> others(10);
  others[0].sign = true;
  others[1].selector = "a";
  others[2].identity = rule("@a.b");
  others[3].fallback = rule("@a.b");
  others[4].second = rule("@a.b");
  others[5].options.expire_after = Duration::days(1);
  others[6].options.header = Canon::simple;
  others[7].options.body = Canon::simple;
  others[8].options.headers.clear_oversigned();
  others[9].own_key = rsa_key();
  std::vector<std::uint64_t> prints = {print(plain, keys), print(plain, rotated),
                                       print(plain, KeyBook())};
  for (const SigningRules& other : others) {
    prints.push_back(print(other, keys));
  }
  std::sort(prints.begin(), prints.end());
  EXPECT_EQ(std::unique(prints.begin(), prints.end()), prints.end());
}

TEST(SigningRules, AnEndlessLocalPartIsLeftOut) {
  const KeyBook keys = book({{"a", "example.com", nullptr}});
  SigningRules rules;
  rules.sign = true;
  const std::string longest(64, 'x');
  EXPECT_EQ(chosen(rules, {&keys}, "From: " + longest + "@example.com\r\n"),
            "a/example.com/" + longest + "@example.com");
  EXPECT_EQ(chosen(rules, {&keys}, "From: x" + longest + "@example.com\r\n"),
            "a/example.com/@example.com");
}

TEST(SigningRules, IdentityTexts) {
  EXPECT_EQ(rule("Sender-or-From").kind, IdentityRule::Kind::sender_or_from);
  EXPECT_EQ(rule(" a@b.c ").address, "a@b.c");
  EXPECT_EQ(rule("@b.c").address, "@b.c");
  for (const std::string_view bad : {"a@", "@", "a b", "sender or from", "x@y z"}) {
    EXPECT_FALSE(IdentityRule::parse(bad).ok()) << bad;
  }
}

TEST(PrepareSignatures, AllOfThemVerify) {
  const KeyBook keys = book({{"r", "example.com", rsa_key()}, {"e", "example.com", ed25519_key()}});
  SigningRules rules;
  rules.sign = true;
  const std::string content = "From: a@example.com\r\nSubject: x\r\n\r\n.hello\r\n";
  HeaderSection section;
  read_header(stuffed(content), section);
  const BodyHasher body = hashed(stuffed(content), BodyHasher::Begin::content, 3);
  const KeyBook* scopes[] = {&keys};
  std::vector<PendingSignature> made;
  ASSERT_TRUE(prepare_signatures(rules, scopes, section, body, WallTime{0}, made).ok());
  ASSERT_EQ(made.size(), 2U);
  for (PendingSignature& one : made) {
    ASSERT_TRUE(one.sign().ok());
    EXPECT_TRUE(one.who.key->verifies(one.input.digest(), one.octets.view()));
    EXPECT_NE(one.field().find("i=a@example.com"), std::string::npos);
  }
  EXPECT_NE(made[0].field().find("a=rsa-sha256"), std::string::npos);
  EXPECT_NE(made[1].field().find("a=ed25519-sha256"), std::string::npos);
}

}  // namespace
}  // namespace ringpost::sign
