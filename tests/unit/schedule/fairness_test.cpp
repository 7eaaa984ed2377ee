#include "tests/unit/schedule/crowd.h"

// What a message may have to wait for, as the documentation states it, beside backlogs of all
// kinds: counted in recipients of its queue that are taken between its coming and its start.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

constexpr std::uint8_t kUsual = 40;
constexpr std::uint8_t kLow = 20;

/// A queue with the backlog, and others that want the same connections.
CrowdPlan draw_busy(Random& random) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(8));
  plan.vmta_max = {static_cast<std::uint32_t>(random.below(6))};
  plan.queue_max = std::vector<std::uint32_t>(1 + random.below(4),
                                              static_cast<std::uint32_t>(1 + random.below(8)));
  plan.total_max = random.chance(50) ? 0 : static_cast<std::uint32_t>(1 + random.below(8));
  plan.service_max = Duration::milliseconds(random.between(5, 500));
  plan.failing_sessions = random.chance(50) ? 0 : static_cast<unsigned>(random.below(25));
  plan.failing_recipients = random.chance(50) ? 0 : static_cast<unsigned>(random.below(30));
  plan.failing_starts = random.chance(50);
  plan.jobs_per_session_max = random.chance(50) ? 40 : 1'000'000'000;
  plan.prefetch = random.chance(60);
  plan.late_take = random.chance(30);
  plan.closer = random.chance(70);
  if (random.chance(30)) {
    plan.messages = {static_cast<std::uint32_t>(20 + random.below(200)), Duration::seconds(1)};
  }
  return plan;
}

struct Backlog {
  std::uint32_t equals = 0;  ///< jobs, and tenants without one, of the usual priority
  bool lower = false;        ///< some has a lower one
};

Backlog admit_backlog(Crowd& crowd, const CrowdPlan& plan, Random& random) {
  Backlog out;
  const auto count = [&] { return static_cast<std::uint32_t>(1 + random.below(8)); };
  const std::size_t messages = 20 + random.below(400);
  out.equals = static_cast<std::uint32_t>(1 + random.below(20));
  out.lower = random.chance(60);
  const std::uint32_t tenants = static_cast<std::uint32_t>(random.below(out.equals + 1));
  for (std::uint32_t one = 0; one < out.equals; ++one) {
    crowd.tenant = static_cast<std::uint16_t>(one < tenants ? one + 1 : 0);
    const std::string job = one < tenants ? "" : "job" + std::to_string(one);
    for (std::size_t i = 0; i < 3 + messages / out.equals; ++i) {
      crowd.admit(0, 0, count(), 0, job, kUsual);
    }
  }
  for (std::size_t i = 0; i < messages; ++i) {
    if (out.lower) {
      crowd.admit(0, 0, count(), 0, "low" + std::to_string(i % 3), kLow);
    }
    if (plan.queue_max.size() > 1) {
      crowd.admit(1 + random.below(plan.queue_max.size() - 1), 0, count());
    }
  }
  return out;
}

/// A message comes; recipients of its queue that are taken before any of its own.
std::uint64_t taken_before(Crowd& crowd, std::string_view job, std::uint8_t priority) {
  crowd.tenant = 0;
  crowd.admit(0, 0, 1, 0, job, priority);
  const std::uint32_t slot = crowd.last_slot();
  const std::uint64_t before = crowd.taken_to[0];
  for (int i = 0; i < 400 && crowd.started.count(slot) == 0; ++i) {
    crowd.pass(Duration::seconds(1));
  }
  EXPECT_EQ(crowd.started.count(slot), 1U) << "it never starts\n" << crowd.report();
  return crowd.started[slot].taken_there - before;
}

TEST(Fairness, AMessageStartsWithinItsBound) {
  constexpr std::uint64_t kMost = Crowd::kRecipientsMax;
  constexpr std::uint64_t kTurn = kMost + kMost - 1;  // its last transaction may go beyond it
  std::uint64_t waited = 0;
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 179'424'673);
    const CrowdPlan plan = draw_busy(random);
    Crowd crowd(plan, seed);
    const Backlog backlog = admit_backlog(crowd, plan, random);
    crowd.run(Duration::milliseconds(random.between(0, 3'000)));
    for (int round = 0; round < 3; ++round) {
      // Those that are under way, or taken ahead, were taken before it came.
      EXPECT_LE(taken_before(crowd, random.chance(50) ? "" : "high", 90), kMost);
      const std::uint64_t turns = kTurn * backlog.equals;
      const std::uint64_t equal = taken_before(crowd, "single" + std::to_string(round), kUsual);
      EXPECT_LE(equal, turns + (backlog.lower ? kMost * (1 + turns / 15) : 0))
          << backlog.equals << " others";
      waited += equal;
      crowd.run(Duration::milliseconds(random.between(0, 500)));
    }
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_TRUE(test::seeds() < 10 || waited > 20 * test::seeds()) << "the seeds draw too little";
}

}  // namespace
}  // namespace ringpost::schedule
