#include "core/account/row_ring.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <thread>

#include "core/base/random.h"

namespace ringpost::account {
namespace {

TEST(RowRing, GivesBackWhatWasPutOverManyRounds) {
  RowRing ring(256);
  Random random(7);
  std::deque<std::string> expected;
  std::uint64_t cursor = 0;
  unsigned puts = 0;
  unsigned refusals = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (random.chance(55)) {
      const std::string entry(random.below(ring.entry_max()) + 1,
                              static_cast<char>('a' + random.below(26)));
      if (ring.put(entry)) {
        expected.push_back(entry);
        ++puts;
      } else {
        ++refusals;
      }
    } else {
      const std::string_view entry = ring.read(cursor);
      EXPECT_EQ(entry.empty(), expected.empty());
      if (!expected.empty()) {
        EXPECT_EQ(entry, expected.front());
        expected.pop_front();
        ring.release(cursor);
      }
    }
  }
  EXPECT_GT(puts, 1000U);
  EXPECT_GT(refusals, 100U);
}

TEST(RowRing, RoomComesBackOnlyWhenReleased) {
  RowRing ring(128);
  const std::string entry(24, 'x');
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(ring.put(entry));
  }
  EXPECT_FALSE(ring.put(entry));
  std::uint64_t cursor = 0;
  std::uint64_t first = 0;
  ring.read(first);
  while (!ring.read(cursor).empty()) {
  }
  EXPECT_FALSE(ring.put(entry)) << "read, but not released";
  std::uint64_t again = 0;
  EXPECT_EQ(ring.read(again), entry) << "what was read can be read again";
  ring.release(first);
  EXPECT_TRUE(ring.put(entry));
  EXPECT_FALSE(ring.put(entry));
  EXPECT_TRUE(ring.more(cursor));
}

TEST(RowRing, AnEntryOfTheMaximumFitsWhereverTheRingStands) {
  RowRing ring(128);
  std::uint64_t cursor = 0;
  for (std::size_t size = 1; size <= ring.entry_max(); ++size) {
    ASSERT_TRUE(ring.put(std::string(size, 'a')));
    ASSERT_TRUE(ring.read(cursor).size() == size);
    ring.release(cursor);
    ASSERT_TRUE(ring.put(std::string(ring.entry_max(), 'b'))) << size;
    ASSERT_EQ(ring.read(cursor).size(), ring.entry_max());
    ring.release(cursor);
  }
}

TEST(RowRing, OneWriterAndOneReaderAtOnce) {
  RowRing ring(4096);
  constexpr std::uint64_t kCount = 50'000;
  std::thread writer([&ring] {
    for (std::uint64_t i = 0; i < kCount;) {
      const std::string entry = std::to_string(i) + std::string(i % 50, '.');
      if (ring.put(entry)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::uint64_t cursor = 0;
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < kCount;) {
    const std::string_view entry = ring.read(cursor);
    if (entry.empty()) {
      std::this_thread::yield();
      continue;
    }
    wrong += entry == std::to_string(i) + std::string(i % 50, '.') ? 0 : 1;
    ring.release(cursor);
    ++i;
  }
  writer.join();
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace ringpost::account
