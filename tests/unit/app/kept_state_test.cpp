#include "core/app/kept_state.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sim/world/sim_disk.h"

namespace ringpost::app {
namespace {

constexpr const char* kFolder = "/spool";

/// A folder that shards write into, over several runs.
struct KeptFolder {
  KeptFolder() { EXPECT_TRUE(sim::SimDisk(files, 1).make_folder(kFolder)); }

  GatheredState gather(unsigned shards) {
    sim::SimDisk disk(files, 2);
    auto gathered = gather_state(disk, kFolder, shards);
    EXPECT_TRUE(gathered);
    return gathered ? *gathered : GatheredState{};
  }
  /// One shard of that run writes its lines.
  bool write(const GatheredState& run, unsigned shard, unsigned shards, const std::string& lines,
             bool last = true) {
    sim::SimDisk disk(files, 3);
    KeptState kept(disk, kFolder, {run.epoch, shard, shards});
    EXPECT_TRUE(kept.open());
    kept.write(lines, last);
    ReadyList ready;
    while (!kept.idle() && disk.step(ready)) {
      ready.pop()->run();
    }
    return kept.idle() && !kept.failed();
  }

  sim::SimFiles files{7};
};

TEST(KeptStateFiles, GiveBackWhatAllShardsWroteAndSayThatTheyEnded) {
  KeptFolder folder;
  const GatheredState first = folder.gather(2);
  EXPECT_TRUE(first.clean) << "there was no run before";
  EXPECT_TRUE(folder.write(first, 0, 2, "a\tx\tv\t1\n"));
  EXPECT_TRUE(folder.write(first, 1, 2, "b\ty\tv\t2\n"));
  const GatheredState second = folder.gather(3);
  EXPECT_EQ(second.lines, "a\tx\tv\t1\nb\ty\tv\t2\n");
  EXPECT_TRUE(second.clean);
  EXPECT_GT(second.epoch, first.epoch);
  const GatheredState third = folder.gather(3);
  EXPECT_EQ(third.lines, second.lines) << "a run that wrote nothing";
  EXPECT_FALSE(third.clean) << "it did not end in order";
}

TEST(KeptStateFiles, OfACrashAreNotClean) {
  KeptFolder folder;
  GatheredState run = folder.gather(2);
  EXPECT_TRUE(folder.write(run, 0, 2, "a\tx\tv\t1\n"));
  EXPECT_TRUE(folder.write(run, 1, 2, "b\ty\tv\t2\n", false));
  run = folder.gather(2);
  EXPECT_FALSE(run.clean);
  EXPECT_EQ(run.lines, "a\tx\tv\t1\nb\ty\tv\t2\n");
}

TEST(KeptStateFiles, AQueuesLineIsItsHomesToKeepAndASharedOneAnyShards) {
  KeptFolder folder;
  GatheredState run = folder.gather(1);
  EXPECT_TRUE(folder.write(run, 0, 1, "a\tx\tv\t1\nwarmup\t*\tv\told\nwarmup\t*\tw\told\n"));
  run = folder.gather(1);
  // The queue's line is dropped by its home; of what is shared only the one written again is.
  EXPECT_TRUE(folder.write(run, 0, 1, "warmup\t*\tv\tnew\n"));
  run = folder.gather(1);
  EXPECT_EQ(run.lines, "warmup\t*\tv\tnew\nwarmup\t*\tw\told\n");
}

TEST(KeptStateFiles, SurviveAPowerCutWithTheLastOrTheOneBefore) {
  static auto& lost = *new std::vector<void*>;  // never destroyed: what it names is no leak
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    sim::SimFiles files(seed);
    EXPECT_TRUE(sim::SimDisk(files, 1).make_folder(kFolder));
    Random random(seed);
    auto disk = std::make_unique<sim::SimDisk>(files, seed);
    const auto run = gather_state(*disk, kFolder, 1);
    ASSERT_TRUE(run);
    auto kept = std::make_unique<KeptState>(*disk, kFolder, KeptState::Identity{run->epoch, 0, 1});
    ASSERT_TRUE(kept->open());
    std::string written;
    std::string asked;
    for (std::uint64_t n = random.below(5); n > 0; --n) {
      asked = "a\tx\tv\t" + std::string(random.below(40'000), 'y') + "\n";
      kept->write(asked, false);
      ReadyList ready;
      while (!kept->idle() && disk->step(ready)) {
        ready.pop()->run();
      }
      written = asked;
    }
    asked = "a\tx\tv\t" + std::string(random.below(40'000), 'z') + "\n";
    kept->write(asked, false);
    files.crash();
    lost.push_back(kept.release());  // no destructor runs in a power cut
    lost.push_back(disk.release());
    sim::SimDisk after(files, seed);
    const auto next = gather_state(after, kFolder, 1);
    ASSERT_TRUE(next);
    EXPECT_TRUE(next->lines == written || next->lines == asked) << "seed " << seed;
    EXPECT_FALSE(next->clean);
  }
}

}  // namespace
}  // namespace ringpost::app
