#include "core/config/values.h"

#include <gtest/gtest.h>

namespace ringpost::config {
namespace {

TEST(Values, BooleansHaveEightSpellings) {
  for (const char* yes : {"yes", "true", "on", "1", "YES", "True"}) {
    ASSERT_TRUE(parse_boolean(yes).ok()) << yes;
    EXPECT_TRUE(*parse_boolean(yes)) << yes;
  }
  for (const char* no : {"no", "false", "off", "0", "No"}) {
    ASSERT_TRUE(parse_boolean(no).ok()) << no;
    EXPECT_FALSE(*parse_boolean(no)) << no;
  }
  for (const char* bad : {"", "ja", "2", "yes no"}) {
    EXPECT_FALSE(parse_boolean(bad).ok()) << bad;
  }
}

TEST(Values, DurationsAddUp) {
  const auto seconds = [](const char* text) {
    const Result<Duration> value = parse_duration(text, true);
    return value.ok() ? value->whole_seconds() : -1;
  };
  EXPECT_EQ(seconds("90s"), 90);
  EXPECT_EQ(seconds("90"), 90);
  EXPECT_EQ(seconds("4d12h"), 4 * 86400 + 12 * 3600);
  EXPECT_EQ(seconds("1w2d12h30m"), 9 * 86400 + 12 * 3600 + 1800);
  EXPECT_EQ(seconds("10 days"), 864000);
  EXPECT_EQ(seconds("1 day 2 hours"), 86400 + 7200);
  EXPECT_EQ(seconds("15M"), 900);
  EXPECT_EQ(parse_duration("100ms", false)->whole_milliseconds(), 100);
  EXPECT_TRUE(parse_duration("never", true)->is_forever());
  EXPECT_TRUE(parse_duration("unlimited", true)->is_forever());
  for (const char* bad :
       {"", "d", "4x", "4 12h", "4d12", "-1s", "1.5h", "99999999999s", "4d,12h"}) {
    EXPECT_EQ(seconds(bad), -1) << bad;
  }
  EXPECT_FALSE(parse_duration("never", false).ok());
  EXPECT_FALSE(parse_duration("4000000000w", true).ok()) << "does not fit the clock";
}

TEST(Values, DurationListsTakeCommasAndBlanks) {
  const auto list = parse_duration_list("1h,3h,6h,12h");
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 4u);
  EXPECT_EQ((*list)[3], Duration::hours(12));
  EXPECT_EQ(parse_duration_list("10m 20m")->size(), 2u);
  EXPECT_EQ(parse_duration_list("10 minutes, 1 hour")->size(), 2u);
  EXPECT_EQ(parse_duration_list("1h30m, 2h")->front(), Duration::minutes(90));
  EXPECT_FALSE(parse_duration_list("").ok());
  EXPECT_FALSE(parse_duration_list("1h,,x").ok());
  std::string long_list = "1m";
  for (int i = 0; i < 29; ++i) {
    long_list += ",1m";
  }
  EXPECT_TRUE(parse_duration_list(long_list).ok());
  EXPECT_FALSE(parse_duration_list(long_list + ",1m").ok());
}

TEST(Values, RatesHaveMultiplesAndManyUnits) {
  EXPECT_EQ(*parse_rate("200/h"), (Rate{200, Duration::hours(1)}));
  EXPECT_EQ(*parse_rate("83/10m"), (Rate{83, Duration::minutes(10)}));
  EXPECT_EQ(*parse_rate("10000/minute"), (Rate{10000, Duration::minutes(1)}));
  EXPECT_EQ(*parse_rate("100/s"), (Rate{100, Duration::seconds(1)}));
  EXPECT_EQ(*parse_rate("1/36s"), (Rate{1, Duration::seconds(36)}));
  for (const char* day : {"5/d", "5/day"}) {
    EXPECT_EQ(*parse_rate(day), (Rate{5, Duration::days(1)})) << day;
  }
  EXPECT_TRUE(parse_rate("unlimited")->unlimited());
  EXPECT_TRUE(parse_rate("0")->unlimited());
  EXPECT_TRUE(parse_rate("0/h")->unlimited());
  for (const char* bad :
       {"", "5", "/h", "5/", "5/0m", "5/x", "-1/h", "5/h/m", "5/10ms", "5/400d", "99999999999/h"}) {
    EXPECT_FALSE(parse_rate(bad).ok()) << bad;
  }
}

TEST(Values, SizesAreInPowersOf1024) {
  EXPECT_EQ(*parse_size("10"), 10u);
  EXPECT_EQ(*parse_size("10K"), 10240u);
  EXPECT_EQ(*parse_size("50m"), 50u << 20);
  EXPECT_EQ(*parse_size("2G"), std::uint64_t{2} << 30);
  EXPECT_EQ(*parse_size("2GB"), std::uint64_t{2} << 30);
  EXPECT_EQ(*parse_size("1 M"), 1u << 20);
  EXPECT_EQ(*parse_size("unlimited"), kUnlimitedSize);
  for (const char* bad : {"", "K", "10X", "1.5G", "99999999T", "-1"}) {
    EXPECT_FALSE(parse_size(bad).ok()) << bad;
  }
}

TEST(Values, AddressSetsExpand) {
  EXPECT_EQ(parse_address_set("192.0.2.1")->size(), 1u);
  const auto range = parse_address_set("192.0.2.254-192.0.3.1");
  ASSERT_TRUE(range.ok());
  ASSERT_EQ(range->size(), 4u);
  EXPECT_EQ((*range)[2].text(), "192.0.3.0");
  const auto block = parse_address_set("192.0.2.9/30");
  ASSERT_TRUE(block.ok());
  ASSERT_EQ(block->size(), 4u);
  EXPECT_EQ(block->front().text(), "192.0.2.8");
  EXPECT_EQ(parse_address_set("0/0")->front().text(), "0.0.0.0");
  EXPECT_EQ(parse_address_set("2001:db8::/126")->size(), 4u);
  for (const char* bad :
       {"", "x", "10.0.0.0/8", "192.0.2.9-192.0.2.1", "192.0.2.1-::1", "2001:db8::/32"}) {
    EXPECT_FALSE(parse_address_set(bad).ok()) << bad;
  }
}

TEST(Values, FormatsReadBackAsTheSame) {
  for (const char* text : {"4d12h", "15m", "1m30s", "100ms", "0s", "never"}) {
    EXPECT_EQ(format_duration(*parse_duration(text, true)), text);
  }
  for (const char* text : {"200/h", "83/10m", "1/36s", "1/90s", "5/d", "5/36h", "unlimited"}) {
    EXPECT_EQ(format_rate(*parse_rate(text)), text);
  }
  for (const char* text : {"10", "10K", "50M", "2G", "0", "unlimited"}) {
    EXPECT_EQ(format_size(*parse_size(text)), text);
  }
}

TEST(Values, HostNames) {
  for (const char* good : {"a", "mail-1.example.com", "_x.example", "m\xc3\xbcller.example"}) {
    EXPECT_TRUE(is_host_name(good)) << good;
  }
  for (const char* bad : {"", ".a", "a..b", "a b", "a/b", "{{domain}}", "a@b"}) {
    EXPECT_FALSE(is_host_name(bad)) << bad;
  }
  EXPECT_FALSE(is_host_name(std::string(64, 'a')));
  EXPECT_TRUE(is_host_name(std::string(63, 'a')));
}

}  // namespace
}  // namespace ringpost::config
