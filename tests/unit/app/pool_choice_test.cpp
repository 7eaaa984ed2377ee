#include "core/app/pool_choice.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/hash.h"

namespace ringpost::app {
namespace {

constexpr std::uint64_t kKeys = 60'000;

std::uint64_t key_of(std::uint64_t number) {
  return hash64({reinterpret_cast<const char*>(&number), sizeof number});
}

PoolChoice pool_of(unsigned members, unsigned weight_of_first = 1) {
  PoolChoice pool;
  for (unsigned i = 0; i < members; ++i) {
    pool.add("m" + std::to_string(i), i == 0 ? weight_of_first : 1);
  }
  return pool;
}

std::vector<std::uint64_t> shares(const PoolChoice& pool, unsigned members) {
  std::vector<std::uint64_t> counts(members);
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    ++counts[pool.choose(key_of(i))];
  }
  return counts;
}

TEST(PoolChoice, SharesFollowTheWeights) {
  const auto even = shares(pool_of(6), 6);
  for (const std::uint64_t count : even) {
    EXPECT_NEAR(static_cast<double>(count), kKeys / 6.0, kKeys * 0.01);
  }
  const auto heavy = shares(pool_of(4, 3), 4);  // 3 : 1 : 1 : 1
  EXPECT_NEAR(static_cast<double>(heavy[0]), kKeys / 2.0, kKeys * 0.01);
  for (unsigned i = 1; i < 4; ++i) {
    EXPECT_NEAR(static_cast<double>(heavy[i]), kKeys / 6.0, kKeys * 0.01);
  }
}

TEST(PoolChoice, AMembersRemovalMovesOnlyItsOwnKeys) {
  for (const unsigned weight : {1U, 5U}) {
    const PoolChoice all = pool_of(5, weight);
    const PoolChoice fewer = pool_of(4, weight);  // without m4
    std::vector<std::uint64_t> heirs(4);
    for (std::uint64_t i = 0; i < kKeys; ++i) {
      const std::size_t before = all.choose(key_of(i));
      const std::size_t after = fewer.choose(key_of(i));
      if (before != 4) {
        EXPECT_EQ(before, after);
      } else {
        ++heirs[after];
      }
    }
    for (const std::uint64_t count : heirs) {
      EXPECT_GT(count, 0U);
    }
  }
}

TEST(PoolChoice, AMemberOutOfUseIsLeftOutAsIfItWereRemoved) {
  const PoolChoice all = pool_of(5);
  const PoolChoice fewer = pool_of(4);
  const std::vector<bool> last_out = {false, false, false, false, true};
  const std::vector<bool> all_out(5, true);
  for (std::uint64_t i = 0; i < 5000; ++i) {
    EXPECT_EQ(all.choose(key_of(i), last_out), fewer.choose(key_of(i)));
    EXPECT_EQ(all.choose(key_of(i), all_out), all.choose(key_of(i)));
  }
}

TEST(PoolChoice, OrderDoesNotMatter) {
  PoolChoice forward;
  forward.add("a", 1);
  forward.add("b", 2);
  PoolChoice backward;
  backward.add("b", 2);
  backward.add("a", 1);
  for (std::uint64_t i = 0; i < 5000; ++i) {
    EXPECT_EQ(forward.choose(key_of(i)), 1 - backward.choose(key_of(i)));
  }
}

}  // namespace
}  // namespace ringpost::app
