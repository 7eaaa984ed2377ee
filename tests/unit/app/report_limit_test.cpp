#include "core/app/report_limit.h"

#include <gtest/gtest.h>

namespace ringpost::app {
namespace {

constexpr config::Rate kTwoAnHour{2, Duration::hours(1)};

class Limit {
 public:
  explicit Limit(unsigned shards = 1) : limit(shards) {}
  bool take(std::string_view sender, const config::Rate& rate = kTwoAnHour) {
    said = false;
    return limit.take(sender, rate, now, said);
  }

  ReportLimit limit;
  Instant now = Instant{} + Duration::hours(3);
  bool said = false;
};

TEST(ReportLimit, AnAddressGetsSoManyInAPeriodAndOthersTheirs) {
  Limit limit;
  EXPECT_TRUE(limit.take("list@a.example"));
  EXPECT_TRUE(limit.take("LIST@A.example"));
  EXPECT_FALSE(limit.take("list@a.example"));
  EXPECT_TRUE(limit.said);
  EXPECT_FALSE(limit.take("list@a.example"));
  EXPECT_FALSE(limit.said) << "once a period";
  EXPECT_TRUE(limit.take("other@a.example"));
  limit.now = limit.now + Duration::hours(1);
  EXPECT_TRUE(limit.take("list@a.example"));
}

TEST(ReportLimit, ADomainGetsTenTimesAsMany) {
  Limit limit;
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(limit.take("list-" + std::to_string(i) + "=b.example@a.example"));
  }
  EXPECT_FALSE(limit.take("list-20=b.example@a.example")) << "paths of their own are bounded too";
  EXPECT_TRUE(limit.said);
  EXPECT_FALSE(limit.take("list-21=b.example@a.example"));
  EXPECT_FALSE(limit.said);
  EXPECT_TRUE(limit.take("list@c.example"));
}

TEST(ReportLimit, ShardsShareAndUnlimitedIsNone) {
  Limit limit(2);
  EXPECT_TRUE(limit.take("list@a.example"));
  EXPECT_FALSE(limit.take("list@a.example"));
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(limit.take("list@b.example", config::Rate{}));
  }
}

TEST(ReportLimit, FloodsOfNamesStayBounded) {
  Limit limit;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < 2 * ReportLimit::kNamesMax; ++i) {
    taken += limit.take("x@" + std::to_string(i) + ".example") ? 1 : 0;
  }
  EXPECT_EQ(taken, ReportLimit::kNamesMax + 20U) << "beyond, all domains together are as one";
}

}  // namespace
}  // namespace ringpost::app
