#include <gtest/gtest.h>

#include "core/base/random.h"
#include "tests/unit/schedule/crowd.h"
#include "tests/unit/schedule/hand.h"

// Which source address gets a connection, and when: each that could send has one at once, and yet a
// host of which nothing is known sees one attempt at a time.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

/// 95 % of what each address may send is sent from two seconds after the mail came, although no
/// session counts as established before its first mail got an answer.
void reach_soon(bool grouped) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 198'491'329);
    CrowdPlan plan;
    plan.shards = static_cast<unsigned>(1 + random.below(8));
    plan.vmta_max = {0};
    plan.queue_max.assign(grouped ? 1 + random.below(6) : 1, 0);
    plan.grouped = grouped ? plan.queue_max.size() : 0;
    plan.hosts = plan.addresses = static_cast<unsigned>(1 + random.below(3));
    plan.sources.resize(2 + random.below(7));
    plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
    plan.refused_letters = 0;
    plan.letter_delay_max = Duration::microseconds(random.between(50, 500));
    plan.service_max = Duration::milliseconds(random.between(5, 300));
    plan.jobs_per_session_max = 1'000;
    plan.late_word = true;
    plan.jobs_max = 256;
    plan.idle_timeout = Duration::milliseconds(random.between(4'000, 8'000));
    const Duration period = Duration::seconds(random.between(1, 10));
    std::uint64_t all = 0;
    for (SourceLimit& one : plan.sources) {
      const std::uint64_t most = random.chance(50) ? 5 : 40;
      one.messages = {static_cast<std::uint32_t>(1 + random.below(most)), period};
      all += one.messages.count;
    }
    Crowd crowd(plan, seed);
    for (std::uint64_t i = 0; i < 20 * all * plan.queue_max.size(); ++i) {
      crowd.admit(i % plan.queue_max.size(), 0, 1);
    }
    crowd.run(Duration::seconds(2));
    auto before = crowd.taken_from;
    constexpr std::int64_t kPeriods = 4;
    crowd.run(period * kPeriods);
    ASSERT_FALSE(::testing::Test::HasFatalFailure());
    for (std::size_t i = 0; i < plan.sources.size(); ++i) {
      const std::uint64_t sent = crowd.taken_from[i] - before[i];
      const std::uint64_t count = plan.sources[i].messages.count;
      // One may fall due just before the time begins and the next just after its end.
      EXPECT_GE((sent + 1) * 100, kPeriods * count * 95)
          << "address " << i << " of " << plan.sources.size() << ", " << count << " in "
          << period.whole_seconds() << " s\n"
          << crowd.report();
    }
  }
}

TEST(SourceConnections, RatesAreReachedFromTheBeginning) { reach_soon(false); }

TEST(SourceConnections, RatesOfAGroupAreReachedFromTheBeginning) { reach_soon(true); }

/// A queue with four source addresses, ten messages a second each unless the first has another
/// rate, one host and much mail.
class FourSources : public test::Hand {
 public:
  FourSources() {
    auto by_source = std::make_shared<std::vector<SourceLimit>>();
    for (std::size_t i = 0; i < 4; ++i) {
      policy->sources.push_back({source(i), "helo"});
      SourceLimit& limit = by_source->emplace_back();
      limit.ip = source(i);
      limit.messages = {10, Duration::seconds(1)};
    }
    limits.by_source = std::move(by_source);
    for (std::uint32_t slot = 0; slot < 100; ++slot) {
      admit("a.example", slot);
    }
    run();
    Outcome none;
    for (std::size_t i = 0; i < 4; ++i) {
      gate().way_seen(queue_, way(i));
    }
    gate().scouted(queue_, SessionEnd::host_busy, none, {}, now);
    run();
  }

  bool scout(QueueId queue, std::string_view, const QueuePolicyRef&) override {
    queue_ = queue;
    return true;
  }
  /// A session that is looking for its way would connect from there.
  bool connects(std::size_t from, ConnectPermit& permit) {
    const bool may = gate().may_connect_to(queue_, way(from), permit, now);
    run();
    return may;
  }
  /// Its session is ready for mail, and asks for it.
  Job* takes(std::size_t from, ConnectPermit& permit) {
    EXPECT_FALSE(gate().gives_way(permit, false, now));
    Job* const job = scheduler().take_from(queue_, source(from), now);
    run();
    return job;
  }
  /// The permit of an address is used up meanwhile.
  void uses_up(std::size_t from) {
    ASSERT_NE(scheduler().take_from(queue_, source(from), now), nullptr);
  }
  void answered() {
    establish(queue_);
    run();
  }
  void fails(ConnectPermit& permit) {
    gate().disconnected(queue_, permit, now);
    run();
  }

 private:
  static IpAddress source(std::size_t i) {
    return IpAddress::v4(198, 51, 100, static_cast<std::uint8_t>(1 + i));
  }
  static ConnectWay way(std::size_t i) {
    return {"mx.example", IpAddress::v4(192, 0, 2, 1), source(i)};
  }
  ConnectGate& gate() { return scheduler().connect_gate(); }

  QueueId queue_;
};

TEST(SourceConnections, AHostThatDoesNotAnswerSeesOneAttempt) {
  FourSources hand;
  ASSERT_EQ(hand.opened.size(), 1U);
  ConnectPermit permit;
  ASSERT_TRUE(hand.connects(0, permit));
  hand.advance_by_wakeups(Duration::seconds(20));
  EXPECT_EQ(hand.opened.size(), 1U) << "it may not be there";
  ASSERT_NE(hand.takes(0, permit), nullptr);
  hand.advance_by_wakeups(Duration::seconds(20));
  EXPECT_EQ(hand.opened.size(), 1U) << "it may take no mail";
}

TEST(SourceConnections, OneThatAnswersSeesOneFromEachAddressThatMaySend) {
  FourSources hand;
  ConnectPermit permits[4];
  ASSERT_TRUE(hand.connects(0, permits[0]));
  ASSERT_NE(hand.takes(0, permits[0]), nullptr);
  hand.answered();
  for (std::size_t i = 1; i < 4; ++i) {
    ASSERT_EQ(hand.opened.size(), 1U + i);
    ASSERT_TRUE(hand.connects(i, permits[i]));
  }
  EXPECT_EQ(hand.opened.size(), 4U);
  for (std::size_t i = 1; i < 4; ++i) {
    ASSERT_NE(hand.takes(i, permits[i]), nullptr);
  }
  EXPECT_EQ(hand.opened.size(), 4U);
}

TEST(SourceConnections, OneThatMayNotSendYetDoesNotHoldUpTheOthers) {
  FourSources hand;
  ConnectPermit first;
  ASSERT_TRUE(hand.connects(0, first));
  hand.uses_up(0);
  ASSERT_EQ(hand.takes(0, first), nullptr);
  ASSERT_EQ(hand.opened.size(), 2U);
  ConnectPermit second;
  ASSERT_TRUE(hand.connects(1, second));
  EXPECT_EQ(hand.opened.size(), 2U) << "one attempt at a time";
  hand.uses_up(1);
  ASSERT_EQ(hand.takes(1, second), nullptr);
  EXPECT_EQ(hand.opened.size(), 3U);
}

TEST(SourceConnections, AnAddressThatCannotConnectIsNoBetterThanOthers) {
  FourSources hand;
  ConnectPermit permits[4];
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(hand.connects(i, permits[i]));
    ASSERT_NE(hand.takes(i, permits[i]), nullptr);
    hand.answered();
  }
  ASSERT_EQ(hand.opened.size(), 4U);
  hand.advance(Duration::milliseconds(200));  // each may send again
  ConnectPermit other;
  EXPECT_FALSE(hand.connects(0, other)) << "one that may send has no connection";
  ASSERT_TRUE(hand.connects(3, permits[3]));
  hand.fails(permits[3]);
  EXPECT_TRUE(hand.connects(0, other));
  hand.fails(other);
  hand.advance(Duration::minutes(1));
  EXPECT_FALSE(hand.connects(0, other)) << "it is tried again";
}

}  // namespace
}  // namespace ringpost::schedule
