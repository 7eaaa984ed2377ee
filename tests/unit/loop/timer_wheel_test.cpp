#include "core/loop/timer_wheel.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "core/base/random.h"

namespace ringpost {
namespace {

constexpr std::int64_t kTickNs = std::int64_t{1} << 20;

struct Probe {
  Timer timer;
  Instant fired = Instant::never();
  int count = 0;

  Probe() { timer.bind<&Probe::on_time>(this); }
  void on_time(Now now) {
    fired = now.instant;
    ++count;
  }
};

TEST(TimerWheel, FiresNeverEarlyAndAtMostOneTickLateOverAllDistances) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    Random random(seed);
    Instant now{static_cast<std::int64_t>(random.below(1ULL << 50))};
    TimerWheel wheel(now);
    std::vector<std::unique_ptr<Probe>> probes;
    for (int i = 0; i < 2000; ++i) {
      auto probe = std::make_unique<Probe>();
      // All magnitudes from nanoseconds to weeks.
      const auto distance = static_cast<std::int64_t>(random.next() >> random.between(13, 62));
      wheel.arm(probe->timer, now + Duration{distance});
      probes.push_back(std::move(probe));
    }
    // The driver sleeps exactly to next_wakeup(): nothing may then be more than a tick late.
    while (wheel.armed() > 0) {
      const Instant next = wheel.next_wakeup();
      ASSERT_NE(next, Instant::never());
      ASSERT_GT(next, now);
      now = next;
      wheel.expire({now, {}});
    }
    for (const auto& probe : probes) {
      EXPECT_EQ(probe->count, 1);
      EXPECT_GE(probe->fired, probe->timer.deadline());
      EXPECT_LE((probe->fired - probe->timer.deadline()).ns, 2 * kTickNs);
    }
  }
}

TEST(TimerWheel, LongSleepFiresEverythingDueInTickOrder) {
  TimerWheel wheel(Instant{0});
  std::vector<std::unique_ptr<Probe>> probes;
  for (int i = 0; i < 500; ++i) {
    probes.push_back(std::make_unique<Probe>());
    wheel.arm(probes.back()->timer, Instant{} + Duration::milliseconds(i * 37));
  }
  wheel.expire({Instant{} + Duration::seconds(10), {}});
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(probes[static_cast<std::size_t>(i)]->count, i * 37 < 9998 ? 1 : 0) << i;
  }
  wheel.expire({Instant{} + Duration::minutes(1), {}});
  EXPECT_EQ(wheel.armed(), 0U);
}

TEST(TimerWheel, DisarmAndRearmMoveATimer) {
  TimerWheel wheel(Instant{0});
  Probe probe;
  wheel.arm(probe.timer, Instant{} + Duration::seconds(1));
  wheel.arm(probe.timer, Instant{} + Duration::hours(1));
  EXPECT_EQ(wheel.armed(), 1U);
  wheel.expire({Instant{} + Duration::minutes(1), {}});
  EXPECT_EQ(probe.count, 0);
  wheel.disarm(probe.timer);
  EXPECT_EQ(wheel.next_wakeup(), Instant::never());
  wheel.expire({Instant{} + Duration::hours(2), {}});
  EXPECT_EQ(probe.count, 0);
}

TEST(TimerWheel, HandlerMayDisarmAnotherTimerOfTheSameTick) {
  struct Pair {
    TimerWheel wheel{Instant{0}};
    Timer first;
    Probe second;
    void on_first(Now) { wheel.disarm(second.timer); }
  } pair;
  pair.first.bind<&Pair::on_first>(&pair);
  pair.wheel.arm(pair.first, Instant{} + Duration::seconds(1));
  pair.wheel.arm(pair.second.timer, Instant{} + Duration::seconds(1));
  pair.wheel.expire({Instant{} + Duration::seconds(2), {}});
  EXPECT_EQ(pair.second.count, 0);
  EXPECT_EQ(pair.wheel.armed(), 0U);
}

TEST(TimerWheel, NeverIsNotArmed) {
  TimerWheel wheel(Instant{0});
  Probe probe;
  wheel.arm(probe.timer, Instant::never());
  EXPECT_FALSE(probe.timer.armed());
}

}  // namespace
}  // namespace ringpost
