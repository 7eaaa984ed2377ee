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
  /// Mail is gone; what was written last is known.
  void restart(unsigned shards) { make(shards); }
  bool covered() const {
    bool all = true;
    for (const auto& shard : shards_) {
      shard->scheduler->day_counts().for_all(
          [&](const schedule::DayCount& count) { all = all && count.covered(); });
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

// Whatever a crash loses of the mail, the days' numbers hold for what may have been sent: what was
// ready in a queue whose count was on disk.
TEST(ColdSim, NoDaysNumberIsExceededOverRestartsAndCrashes) {
  std::uint64_t sent_in_all = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 86'028'121);
    const bool pool = random.chance(50);
    ColdOffice office(pool ? kPoolOfCapped : kWarmWithCold,
                      static_cast<unsigned>(1 + random.below(8)));
    const std::map<std::string, std::uint64_t> most =
        pool ? std::map<std::string, std::uint64_t>{{"a", 10}, {"b", 20}}
             : std::map<std::string, std::uint64_t>{{"cold", 10}};
    for (int day = 0; day < 3; ++day) {
      std::map<std::string, std::uint64_t> sent;
      unsigned shards = 1;
      for (int life = 0; life < 4; ++life) {
        shards = static_cast<unsigned>(1 + random.below(8));
        office.restart(shards);
        for (auto n = random.below(30); n > 0; --n) {
          ASSERT_TRUE(office.admit(static_cast<unsigned>(random.below(shards)), "x.example",
                                   pool ? (random.chance(50) ? "some" : "all") : "warm",
                                   static_cast<std::uint32_t>(1 + random.below(4))));
          if (random.chance(20)) {
            office.keep();
          }
        }
        if (random.chance(50)) {
          office.keep(random.chance(50));
        }
        for (auto& [vmta, number] : most) {
          if (office.gate("x.example", vmta) != schedule::Gate::day_count) {
            sent[vmta] += office.queued("x.example", vmta).first;
          }
          EXPECT_LE(sent[vmta], number) << vmta;
          sent_in_all += sent[vmta];
        }
      }
      office.pass(kMidnightUtc + Duration::days(day + 1) - office.now.wall);
    }
  }
  EXPECT_GT(sent_in_all, 500U) << "the seeds draw too little";
}

}  // namespace
}  // namespace ringpost::app
