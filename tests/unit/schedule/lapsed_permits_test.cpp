#include <gtest/gtest.h>

#include <array>

#include "tests/unit/schedule/two_scopes.h"

// Permits that nobody uses in time go back to their gates, and from there to whoever waits longest.

namespace ringpost::schedule {
namespace {

struct Taker {
  RateScope* scope = nullptr;
  std::uint32_t uses_one_in = 1;  ///< of its permits; 0: none
  std::uint32_t seen = 0;
  std::uint32_t used = 0;
};

/// Both want a permit at all times for three hours.
void share(test::TwoScopes& two, std::array<Taker, 2>& takers) {
  for (Taker& one : takers) {
    two.book.set_want(*one.scope, 1);
  }
  for (const Instant end = two.now.instant + Duration::hours(3); two.now.instant < end;) {
    two.book.run(two.now.instant);
    while (RateScope* const scope = two.book.next_stirred()) {
      if (scope != takers[0].scope && scope != takers[1].scope) {
        continue;
      }
      Taker& one = scope == takers[0].scope ? takers[0] : takers[1];
      two.book.clear_lapsed(*scope, two.now.instant);
      const bool fresh = std::exchange(one.seen, scope->received) != scope->received;
      if (fresh && one.uses_one_in > 0 && one.seen % one.uses_one_in == 0) {
        RateBook::take(*scope, 1, 0, two.now.instant);
        ++one.used;
      }
      two.book.set_want(*scope, RateBook::available(*scope, two.now.instant) > 0 ? 0 : 1);
      two.book.stir_at(*scope, RateBook::lapses(*scope, two.now.instant));
    }
    two.book.flush(two);
    if (!two.book.has_stirred() && two.book.quiet()) {
      ASSERT_GT(two.book.next_wakeup(), two.now.instant);
      two.now.instant = two.book.next_wakeup();
    }
  }
}

TEST(LapsedPermits, AreNotOnlyForThoseThatLetThemLapse) {
  for (const bool burst : {false, true}) {
    for (const std::uint32_t uses_one_in : {0U, 1U, 2U, 5U}) {
      test::TwoScopes two;
      two.plan.rates.push_back({7, {100, Duration::hours(1), burst}});
      // Many have asked before, and do not any more.
      for (std::uint64_t other = 10; other < 2'000; ++other) {
        two.book.set_want(two.book.scope(other, 5, {}, 1), 1);
        two.book.flush(two);
        two.book.run(two.now.instant);
        two.book.flush(two);
        two.book.set_want(two.book.scope(other, 5, {}, 1), 0);
        two.book.flush(two);
      }
      two.now.instant = two.now.instant + Duration::hours(2);
      std::array<Taker, 2> takers{Taker{&two.book.scope(1, 5, {}, 1), uses_one_in},
                                  Taker{&two.book.scope(2, 5, {}, 1)}};
      share(two, takers);
      ASSERT_FALSE(HasFatalFailure());
      EXPECT_LE(takers[0].used + takers[1].used, 300U);
      EXPECT_GE(takers[1].used, 140U) << "the other uses one in " << uses_one_in;
      EXPECT_GE(takers[0].used + takers[1].used, 285U) << "it uses one in " << uses_one_in;
    }
  }
}

}  // namespace
}  // namespace ringpost::schedule
