#include "core/schedule/rate_gate.h"

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/random.h"

namespace ringpost::schedule {
namespace {

struct RateCase {
  std::uint32_t count;
  Duration period;
};

class Rates : public ::testing::TestWithParam<RateCase> {};

// Somebody always waits and asks at exactly the instant the gate names.
TEST_P(Rates, GreedyTakerGetsAtMostNInAnyWindowAndAlmostN) {
  const auto [count, period] = GetParam();
  RateGate gate;
  Instant now{1'000'000'007};
  gate.configure({count, period}, now);
  const Instant start = now;
  const Instant end = start + period * 5;
  std::deque<Instant> window;
  std::uint64_t total = 0;
  while (now < end && total < 2'000'000) {
    const std::uint32_t permits = gate.available(now);
    ASSERT_GT(permits, 0u);
    gate.take(permits, now);
    for (std::uint32_t i = 0; i < permits; ++i) {
      window.push_back(now);
    }
    total += permits;
    while (now - window.front() >= period) {
      window.pop_front();
    }
    ASSERT_LE(window.size(), count);
    ASSERT_EQ(gate.available(now), 0u);
    ASSERT_GT(gate.opens_at(), now);
    now = gate.opens_at();
  }
  if (now >= end) {
    EXPECT_GE(total, static_cast<std::uint64_t>(count) * 5 * 95 / 100);
  }
}

// Any pattern of asking keeps to N in any window.
TEST_P(Rates, RandomTakerNeverExceedsN) {
  const auto [count, period] = GetParam();
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    RateGate gate;
    Instant now{0};
    gate.configure({count, period}, now);
    std::deque<Instant> window;
    for (int i = 0; i < 3000; ++i) {
      const std::int64_t step = period.ns / static_cast<std::int64_t>(1 + random.below(count));
      now = now + Duration{random.chance(5) ? period.ns : random.between(0, step)};
      const std::uint32_t permits = gate.available(now);
      const auto taken = static_cast<std::uint32_t>(random.below(permits + std::uint64_t{1}));
      gate.take(taken, now);
      window.insert(window.end(), taken, now);
      while (!window.empty() && now - window.front() >= period) {
        window.pop_front();
      }
      ASSERT_LE(window.size(), count) << "seed " << seed;
    }
  }
}

/// Permits of a gate that lapse, or are used a while after they were taken.
class Lapsing {
 public:
  Lapsing(RateLimit limit, Random& random) : limit_(limit), random_(random) {
    gate_.configure(limit, now_, slack());
  }
  Duration slack() const { return limit_.period / 50; }

  /// Somebody takes all there is, as soon as there is some, or when others have used theirs.
  void run(Duration length, int lapse_percent) {
    for (const Instant end = now_ + length; now_ < end;) {
      const std::uint32_t permits = gate_.available(now_);
      gate_.take(permits, now_);
      for (std::uint32_t n = permits; n > 0; --n) {
        const bool lapses = random_.chance(lapse_percent);
        const Duration after{lapses ? slack().ns : random_.between(0, slack().ns - 1)};
        held_.insert({now_ + after, {now_, lapses}});
      }
      const Instant opens = gate_.opens_at();
      ASSERT_GT(opens, now_);
      now_ = held_.empty() ? opens : std::min(opens, held_.begin()->first);
      while (!held_.empty() && held_.begin()->first <= now_) {
        const auto [taken, lapses] = held_.extract(held_.begin()).mapped();
        lapses ? gate_.give_back(1, taken) : use();
        ASSERT_LE(window_.size(), limit_.count);
      }
    }
  }
  std::uint64_t used() const { return used_; }

 private:
  void use() {
    ++used_;
    window_.push_back(now_);
    while (now_ - window_.front() >= limit_.period) {
      window_.pop_front();
    }
  }

  RateLimit limit_;
  Random& random_;
  RateGate gate_;
  Instant now_{1'000'000'007};
  std::multimap<Instant, std::pair<Instant, bool>> held_;
  std::deque<Instant> window_;
  std::uint64_t used_ = 0;
};

// What lapses others use: not more than N in any window, and nearly that many.
TEST(RateGate, WhatLapsesIsUsedByOthers) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const bool burst = random.chance(30);
    const RateLimit limit{static_cast<std::uint32_t>(random.between(20, 400)),
                          Duration::seconds(random.between(1, 120)), burst};
    Lapsing some(limit, random);
    some.run(limit.period * 10, static_cast<int>(random.between(0, 30)));
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_GE(some.used() * 100, std::uint64_t{limit.count} * 10 * 94) << limit.count;
  }
}

/// Permits are used a while after they were taken.
TEST(RateGate, PermitsAreGoodForALimitedTime) {
  const Duration second = Duration::seconds(1);
  EXPECT_EQ(RateGate::late_max({10, second}), Duration::milliseconds(100));
  EXPECT_EQ(RateGate::late_max({1000, Duration::hours(1)}), Duration::seconds(5));
  EXPECT_EQ(RateGate::late_max({200, Duration::hours(1)}), Duration::minutes(1));
  EXPECT_EQ(RateGate::late_max({10, second, true}), Duration{});
  EXPECT_TRUE(RateGate::late_max({}).is_forever());
  EXPECT_TRUE(RateGate::quick({1, Duration::seconds(20)}));
  EXPECT_FALSE(RateGate::quick({4, Duration::seconds(21)}));
  EXPECT_EQ(RateGate::late_max({1, Duration::seconds(21)}), Duration::minutes(1));
  // One that counts by itself learns of a delay when the permit is used: not a whole period later.
  RateGate gate;
  gate.configure({1, Duration::seconds(21)}, Instant{});
  EXPECT_EQ(gate.late_max(), Duration::seconds(21));
  gate.used_late(Duration::seconds(40));
  EXPECT_EQ(gate.late_max(), Duration::seconds(40));
}

TEST(RateGate, WhatWasUsedLateCountsAfterARestart) {
  const RateLimit limit{1, Duration::hours(1)};
  const Instant now = Instant{} + Duration::hours(2);
  RateGate before;
  before.configure(limit, now);
  before.take(1, now);
  before.used_late(Duration::seconds(30));
  RateGate after;
  after.configure(limit, now);
  after.go_on(before.position(), now);
  EXPECT_GE(after.opens_at(), now + Duration::hours(1) + Duration::seconds(30));
  RateGate unknown;
  unknown.configure(limit, now);
  unknown.begin_after(now, unknown.late_max());
  EXPECT_EQ(unknown.opens_at(), now + Duration::hours(1) + Duration::minutes(1));
}

void use_late(Random& random, RateLimit limit, const std::string& what) {
  RateGate gate;
  Instant now{limit.period.ns * 2};
  const Duration most = limit.period / 50;
  gate.configure(limit, now, limit.burst ? most : Duration{});
  const Instant begin = now;
  std::multimap<Instant, Instant> pending;  // when used, when taken
  std::deque<Instant> window;
  std::uint64_t used = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Instant opens = std::max(now, gate.opens_at());
    if (!pending.empty() && pending.begin()->first <= opens) {
      now = pending.begin()->first;
      gate.used_late(now - pending.begin()->second);
      pending.erase(pending.begin());
      window.push_back(now);
      ++used;
      while (now - window.front() >= limit.period) {
        window.pop_front();
      }
      ASSERT_LE(window.size(), limit.count) << what;
      continue;
    }
    now = opens;
    const std::uint32_t permits = gate.available(now);
    ASSERT_GT(permits, 0U);
    gate.take(permits, now);
    for (std::uint32_t k = 0; k < permits; ++k) {
      pending.emplace(now + Duration{random.chance(80) ? 0 : random.between(0, most.ns)}, now);
    }
  }
  const double periods =
      static_cast<double>((now - begin).ns) / static_cast<double>(limit.period.ns);
  if (periods > 20) {
    EXPECT_GE(static_cast<double>(used), periods * limit.count * 0.94) << what;
  }
}

TEST(RateGate, PermitsThatAreUsedLateCountWhenTheyAreUsed) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const RateLimit limit{static_cast<std::uint32_t>(1 + random.below(400)),
                          Duration::milliseconds(random.between(1000, 60'000)), random.chance(30)};
    use_late(random, limit, "seed " + std::to_string(seed));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Rates,
    ::testing::Values(RateCase{1, Duration::minutes(1)}, RateCase{2, Duration::seconds(1)},
                      RateCase{24, Duration::minutes(1)}, RateCase{200, Duration::hours(1)},
                      RateCase{83, Duration::minutes(10)}, RateCase{1000, Duration::seconds(1)},
                      RateCase{100'000, Duration::hours(1)}, RateCase{40, Duration::seconds(1)},
                      RateCase{120, Duration::seconds(1)}, RateCase{499, Duration::seconds(2)},
                      RateCase{250'000, Duration::seconds(1)}, RateCase{3000, Duration::days(1)}));

TEST(RateGate, PacesAsTheFormulaSays) {
  RateGate gate;
  gate.configure({600, Duration::hours(1)}, Instant{});
  EXPECT_EQ(gate.burst(), 6u);
  EXPECT_EQ(gate.interval().ns, 3'600'000'000'000 / 595 + 1);
  gate.configure({40, Duration::minutes(1)}, Instant{});
  EXPECT_EQ(gate.interval(), Duration::milliseconds(1500)) << "remembered: all N, and one early";
  gate.configure({1000, Duration::seconds(1)}, Instant{});
  EXPECT_EQ(gate.burst(), 40u);
}

TEST(RateGate, WithoutLimitIsAlwaysOpen) {
  RateGate gate;
  EXPECT_EQ(gate.available(Instant{}), RateGate::kUnlimited);
  gate.take(1'000'000, Instant{});
  EXPECT_EQ(gate.available(Instant{}), RateGate::kUnlimited);
}

TEST(RateGate, ReloadKeepsPositionAndGrantsNothingExtra) {
  RateGate gate;
  Instant now{};
  gate.configure({10, Duration::minutes(1)}, now);
  gate.take(1, now);
  const Instant next = gate.opens_at();
  gate.configure({10, Duration::minutes(1)}, now);
  EXPECT_EQ(gate.opens_at(), next);
  gate.configure({20, Duration::minutes(1)}, now);
  EXPECT_EQ(gate.opens_at(), now + Duration::seconds(3)) << "one interval of the faster limit";
  EXPECT_EQ(gate.available(now), 0u);
  gate.configure({1000, Duration::seconds(1)}, next);
  EXPECT_EQ(gate.available(next), 0u) << "no fresh burst by reloading";
  EXPECT_EQ(gate.available(next + gate.interval() * 6), 1u);
}

TEST(RateGate, ABurstMayGoAtOnceAndNoWindowHoldsMore) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    const RateLimit limit{static_cast<std::uint32_t>(1 + random.below(500)), Duration::seconds(10),
                          true};
    RateGate gate;
    Instant now{random.between(0, 1'000'000'000'000)};
    gate.configure(limit, now);
    EXPECT_EQ(gate.available(now), limit.count);
    std::deque<Instant> window;
    std::uint64_t given = 0;
    const Instant begin = now;
    const bool greedy = random.chance(50);
    for (int i = 0; i < 2000; ++i) {
      const std::uint32_t permits = gate.available(now);
      const auto taken =
          greedy ? permits : static_cast<std::uint32_t>(random.below(permits + std::uint64_t{1}));
      gate.take(taken, now);
      given += taken;
      window.insert(window.end(), taken, now);
      while (!window.empty() && now - window.front() >= limit.period) {
        window.pop_front();
      }
      ASSERT_LE(window.size(), limit.count) << "seed " << seed;
      now = gate.available(now) == 0 ? gate.opens_at()
                                     : now + Duration{random.between(0, 500'000'000)};
      ASSERT_GT(gate.available(now), 0u) << "it opens when it says so";
    }
    if (greedy) {
      const std::int64_t periods = (now - begin).ns / limit.period.ns;
      EXPECT_GE(given * 100, static_cast<std::uint64_t>(periods) * limit.count * 95);
    }
  }
}

TEST(RateGate, NoBurstTwiceByReloading) {
  RateGate gate;
  Instant now{5'000'000'000};
  const RateLimit burst{100, Duration::minutes(1), true};
  const RateLimit even{100, Duration::minutes(1)};
  gate.configure(burst, now);
  gate.take(100, now);
  gate.configure(even, now);
  EXPECT_GE(gate.opens_at(), now + Duration::minutes(1));
  gate.configure(burst, now + Duration::seconds(1));
  EXPECT_EQ(gate.available(now + Duration::seconds(2)), 0u);
  gate.configure({200, Duration::minutes(1), true}, now + Duration::seconds(2));
  EXPECT_EQ(gate.available(now + Duration::seconds(2)), 100u) << "only what was added";
}

TEST(RateGate, AFasterLimitNeverGivesMoreThanItsOwnInAnyWindow) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    const Duration period = Duration::seconds(60);
    const auto slow = static_cast<std::uint32_t>(1 + random.below(200));
    const auto fast = static_cast<std::uint32_t>(slow + 1 + random.below(400));
    RateGate gate;
    Instant now{random.between(0, period.ns)};
    gate.configure({slow, period}, now);
    std::deque<Instant> window;
    const auto run = [&](Instant end) {
      while (now < end) {
        const std::uint32_t permits = gate.available(now);
        gate.take(permits, now);
        window.insert(window.end(), permits, now);
        while (!window.empty() && now - window.front() >= period) {
          window.pop_front();
        }
        ASSERT_LE(window.size(), fast) << "seed " << seed;
        now = std::max(gate.opens_at(), now + Duration::milliseconds(1));
      }
    };
    run(now + Duration{random.between(0, 3 * period.ns)});
    gate.configure({fast, period}, now);
    EXPECT_LE(gate.opens_at(), now + gate.interval() * 6) << "no wait for the slower one's permit";
    run(now + period + period);
  }
}

/// A rate whose permits are asserted to be at most N in any window.
struct Counted {
  void take(Instant now, std::uint32_t count = 1) {
    gate.take(count, now);
    times.insert(times.end(), count, now);
    while (!times.empty() && now - times.front() >= gate.limit().period) {
      times.pop_front();
    }
    ASSERT_LE(times.size(), gate.limit().count);
  }

  RateGate gate;
  std::deque<Instant> times;
};

// A message takes a permit of one of several gates and one of another that allows as much as these
// together: each is late for the other all the time, and both are used up all the same.
TEST(RateGate, GatesThatAreTakenTogetherAreUsedUp) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    const Duration period = random.chance(30)
                                ? Duration::hours(random.between(1, 24))
                                : Duration::milliseconds(random.between(1'000, 60'000));
    const Duration slack = random.chance(50) ? Duration{} : period / 50;
    std::vector<Counted> parts(2 + random.below(3));
    Counted whole;
    std::uint32_t together = 0;
    const std::uint64_t most = random.chance(50) ? 10 : 100;
    for (Counted& part : parts) {
      const auto count = static_cast<std::uint32_t>(1 + random.below(most));
      part.gate.configure({count, period}, Instant{}, slack);
      together += count;
    }
    whole.gate.configure({together, period}, Instant{}, slack);
    const auto opens = [&](const Counted& part) {
      return std::max(part.gate.opens_at(), whole.gate.opens_at());
    };
    std::uint64_t taken = 0;
    Instant now{};
    while (now < Instant{} + period * 12) {
      Counted& next = *std::min_element(
          parts.begin(), parts.end(),
          [&](const Counted& a, const Counted& b) { return opens(a) < opens(b); });
      now = std::max(now, opens(next));
      next.take(now);
      whole.take(now);
      ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
      taken += now >= Instant{} + period * 2 ? 1 : 0;
    }
    EXPECT_GE((taken + parts.size()) * 100, together * 10 * (slack.ns > 0 ? 94 : 95))
        << "seed " << seed;
  }
}

// Whoever looks only every 20 ms gets all that came meanwhile.
TEST(RateGate, FastOnesAreUsedUpByWhoLooksSeldom) {
  for (std::uint32_t count = 20; count < 700; count += 13) {
    Counted counted;
    Instant now{};
    counted.gate.configure({count, Duration::seconds(1)}, now, Duration::milliseconds(20));
    std::uint64_t taken = 0;
    for (; now < Instant{} + Duration::seconds(10); now = now + Duration::milliseconds(20)) {
      const std::uint32_t permits = counted.gate.available(now);
      counted.take(now, permits);
      ASSERT_FALSE(HasFatalFailure()) << count;
      taken += permits;
    }
    EXPECT_GE(taken * 100, count * 10 * 92U) << count;
  }
}

// However it is changed, and changed back: windows over several limits hold no more than the
// largest of them, and it is never closed for longer than a window and an interval.
TEST(RateGate, ChangesGiveNoMoreThanTheLargestLimit) {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    Random random(seed);
    const Duration period = Duration::milliseconds(random.between(500, 60'000));
    const std::uint64_t most = random.chance(50) ? 8 : random.chance(50) ? 60 : 700;
    RateGate gate;
    std::deque<Instant> times;
    std::uint32_t largest = 0;
    Instant now{};
    for (int change = 0; change < 5; ++change) {
      // As a back-off mode and its end change it: to less, and back.
      const auto drawn = static_cast<std::uint32_t>(1 + random.below(most));
      const std::uint32_t count = random.chance(40) ? std::max(1U, largest) : drawn;
      largest = std::max(largest, count);
      gate.configure({count, period}, now);
      ASSERT_LE(gate.opens_at(), now + period + gate.interval()) << "seed " << seed;
      ASSERT_GE(gate.lost(0), gate.opens_at()) << "seed " << seed;
      const std::int64_t longest = random.chance(50) ? period.ns * 3 / 2 : period.ns / 20;
      const Instant end = now + Duration{random.between(0, longest)};
      const bool greedy = random.chance(70);
      while (now < end) {
        if (gate.available(now) > 0 && (greedy || random.chance(60))) {
          gate.take(1, now);
          times.push_back(now);
        }
        while (!times.empty() && now - times.front() >= period) {
          times.pop_front();
        }
        ASSERT_LE(times.size(), largest) << "seed " << seed << " change " << change;
        now = gate.available(now) == 0 ? gate.opens_at()
              : greedy                 ? now
                                       : now + Duration{random.between(1, period.ns / count)};
      }
    }
  }
}

// As the ends of a process and its start are.
TEST(RateGate, WhatAnotherGateTookCounts) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    const RateLimit limit{static_cast<std::uint32_t>(1 + random.below(100)),
                          random.chance(50) ? Duration::minutes(1) : Duration::hours(1)};
    const bool known = random.chance(50);
    Counted counted;
    Instant now{limit.period.ns};
    counted.gate.configure(limit, now);
    for (int life = 0; life < 4; ++life) {
      const Instant end = now + Duration{random.between(0, limit.period.ns * 5)};
      const bool greedy = random.chance(50);
      while (now < end) {
        const bool takes = counted.gate.available(now) > 0 && (greedy || random.chance(70));
        takes ? counted.take(now) : static_cast<void>(0);
        ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
        now = counted.gate.available(now) > 0
                  ? now + Duration{random.between(0, limit.period.ns / limit.count)}
                  : std::max(now, counted.gate.opens_at());
      }
      RateGate next;
      next.configure(limit, now);
      known ? next.go_on(counted.gate.position(), now) : next.begin_after(now);
      ASSERT_LE(next.opens_at(), now + limit.period + next.interval()) << "seed " << seed;
      if (known) {  // what it would have made up for is lost, and no more
        const std::int64_t most = limit.period < Duration::hours(1) ? 7 : 3;
        ASSERT_LE(next.opens_at(), std::max(now, counted.gate.opens_at()) + next.interval() * most)
            << "seed " << seed;
      }
      counted.gate = std::move(next);
    }
  }
}

// What lapses may be told of much later, when others have begun anew.
TEST(RateGate, WhatLapsedCountsNoMoreAfterACrash) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const RateLimit limit{static_cast<std::uint32_t>(2 + random.below(300)),
                          Duration::hours(random.chance(50) ? 1 : 24)};
    const std::int64_t longest = limit.period.ns * random.between(1, 95) / 100;
    const int lapse_percent = static_cast<int>(random.between(0, 40));
    RateGate gate;
    Instant now{limit.period.ns};
    gate.configure(limit, now);
    std::multimap<Instant, Instant> lapsed;  // when that is told, when they were taken
    std::deque<Instant> used;
    for (int i = 0; i < 3'000; ++i) {
      now = std::max(now, gate.opens_at());
      if (random.chance(5)) {  // nobody asks for a while
        now = now + Duration{random.between(0, limit.period.ns / limit.count * 10)};
      }
      while (!lapsed.empty() && lapsed.begin()->first <= now) {
        gate.give_back(1, lapsed.extract(lapsed.begin()).mapped());
      }
      if (gate.available(now) == 0) {
        continue;
      }
      gate.take(1, now);
      if (random.chance(lapse_percent)) {
        lapsed.insert({now + Duration{random.between(1, longest)}, now});
      } else {
        used.push_back(now);
      }
      while (!used.empty() && now - used.front() >= limit.period) {
        used.pop_front();
      }
      ASSERT_LE(used.size(), limit.count);
      if (random.below(150) == 0) {
        RateGate next;
        next.configure(limit, now);
        random.chance(50) ? next.begin_after(now) : next.go_on(gate.position(), now);
        gate = std::move(next);
        lapsed.clear();
      }
    }
  }
}

// A rate that another shard paced until now gives nothing for a period; a change to a faster one
// may end that, as far as that one allows.
TEST(RateGate, WhatIsClosedStaysClosedOverAChange) {
  for (const std::uint32_t count : {20U, 100U, 101U, 600U}) {
    for (const std::uint32_t changed : {19U, 99U, 101U, 400U}) {
      RateGate gate;
      const Instant now{Duration::hours(2).ns};
      gate.configure({count, Duration::hours(1)}, now);
      gate.close_until(now + Duration::hours(1));
      gate.configure({changed, Duration::hours(1)}, now + Duration::seconds(1));
      // As if N had been taken evenly, the last of them an interval before the hour is over.
      EXPECT_GE(gate.opens_at(), now + Duration::hours(1) - Duration::hours(1) / count)
          << count << " to " << changed;
      EXPECT_LE(gate.opens_at(), now + Duration::hours(2)) << count << " to " << changed;
    }
  }
}

// What a start was told of holds, whatever else it has to assume, and in which order.
TEST(RateGate, WhatIsAssumedOpensNothingSooner) {
  for (const bool first : {true, false}) {
    const RateLimit limit{100, Duration::hours(1)};
    const Instant now{Duration::hours(10).ns};
    RateGate gate;
    gate.configure(limit, now);
    const auto assume = [&] { gate.begin_after(now - Duration::hours(3)); };
    first ? assume() : static_cast<void>(0);
    gate.go_on({now + Duration::minutes(30)}, now);
    first ? static_cast<void>(0) : assume();
    gate.configure({101, Duration::hours(1)}, now + Duration::seconds(1));
    EXPECT_GE(gate.opens_at(), now + Duration::minutes(29)) << first;
    EXPECT_LE(gate.opens_at(), now + Duration::minutes(31)) << first;
  }
}

}  // namespace
}  // namespace ringpost::schedule
