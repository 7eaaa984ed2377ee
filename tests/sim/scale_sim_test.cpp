// What shards cost each other: whole machines of 1 to 64 shards over simulated ports take and
// deliver the same mail, and the letters between shards are counted. They must not grow with the
// shards.

#include <gtest/gtest.h>

#include <cstdio>

#include "tests/sim/flow/steady.h"

namespace ringpost::sim {
namespace {

double letters_for_a_message(unsigned shards) {
  constexpr std::size_t kMessages = 1500;
  constexpr unsigned kDomains = 150;
  Steady steady(shards, kDomains);
  steady.prepare(kMessages);
  steady.send();
  const std::uint64_t before = steady.loop_stats().letters_posted;
  steady.prepare(kMessages);
  steady.send();
  const std::uint64_t after = steady.loop_stats().letters_posted;
  steady.reconcile();
  const double letters = static_cast<double>(after - before) / kMessages;
  std::printf("%2u shards: %.2f letters a message\n", shards, letters);
  return letters;
}

TEST(Scale, LettersForAMessageDoNotGrowWithTheShards) {
  const double one = letters_for_a_message(1);
  const double eight = letters_for_a_message(8);
  const double most = letters_for_a_message(64);
  // With n shards a queue's home is another one than the spool's in (n - 1) of n cases.
  const double away = most / (63.0 / 64);
  EXPECT_NEAR(eight / (7.0 / 8), away, 0.15 * away);
  EXPECT_GT(most, one) << "nothing is counted";
  EXPECT_LT(most, 8);
}

}  // namespace
}  // namespace ringpost::sim
