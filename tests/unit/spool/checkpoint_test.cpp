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

}  // namespace
}  // namespace ringpost::spool::testing
