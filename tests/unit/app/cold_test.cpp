// Cold virtual MTAs and members of pools that take only so many recipients a day.

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/app/policy_book.h"
#include "core/base/random.h"
#include "core/schedule/scheduler.h"
#include "tests/number_from.h"
#include "tests/unit/app/support.h"

namespace ringpost::app {
namespace {

/// 2027-01-16, midnight.
constexpr WallTime kMidnightUtc{1'800'057'600'000'000};

/// Shards that place mail and count it, as the daemon's do; nothing is ever sent.
class ColdOffice {
 public:
  ColdOffice(const std::string& text, unsigned shards) : snapshot_(snapshot_of(text)) {
    make(shards);
  }

  /// Comes in at any shard. False: no room on the way, nothing of it was taken.
  bool admit(unsigned shard, std::string_view domain, std::string_view vmta,
             std::uint32_t recipients = 1) {
    Admission admission;
    admission.message = {1, ++slot_, 1};
    admission.id = {7, slot_};
    admission.domain = domain;
    admission.vmta = vmta;
    admission.count = recipients;
    admission.received = now.wall;
    return shards_[shard]->admit(admission);
  }
  /// Recipients that a virtual MTA may send to a domain now, and later.
  std::pair<std::uint64_t, std::uint64_t> queued(const std::string& domain,
                                                 const std::string& vmta) {
    std::pair<std::uint64_t, std::uint64_t> sum;
    for (const auto& shard : shards_) {
      shard->run();
      std::vector<schedule::QueueRow> rows;
      schedule::QueuePattern pattern;
      pattern.domain = domain;
      pattern.vmta = vmta;
      shard->scheduler->rows(pattern, 10, rows, now);
      for (const auto& row : rows) {
        sum.first += row.ready;
        sum.second += row.deferred;
      }
    }
    return sum;
  }
  schedule::Gate gate(const std::string& domain, const std::string& vmta) {
    for (const auto& shard : shards_) {
      shard->run();
      std::vector<schedule::QueueRow> rows;
      schedule::QueuePattern pattern;
      pattern.domain = domain;
      pattern.vmta = vmta;
      shard->scheduler->rows(pattern, 10, rows, now);
      if (!rows.empty()) {
        return rows.front().gate;
      }
    }
    return schedule::Gate::none;
  }
  void pass(Duration time) {
    now.instant = now.instant + time;
    now.wall = now.wall + time;
  }
  /// Each shard writes what is to be kept.
  void keep(bool last = false) {
    kept_.clear();
    for (const auto& shard : shards_) {
      shard->scheduler->write_kept(kept_, last, now);
      shard->scheduler->kept(true, now);
    }
  }
  /// Another configuration is in force, on all shards at once.
  void reload(const std::string& text) {
    snapshot_ = snapshot_of(text);
    ++version_;
    for (const auto& shard : shards_) {
      shard->book.use(snapshot_, version_);
      shard->scheduler->refresh(now);
      shard->run();
    }
  }
  /// Mail is gone; what was written last is known.
  void restart(unsigned shards) { make(shards); }
  /// What queues of the virtual MTA were given is on disk; of any: empty.
  bool covered(std::string_view vmta = {}) const {
    bool all = true;
    for (const auto& shard : shards_) {
      shard->scheduler->day_counts().for_all([&](const schedule::DayCount& count) {
        all = all && (count.covered() || (!vmta.empty() && count.vmta() != vmta));
      });
    }
    return all;
  }

  Now now{Instant{} + Duration::hours(3), kMidnightUtc};
  bool refuse = false;  ///< queues have no room

 private:
  struct Shard : AdmissionSink, SessionHost, schedule::SettleSink, schedule::LeaseTransport {
    Shard(ColdOffice& the_office, unsigned index, unsigned shards)
        : office(the_office), book(office.snapshot_) {
      schedule::SchedulerOptions options;
      options.shard = index;
      options.shards = shards;
      options.jobs_max = 8;
      scheduler = std::make_unique<schedule::Scheduler>(
          options, schedule::Doors{*this, *this, book, *this, nullptr, this}, office.now);
      scheduler->restore(office.kept_, true, office.now);
      scheduler->day_counts().keep(true);
    }
    // As Shard::admit() of the daemon, with letters that arrive at once.
    bool admit(const Admission& admission) override {
      const Placement place = book.place(admission, office.now.instant);
      Admission chosen = admission;
      chosen.vmta = place.vmta;
      chosen.pooled = place.pooled;
      if (place.counted) {
        chosen.counted = true;
        chosen.choice = place.choice;
        chosen.overflow = place.overflow;
      }
      const std::string queue(place.queue);
      auto& home = *office.shards_[schedule::queue_hash(queue, place.vmta) % office.shards_.size()];
      if (office.refuse) {
        return false;
      }
      const schedule::Taken taken = home.scheduler->admit_some(chosen, queue, office.now);
      EXPECT_TRUE(taken != schedule::Taken::some || admit(chosen));
      return taken != schedule::Taken::none;
    }
    bool offer(QueueId) override { return false; }
    bool open_session(QueueId, std::string_view, const QueuePolicyRef&, Instant) override {
      return true;
    }
    void settle(Job&) override {}
    bool send(unsigned, const schedule::LeaseMessage&) override { return true; }
    void run() {
      for (int turns = 0; turns < 1000 && scheduler->run(office.now); ++turns) {
      }
    }

    ColdOffice& office;
    PolicyBook book;
    std::unique_ptr<schedule::Scheduler> scheduler;
  };

  void make(unsigned shards) {
    shards_.clear();
    for (unsigned i = 0; i < shards; ++i) {
      shards_.push_back(std::make_unique<Shard>(*this, i, shards));
    }
  }

  std::shared_ptr<const config::Snapshot> snapshot_;
  std::uint32_t version_ = 1;
  std::string kept_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::uint32_t slot_ = 0;
};

const char* const kWarmWithCold =
    "<virtual-mta cold>\nsmtp-source-host 192.0.2.9\n</virtual-mta>\n"
    "<virtual-mta warm>\nsmtp-source-host 192.0.2.1\ncold-virtual-mta cold\n"
    "<domain *>\nmax-cold-virtual-mta-msg 10/day\n</domain>\n"
    "<domain big.example>\nmax-cold-virtual-mta-msg 3/d,5/d\n</domain>\n</virtual-mta>\n";

const char* const kPoolOfCapped =
    "<virtual-mta a>\n<domain *>\nmax-cold-virtual-mta-msg 10/day\n</domain>\n</virtual-mta>\n"
    "<virtual-mta b>\n<domain *>\nmax-cold-virtual-mta-msg 20/day\n</domain>\n</virtual-mta>\n"
    "<virtual-mta c>\n</virtual-mta>\n"
    "<virtual-mta-pool some>\nvirtual-mta a\nvirtual-mta b\nvirtual-mta c\n</virtual-mta-pool>\n"
    "<virtual-mta-pool all>\nvirtual-mta a\nvirtual-mta b\n</virtual-mta-pool>\n";

TEST(Cold, TheFirstOfADayGoToTheColdOneForEachDomain) {
  for (const unsigned shards : {1U, 4U}) {
    ColdOffice office(kWarmWithCold, shards);
    for (unsigned i = 0; i < 40; ++i) {
      ASSERT_TRUE(office.admit(i % shards, i % 2 == 0 ? "x.example" : "y.example", "warm"));
    }
    for (const char* domain : {"x.example", "y.example"}) {
      EXPECT_EQ(office.queued(domain, "cold").first, 10U);
      EXPECT_EQ(office.queued(domain, "warm").first, 10U);
    }
    ASSERT_TRUE(office.admit(0, "x.example", "cold"));
    EXPECT_EQ(office.queued("x.example", "cold").first, 11U) << "who names it means it";
  }
}

TEST(Cold, AMessageMayBeSplitSoThatTheNumberIsExact) {
  ColdOffice office(kWarmWithCold, 2);
  ASSERT_TRUE(office.admit(0, "x.example", "warm", 25));
  EXPECT_EQ(office.queued("x.example", "cold").first, 10U);
  EXPECT_EQ(office.queued("x.example", "warm").first, 15U);
}

TEST(Cold, WithoutRoomOnTheWayNothingIsTakenOfIt) {
  ColdOffice office(kWarmWithCold, 2);
  office.refuse = true;
  EXPECT_FALSE(office.admit(0, "x.example", "warm", 25));
  office.refuse = false;
  EXPECT_EQ(office.queued("x.example", "cold").first, 0U);
  ASSERT_TRUE(office.admit(0, "x.example", "warm", 25));
  EXPECT_EQ(office.queued("x.example", "cold").first, 10U);
}

TEST(Cold, SuccessiveDaysHaveTheirOwnNumbersAndTheLastRepeats) {
  ColdOffice office(kWarmWithCold, 3);
  std::uint64_t before = 0;
  for (const std::uint64_t number : {3U, 5U, 5U}) {
    for (unsigned i = 0; i < 20; ++i) {
      ASSERT_TRUE(office.admit(i % 3, "big.example", "warm"));
    }
    EXPECT_EQ(office.queued("big.example", "cold").first, before + number);
    before += number;
    office.pass(Duration::days(1));
  }
}

TEST(Cold, AMemberOfAPoolTakesSoManyAndTheOthersTheRest) {
  ColdOffice office(kPoolOfCapped, 4);
  for (unsigned i = 0; i < 200; ++i) {
    ASSERT_TRUE(office.admit(i % 4, "x.example", "some"));
  }
  EXPECT_EQ(office.queued("x.example", "a").first, 10U);
  EXPECT_EQ(office.queued("x.example", "b").first, 20U);
  EXPECT_EQ(office.queued("x.example", "c").first, 170U);
  ASSERT_TRUE(office.admit(0, "x.example", "a"));
  EXPECT_EQ(office.queued("x.example", "a").first, 11U) << "who names it means it";
}

TEST(Cold, WhatNobodyTakesTodayWaitsForTheDaysToCome) {
  ColdOffice office(kPoolOfCapped, 2);
  for (unsigned i = 0; i < 60; ++i) {
    ASSERT_TRUE(office.admit(i % 2, "x.example", "all"));
  }
  const auto a = office.queued("x.example", "a");
  const auto b = office.queued("x.example", "b");
  EXPECT_EQ(a.first, 10U);
  EXPECT_EQ(b.first, 20U);
  EXPECT_EQ(a.second + b.second, 30U);
  std::uint64_t ready_a = 10;
  std::uint64_t ready_b = 20;
  for (int day = 0; day < 4; ++day) {
    office.pass(Duration::days(1));
    const auto next_a = office.queued("x.example", "a");
    const auto next_b = office.queued("x.example", "b");
    EXPECT_LE(next_a.first, ready_a + 10);
    EXPECT_LE(next_b.first, ready_b + 20);
    ready_a = next_a.first;
    ready_b = next_b.first;
  }
  EXPECT_EQ(ready_a + ready_b, 60U);
}

TEST(Cold, AQueueWaitsUntilItsCountIsOnDisk) {
  ColdOffice office(kWarmWithCold, 1);
  ASSERT_TRUE(office.admit(0, "x.example", "warm", 4));
  EXPECT_EQ(office.gate("x.example", "cold"), schedule::Gate::day_count);
  office.keep();
  EXPECT_NE(office.gate("x.example", "cold"), schedule::Gate::day_count);
  EXPECT_TRUE(office.covered());
}

using Numbers = std::map<std::string, std::uint64_t>;  ///< by virtual MTA

/// What days may take, drawn, and what they were given.
class ColdRun {
 public:
  explicit ColdRun(std::uint64_t seed)
      : random_(seed * 86'028'121),
        pool_(random_.chance(50)),
        most_(draw()),
        office_(text(), static_cast<unsigned>(1 + random_.below(8))) {}

  std::uint64_t sent_in_all = 0;

  void run() {
    for (int day = 0; day < 3; ++day) {
      sent_.clear();
      for (int life = 0; life < 4; ++life) {
        // The first of a day may be the last of the day before, whose mail for it waits there.
        if (day == 0 || life > 0 || random_.chance(40)) {
          restart();
        }
        for (auto n = random_.below(30); n > 0; --n) {
          step();
          ASSERT_FALSE(testing::Test::HasFailure());
        }
        if (random_.chance(50)) {
          office_.keep(random_.chance(50));
        }
        if (life == 3) {
          office_.keep();  // the day may end with it: what it was given counts
        }
        end_life();
        ASSERT_FALSE(testing::Test::HasFailure());
      }
      office_.pass(kMidnightUtc + Duration::days(day + 1) - office_.now.wall);
    }
  }

 private:
  Numbers draw() {
    const auto number = [&] { return 1 + random_.below(25); };
    return pool_ ? Numbers{{"a", number()}, {"b", number()}} : Numbers{{"cold", number()}};
  }
  std::string text() const {
    std::string out =
        pool_ ? "" : "<virtual-mta cold>\nsmtp-source-host 192.0.2.9\n</virtual-mta>\n";
    for (const auto& [vmta, number] : most_) {
      out += pool_ ? "<virtual-mta " + vmta + ">\n"
                   : "<virtual-mta warm>\nsmtp-source-host 192.0.2.1\ncold-virtual-mta cold\n";
      out += "<domain *>\nmax-cold-virtual-mta-msg " + std::to_string(number) +
             "/day\n</domain>\n</virtual-mta>\n";
    }
    return !pool_ ? out
                  : out +
                        "<virtual-mta c>\n</virtual-mta>\n"
                        "<virtual-mta-pool some>\nvirtual-mta a\nvirtual-mta b\nvirtual-mta c\n"
                        "</virtual-mta-pool>\n<virtual-mta-pool all>\nvirtual-mta a\n"
                        "virtual-mta b\n</virtual-mta-pool>\n";
  }
  void restart() {
    shards_ = static_cast<unsigned>(1 + random_.below(8));
    office_.restart(shards_);
    before_.clear();
  }
  /// Some mail, or another number; given is no more than the number in force.
  void step() {
    Numbers given;
    for (const auto& [vmta, number] : most_) {
      given[vmta] = office_.queued("x.example", vmta).first;
    }
    if (random_.chance(25)) {
      most_ = draw();
      office_.reload(text());
    } else {
      ASSERT_TRUE(office_.admit(static_cast<unsigned>(random_.below(shards_)), "x.example",
                                pool_ ? (random_.chance(50) ? "some" : "all") : "warm",
                                static_cast<std::uint32_t>(1 + random_.below(4))));
    }
    if (random_.chance(20)) {
      office_.keep();
    }
    for (const auto& [vmta, number] : most_) {
      const std::uint64_t now = office_.queued("x.example", vmta).first;
      if (now != given[vmta]) {
        ASSERT_LE(sent_[vmta] + now - before_[vmta], number) << vmta;
      }
    }
  }
  /// What is covered may have been sent.
  void end_life() {
    for (const auto& [vmta, number] : most_) {
      const std::uint64_t ready = office_.queued("x.example", vmta).first;
      if (office_.covered(vmta)) {
        sent_[vmta] += ready - before_[vmta];
        sent_in_all += ready - before_[vmta];
      }
      before_[vmta] = ready;
    }
  }

  Random random_;
  bool pool_;
  Numbers most_;
  ColdOffice office_;
  unsigned shards_ = 1;
  Numbers sent_;    ///< today
  Numbers before_;  ///< of what is ready, that was counted already
};

// Whatever a crash loses of the mail, and whatever numbers reloads bring, those in force hold for
// what may have been sent: what was ready in a queue whose count was on disk.
TEST(ColdSim, NoDaysNumberIsExceededOverRestartsReloadsAndCrashes) {
  std::uint64_t sent_in_all = 0;
  const std::uint64_t first = number_from("RINGPOST_SEED_FIRST", 1);
  const std::uint64_t seeds = number_from("RINGPOST_SEEDS", 200);
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ColdRun run(seed);
    run.run();
    ASSERT_FALSE(HasFailure());
    sent_in_all += run.sent_in_all;
  }
  EXPECT_TRUE(seeds < 10 || sent_in_all > 10 * seeds) << "the seeds draw too little";
}

}  // namespace
}  // namespace ringpost::app
