#include "net/sign/signature_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace ringpost::sign {
namespace {

SignatureCacheKey key(std::uint64_t number) { return {MessageId{1, number}, 2, 3}; }
constexpr WallTime kNow{1'000'000'000'000'000};

TEST(SignatureCache, FindsWhatItKeeps) {
  SignatureCache cache(4);
  EXPECT_EQ(cache.find(key(1), kNow), "");
  cache.keep(key(1), "one", 0);
  EXPECT_EQ(cache.find(key(1), kNow), "one");
  cache.keep(key(1), "new", 0);
  EXPECT_EQ(cache.find(key(1), kNow), "new");
  EXPECT_EQ(cache.entries(), 1U);
  EXPECT_EQ(cache.find({MessageId{2, 1}, 2, 3}, kNow), "");
  EXPECT_EQ(cache.find({MessageId{1, 1}, 9, 3}, kNow), "") << "other rules or keys";
  EXPECT_EQ(cache.find({MessageId{1, 1}, 2, 9}, kNow), "") << "other edits";
  EXPECT_EQ(cache.hits(), 2U);
  EXPECT_EQ(cache.misses(), 4U);
  cache.clear();
  EXPECT_EQ(cache.find(key(1), kNow), "");
  EXPECT_EQ(cache.entries(), 0U);
}

TEST(SignatureCache, AnHourOfLifeMustRemain) {
  SignatureCache cache(4);
  cache.keep(key(1), "one", kNow.unix_seconds() + 7200);
  EXPECT_EQ(cache.find(key(1), kNow), "one");
  EXPECT_EQ(cache.find(key(1), kNow + Duration::hours(1)), "one");
  EXPECT_EQ(cache.find(key(1), kNow + Duration::seconds(3601)), "");
}

TEST(SignatureCache, LeastRecentlyUsedMakesRoom) {
  SignatureCache cache(2);
  cache.keep(key(1), "one", 0);
  cache.keep(key(2), "two", 0);
  EXPECT_EQ(cache.find(key(1), kNow), "one");
  cache.keep(key(3), "three", 0);
  EXPECT_EQ(cache.find(key(2), kNow), "");
  EXPECT_EQ(cache.find(key(1), kNow), "one");
  EXPECT_EQ(cache.find(key(3), kNow), "three");
}

TEST(SignatureCache, TooLongIsNotKept) {
  SignatureCache cache(2);
  cache.keep(key(1), "one", 0);
  cache.keep(key(1), std::string(SignatureCache::kFieldsBytesMax + 1, 'x'), 0);
  EXPECT_EQ(cache.find(key(1), kNow), "");
  EXPECT_EQ(cache.entries(), 0U);
  cache.keep(key(1), std::string(SignatureCache::kFieldsBytesMax, 'x'), 0);
  EXPECT_EQ(cache.entries(), 1U);
}

// Against a plain map: never a wrong answer, never more entries than allowed.
TEST(SignatureCache, NeverWrong) {
  SignatureCache cache(50);
  std::map<std::uint64_t, std::string> kept;
  std::mt19937 random(5);
  std::size_t found = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t number = random() % 120;
    const std::string_view fields = cache.find(key(number), kNow);
    if (!fields.empty()) {
      ++found;
      ASSERT_EQ(fields, kept[number]);
    } else if (random() % 2 == 0) {
      kept[number] = std::to_string(i);
      cache.keep(key(number), kept[number], 0);
    }
    ASSERT_LE(cache.entries(), 50U);
  }
  EXPECT_GT(found, 5000U);
  EXPECT_EQ(cache.entries(), 50U);
}

}  // namespace
}  // namespace ringpost::sign
