#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "tests/unit/spool/spool_bench.h"

namespace ringpost::spool::testing {

/// A spool on a fresh machine, with sinks that live over restarts.
class SpoolTest : public ::testing::Test {
 protected:
  std::unique_ptr<Session> start(unsigned shards = 1, unsigned shard = 0) {
    auto run =
        std::make_unique<Session>(files_, options_, admissions_, outcomes_, ++seed_, shards, shard);
    EXPECT_TRUE(run->started()) << run->error.describe();
    return run;
  }
  /// The process ends without a word; the page cache stays.
  void kill(std::unique_ptr<Session>& run) {
    files_.kill();
    run.reset();
    admissions_.offered.clear();
  }
  void cut_power(std::unique_ptr<Session>& run) {
    files_.crash();
    run.reset();
    admissions_.offered.clear();
  }
  Offered take_offer(Session& run) {
    EXPECT_TRUE(run.turn_until([&] { return !admissions_.offered.empty(); }));
    Offered offered = admissions_.offered.empty() ? Offered{} : admissions_.offered.front();
    if (!admissions_.offered.empty()) {
      admissions_.offered.pop_front();
    }
    return offered;
  }

  sim::SimFiles files_{99};
  SpoolOptions options_ = tiny_options();
  TestAdmissions admissions_;
  TestOutcomes outcomes_;
  std::uint64_t seed_ = 0;
};

}  // namespace ringpost::spool::testing
