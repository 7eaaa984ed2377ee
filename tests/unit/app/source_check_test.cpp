#include "core/app/source_check.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/app/support.h"

namespace ringpost::app {
namespace {

std::set<std::string> lacking;
bool is_here(const IpAddress& address) { return lacking.count(address.text()) == 0; }

TEST(SourceCheck, NamesWhatGoesAndWhatComesBackOnce) {
  const auto snapshot = snapshot_of(
      "<virtual-mta one>\nsmtp-source-host 192.0.2.1 one.example\n"
      "smtp-source-host 2001:db8::1 one.example\n</virtual-mta>\n"
      "<virtual-mta two>\nsmtp-source-host 192.0.2.1 two.example\n</virtual-mta>\n"
      "<virtual-mta any>\nsmtp-source-host 0.0.0.0 any.example\n</virtual-mta>\n");
  lacking = {"192.0.2.1"};
  SourceCheck check(is_here);
  EXPECT_TRUE(check.run(*snapshot));
  ASSERT_EQ(check.missing().size(), 1U);
  EXPECT_EQ(check.missing().front().text(), "192.0.2.1");
  ASSERT_EQ(check.notes().size(), 1U);
  EXPECT_NE(check.notes().front().find("one, two"), std::string::npos) << check.notes().front();
  EXPECT_FALSE(check.run(*snapshot));
  EXPECT_TRUE(check.notes().empty());
  lacking = {"2001:db8::1"};
  EXPECT_TRUE(check.run(*snapshot));
  EXPECT_EQ(check.notes().size(), 2U);
  lacking.clear();
  EXPECT_TRUE(check.run(*snapshot));
  EXPECT_TRUE(check.missing().empty());
}

TEST(SourceCheck, TheKernelIsAsked) {
  EXPECT_TRUE(can_bind(IpAddress::v4(127, 0, 0, 1)));
  EXPECT_TRUE(can_bind(IpAddress::v4(127, 0, 7, 9))) << "all of 127/8 is local";
  EXPECT_FALSE(can_bind(IpAddress::v4(192, 0, 2, 77)));
}

}  // namespace
}  // namespace ringpost::app
