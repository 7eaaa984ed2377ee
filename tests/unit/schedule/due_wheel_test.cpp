#include "core/schedule/due_wheel.h"

#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/random.h"

namespace ringpost::schedule {
namespace {

// Against a sorted map: every entry fires once, not before its instant and less than a tick after
// the wake-up that the wheel itself asked for.
TEST(DueWheel, FiresEachEntryWithinATickOfItsInstant) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    EntrySlab entries(100'000);
    DueWheel wheel(entries);
    Instant now{static_cast<std::int64_t>(random.below(1'000'000'000'000'000ULL))};
    std::uint32_t budget = 1;
    ASSERT_EQ(wheel.take_due(now, budget), kNil);
    std::map<std::uint32_t, Instant> armed;
    for (int step = 0; step < 4000; ++step) {
      const auto what = random.below(10);
      if (what < 5) {
        const std::uint32_t index = entries.take();
        entries[index] = Entry{};
        const std::int64_t far = std::int64_t{1} << random.below(52);
        const Instant due{now.ns + random.between(-1'000'000, far)};
        wheel.arm(index, due);
        armed[index] = due;
      } else if (what < 6 && !armed.empty()) {
        const auto victim = std::next(armed.begin(), static_cast<long>(random.below(armed.size())));
        wheel.disarm(victim->first);
        entries.give_back(victim->first);
        armed.erase(victim);
      } else {
        const Instant wake = wheel.next_wakeup();
        ASSERT_EQ(wake == Instant::never(), armed.empty());
        if (wake != Instant::never() && wake > now) {
          now = random.chance(80) ? wake : wake + Duration{random.between(0, 1'000'000'000)};
        }
        budget = static_cast<std::uint32_t>(1 + random.below(50));
        std::uint32_t index = kNil;
        while ((index = wheel.take_due(now, budget)) != kNil) {
          ASSERT_TRUE(armed.count(index));
          ASSERT_LE(armed[index], now) << "fired early, seed " << seed;
          armed.erase(index);
          entries.give_back(index);
        }
        if (budget > 0) {
          for (const auto& [unused, due] : armed) {
            ASSERT_GT(due + DueWheel::kTick, now) << "fired late, seed " << seed;
          }
        }
      }
    }
  }
}

TEST(DueWheel, BudgetBoundsTheWorkOfACall) {
  EntrySlab entries(100'000);
  DueWheel wheel(entries);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint32_t index = entries.take();
    entries[index] = Entry{};
    wheel.arm(index, Instant{} + Duration::days(3));
  }
  const Instant late = Instant{} + Duration::days(4);
  int calls = 0;
  int fired = 0;
  while (fired < 10'000 && calls < 10'000) {
    std::uint32_t budget = 100;
    int in_call = 0;
    while (wheel.take_due(late, budget) != kNil) {
      ++in_call;
    }
    ASSERT_LE(in_call, 100);
    fired += in_call;
    ++calls;
  }
  EXPECT_EQ(fired, 10'000);
  EXPECT_LE(calls, 10'000 * DueWheel::kLevels / 100 + 1);
}

TEST(DueWheel, TakesInstantsAtTheEndsOfTheClock) {
  EntrySlab entries(10);
  DueWheel wheel(entries);
  const std::uint32_t past = entries.take();
  const std::uint32_t never = entries.take();
  entries[past] = entries[never] = Entry{};
  wheel.arm(past, Instant{-5});
  wheel.arm(never, Instant::never());
  std::uint32_t budget = 10;
  EXPECT_EQ(wheel.take_due(Instant{1}, budget), past);
  EXPECT_EQ(wheel.take_due(Instant{1}, budget), kNil);
  wheel.disarm(never);
  wheel.disarm(never);
  EXPECT_EQ(wheel.next_wakeup(), Instant::never());
}

}  // namespace
}  // namespace ringpost::schedule
