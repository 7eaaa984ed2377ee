#include "net/wire/ring.h"

#include <liburing.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "net/wire/kernel_entropy.h"
#include "net/wire/thread_worker.h"
#include "tests/unit/wire/wire_shard.h"

namespace ringpost {
namespace {

TEST(Ring, TellsWhatTheKernelLacksAndNothingElse) {
  WireShard shard;
  for (const RingFeature feature :
       {RingFeature::deferred_work, RingFeature::message_ring, RingFeature::zero_copy}) {
    if (!shard.ring->has(feature)) {
      EXPECT_FALSE(shard.report.lines.empty());
    }
  }
  // What is withheld is no news.
  const auto all = static_cast<std::uint32_t>(RingFeature::deferred_work) |
                   static_cast<std::uint32_t>(RingFeature::registered_ring) |
                   static_cast<std::uint32_t>(RingFeature::zero_copy) |
                   static_cast<std::uint32_t>(RingFeature::message_ring);
  WireShard plain(all);
  EXPECT_TRUE(plain.report.lines.empty());
  EXPECT_FALSE(plain.ring->has(RingFeature::zero_copy));
  EXPECT_FALSE(plain.ring->has(RingFeature::zero_copy_report));
  EXPECT_FALSE(plain.ring->has(RingFeature::deferred_work));
}

TEST(Ring, TakesMoreSubmissionsThanItsQueueHolds) {
  RingOptions options;
  options.submission_entries = 8;
  options.completion_entries = 16;
  WireShard shard(0, options);
  std::uint64_t seen = 0;
  shard.ring->attach(RingTag::disk_sync, &seen, [](void* count, const RingEvent& event) {
    EXPECT_EQ(event.result, 0);
    *static_cast<std::uint64_t*>(count) += event.payload;
  });
  std::uint64_t given = 0;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    ::io_uring_prep_nop(shard.ring->next_entry(RingTag::disk_sync, i));
    given += i;
  }
  EXPECT_TRUE(shard.run_until([&] { return seen == given; }));
  EXPECT_GT(shard.ring->stats().submission_full, 0U);
}

TEST(Driver, WaitsUntilTheInstantAndNotShorter) {
  WireShard shard;
  ReadyList ready;
  shard.driver->wait(ready, Instant{});
  const Instant until = shard.driver->now().instant + Duration::milliseconds(30);
  // An early return is allowed (a wake-up left over), coming back for ever is not.
  int rounds = 0;
  while (shard.driver->now().instant < until && rounds < 1000) {
    shard.driver->wait(ready, until);
    ++rounds;
  }
  EXPECT_LT(rounds, 10);
  EXPECT_TRUE(ready.empty());
}

TEST(Driver, ClocksMoveForward) {
  const Now first = read_clocks();
  const Now second = read_clocks();
  EXPECT_LE(first.instant, second.instant);
  EXPECT_GT(first.instant, Instant{});
  EXPECT_GT(first.wall.unix_seconds(), 1'600'000'000);
}

TEST(Driver, WakeFromAnotherThreadEndsTheWait) {
  WireShard shard;
  ReadyList ready;
  for (int round = 0; round < 50; ++round) {
    std::atomic<bool> woken{false};
    std::thread waker([&] {
      woken.store(true);
      shard.driver->wake();
    });
    // Without the wake-up this would take an hour and the test time out.
    while (!woken.load()) {
      shard.driver->wait(ready, shard.driver->now().instant + Duration::hours(1));
    }
    waker.join();
  }
  EXPECT_TRUE(ready.empty());
}

TEST(Driver, PinsToAUsableProcessorOnly) {
  const std::vector<unsigned> usable = usable_processors();
  ASSERT_FALSE(usable.empty());
  std::thread pinned([&] {
    EXPECT_TRUE(pin_thread(usable.back()).ok());
    EXPECT_EQ(usable_processors(), std::vector<unsigned>{usable.back()});
    const Status far = pin_thread(1'000'000);
    ASSERT_FALSE(far.ok());
    EXPECT_EQ(far.error().code, ErrorCode::out_of_range);
  });
  pinned.join();
}

TEST(Worker, RunsOffThreadAndEndsOnTheLoop) {
  WireShard shard;
  WorkerPool pool(2);
  ThreadWorker worker(pool, *shard.driver);
  struct Task {
    WorkOp op;
    Ended ended;
    std::thread::id ran_on;
  };
  constexpr std::size_t kTasks = 600;  // more than the pool's first queue holds
  std::vector<Task> tasks(kTasks);
  for (std::size_t i = 0; i < kTasks; ++i) {
    Task& task = tasks[i];
    task.op.bind<&Ended::on_end>(&task.ended);
    task.op.context = &task;
    task.op.work = [](void* context) {
      static_cast<Task*>(context)->ran_on = std::this_thread::get_id();
      return std::int32_t{-7};
    };
    worker.run(task.op);
  }
  EXPECT_TRUE(shard.run_until([&] {
    return std::all_of(tasks.begin(), tasks.end(), [](const Task& t) { return t.ended.done; });
  }));
  for (const Task& task : tasks) {
    EXPECT_EQ(task.ended.result, -7);
    EXPECT_EQ(task.ended.times, 1);
    EXPECT_NE(task.ran_on, std::this_thread::get_id());
  }
}

TEST(Entropy, FillsEverythingAndNeverTheSame) {
  KernelEntropy entropy;
  std::vector<unsigned char> bytes(1 << 16, 0);
  entropy.fill(bytes);
  const auto zeroes = std::count(bytes.begin(), bytes.end(), 0);
  EXPECT_LT(zeroes, 1024);  // 256 are expected
  EXPECT_NE(entropy.next64(), entropy.next64());
}

// Two shards on two threads throw one letter to and fro; each sleeps in between, so a lost
// wake-up would end the game.
class PingPong : public ::testing::TestWithParam<std::uint32_t> {};

struct Player : LetterHandler {
  Player(unsigned self, RingPeers& peers, Mailroom& mailroom, std::uint32_t withheld)
      : self_(self), peers_(peers), mailroom_(mailroom), withheld_(withheld) {}

  void run(std::uint64_t rounds, std::atomic<int>& ready_players) {
    ProbeReport report;
    RingOptions options;
    options.submission_entries = 64;
    options.completion_entries = 128;
    options.withheld = withheld_;
    auto ring = Ring::make(options, report);
    ASSERT_TRUE(ring.ok());
    ASSERT_TRUE((*ring)->enable(report).ok());
    auto driver = RingDriver::make(**ring, peers_, self_);
    ASSERT_TRUE(driver.ok());
    Loop loop(self_, **driver, mailroom_, *this);
    loop_ = &loop;
    rounds_ = rounds;
    ready_players.fetch_add(1);
    while (ready_players.load() < 2) {
      std::this_thread::yield();
    }
    if (self_ == 0) {
      EXPECT_TRUE(loop.post(1, Letter::of(1, std::uint64_t{0})));
      loop.turn(Instant{});  // the loop wakes peers at the end of a turn
    }
    const Instant end = loop.now().instant + Duration::seconds(60);
    while (!loop.stopping() && loop.now().instant < end) {
      loop.turn(end);
    }
    EXPECT_TRUE(loop.stopping());
    loop.turn(Instant{});  // hands the last wake-up to the kernel
    woken_by_ring = (*ring)->stats().peers_woken_by_ring;
    woken_by_event = (*ring)->stats().peers_woken_by_event;
    // The other may still be about to wake this ring.
    ready_players.fetch_add(1);
    while (ready_players.load() < 4) {
      std::this_thread::yield();
    }
  }

  void on_letter(const Letter& letter, Now) override {
    last = letter.as<std::uint64_t>();
    if (last < rounds_) {
      EXPECT_TRUE(loop_->post(1 - self_, Letter::of(1, last + 1)));
    }
    if (last + 1 >= rounds_) {
      loop_->stop();
    }
  }

  std::uint64_t last = 0;
  std::uint64_t woken_by_ring = 0;
  std::uint64_t woken_by_event = 0;

 private:
  unsigned self_;
  RingPeers& peers_;
  Mailroom& mailroom_;
  std::uint32_t withheld_;
  Loop* loop_ = nullptr;
  std::uint64_t rounds_ = 0;
};

TEST_P(PingPong, NoWakeUpIsLostBetweenRings) {
  constexpr std::uint64_t kRounds = 5000;
  RingPeers peers(2);
  Mailroom mailroom(2, 64);
  Player zero(0, peers, mailroom, GetParam());
  Player one(1, peers, mailroom, GetParam());
  std::atomic<int> ready_players{0};
  std::thread other([&] { one.run(kRounds, ready_players); });
  std::thread first([&] { zero.run(kRounds, ready_players); });
  first.join();
  other.join();
  EXPECT_EQ(std::max(zero.last, one.last), kRounds);
  if (GetParam() == 0) {
    EXPECT_GT(zero.woken_by_ring + one.woken_by_ring, 0U);
  } else {
    EXPECT_EQ(zero.woken_by_ring + one.woken_by_ring, 0U);
    EXPECT_GT(zero.woken_by_event + one.woken_by_event, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, PingPong,
                         ::testing::Values(0U,
                                           static_cast<std::uint32_t>(RingFeature::message_ring)),
                         [](const auto& way) { return way.param == 0 ? "ByRing" : "ByEvent"; });

}  // namespace
}  // namespace ringpost
