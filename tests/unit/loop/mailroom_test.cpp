#include "core/loop/mailroom.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace ringpost {
namespace {

TEST(LetterRing, IsFirstInFirstOutAndBounded) {
  LetterRing ring(4);
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(ring.put(Letter::of(1, i)));
  }
  EXPECT_FALSE(ring.put(Letter::of(1, std::uint64_t{99})));
  EXPECT_EQ(ring.room(), 0U);
  Letter letter;
  for (std::uint64_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(ring.take(letter));
    EXPECT_EQ(letter.as<std::uint64_t>(), i);
  }
  EXPECT_FALSE(ring.take(letter));
  EXPECT_EQ(ring.room(), 4U);
}

// Two threads exchange letters under the sleep protocol: if a wake-up could be lost, the reader
// would wait for ever and the test time out.
TEST(Mailroom, NoWakeUpIsLostBetweenThreads) {
  Mailroom room(2, 64);
  constexpr std::uint64_t kLetters = 200'000;
  std::atomic<std::uint64_t> wakes{0};
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kLetters;) {
      if (room.post(0, 1, Letter::of(7, i))) {
        ++i;
        if (room.claim_wake(1)) {
          wakes.fetch_add(1, std::memory_order_release);
          wakes.notify_one();
        }
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::uint64_t expected = 0;
  while (expected < kLetters) {
    Letter letter;
    while (room.take(1, 0, letter)) {
      ASSERT_EQ(letter.as<std::uint64_t>(), expected);
      ASSERT_EQ(letter.from, 0);
      ++expected;
    }
    if (expected == kLetters) {
      break;
    }
    const std::uint64_t seen = wakes.load(std::memory_order_acquire);
    room.announce_sleep(1);
    if (room.empty(1)) {
      wakes.wait(seen, std::memory_order_acquire);
    }
    room.announce_awake(1);
  }
  writer.join();
  // The mark of the last letter may have come after the letter was read.
  Letter none;
  EXPECT_FALSE(room.take(1, 0, none));
  EXPECT_TRUE(room.empty(1));
}

TEST(Mailroom, NamesThoseWhoseLettersWaitInTurnHoweverManyThereAre) {
  constexpr unsigned kEndpoints = 130;
  Mailroom room(kEndpoints, 4);
  EXPECT_EQ(room.next_sender(5, 0), kEndpoints);
  for (const unsigned from : {0U, 63U, 64U, 129U}) {
    ASSERT_TRUE(room.post(from, 5, Letter::of(1, from)));
    ASSERT_TRUE(room.post(from, 5, Letter::of(1, from)));
  }
  EXPECT_TRUE(room.empty(6));
  EXPECT_EQ(room.next_sender(5, 0), 0U);
  EXPECT_EQ(room.next_sender(5, 1), 63U);
  EXPECT_EQ(room.next_sender(5, 64), 64U);
  EXPECT_EQ(room.next_sender(5, 65), 129U);
  Letter letter;
  for (const unsigned from : {129U, 0U, 64U, 63U}) {
    ASSERT_TRUE(room.take(5, from, letter));
    EXPECT_EQ(letter.as<unsigned>(), from);
    EXPECT_FALSE(room.empty(5));
    ASSERT_TRUE(room.take(5, from, letter));
    EXPECT_FALSE(room.take(5, from, letter));
    EXPECT_NE(room.next_sender(5, from), from);
  }
  EXPECT_TRUE(room.empty(5));
  EXPECT_EQ(room.next_sender(5, 100), kEndpoints);
}

TEST(Mailroom, OneWakePerSleep) {
  Mailroom room(3, 8);
  EXPECT_FALSE(room.claim_wake(2)) << "an endpoint that is awake needs none";
  room.announce_sleep(2);
  EXPECT_TRUE(room.claim_wake(2));
  EXPECT_FALSE(room.claim_wake(2));
}

}  // namespace
}  // namespace ringpost
