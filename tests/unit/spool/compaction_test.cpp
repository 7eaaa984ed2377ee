// Compaction: what is left of mostly dead segments moves into a fresh one, keeps its id and state,
// and is neither lost nor doubled, wherever it is interrupted.

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "spool/tools.h"
#include "tests/unit/spool/spool_fixture.h"

namespace ringpost::spool::testing {
namespace {

class CompactionTest : public SpoolTest {
 protected:
  CompactionTest() {
    options_.compact_percent = 30;
    options_.compact_pause = Duration::milliseconds(2);
    options_.compact_bytes = 4096;
  }

  /// Fills several segments, settles all but every `keep`-th message, and defers each of those
  /// once. What stays is in left_.
  void fill(Session& run, std::uint64_t messages, std::uint64_t keep, std::size_t bytes = 2500) {
    for (std::uint64_t i = 0; i < messages; ++i) {
      const std::size_t size = i % (4 * keep) == 0 ? 12'000 : bytes;
      TestMail mail = make_mail(i, size);
      mail.priorities = {static_cast<std::uint8_t>(i % 101)};
      ASSERT_EQ(0, run.deliver_in(mail));
      Session::Work& work = run.open_now(take_offer(run));
      ASSERT_EQ(0, work.job.opened.result);
      const bool stays = i % keep == 0;
      if (stays) {
        left_[work.job.view.id] = mail;
      }
      run.settle_now(work, stays ? OutcomeKind::deferred : OutcomeKind::delivered);
      ASSERT_TRUE(run.turn_until([&] { return work.settled; }));
    }
    ASSERT_TRUE(run.turn_until([&] { return outcomes_.records.size() == messages; }));
    outcomes_.archive_all();
  }
  /// So long that segments are looked at twice, as it takes to see that they last.
  void wait_for_compaction(Session& run) {
    for (int i = 0; i < 2; ++i) {
      run.driver.pass(options_.compact_look);
      run.settle_down(3);
    }
  }
  bool compacted(Session& run) { return moved_at_least(run, left_.size()); }
  bool moved_at_least(Session& run, std::uint64_t count) {
    const auto done = [&] { return run.spool->stats().compacted_messages >= count; };
    for (int i = 0; i < 10 && !done(); ++i) {
      wait_for_compaction(run);
      run.turn_until(done, 300);
    }
    return done();
  }
  void expect_all_found(Session& run) {
    for (const auto& [id, mail] : left_) {
      SpoolHandle handle;
      ASSERT_TRUE(run.spool->find(id, handle));
      RecipientBrief brief;
      ASSERT_TRUE(run.spool->recipient(handle, 0, brief));
      EXPECT_EQ(1, brief.attempts);
      EXPECT_GT(brief.next_attempt.us, 0);
    }
  }
  /// After a restart: each one is offered once, whole and under its id, and ends once.
  void deliver_the_rest(Session& run) {
    std::set<MessageId> seen;
    for (std::size_t n = 0; n < left_.size(); ++n) {
      const Offered offered = take_offer(run);
      ASSERT_EQ(1U, left_.count(offered.id));
      EXPECT_TRUE(seen.insert(offered.id).second);
      EXPECT_EQ(1, offered.attempts);
      EXPECT_EQ(left_.at(offered.id).priorities.at(0), offered.priority);
      EXPECT_FALSE(offered.ambiguous);
      Session::Work& work = run.open_now(offered);
      ASSERT_EQ(0, work.job.opened.result);
      const TestMail& mail = left_[offered.id];
      EXPECT_EQ(mail.prefix + mail.content, body_of(work.job.view));
      EXPECT_EQ(offered.id, work.job.view.id);
      run.settle_now(work, OutcomeKind::delivered);
      ASSERT_TRUE(run.turn_until([&] { return work.settled; }));
    }
    ASSERT_TRUE(run.turn_until([&] {
      const SpoolStats stats = run.spool->stats();
      return stats.messages == 0 && stats.accounting_behind == 0;
    }));
    EXPECT_TRUE(admissions_.offered.empty());
    EXPECT_TRUE(outcomes_.consistent);
    EXPECT_EQ(0U, run.spool->stats().accounting_lost);
    std::map<MessageId, int> finals;
    for (const Accounted& record : outcomes_.records) {
      finals[record.id] += is_final(record.kind) ? 1 : 0;
    }
    for (const auto& [id, mail] : left_) {
      EXPECT_EQ(1, finals[id]) << "accounted under its own id, once";
    }
  }

  std::map<MessageId, TestMail> left_;
};

TEST_F(CompactionTest, SpaceComesBackAndMessagesKeepTheirIds) {
  auto run = start();
  fill(*run, 200, 20);
  const std::uint64_t before = run->spool->stats().segment_bytes;
  ASSERT_TRUE(compacted(*run));
  EXPECT_TRUE(
      run->turn_until([&] { return run->spool->stats().segment_bytes <= before / 2; }, 2'000))
      << run->spool->stats().segment_bytes << " of " << before;
  EXPECT_GT(run->spool->stats().compacted_segments, 2U);
  expect_all_found(*run);
  ASSERT_TRUE(run->stop());
  run.reset();
  admissions_.offered.clear();
  run = start();
  EXPECT_TRUE(run->report.clean);
  expect_all_found(*run);
  deliver_the_rest(*run);
}

TEST_F(CompactionTest, CopiesAreCopiedAgain) {
  auto run = start();
  fill(*run, 100, 50);
  ASSERT_TRUE(compacted(*run));
  ASSERT_TRUE(run->stop());  // closes the segment of copies: now they have to move on
  run.reset();
  admissions_.offered.clear();
  run = start();
  while (admissions_.offered.size() < left_.size()) {
    run->turn();
  }
  admissions_.offered.clear();
  const auto kept = left_;
  left_.clear();
  outcomes_.records.clear();
  fill(*run, 100, 100);
  left_.insert(kept.begin(), kept.end());
  ASSERT_TRUE(compacted(*run)) << run->spool->stats().compacted_messages;
  expect_all_found(*run);
  kill(run);
  outcomes_.records.clear();
  run = start();
  deliver_the_rest(*run);
}

// A mapping that a delivery reads from stays what it was, and its segment with it.
TEST_F(CompactionTest, WhatIsLentOutStays) {
  auto run = start();
  fill(*run, 100, 10);
  Offered offered;
  const MessageId id = left_.begin()->first;
  ASSERT_TRUE(run->spool->find(id, offered.message));
  offered.id = id;
  offered.count = 1;
  offered.attempts = 1;
  Session::Work& work = run->open_now(offered);
  ASSERT_EQ(0, work.job.opened.result);
  const TestMail mail = left_[id];
  ASSERT_TRUE(moved_at_least(*run, left_.size() - 1));
  for (std::uint64_t i = 0; i < 200; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(1'000 + i, 3'000)));  // recycles what was freed
    Session::Work& other = run->open_now(take_offer(*run));
    run->settle_now(other, OutcomeKind::delivered);
  }
  EXPECT_EQ(mail.prefix + mail.content, body_of(work.job.view));
  run->settle_now(work, OutcomeKind::delivered);
  ASSERT_TRUE(run->turn_until([&] { return work.settled; }));
  const auto ended = [&] {
    return !outcomes_.records.empty() && outcomes_.records.back().id == id;
  };
  EXPECT_TRUE(run->turn_until(ended));
}

// Both kinds of end at every step of a rewriting.
TEST_F(CompactionTest, InterruptedAtEveryStepNothingIsLostOrDoubled) {
  unsigned half_done = 0;
  for (unsigned step = 0; step < 50; ++step) {
    for (const bool power : {false, true}) {
      SCOPED_TRACE("step " + std::to_string(step) + (power ? ", power" : ", kill"));
      files_ = sim::SimFiles(99 + step);
      outcomes_ = TestOutcomes();
      admissions_.offered.clear();
      left_.clear();
      auto run = start();
      fill(*run, 60, 10);
      wait_for_compaction(*run);
      run->settle_down(static_cast<int>(step) * 3);
      const std::uint64_t moved = run->spool->stats().compacted_messages;
      half_done += moved > 0 && moved < left_.size() ? 1 : 0;
      power ? cut_power(run) : kill(run);
      run = start();
      deliver_the_rest(*run);
      if (HasFailure()) {
        return;
      }
    }
  }
  EXPECT_GT(half_done, 3U) << "no end came in the middle";
}

TEST_F(CompactionTest, WritesThatFailLeaveTheSources) {
  auto run = start();
  fill(*run, 100, 10);
  files_.faults.write_error = 60;
  wait_for_compaction(*run);
  run->settle_down(300);
  files_.faults = {};
  ASSERT_TRUE(compacted(*run)) << "it goes on afterwards";
  expect_all_found(*run);
  cut_power(run);
  run = start();
  deliver_the_rest(*run);
}

// Where the journal's word on copies is lost, a copy whose source is gone is offered again.
TEST_F(CompactionTest, CopiesOutliveTheirJournal) {
  auto run = start();
  fill(*run, 100, 10);
  ASSERT_TRUE(compacted(*run));
  run->settle_down(200);  // sources are freed
  kill(run);
  for (const std::string& name : files_.names("/spool/log-0000")) {
    if (name.rfind("j-", 0) == 0) {
      files_.overwrite("/spool/log-0000/" + name, 0, std::string(kSector, '\0'));
    }
  }
  run = start();
  std::set<MessageId> offered;
  run->turn_until([&] { return admissions_.offered.size() >= left_.size(); }, 500);
  for (const Offered& one : admissions_.offered) {
    EXPECT_TRUE(offered.insert(one.id).second);
  }
  for (const auto& [id, mail] : left_) {
    EXPECT_EQ(1U, offered.count(id)) << id.text();
  }
}

TEST_F(CompactionTest, ExportNamesCopiesByTheirIds) {
  auto run = start();
  fill(*run, 100, 10);
  ASSERT_TRUE(compacted(*run));
  kill(run);
  sim::SimDisk disk(files_, 5);
  const auto figures = export_messages(disk, "/spool", "/out");
  ASSERT_TRUE(figures) << figures.error().describe();
  EXPECT_EQ(left_.size(), figures->messages);
  for (const auto& [id, mail] : left_) {
    EXPECT_EQ(mail.prefix + mail.content, files_.read("/out/" + id.text() + ".eml") + ".\r\n");
  }
}

TEST_F(CompactionTest, ASegmentOfCopiesIsNotForOlderPrograms) {
  SegmentHeader header;
  header.kind = SegmentKind::acceptance;
  header.size = 64 << 10;
  header.copies = true;
  char room[kSector] = {};
  encode_segment_header(header, room);
  EXPECT_EQ(kCopiesVersion, static_cast<std::uint32_t>(room[8]));
  const auto read = decode_segment_header({room, kSector});
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->copies);
}

}  // namespace
}  // namespace ringpost::spool::testing
