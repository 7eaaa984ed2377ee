#include "core/schedule/day_counts.h"

#include <gtest/gtest.h>

#include "core/schedule/warmup.h"

namespace ringpost::schedule {
namespace {

/// 2027-01-16, in the morning.
constexpr WallTime kMorning{1'800'080'000'000'000};

TEST(DayCounts, AreOfADayAndWhatIsBeyondBelongsToTheNextOnes) {
  DayCounts counts;
  const std::uint32_t caps[] = {10};
  DayCount& count = counts.count_of("A.com", "v1", caps, kMorning);
  EXPECT_EQ(count.left(), 10U);
  counts.give(count, 7);
  EXPECT_EQ(count.left(), 3U);
  EXPECT_EQ(count.next_room(), (std::pair<std::int64_t, std::uint64_t>{day_of(kMorning), 3}));
  counts.give(count, 3 + 10 + 4);
  EXPECT_EQ(count.given(), 10U);
  EXPECT_EQ(count.later(), 14U);
  EXPECT_EQ(count.next_room(), (std::pair<std::int64_t, std::uint64_t>{day_of(kMorning) + 2, 6}));
  counts.count_of("a.com", "V1", caps, kMorning + Duration::days(1));
  EXPECT_EQ(count.given(), 10U);
  EXPECT_EQ(count.later(), 4U);
  counts.count_of("a.com", "v1", caps, kMorning);
  EXPECT_EQ(count.later(), 4U) << "a clock that was set back grants nothing";
  counts.count_of("a.com", "v1", caps, kMorning + Duration::days(5));
  EXPECT_EQ(count.left(), 10U);
}

TEST(DayCounts, FollowAListFromTheFirstDayOn) {
  DayCounts counts;
  const std::uint32_t caps[] = {1, 0, 5};
  DayCount& count = counts.count_of("a.com", "v1", caps, kMorning);
  counts.give(count, 4);
  EXPECT_EQ(count.left(), 0U);
  EXPECT_EQ(count.next_room(), (std::pair<std::int64_t, std::uint64_t>{day_of(kMorning) + 2, 2}));
  counts.count_of("a.com", "v1", caps, kMorning + Duration::days(2));
  EXPECT_EQ(count.given(), 3U);
  EXPECT_EQ(count.left(), 2U);
}

TEST(DayCounts, RunBehindAMarkThatIsOnDisk) {
  DayCounts counts;
  counts.keep(true);
  const std::uint32_t caps[] = {1000};
  DayCount& count = counts.count_of("a.com", "v1", caps, kMorning);
  counts.give(count, 1);
  EXPECT_FALSE(count.covered());
  std::string lines;
  counts.write(lines, false, kMorning);
  EXPECT_FALSE(count.covered()) << "asked for, not yet there";
  counts.written(false);
  EXPECT_EQ(counts.next_covered(), nullptr);
  lines.clear();
  counts.write(lines, false, kMorning);
  counts.written(true);
  EXPECT_EQ(counts.next_covered(), &count);
  EXPECT_EQ(counts.next_covered(), nullptr);
  counts.give(count, 10);
  EXPECT_TRUE(count.covered()) << "a hundredth ahead";
  counts.give(count, 1);
  EXPECT_FALSE(count.covered());

  DayCounts next;  // after a crash
  next.keep(true);
  EXPECT_TRUE(next.restore(lines.substr(0, lines.find('\n'))));
  EXPECT_EQ(next.count_of("a.com", "v1", caps, kMorning).given(), 11U);
  EXPECT_FALSE(next.restore("daily\ta.com\tv1\tx"));
}

TEST(DayCounts, AMarkDoesNotGoBackWhereALowerNumberIsInForceForAWhile) {
  DayCounts counts;
  counts.keep(true);
  const std::uint32_t caps[] = {20};
  const std::uint32_t fewer[] = {5};
  DayCount& count = counts.count_of("a.com", "v1", caps, kMorning);
  counts.give(count, 10);
  std::string lines;
  const auto write = [&] {
    lines.clear();
    counts.write(lines, false, kMorning);
    counts.written(true);
  };
  write();
  counts.count_of("a.com", "v1", fewer, kMorning);
  write();
  counts.count_of("a.com", "v1", caps, kMorning);
  counts.give(count, 1);
  ASSERT_TRUE(count.covered()) << "it may be sent";
  DayCounts next;  // after a crash
  next.keep(true);
  EXPECT_TRUE(next.restore(lines.substr(0, lines.find('\n'))));
  EXPECT_EQ(next.count_of("a.com", "v1", caps, kMorning).left(), 9U);
}

TEST(DayCounts, AMarkOfYesterdayCoversNothingToday) {
  DayCounts counts;
  counts.keep(true);
  const std::uint32_t caps[] = {1000};
  DayCount& count = counts.count_of("a.com", "v1", caps, kMorning);
  counts.give(count, 5);
  std::string lines;
  counts.write(lines, false, kMorning);
  const WallTime tomorrow = kMorning + Duration::days(1);
  counts.count_of("a.com", "v1", caps, tomorrow);
  counts.give(count, 1);
  counts.written(true);
  EXPECT_FALSE(count.covered());
  DayCounts next;
  EXPECT_TRUE(next.restore(lines.substr(0, lines.find('\n'))));
  EXPECT_EQ(next.count_of("a.com", "v1", caps, tomorrow).given(), 0U);
}

}  // namespace
}  // namespace ringpost::schedule
