#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/schedule/priorities.h"
#include "tests/unit/schedule/crowd.h"
#include "tests/unit/schedule/hand.h"

// Jobs inside a queue: their turns, and commands on them.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

/// A scheduler whose mail has jobs; what leaves a queue comes back into the one it goes to.
class JobHand : public test::Hand, public AdmissionSink {
 public:
  JobHand() { mover = this; }

  bool admit(const Admission& admission) override {
    if (!room) {
      return false;
    }
    return scheduler().admit(admission, admission.domain, now);
  }
  void mail(std::string_view job, std::uint32_t slot, std::uint32_t count = 1,
            std::string_view domain = "a.example", std::string_view vmta = "v1",
            std::uint8_t priority = kNormalPriority) {
    Admission admission;
    admission.priority = priority;
    admission.message = {1, slot, 7};
    admission.domain = domain;
    admission.vmta = vmta;
    admission.job = job;
    admission.tenant = tenant;
    admission.count = count;
    admission.received = now.wall;
    ASSERT_TRUE(scheduler().admit(admission, domain, now));
  }
  /// The queue's only session.
  QueueId session() {
    run();
    establish(opened.at(0).first);
    run();
    return opened[0].first;
  }
  /// Slots of the messages that go out next, `count` of them; all are delivered.
  std::vector<std::uint32_t> deliver(QueueId queue, std::size_t count) {
    std::vector<std::uint32_t> slots;
    while (slots.size() < count) {
      Job* job = scheduler().take(queue, now);
      if (job == nullptr) {
        break;
      }
      slots.push_back(job->message.slot);
      finish(*job, OutcomeKind::delivered, "ok", 250);
      retire_all();
    }
    return slots;
  }
  Queue& queue_of(std::string_view name, std::string_view vmta = "v1") {
    return *scheduler().queues().find(name, vmta);
  }
  JobRow job_row(std::string_view name) {
    std::vector<JobRow> rows;
    scheduler().shares().rows(name, 10, rows);
    return rows.empty() ? JobRow{} : rows.front();
  }
  int priority_of(std::uint32_t slot) {
    std::vector<WhyRow> rows;
    std::uint32_t cursor = 0;
    scheduler().why({1, slot, 7}, cursor, ~0U, rows, now);
    return rows.empty() ? -1 : rows.front().priority;
  }
  Touched prioritize(const char* queues, const char* job, std::uint8_t priority,
                     bool dry_run = false) {
    return set_priorities(scheduler(), {*QueuePattern::parse(queues), job, priority}, dry_run);
  }
  Gate gate_of(std::uint32_t slot) {
    std::vector<WhyRow> rows;
    std::uint32_t cursor = 0;
    scheduler().why({1, slot, 7}, cursor, ~0U, rows, now);
    return rows.empty() ? Gate::none : rows.front().gate;
  }
  std::uint32_t queued(const char* vmta) {
    std::vector<QueueRow> rows;
    QueuePattern pattern;
    pattern.vmta = vmta;
    scheduler().rows(pattern, 10, rows, now);
    std::uint32_t sum = 0;
    for (const QueueRow& row : rows) {
      sum += row.ready + row.deferred + row.in_flight;
    }
    return sum;
  }
  LeaveOrder order_to(const char* vmta) {
    LeaveOrder order;
    order.to.vmta = vmta;
    order.takers = {vmta};
    order.before = now.wall;
    return order;
  }

  bool room = true;
  std::uint16_t tenant = 0;  ///< of mail() from here on
};

TEST(Shares, ASmallJobDoesNotWaitForALargeOne) {
  JobHand hand;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    hand.mail("large", i);
  }
  const QueueId queue = hand.session();
  hand.deliver(queue, 10);
  hand.mail("small", 5000);
  hand.mail("", 6000);
  EXPECT_EQ(hand.gate_of(900), Gate::job_turn);
  const auto slots = hand.deliver(queue, 3);
  EXPECT_TRUE(std::count(slots.begin(), slots.end(), 5000U) == 1);
  EXPECT_TRUE(std::count(slots.begin(), slots.end(), 6000U) == 1);
}

TEST(Shares, JobsGetAsManyRecipientsWhateverTheirMessages) {
  JobHand hand;
  for (std::uint32_t i = 0; i < 200; ++i) {
    hand.mail("wide", i, 10);
    for (std::uint32_t k = 0; k < 10; ++k) {
      hand.mail("narrow", 1000 + i * 10 + k);
    }
  }
  const QueueId queue = hand.session();
  std::map<bool, int> sent;
  for (int i = 0; i < 550; ++i) {
    Job* job = hand.scheduler().take(queue, hand.now);
    ASSERT_NE(job, nullptr);
    sent[job->message.slot < 1000] += static_cast<int>(job->recipients.size());
    hand.finish(*job, OutcomeKind::delivered, "ok", 250);
    hand.retire_all();
  }
  EXPECT_NEAR(sent[true], sent[false], 20);
}

TEST(Shares, MailKeepsItsOrderWithinAJob) {
  JobHand hand;
  for (std::uint32_t i = 0; i < 50; ++i) {
    hand.mail(i % 2 == 0 ? "a" : "b", i);
  }
  const QueueId queue = hand.session();
  std::map<bool, std::uint32_t> last;
  for (const std::uint32_t slot : hand.deliver(queue, 50)) {
    EXPECT_GE(slot, last[slot % 2 == 0]);
    last[slot % 2 == 0] = slot;
  }
}

TEST(Shares, LowerPrioritiesInAQueueGetOneTransactionInSixteen) {
  EntrySlab entries(1000);
  ShareBook book(entries);
  Queue queue;
  const std::uint32_t high = book.share_for(queue, "high", 90);
  const std::uint32_t low = book.share_for(queue, "low", 10);
  const std::uint32_t lowest = book.share_for(queue, "low", 5);
  ASSERT_EQ(book.share_for(queue, "low", 10), low);
  for (int i = 0; i < 120; ++i) {
    for (const std::uint32_t share : {high, low, lowest}) {
      const std::uint32_t index = entries.take();
      entries[index].share = share;
      entries[index].count = 1;
      book.use(share, 1);
      book.push(queue, index, false);
    }
  }
  std::map<std::uint32_t, int> sent;
  for (int i = 0; i < 96; ++i) {
    const std::uint32_t index = book.next(queue);
    ASSERT_NE(index, kNil);
    const std::uint32_t share = entries[index].share;
    ++sent[share];
    book.remove(queue, index);
    book.charge(queue, share, 1);
    book.leave_entry(queue, entries[index]);
  }
  EXPECT_EQ(sent[high], 90);
  EXPECT_EQ(sent[low], 3);
  EXPECT_EQ(sent[lowest], 3);
}

TEST(Priorities, TheHighestGoesFirstAndIsKeptByRetriesAndMoves) {
  JobHand hand;
  for (std::uint32_t i = 0; i < 5; ++i) {
    hand.mail("", i);
    hand.mail("", 10 + i, 1, "a.example", "v1", 90);
    hand.mail("job", 20 + i, 1, "a.example", "v1", 10);
  }
  const QueueId queue = hand.session();
  EXPECT_EQ(hand.deliver(queue, 4), (std::vector<std::uint32_t>{10, 11, 12, 13}));
  Job* job = hand.scheduler().take(queue, hand.now);
  ASSERT_NE(job, nullptr);
  EXPECT_EQ(job->message.slot, 14U);
  hand.finish(*job, OutcomeKind::deferred, "later", 451);
  hand.retire_all();
  EXPECT_EQ(hand.deliver(queue, 1), (std::vector<std::uint32_t>{0}));
  EXPECT_EQ(hand.priority_of(14), 90) << "deferred";
  LeaveOrder order = hand.order_to("v2");
  ASSERT_TRUE(hand.scheduler().move_away(order, hand.now).ok());
  hand.run();
  EXPECT_EQ(hand.queued("v2"), 10U);
  EXPECT_EQ(hand.priority_of(14), 90);
  EXPECT_EQ(hand.priority_of(24), 10);
  EXPECT_EQ(hand.priority_of(4), 50);
  EXPECT_EQ(hand.job_row("job").lowest, 10);
}

TEST(Priorities, ACommandOrdersWhatWaitsAnewAndNotWhatComes) {
  JobHand hand;
  hand.mail("", 1);
  hand.mail("a", 2);
  hand.mail("b", 3);
  hand.mail("", 4, 1, "b.example");
  EXPECT_EQ(hand.prioritize("a.example", "*", 80, true).recipients, 3U);
  EXPECT_EQ(hand.priority_of(1), 50) << "a dry run";
  EXPECT_EQ(hand.prioritize("a.example", "*", 80).recipients, 3U);
  EXPECT_EQ(hand.prioritize("*", "b", 20).queues, 1U);
  const QueueId queue = hand.session();
  Job* under_way = hand.scheduler().take(queue, hand.now);
  ASSERT_NE(under_way, nullptr);
  EXPECT_EQ(under_way->message.slot, 1U);
  hand.prioritize("a.example", "*", 60);
  hand.finish(*under_way, OutcomeKind::deferred, "later", 451);
  hand.retire_all();
  EXPECT_EQ(hand.priority_of(1), 60) << "it was in transit";
  hand.mail("", 5);
  hand.mail("a", 6);
  EXPECT_EQ(hand.priority_of(5), 50);
  EXPECT_EQ(hand.priority_of(6), 50);
  EXPECT_EQ(hand.priority_of(2), 60);
  EXPECT_EQ(hand.priority_of(3), 60);
  EXPECT_EQ(hand.priority_of(4), 50);
  EXPECT_EQ(hand.row("a.example").priorities,
            (std::vector<std::pair<std::uint8_t, std::uint32_t>>{{60, 2}, {50, 2}}));
  hand.prioritize("*", "a", 0);
  EXPECT_EQ(hand.job_row("a").highest, 0);
  EXPECT_EQ(hand.job_row("a").queues, 1U) << "shares are no queues";
  const auto left = hand.deliver(queue, 9);
  EXPECT_EQ(left, (std::vector<std::uint32_t>{3, 5, 2, 6}));
}

// A job that got its priorities by several commands has one turn all the same.
TEST(Priorities, SharesThatBecomeAlikeTakeOneTurn) {
  JobHand hand;
  std::map<char, int> sent;
  for (std::uint32_t i = 0; i < 4; ++i) {
    for (std::uint32_t k = 0; k < 100; ++k) {
      hand.mail("a", 1000 * (i + 1) + k, 1, "a.example", "v1", static_cast<std::uint8_t>(60 + i));
    }
  }
  for (std::uint32_t k = 0; k < 400; ++k) {
    hand.mail("", 9000 + k);
  }
  hand.prioritize("*", "*", 70);
  const QueueId queue = hand.session();
  for (const std::uint32_t slot : hand.deliver(queue, 400)) {
    ++sent[slot < 9000 ? 'a' : '-'];
  }
  EXPECT_NEAR(sent['a'], 200, 2);
  EXPECT_EQ(hand.deliver(queue, 1000).size(), 400U);
  EXPECT_EQ(hand.job_row("*").name, "");
}

TEST(Shares, APausedJobWaitsAndTheOthersGo) {
  JobHand hand;
  hand.mail("a", 1);
  hand.mail("b", 2, 3);
  hand.mail("a", 3);
  EXPECT_EQ(hand.scheduler().count_jobs("b").recipients, 3U);
  auto touched = hand.scheduler().pause_jobs("b*", true, hand.now);
  ASSERT_TRUE(touched.ok());
  EXPECT_EQ(touched->recipients, 3U);
  for (const bool dry_run : {true, false}) {
    EXPECT_EQ(hand.scheduler().pause_jobs("b", true, hand.now, dry_run)->recipients, 0U)
        << "it is paused";
    EXPECT_EQ(hand.scheduler().pause_jobs("a", false, hand.now, dry_run)->recipients, 0U)
        << "it is not";
  }
  EXPECT_EQ(hand.scheduler().pause_jobs("*", true, hand.now, true)->recipients, 2U);
  EXPECT_EQ(hand.scheduler().pause_jobs("*", false, hand.now, true)->recipients, 3U);
  const QueueId queue = hand.session();
  hand.mail("b2", 4);
  EXPECT_EQ(hand.deliver(queue, 9), (std::vector<std::uint32_t>{1, 3}));
  EXPECT_EQ(hand.gate_of(2), Gate::job_paused);
  EXPECT_EQ(hand.gate_of(4), Gate::job_paused) << "a rule holds for jobs to come";
  EXPECT_TRUE(hand.job_row("b").paused);
  EXPECT_EQ(hand.job_row("b").ready, 3U);
  EXPECT_EQ(hand.row("a.example").ready, 4U);
  hand.advance(Duration::hours(1));
  EXPECT_EQ(hand.row("a.example").ready, 4U) << "a queue with mail that is held stays";

  const std::string kept = hand.scheduler().shares().rules().serialized();
  JobRules restored;
  ASSERT_TRUE(restored.restore(kept).ok());
  EXPECT_TRUE(restored.paused("b7"));
  EXPECT_FALSE(restored.paused("a"));
  EXPECT_FALSE(restored.restore("halt b\n").ok());

  ASSERT_TRUE(hand.scheduler().pause_jobs("b", false, hand.now).ok());
  hand.run();
  EXPECT_EQ(hand.deliver(queue, 9), (std::vector<std::uint32_t>{2}));
  ASSERT_TRUE(hand.scheduler().pause_jobs("*", false, hand.now).ok());
  hand.run();
  EXPECT_EQ(hand.deliver(queue, 9), (std::vector<std::uint32_t>{4}));
  EXPECT_EQ(hand.job_row("*").name, "") << "jobs without mail are forgotten";
}

TEST(Shares, APausedJobGrowsOverAgeOnlyWhenItGoesOn) {
  JobHand hand;
  hand.mail("a", 1);
  ASSERT_TRUE(hand.scheduler().pause_jobs("a", true, hand.now).ok());
  hand.advance(Duration::hours(24 * 10));
  EXPECT_EQ(hand.row("a.example").ready, 1U);
  EXPECT_TRUE(hand.finals.empty());
  ASSERT_TRUE(hand.scheduler().pause_jobs("a", false, hand.now).ok());
  const QueueId queue = hand.session();
  EXPECT_TRUE(hand.deliver(queue, 1).empty());
  hand.run();
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::expired], 1);
}

TEST(Shares, ADeletedJobEndsWhereverItsMailIs) {
  JobHand hand;
  hand.mail("a", 1, 2);
  hand.mail("b", 2);
  hand.mail("a", 3, 1, "b.example");
  const QueueId queue = hand.session();
  Job* under_way = hand.scheduler().take(queue, hand.now);
  ASSERT_NE(under_way, nullptr);
  ASSERT_EQ(under_way->message.slot, 1U);
  hand.mail("a", 4);
  EXPECT_EQ(hand.scheduler().cancel_jobs("a", hand.now).recipients, 2U)
      << "mail in transit excepted";
  hand.mail("a", 5);
  hand.run();
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::cancelled], 2);
  EXPECT_EQ(hand.last_text, "deleted by an operator");
  // What was in transit and has to be tried again ends too.
  hand.finish(*under_way, OutcomeKind::deferred, "later", 451);
  hand.retire_all();
  hand.run();
  hand.retire_all();
  EXPECT_EQ(hand.finals[OutcomeKind::cancelled], 4);
  const auto left = hand.deliver(queue, 9);
  EXPECT_EQ(std::set<std::uint32_t>(left.begin(), left.end()), (std::set<std::uint32_t>{2, 5}))
      << "mail that came later is not meant";
}

TEST(Shares, DeferredMailOfAJobIsTriedAtOnce) {
  JobHand hand;
  hand.mail("a", 1);
  hand.mail("b", 2);
  const QueueId queue = hand.session();
  for (int i = 0; i < 2; ++i) {
    Job* job = hand.scheduler().take(queue, hand.now);
    ASSERT_NE(job, nullptr);
    hand.finish(*job, OutcomeKind::deferred, "later", 451);
    hand.retire_all();
  }
  EXPECT_EQ(hand.job_row("a").deferred, 1U);
  EXPECT_EQ(hand.scheduler().schedule_jobs("a", hand.now).recipients, 1U);
  hand.run();
  EXPECT_EQ(hand.deliver(queue, 9), (std::vector<std::uint32_t>{1}));
  EXPECT_EQ(hand.job_row("b").deferred, 1U);
}

TEST(Shares, AMoveTakesWhatWaitsAndWhatComesBack) {
  for (const bool by_job : {false, true}) {
    JobHand hand;
    hand.mail("a", 1);
    hand.mail("a", 2);
    hand.mail(by_job ? "b" : "a", 3, 1, by_job ? "a.example" : "b.example");
    hand.mail("a", 4, 1, "a.example", "v2");
    const QueueId queue = hand.session();
    Job* under_way = hand.scheduler().take(queue, hand.now);
    ASSERT_NE(under_way, nullptr);
    LeaveOrder order = hand.order_to("v2");
    order.by_job = by_job;
    order.job = "a";
    order.queues = *QueuePattern::parse("a.example/*");
    EXPECT_EQ(hand.scheduler().count_leaving(order).recipients, 1U) << "not what is there already";
    hand.room = false;
    ASSERT_TRUE(hand.scheduler().move_away(order, hand.now).ok());
    hand.run();
    EXPECT_EQ(hand.gate_of(2), Gate::moving);
    EXPECT_FALSE(hand.scheduler().move_away(order, hand.now).ok()) << "one at a time";
    hand.now.wall = hand.now.wall + Duration::seconds(1);
    hand.mail("a", 9);
    hand.room = true;
    hand.advance(Duration::seconds(1));
    EXPECT_EQ(hand.queued("v2"), 2U);
    hand.finish(*under_way, OutcomeKind::deferred, "later", 451);
    hand.retire_all();
    hand.run();
    EXPECT_EQ(hand.queued("v2"), 3U);
    EXPECT_EQ(hand.job_row("a").queues, by_job ? 2U : 3U) << "its job goes with it";
    EXPECT_EQ(hand.queued("v1"), 2U) << "what is not meant, and what came later";
  }
}

/// Mail, commands and sessions in any order.
class Meddler : public JobHand {
 public:
  explicit Meddler(std::uint64_t seed) : random_(seed) {}

  void step() {
    command(random_.below(15));
    run();
    for (const auto& [queue, name] : std::exchange(opened, {})) {
      establish(queue);
      for (int n = 0; n < 3; ++n) {
        if (Job* job = scheduler().take(queue, now)) {
          out_.push_back(job);
        }
      }
      end(queue, SessionEnd::normal);
    }
    while (!out_.empty() && random_.chance(60)) {
      constexpr OutcomeKind kKinds[] = {OutcomeKind::delivered, OutcomeKind::deferred,
                                        OutcomeKind::returned};
      finish(*out_.back(), kKinds[random_.below(3)], "x", 451);
      out_.pop_back();
      retire_all();
    }
  }
  void end_all() {
    room = true;
    ASSERT_TRUE(scheduler().pause_jobs("*", false, now).ok());
    ASSERT_TRUE(scheduler().pause({}, false, now).ok());
    while (!out_.empty()) {
      finish(*out_.back(), OutcomeKind::delivered, "x", 250);
      out_.pop_back();
    }
    for (int i = 0; i < 5; ++i) {
      retire_all();
      scheduler().cancel({}, now);
      advance(Duration::seconds(2));
    }
    retire_all();
  }

  std::uint64_t admitted = 0;

 private:
  void command(std::uint64_t which) {
    const std::string job = random_.chance(20) ? "*" : "j" + std::to_string(random_.below(4));
    LeaveOrder order = order_to(random_.chance(50) ? "v1" : "v2");
    order.by_job = random_.chance(50);
    order.job = job;
    switch (which) {
      case 0: ASSERT_TRUE(scheduler().pause_jobs(job, true, now).ok()); break;
      case 1: ASSERT_TRUE(scheduler().pause_jobs(job, false, now).ok()); break;
      case 2: scheduler().cancel_jobs(job, now); break;
      case 3: scheduler().schedule_jobs(job, now); break;
      case 4: static_cast<void>(scheduler().move_away(order, now).ok()); break;
      case 5: room = random_.chance(70); break;
      case 6: ASSERT_TRUE(scheduler().pause({}, random_.chance(50), now).ok()); break;
      case 7: scheduler().schedule_now({}, now); break;
      case 8: advance(Duration{random_.between(0, 4'000'000'000'000)}); break;
      case 9:
        prioritize(random_.chance(50) ? "a.example" : "*", job.c_str(),
                   static_cast<std::uint8_t>(random_.below(4) * 25));
        break;
      case 10: random_.chance(10) ? scheduler().cancel({}, now) : Touched{}; break;
      default: {
        const auto count = static_cast<std::uint32_t>(1 + random_.below(5));
        tenant = static_cast<std::uint16_t>(slot_ % 3);
        mail(random_.chance(20) ? "" : job, ++slot_, count,
             random_.chance(50) ? "a.example" : "b.example", random_.chance(50) ? "v1" : "v2",
             static_cast<std::uint8_t>(random_.chance(60) ? 50 : random_.below(3) * 50));
        admitted += count;
      }
    }
  }

  Random random_;
  std::uint32_t slot_ = 0;
  std::vector<Job*> out_;
};

// Whatever is done to jobs and queues, each recipient ends once and none is left over.
TEST(Shares, EveryRecipientEndsOnceWhateverTheCommands) {
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Meddler hand(seed);
    for (int i = 0; i < 300; ++i) {
      hand.step();
      ASSERT_FALSE(testing::Test::HasFatalFailure());
    }
    hand.end_all();
    std::uint64_t ended = 0;
    for (const auto& [kind, count] : hand.finals) {
      ended += static_cast<std::uint64_t>(count);
    }
    ASSERT_EQ(ended, hand.admitted);
    ASSERT_FALSE(hand.exhausted);
    ASSERT_EQ(hand.scheduler().totals().entries, 0U);
    ASSERT_EQ(hand.job_row("*").name, "");
  }
}

// The bound that the documentation states: two tenants, one with a million queued.
TEST(Priorities, ASingleMessageStartsWithinItsBoundBesideAMillionOfLowOnes) {
  CrowdPlan plan;
  plan.shards = 2;
  plan.vmta_max = {4};
  plan.queue_max = {4};
  plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
  plan.jobs_max = 64;
  plan.service_max = Duration::milliseconds(300);
  plan.jobs_per_session_max = 1'000'000'000;
  plan.prefetch = true;
  Crowd crowd(plan, 12);
  for (int i = 0; i < 2'000; ++i) {
    crowd.admit(0, 0, 500, 0, "large", 10);
  }
  crowd.run(Duration::seconds(20));
  struct One {
    const char* job;
    std::uint8_t priority;
  };
  // Of higher priority, of no job, of the same job; then equal ones of jobs of their own.
  for (const One one :
       {One{"", 50}, One{"large", 11}, One{"", 100}, One{"small", 10}, One{"other", 10}}) {
    crowd.admit(0, 0, 1, 0, one.job, one.priority);
    const Instant start = crowd.now.instant;
    const std::uint32_t slot = crowd.last_slot();
    const std::uint64_t before = crowd.taken;
    crowd.run(Duration::seconds(5));
    ASSERT_FALSE(testing::Test::HasFatalFailure());
    const auto found = crowd.started.find(slot);
    ASSERT_NE(found, crowd.started.end());
    // What four sessions take ahead, one of lower priority or the turn of the other job, itself.
    EXPECT_LE(found->second.taken - before, 3U * (1 + 4) + 1) << one.job << int{one.priority};
    EXPECT_LE(found->second.at - start, Duration::seconds(1));
  }
}

/// One tenant has a million recipients queued: its mail is of the job, or of no job and the tenant.
void expect_turn_beside_a_million(std::string_view job, std::uint16_t tenant) {
  CrowdPlan plan;
  plan.shards = 2;
  plan.vmta_max = {4};
  plan.queue_max = {4};
  plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
  plan.jobs_max = 64;
  plan.service_max = Duration::milliseconds(300);
  plan.jobs_per_session_max = 1'000'000'000;
  plan.prefetch = true;
  Crowd crowd(plan, 11);
  crowd.tenant = tenant;
  for (int i = 0; i < 2'000; ++i) {
    crowd.admit(0, 0, 500, 0, job);
  }
  crowd.run(Duration::seconds(20));
  struct Other {
    const char* job;
    std::uint16_t tenant;
  };
  for (const Other other : {Other{"small", 0}, Other{"", 7}, Other{"", 8}, Other{"other", 7}}) {
    crowd.tenant = other.tenant;
    crowd.admit(0, 0, 1, 0, other.job);
    const Instant start = crowd.now.instant;
    const std::uint32_t slot = crowd.last_slot();
    const std::uint64_t before = crowd.taken;
    crowd.run(Duration::seconds(5));
    ASSERT_FALSE(testing::Test::HasFatalFailure());
    const auto found = crowd.started.find(slot);
    ASSERT_NE(found, crowd.started.end()) << other.job << other.tenant;
    // One transaction of each other one goes before it, of three recipients here, beside the
    // one that each of the four sessions takes ahead.
    EXPECT_LE(found->second.taken - before, 3U * (1 + 4) + 1) << other.job << other.tenant;
    EXPECT_LE(found->second.at - start, Duration::seconds(1));
  }
}

TEST(Shares, ASingleMessageStartsWithinItsBoundBesideAMillion) {
  expect_turn_beside_a_million("large", 0);
}

TEST(Shares, ATenantsSingleMessageStartsWithinItsBoundBesideAMillionOfAnothersWithoutJobs) {
  expect_turn_beside_a_million("", 6);
}

// One tenant alone has the plain list; others get turns beside it.
TEST(Shares, MailOfNoJobIsSharedBetweenTenants) {
  JobHand hand;
  hand.tenant = 5;
  for (std::uint32_t i = 1; i <= 3; ++i) {
    hand.mail("", i);
  }
  const QueueId queue = hand.session();
  EXPECT_EQ(hand.scheduler().shares().shares_ready(hand.queue_of("a.example")), 1U);
  hand.tenant = 9;
  hand.mail("", 11);
  hand.tenant = 0;
  hand.mail("", 21);
  hand.tenant = 5;
  hand.mail("", 4);
  EXPECT_EQ(hand.deliver(queue, 9), (std::vector<std::uint32_t>{1, 11, 21, 2, 3, 4}));
  // The next one to come alone is the first.
  hand.tenant = 9;
  hand.mail("", 12);
  hand.mail("", 13);
  EXPECT_EQ(hand.scheduler().shares().tenant_of(hand.queue_of("a.example"), 0), 9U);
}

// Whose it is goes with it to another queue.
TEST(Shares, MailThatMovesKeepsItsTenant) {
  JobHand hand;
  for (std::uint32_t i = 1; i <= 50; ++i) {
    hand.tenant = 5;
    hand.mail("", i, 1, "a.example", "v2");
  }
  for (std::uint32_t i = 101; i <= 150; ++i) {
    hand.tenant = 5;
    hand.mail("", i);
  }
  hand.tenant = 9;
  hand.mail("", 200);
  ASSERT_TRUE(hand.scheduler().move_away(hand.order_to("v2"), hand.now).ok());
  hand.run();
  hand.advance(Duration::seconds(1));
  Queue& taker = hand.queue_of("a.example", "v2");
  EXPECT_EQ(hand.queued("v2"), 101U);
  EXPECT_EQ(hand.scheduler().shares().tenant_of(taker, 0), 5U);
  EXPECT_EQ(hand.scheduler().shares().shares_ready(taker), 2U);
}

// A session that ends gives back what it took ahead, the last first.
TEST(Shares, WhatASessionGivesBackStandsInFrontAsItDidBefore) {
  JobHand hand;
  for (std::uint32_t slot = 1; slot <= 8; ++slot) {
    hand.mail("a", slot);
  }
  const QueueId queue = hand.session();
  std::vector<Job*> taken;
  for (int i = 0; i < 5; ++i) {
    taken.push_back(hand.scheduler().take(queue, hand.now));
    ASSERT_NE(taken.back(), nullptr);
  }
  for (auto job = taken.rbegin(); job != taken.rend(); ++job) {
    hand.finish(**job, OutcomeKind::returned);
  }
  for (Job* job : std::exchange(hand.settling, {})) {
    hand.scheduler().retire(*job, hand.now);
  }
  EXPECT_EQ(hand.deliver(queue, 8), (std::vector<std::uint32_t>{1, 2, 3, 4, 5, 6, 7, 8}));
}

}  // namespace
}  // namespace ringpost::schedule
