#include <cstdlib>
#include <memory>
#include <new>

#include "net/wire/ring_disk.h"
#include "net/wire/thread_worker.h"
#include "tests/unit/wire/wire_shard.h"

// The binary's own allocation functions, so that what allocates can be counted per thread.

namespace {
thread_local std::size_t allocations = 0;
}

// The compiler inlines one of the pair and misses that they belong together.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) {
    std::abort();
  }
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace ringpost {
namespace {

TEST(Allocation, NoneWhileMailFlows) {
  WireShard shard;
  auto net = shard.make_net();
  WorkerPool pool(1);
  ThreadWorker worker(pool, *shard.driver);
  RingDisk disk(*shard.ring, worker, worker, {});
  Pair pair(shard, *net);
  pair.client.keep_text = pair.server.keep_text = false;
  const auto full = disk.open("/dev/null", true);
  ASSERT_TRUE(full.ok());
  const std::string text(20'000, 'x');
  const Slice slice = Slice::of(text);
  Ended ended;
  WriteOp write;
  write.bind<&Ended::on_end>(&ended);
  write.file = *full;
  write.slices = &slice;
  write.slice_count = 1;
  std::size_t before = 0;
  for (int round = 0; round < 300; ++round) {
    if (round == 20) {
      before = allocations;  // what grows on first use has grown
    }
    const std::uint64_t whole = text.size() * static_cast<std::size_t>(round + 1);
    ended.done = false;
    pair.client.send_text(text, round % 2 == 0);
    disk.write(write);
    const bool arrived = shard.run_until([&] {
      return pair.client.sent && (round % 2 != 0 || pair.client.released) && ended.done &&
             pair.server.received == whole;
    });
    ASSERT_TRUE(arrived);
  }
  EXPECT_EQ(allocations, before);
  EXPECT_GT(allocations, 0U);  // they are counted at all
}

}  // namespace
}  // namespace ringpost
