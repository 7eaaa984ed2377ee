#include "core/schedule/byte_gate.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "core/base/random.h"
#include "tests/unit/schedule/crowd.h"

namespace ringpost::schedule {
namespace {

// Long after the clock's beginning, to which shifts of it must not lead back.
constexpr Instant kBegin{Duration::hours(1'000).ns};

/// What began within the last period, checked at each beginning.
class Watch {
 public:
  explicit Watch(ByteLimit limit) : limit_(limit) {}

  void begins(std::uint64_t size, Instant now) {
    while (!seen_.empty() && seen_.front().first + limit_.period <= now) {
      sum_ -= seen_.front().second;
      seen_.pop_front();
    }
    seen_.emplace_back(now, size);
    sum_ += size;
    ASSERT_TRUE(sum_ <= limit_.count || seen_.size() == 1) << sum_ << " at " << now.ns;
  }

 private:
  ByteLimit limit_;
  std::deque<std::pair<Instant, std::uint64_t>> seen_;
  std::uint64_t sum_ = 0;
};

ByteLimit draw_limit(Random& random) {
  const Duration periods[] = {Duration::seconds(1), Duration::minutes(1), Duration::hours(1)};
  return {std::uint64_t{1} << (10 + random.below(24)), periods[random.below(3)]};
}

std::uint64_t draw_size(Random& random, ByteLimit limit) {
  switch (random.below(4)) {
    case 0: return 1 + random.below(limit.count / 100 + 1);
    case 1: return 1 + random.below(limit.count);
    case 2: return 1 + random.below(limit.count * 4);
    default: return limit.count / 3 + 1;
  }
}

// Whatever the sizes, what begins in a window is at most the limit, or one larger message; and no
// message waits for ever.
TEST(ByteGate, NoWindowHoldsMore) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const ByteLimit limit = draw_limit(random);
    ByteGate gate;
    gate.configure(limit, kBegin);
    Watch watch(limit);
    Instant now = kBegin;
    std::uint64_t sent = 0;
    std::uint64_t largest = 0;
    for (int i = 0; i < 300; ++i) {
      const std::uint64_t size = draw_size(random, limit);
      if (random.chance(20)) {
        now = now + Duration{random.between(0, limit.period.ns * 3)};
      }
      for (int tries = 0; !gate.open_for(size, now); ++tries) {
        ASSERT_LT(tries, 70) << "it tells wrongly when it opens";
        ASSERT_GT(gate.opens_for(size), now);
        now = gate.opens_for(size);
      }
      gate.take(size, now);
      watch.begins(size, now);
      ASSERT_FALSE(HasFatalFailure());
      sent += size;
      largest = std::max(largest, size);
      // In the long run too.
      const auto periods =
          static_cast<double>((now - kBegin).ns) / static_cast<double>(limit.period.ns);
      ASSERT_LE(static_cast<double>(sent),
                (periods + 1) * static_cast<double>(limit.count) + static_cast<double>(largest));
    }
  }
}

// What was taken begins a while later, with a smaller message, or not at all; the rest comes back.
TEST(ByteGate, NoWindowHoldsMoreWhereSomeComesBack) {
  struct Taken {
    Instant at;
    std::uint64_t size = 0;
  };
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 86'028'157);
    const ByteLimit limit = draw_limit(random);
    const Duration slack = limit.period / 50;
    ByteGate gate;
    gate.configure(limit, kBegin, slack);
    Watch watch(limit);
    std::multimap<Instant, Taken> to_begin;
    Instant now = kBegin;
    for (int i = 0; i < 300; ++i) {
      const std::uint64_t size = draw_size(random, limit);
      while (!to_begin.empty() || !gate.open_for(size, now)) {
        const bool open = gate.open_for(size, now);
        const Instant next = open ? now : gate.opens_for(size);
        if (to_begin.empty() || (to_begin.begin()->first > next && random.chance(80))) {
          now = next;
          if (open) {
            break;
          }
          continue;
        }
        now = std::max(now, to_begin.begin()->first);
        const Taken one = to_begin.extract(to_begin.begin()).mapped();
        const std::uint64_t used = random.chance(30) ? 0 : 1 + random.below(one.size);
        if (used > 0) {
          watch.begins(used, now);
          ASSERT_FALSE(HasFatalFailure());
        }
        gate.give_back(one.size - used, one.at);
      }
      gate.take(size, now);
      to_begin.insert({now + Duration{random.between(0, slack.ns - 1)}, {now, size}});
    }
  }
}

// What came back is sent by others: 95 % of the limit, though half of what is taken comes back.
TEST(ByteGate, TheLimitIsReachedWhereSomeComesBack) {
  const ByteLimit limit{1'000'000, Duration::seconds(1)};
  ByteGate gate;
  gate.configure(limit, kBegin, limit.period / 50);
  std::uint64_t sent = 0;
  bool used = false;
  for (Instant now = kBegin; now < kBegin + Duration::seconds(60);
       now = std::max(now, gate.opens_for(1'000))) {
    if (gate.open_for(1'000, now)) {
      gate.take(1'000, now);
      sent += used ? 1'000 : 0;
      gate.give_back(used ? 0 : 1'000, now);
      used = !used;
    }
  }
  EXPECT_GE(sent, 60 * limit.count * 95 / 100);
}

// A run goes on where the last one ended, on another clock.
TEST(ByteGate, NoWindowHoldsMoreOverRestarts) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 122'949'823);
    const ByteLimit limit = draw_limit(random);
    ByteGate gate;
    gate.configure(limit, kBegin);
    Watch watch(limit);
    Duration shift;  // of the gate's clock
    Instant now = kBegin;
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t size = draw_size(random, limit);
      if (random.chance(5)) {
        ByteGate::Position position = gate.position(now + shift);
        const Duration more{random.between(-limit.period.ns, limit.period.ns)};
        shift = Duration{shift.ns + more.ns};
        position.paid_at = position.paid_at + more;
        for (auto& part : position.parts) {
          part.begun = part.begun + more;
        }
        const Instant before = gate.opens_for(size) + more;
        gate = ByteGate{};
        gate.configure(limit, now + shift);
        gate.go_on(position, now + shift);
        gate.open_for(size, now + shift);
        if (before > now + shift) {  // what was open before says nothing of a time
          ASSERT_GE(gate.opens_for(size) + limit.period / 32, now + shift);
        }
        ASSERT_LE(gate.opens_for(size), std::max(before, now + shift) + limit.period / 6);
      }
      while (!gate.open_for(size, now + shift)) {
        now = gate.opens_for(size) - shift;
      }
      gate.take(size, now + shift);
      watch.begins(size, now);
      ASSERT_FALSE(HasFatalFailure());
    }
  }
}

// 95 % of it while mail of common sizes waits.
TEST(ByteGate, TheLimitIsReached) {
  for (const std::uint64_t size : {1'000U, 10'000U, 40'000U}) {
    const ByteLimit limit{1'000'000, Duration::seconds(1)};
    ByteGate gate;
    gate.configure(limit, kBegin);
    std::uint64_t sent = 0;
    for (Instant now = kBegin; now < kBegin + Duration::seconds(60); now = gate.opens_for(size)) {
      if (gate.open_for(size, now)) {
        gate.take(size, now);
        sent += size;
      }
    }
    EXPECT_GE(sent, 60 * limit.count * 95 / 100) << size;
  }
}

// A message of many periods' allowance begins, and is paid for afterwards.
TEST(ByteGate, AMessageLargerThanTheLimitGoes) {
  ByteGate gate;
  gate.configure({1'000, Duration::seconds(1)}, kBegin);
  ASSERT_TRUE(gate.open_for(10'000, kBegin));
  gate.take(10'000, kBegin);
  EXPECT_TRUE(gate.in_debt(kBegin));
  EXPECT_FALSE(gate.open_for(1, kBegin + Duration::milliseconds(9'900)));
  EXPECT_TRUE(gate.open_for(1, kBegin + Duration::seconds(10)));
}

// What began under another limit was paid for by that one.
TEST(ByteGate, ALowerLimitIsNotPaidForByWhatBeganBefore) {
  ByteGate gate;
  gate.configure({1'000'000'000, Duration::hours(1)}, kBegin);
  ASSERT_TRUE(gate.open_for(20'000'000, kBegin));
  gate.take(20'000'000, kBegin);
  gate.configure({1'000'000, Duration::hours(24)}, kBegin + Duration::seconds(1));
  EXPECT_FALSE(gate.open_for(1'000, kBegin + Duration::hours(23)));
  EXPECT_LE(gate.opens_for(1'000), kBegin + Duration::hours(25));
}

// Each begins up to half the time of one later than it may, for its receiver is busy or another
// limit holds it up: the next ones make up for that.
TEST(ByteGate, TheLimitIsReachedByThoseThatBeginLate) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    Random random(seed);
    const ByteLimit limit{1'000'000, Duration::seconds(random.between(10, 3'600))};
    const auto size = static_cast<std::uint64_t>(random.between(5'000, 50'000));
    const std::int64_t cost = limit.period.ns / 1'000 * static_cast<std::int64_t>(size) / 1'000;
    ByteGate gate;
    gate.configure(limit, kBegin);
    Watch watch(limit);
    std::uint64_t sent = 0;
    const Instant end = kBegin + limit.period * 20;
    for (Instant now = kBegin; now < end;
         now =
             gate.opens_for(size) + Duration{random.between(0, random.chance(50) ? cost / 2 : 0)}) {
      if (gate.open_for(size, now)) {
        gate.take(size, now);
        watch.begins(size, now);
        ASSERT_FALSE(HasFatalFailure());
        sent += size;
      }
    }
    // As many whole messages as fit into a period.
    EXPECT_GE(sent, limit.count / size * size * 20 * 95 / 100) << "seed " << seed << ", " << size;
  }
}

}  // namespace
}  // namespace ringpost::schedule
