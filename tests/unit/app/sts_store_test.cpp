#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/app/sts_fetcher.h"

namespace ringpost::app {
namespace {

constexpr WallTime kNow{1'800'000'000'000'000};

resolve::StsPolicyRef policy(const std::string& domain, const std::string& id,
                             WallTime fetched = kNow) {
  auto made = std::make_shared<resolve::StsPolicy>(
      *resolve::parse_sts_policy("version: STSv1\nmode: enforce\nmx: *.a.test\nmax_age: 86400\n"));
  made->domain = domain;
  made->id = id;
  made->fetched = fetched;
  return made;
}

class StsStoreTest : public ::testing::Test {
 protected:
  StsStoreTest() : file_("/tmp/ringpost-sts." + std::to_string(::getpid())) {}
  ~StsStoreTest() override { std::filesystem::remove(file_); }

  const std::string file_;
};

TEST_F(StsStoreTest, KeepsPoliciesOverRestarts) {
  {
    StsStore store(file_, kNow);
    EXPECT_TRUE(store.warnings().empty());
    store.keep(policy("a.test", "1"), "", kNow);
    store.keep(policy("a.test", "2"), "", kNow);
    store.keep(policy("a.test", "3"), "/ca.pem", kNow);
    store.keep(policy("b.test", "4"), "", kNow);
  }
  std::ofstream(file_, std::ios::app) << "half a li";
  StsStore store(file_, kNow + Duration::hours(1));
  EXPECT_EQ(store.warnings().size(), 1U);
  EXPECT_EQ(store.size(), 3U);
  EXPECT_EQ(*store.find("a.test", "", kNow), *policy("a.test", "2"));
  EXPECT_EQ(store.find("a.test", "/ca.pem", kNow)->id, "3");
  EXPECT_EQ(store.find("c.test", "", kNow), nullptr);
  EXPECT_EQ(store.find("a.test", "", kNow + Duration::hours(24)), nullptr);
  // What was broken or replaced is gone from the file.
  std::ifstream in(file_);
  std::size_t lines = 0;
  for (std::string line; std::getline(in, line);) {
    ++lines;
  }
  EXPECT_EQ(lines, 3U);
}

TEST_F(StsStoreTest, ForgetsWhatExpiredAndWhatTheFutureMade) {
  {
    StsStore store(file_, kNow);
    store.keep(policy("old.test", "1", kNow - Duration::hours(30)), "", kNow);
    store.keep(policy("future.test", "1", kNow + Duration::days(900)), "", kNow);
  }
  StsStore store(file_, kNow);
  EXPECT_EQ(store.size(), 1U);
  EXPECT_EQ(store.find("future.test", "", kNow)->fetched, kNow);
}

TEST_F(StsStoreTest, WorksWithoutAFile) {
  StsStore store("/nonexistent/sts", kNow);
  EXPECT_EQ(store.warnings().size(), 1U);
  store.keep(policy("a.test", "1"), "", kNow);
  EXPECT_EQ(store.find("a.test", "", kNow)->id, "1");
}

}  // namespace
}  // namespace ringpost::app
