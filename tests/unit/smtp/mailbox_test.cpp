#include "net/smtp/mailbox.h"

#include <gtest/gtest.h>

#include <string>

namespace ringpost::smtp {
namespace {

TEST(Mailbox, SplitsPaths) {
  const ParsedPath path = parse_path("<a.b+c@Example.COM> SIZE=1", true);
  EXPECT_EQ(path.fault, PathFault::none);
  EXPECT_EQ(path.mailbox.text, "a.b+c@Example.COM");
  EXPECT_EQ(path.mailbox.local_part, "a.b+c");
  EXPECT_EQ(path.mailbox.domain, "Example.COM");
  EXPECT_EQ(path.used, 19U);
  EXPECT_FALSE(path.mailbox.non_ascii);
}

TEST(Mailbox, TakesNullPathOnlyWhereAllowed) {
  EXPECT_EQ(parse_path("<>", true).fault, PathFault::none);
  EXPECT_TRUE(parse_path("<>", true).mailbox.null());
  EXPECT_EQ(parse_path("<>", false).fault, PathFault::null_path);
}

TEST(Mailbox, DropsSourceRoutes) {
  const ParsedPath path = parse_path("<@a.example,@b.example:u@c>", false);
  EXPECT_EQ(path.fault, PathFault::none);
  EXPECT_EQ(path.mailbox.text, "u@c");
  EXPECT_EQ(path.used, 27U);
  for (const char* bad : {"<@a>", "<@:u@c>", "<@a,:u@c>", "<@a,b:u@c>", "<@-a:u@c>"}) {
    EXPECT_EQ(parse_path(bad, false).fault, PathFault::bad_route) << bad;
  }
}

TEST(Mailbox, KnowsLocalParts) {
  for (const char* good : {"<.a@b>", "<a.@b>", "<a..b@c>", "<\"\"@b>", "<\"a\\\"b\"@c>",
                           "<\"a>b@c\"@d>", "<!#$%&'*+-/=?^_`{|}~@b>"}) {
    EXPECT_EQ(parse_path(good, false).fault, PathFault::none) << good;
  }
  for (const char* bad : {"<a b@c>", "<a(b@c>", "<\"a@b>", "<\"a\"b@c>", "<@b>", "<a\\b@c>",
                          "<\"a\x01\"@b>", "<\"a\\\n\"@b>"}) {
    const PathFault fault = parse_path(bad, false).fault;
    EXPECT_TRUE(fault == PathFault::bad_local_part || fault == PathFault::bad_route) << bad;
  }
  EXPECT_EQ(parse_path("<" + std::string(255, 'a') + "@b>", false).fault, PathFault::none);
  EXPECT_EQ(parse_path("<" + std::string(256, 'a') + "@b>", false).fault,
            PathFault::local_too_long);
}

TEST(Mailbox, KnowsDomains) {
  const std::string label(63, 'a');
  for (const std::string& good : {std::string("a"), std::string("a.b-c.d_e"), label, label + ".b",
                                  std::string("\xc3\xb6.example")}) {
    EXPECT_TRUE(is_domain(good)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("."), std::string("a."), std::string(".a"), std::string("a..b"),
        std::string("-a"), std::string("a-.b"), label + "a", std::string("a b"),
        label + "." + label + "." + label + "." + label + ".a"}) {
    EXPECT_FALSE(is_domain(bad)) << bad;
  }
}

TEST(Mailbox, KnowsAddressLiterals) {
  for (const char* good : {"[192.0.2.1]", "[IPv6:2001:db8::1]", "[ipv6:::1]"}) {
    EXPECT_TRUE(is_address_literal(good)) << good;
  }
  for (const char* bad : {"[]", "[192.0.2]", "[2001:db8::1]", "[IPv6:192.0.2.1]", "[IPv6:]",
                          "[tag:x]", "192.0.2.1", "[192.0.2.1"}) {
    EXPECT_FALSE(is_address_literal(bad)) << bad;
  }
}

TEST(Mailbox, KnowsUtf8) {
  for (const char* good : {"", "abc", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                           "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xc3", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x28\xa1"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

TEST(Mailbox, KnowsXtext) {
  EXPECT_TRUE(is_xtext("abc+2B+00"));
  for (const char* bad : {"a=b", "a b", "+", "+2", "+2b", "a+", "\x7f", "\xc3"}) {
    EXPECT_FALSE(is_xtext(bad)) << bad;
  }
}

}  // namespace
}  // namespace ringpost::smtp
