// Checkpoints while what they write about changes.

#include <gtest/gtest.h>

#include "spool/checkpoint.h"
#include "spool/journal_record.h"
#include "tests/unit/spool/spool_bench.h"

namespace ringpost::spool::testing {
namespace {

SegmentPool::Config pool_of(const SpoolOptions& options, SegmentKind kind) {
  SegmentPool::Config config;
  config.folder = "/checkpoint";
  config.kind = kind;
  config.segment_bytes = options.journal_segment_bytes;
  config.block_bytes = options.block_bytes;
  return config;
}

std::unique_ptr<Segment> segment_of(std::uint32_t ordinal, std::size_t messages) {
  auto segment = std::make_unique<Segment>();
  segment->header.ordinal = ordinal;
  segment->header.size = 64 << 10;
  segment->state = SegmentState::sealed;
  segment->slots.assign(messages, kNone);
  return segment;
}

/// Ordinal and first local number of the checkpoint parts in a journal file.
std::vector<std::pair<std::uint32_t, std::uint64_t>> parts_in(const std::string& file) {
  const auto header = decode_segment_header(std::string_view(file).substr(0, kSector));
  std::vector<std::pair<std::uint32_t, std::uint64_t>> parts;
  std::uint64_t offset = header->block_bytes;
  while (const auto batch = next_journal_batch(file, header->generation, offset)) {
    Decoder records(batch->body);
    while (const auto record = next_journal_record(records)) {
      if (record->kind == JournalKind::checkpoint_part) {
        Decoder fields(record->fields);
        const auto ordinal = fields.number<std::uint32_t>();
        parts.emplace_back(ordinal, fields.varint());
      }
    }
  }
  return parts;
}

// A segment that is retired after its part was written, before the checkpoint went on, must not
// hand its place among the local numbers to the next one.
TEST(SpoolCheckpoint, GoesOnBehindASegmentThatIsRetiredUnderIt) {
  sim::SimFiles files(1);
  SpoolOptions options = tiny_options();
  TestAdmissions admissions;
  TestOutcomes outcomes;
  Session session(files, options, admissions, outcomes, 1);  // for its loop and disk
  ASSERT_TRUE(session.disk.make_folder("/checkpoint").ok());
  options.checkpoint_bytes_per_turn = 16;  // one part a turn
  SlotTable slots(10);
  Journal journal(options, pool_of(options, SegmentKind::journal), session.loop(), session.disk,
                  session.entropy);
  AcceptanceLog acceptance(options, pool_of(options, SegmentKind::acceptance), session.loop(),
                           session.disk, session.entropy, slots, journal, nullptr);
  acceptance.adopt(segment_of(1, 2));
  acceptance.adopt(segment_of(2, 3));
  Checkpoint checkpoint(options, slots, acceptance, journal);
  journal.resume(1);
  checkpoint.start();
  ASSERT_TRUE(checkpoint.step());
  acceptance.table()[0] = nullptr;
  while (checkpoint.step()) {
  }
  EXPECT_EQ(1U, checkpoint.completed());
  journal.begin();
  journal.sync_all();
  ASSERT_TRUE(session.turn_until([&] {
    journal.pool().pump(session.loop().now());
    journal.end_of_turn(session.loop().now());
    return journal.synced() + 1 == journal.next_sequence();
  }));
  const auto parts = parts_in(files.read("/checkpoint/j-00000001"));
  ASSERT_EQ(3U, parts.size());
  EXPECT_EQ(std::pair(1U, std::uint64_t{0}), parts[0]);
  EXPECT_EQ(std::pair(1U, std::uint64_t{0}), parts[1]);
  EXPECT_EQ(std::pair(2U, std::uint64_t{0}), parts[2]);
  ASSERT_TRUE(session.turn_until([&] { return journal.idle(); }));
}

/// A journal that nothing but checkpoints frees.
class JournalRoom : public ::testing::Test {
 protected:
  /// `messages` in each old segment, every second of them settled.
  void open(std::uint32_t old_segments, std::size_t messages) {
    ASSERT_TRUE(session_.disk.make_folder("/checkpoint").ok());
    journal_ = std::make_unique<Journal>(options_, pool_of(options_, SegmentKind::journal),
                                         session_.loop(), session_.disk, session_.entropy);
    acceptance_ = std::make_unique<AcceptanceLog>(
        options_, pool_of(options_, SegmentKind::acceptance), session_.loop(), session_.disk,
        session_.entropy, slots_, *journal_, nullptr);
    for (std::uint32_t ordinal = 1; ordinal <= old_segments; ++ordinal) {
      auto segment = segment_of(ordinal, messages);
      for (std::size_t i = 0; i < messages; i += 2) {
        segment->slots[i] = kPending;
      }
      acceptance_->adopt(std::move(segment));
    }
    checkpoint_ = std::make_unique<Checkpoint>(options_, slots_, *acceptance_, *journal_);
    journal_->resume(1);
    journal_->begin();
  }
  void sync() {
    journal_->sync_all();
    ASSERT_TRUE(session_.turn_until([&] {
      journal_->pool().pump(session_.loop().now());
      journal_->end_of_turn(session_.loop().now());
      return journal_->synced() + 1 == journal_->next_sequence();
    }));
  }
  void checkpoint() {
    checkpoint_->start();
    while (checkpoint_->step()) {
    }
    sync();
    most_used_ = std::max(most_used_, journal_->used_bytes());
    journal_->drop_through(checkpoint_->durable_begin() - 1);
  }
  /// Writes one record and sync after another, with checkpoints when they are due.
  void write(int records) {
    for (int i = 0; i < records; ++i) {
      journal_->add(JournalKind::clean, [](auto&) {});
      sync();
      most_used_ = std::max(most_used_, journal_->used_bytes());
      if (checkpoint_->due(true)) {
        checkpoint();
      }
    }
  }

  sim::SimFiles files_{1};
  SpoolOptions options_ = tiny_options();
  TestAdmissions admissions_;
  TestOutcomes outcomes_;
  Session session_{files_, options_, admissions_, outcomes_, 1};  // for its loop and disk
  SlotTable slots_{10};
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<AcceptanceLog> acceptance_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::uint64_t most_used_ = 0;
};

// Each sync begins a new page: few records an instant take eight times their room.
TEST_F(JournalRoom, WhatSyncsLeaveEmptyCountsTowardsTheNextCheckpoint) {
  options_.block_bytes = kPage;
  options_.journal_max_bytes = 1 << 20;  // never near
  open(1, 3);
  write(200);
  EXPECT_GE(checkpoint_->completed(),
            800 * std::uint64_t{1 << 10} / options_.journal_segment_bytes / 2);
  EXPECT_LE(most_used_, 3 * options_.journal_segment_bytes);
  ASSERT_TRUE(session_.turn_until([&] { return journal_->idle(); }));
}

// Where much mail waits checkpoints are seldom; a journal near its end has them sooner.
TEST_F(JournalRoom, IsMadeBeforeTheJournalIsFull) {
  open(40, 2000);
  checkpoint();
  const std::uint64_t state = journal_->written_bytes();
  ASSERT_GT(state, 8 * options_.journal_segment_bytes);
  options_.journal_max_bytes = 2 * state + 4 * options_.journal_segment_bytes;
  write(1600);
  EXPECT_GE(checkpoint_->completed(), 4U);
  EXPECT_LE(checkpoint_->completed(), 60U);  // a segment of the fifty is gained by each
  EXPECT_LT(most_used_, options_.journal_max_bytes);
  ASSERT_TRUE(session_.turn_until([&] { return journal_->idle(); }));
}

}  // namespace
}  // namespace ringpost::spool::testing
