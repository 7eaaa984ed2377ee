#include "core/config/domain_index.h"

#include <gtest/gtest.h>

#include "tests/unit/config/support.h"

namespace ringpost::config {
namespace {

DomainPattern pattern(const char* text) {
  Result<DomainPattern> parsed = DomainPattern::parse(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? *parsed : DomainPattern{};
}

std::vector<std::uint32_t> matches(const DomainIndex& index, std::string_view name) {
  std::vector<std::uint32_t> out;
  index.for_each_match(FoldedName(name).view(), [&](std::uint32_t entry) { out.push_back(entry); });
  return out;
}

using Entries = std::vector<std::uint32_t>;

TEST(DomainIndex, MostSpecificFirst) {
  DomainIndex index;
  index.slot(pattern("*"), false) = 1;
  index.slot(pattern("example.com"), false) = 2;
  index.slot(pattern("*.example.com"), false) = 3;
  index.slot(pattern("[*.]example.com"), false) = 4;
  index.slot(pattern("*.com"), false) = 5;
  index.slot(pattern("mail.example.com"), false) = 6;
  EXPECT_EQ(matches(index, "example.com"), (Entries{2, 4, 5, 1})) << "*.d leaves out d itself";
  EXPECT_EQ(matches(index, "MAIL.Example.COM."), (Entries{6, 3, 4, 5, 1}));
  EXPECT_EQ(matches(index, "a.b.example.com"), (Entries{3, 4, 5, 1}));
  EXPECT_EQ(matches(index, "com"), (Entries{1}));
  EXPECT_EQ(matches(index, "xexample.com"), (Entries{5, 1}));
}

TEST(DomainIndex, LiteralBeforeMacro) {
  DomainIndex index;
  index.slot(pattern("a.example"), true) = 1;
  index.slot(pattern("a.example"), false) = 2;
  index.slot(pattern("*.example"), true) = 3;
  EXPECT_EQ(matches(index, "a.example"), (Entries{2, 1, 3}));
}

TEST(DomainIndex, AddressLiteralsAndInternalNames) {
  DomainIndex index;
  index.slot(pattern("[10.0.0.0/8]"), false) = 1;
  index.slot(pattern("[10.1.0.0/16]"), false) = 2;
  index.slot(pattern("{bounce}"), false) = 3;
  EXPECT_EQ(matches(index, "[10.1.2.3]"), (Entries{2, 1}));
  EXPECT_EQ(matches(index, "[10.2.2.3]"), (Entries{1}));
  EXPECT_EQ(matches(index, "[IPv6:2001:db8::1]"), (Entries{}));
  EXPECT_EQ(matches(index, "{Bounce}"), (Entries{3}));
}

TEST(DomainIndex, PatternsThatAreNone) {
  for (const char* bad : {"", "a*", "*a.example", "a.*.example", "a..b", "a b", "[*.]", "*.", "[x]",
                          "**", "a@b.example"}) {
    EXPECT_FALSE(DomainPattern::parse(bad).ok()) << bad;
  }
}

TEST(DomainIndex, LongNamesFitNothingButTheStar) {
  DomainIndex index;
  index.slot(pattern("*"), false) = 1;
  index.slot(pattern("a.example"), false) = 2;
  EXPECT_EQ(matches(index, std::string(5000, 'a') + ".a.example"), (Entries{1}));
}

TEST(DomainIndex, ULabelsAndALabelsAreTheSameName) {
  const auto snapshot = test::load(
      "<domain b\xc3\xbc"
      "cher.example>\nmax-smtp-out 3\n</domain>\n");
  for (const char* name : {"b\xc3\xbc"
                           "cher.example",
                           "B\xc3\x9c"
                           "CHER.example",
                           "xn--bcher-kva.example"}) {
    EXPECT_EQ(test::policy(*snapshot, name).max_smtp_out, 3u) << name;
  }
  EXPECT_FALSE(DomainPattern::parse("b\xc3.example").ok());
}

}  // namespace
}  // namespace ringpost::config
