#include "core/account/log_writer.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/account/accountant.h"
#include "tests/unit/account/account_world.h"

namespace ringpost::account {
namespace {

LogWriterOptions options_for(const std::string& path, unsigned shards = 1) {
  LogWriterOptions options;
  options.shards = shards;
  AccountFileSpec spec;
  spec.path = path;
  spec.style.fields = {Field::log_id, Field::seq};
  spec.records = records::kDelivered | records::kBounced | records::kTransient;
  options.files = {spec};
  return options;
}

std::unique_ptr<LogWriter> open_writer(LogWriterOptions options, FileCalls& calls) {
  auto writer = LogWriter::open(std::move(options), calls);
  EXPECT_TRUE(writer.ok());
  return writer.ok() ? std::move(writer).value() : nullptr;
}

/// Steps a writer without its thread through virtual time.
class Steps {
 public:
  explicit Steps(LogWriter& writer) : writer_(writer) {}
  void pass(Duration time) {
    const Instant end = now_ + time;
    for (int i = 0; i < 10'000; ++i) {
      while (writer_.pump(now_)) {
      }
      const Instant next = std::max(writer_.next_deadline(), now_ + Duration::milliseconds(1));
      if (next > end) {
        break;
      }
      now_ = next;
    }
    now_ = end;
    while (writer_.pump(now_)) {
    }
  }

 private:
  LogWriter& writer_;
  Instant now_{1'000'000'000};
};

TEST(LogWriter, ArchivesWhatIsSyncedAndNoMore) {
  Folder folder;
  PosixFiles calls;
  auto writer = open_writer(options_for(folder / "acct.csv"), calls);
  Steps steps(*writer);
  Accountant accountant(*writer, 0);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    EXPECT_TRUE(accountant.account(sample_record(7, i)));
  }
  steps.pass(Duration::milliseconds(500));
  EXPECT_TRUE(RowCount(folder / "acct.csv").exactly({{7, 5}})) << "written at once";
  EXPECT_EQ(accountant.archived(7), 0U) << "not yet synced";
  EXPECT_FALSE(writer->drained());
  steps.pass(Duration::milliseconds(600));
  EXPECT_EQ(accountant.archived(7), 5U);
  EXPECT_EQ(accountant.archived(8), 0U);
  EXPECT_TRUE(writer->drained());
  EXPECT_EQ(writer->stats().records, 5U);
  EXPECT_EQ(writer->stats().syncs, 1U);
}

TEST(LogWriter, RecordsOfferedAgainAreIgnoredAcrossLives) {
  Folder folder;
  PosixFiles calls;
  for (unsigned life = 1; life <= 4; ++life) {
    auto writer = open_writer(options_for(folder / "acct.csv"), calls);
    Accountant accountant(*writer, 0);
    EXPECT_EQ(writer->archived(1), (life - 1) * 10U);
    for (int round = 0; round < 2; ++round) {
      for (std::uint64_t i = 1; i <= life * 10; ++i) {
        EXPECT_TRUE(accountant.account(sample_record(1, i)));
      }
    }
    EXPECT_EQ(accountant.accepted(), 10U);
    Steps steps(*writer);
    steps.pass(Duration::seconds(2));
    EXPECT_TRUE(RowCount(folder / "acct.csv").exactly({{1, life * 10}}));
  }
}

TEST(LogWriter, EachFileShowsItsTypesAndAllPositionsGoOn) {
  Folder folder;
  PosixFiles calls;
  LogWriterOptions options = options_for(folder / "delivered.csv");
  options.files[0].records = records::kDelivered;
  AccountFileSpec other = options.files[0];
  other.path = folder / "bounced.csv";
  other.records = records::kBounced;
  other.style.fields = {Field::type, Field::seq};
  options.files.push_back(other);
  auto writer = open_writer(options, calls);
  Accountant accountant(*writer, 0);
  const OutcomeKind kinds[] = {OutcomeKind::delivered, OutcomeKind::bounced, OutcomeKind::deferred,
                               OutcomeKind::expired};
  for (std::uint64_t i = 1; i <= 4; ++i) {
    SettledRecord record = sample_record(0, i);
    record.kind = kinds[i - 1];
    EXPECT_TRUE(accountant.account(record));
  }
  Steps steps(*writer);
  steps.pass(Duration::seconds(2));
  EXPECT_EQ(slurp(folder / "delivered.csv"), "logId,seq\r\n0,1\r\n");
  EXPECT_EQ(slurp(folder / "bounced.csv"), "type,seq\r\nb,2\r\nb,4\r\n");
  EXPECT_EQ(accountant.archived(0), 4U);
}

TEST(LogWriter, FilesThatLookAlikeShowWhatIsTheirs) {
  Folder folder;
  PosixFiles calls;
  LogWriterOptions options = options_for(folder / "all.csv");
  for (const char* name : {"net.csv", "bounced.csv", "other.csv"}) {
    options.files.push_back(options.files[0]);
    options.files.back().path = folder / name;
  }
  ASSERT_TRUE(options.files[1].queues.add("example.net").ok());
  options.files[2].records = records::kBounced;
  options.files[3].style.fields = {Field::seq, Field::rcpt};
  auto writer = open_writer(options, calls);
  Accountant accountant(*writer, 0);
  for (std::uint64_t i = 1; i <= 4; ++i) {
    SettledRecord record = sample_record(0, i);
    record.recipient = i % 2 == 0 ? "to@example.net" : "to@example.com";
    record.kind = i <= 2 ? OutcomeKind::delivered : OutcomeKind::bounced;
    EXPECT_TRUE(accountant.account(record));
  }
  Steps steps(*writer);
  steps.pass(Duration::seconds(2));
  EXPECT_EQ(slurp(folder / "all.csv"), "logId,seq\r\n0,1\r\n0,2\r\n0,3\r\n0,4\r\n");
  EXPECT_EQ(slurp(folder / "net.csv"), "logId,seq\r\n0,2\r\n0,4\r\n");
  EXPECT_EQ(slurp(folder / "bounced.csv"), "logId,seq\r\n0,3\r\n0,4\r\n");
  EXPECT_EQ(lines_of(slurp(folder / "other.csv")).size(), 5U);
  EXPECT_EQ(accountant.archived(0), 4U);
}

TEST(LogWriter, WithoutFilesEverythingIsArchived) {
  PosixFiles calls;
  auto writer = open_writer({}, calls);
  Accountant accountant(*writer, 0);
  EXPECT_TRUE(accountant.account(sample_record(0, 9)));
  Steps steps(*writer);
  steps.pass(Duration::seconds(2));
  EXPECT_EQ(accountant.archived(0), 9U);
}

TEST(LogWriter, AFullRingRefusesAndLosesNothing) {
  Folder folder;
  FaultyFiles files;
  LogWriterOptions options = options_for(folder / "acct.csv");
  options.ring_bytes = 4096;
  auto writer = open_writer(options, files);
  Accountant accountant(*writer, 0);
  Steps steps(*writer);
  files.room = 0;
  std::uint64_t next = 1;
  while (accountant.account(sample_record(2, next))) {
    ++next;
    ASSERT_LT(next, 1'000'000U) << "the ring is bounded";
  }
  EXPECT_EQ(accountant.refused(), 1U);
  steps.pass(Duration::seconds(30));
  EXPECT_TRUE(writer->stats().failing);
  EXPECT_GT(writer->stats().failures, 3U);
  EXPECT_LT(writer->stats().failures, 30U) << "with back-off";
  EXPECT_FALSE(accountant.account(sample_record(2, next)));
  EXPECT_EQ(accountant.archived(2), 0U);
  const auto notes = writer->take_notes();
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("acct.csv"), std::string::npos);
  files.room = -1;
  steps.pass(Duration::seconds(10));
  EXPECT_FALSE(writer->stats().failing);
  EXPECT_TRUE(accountant.account(sample_record(2, next)));
  steps.pass(Duration::seconds(2));
  EXPECT_EQ(accountant.archived(2), next);
  EXPECT_TRUE(RowCount(folder / "acct.csv").exactly({{2, static_cast<unsigned>(next)}}));
}

TEST(LogWriter, RingPressureSyncsEarly) {
  Folder folder;
  QuickFiles calls;
  LogWriterOptions options = options_for(folder / "acct.csv");
  options.ring_bytes = 4096;
  options.sync_interval = Duration::hours(1);
  auto writer = open_writer(options, calls);
  Accountant accountant(*writer, 0);
  Steps steps(*writer);
  unsigned next = 1;
  for (; next <= 100'000; ++next) {
    if (!accountant.account(sample_record(0, next))) {
      break;
    }
    if (next % 100 == 0) {
      steps.pass(Duration::milliseconds(1));
    }
  }
  EXPECT_EQ(next, 100'001U) << "never full";
  EXPECT_GT(accountant.archived(0), 0U);
}

TEST(LogWriter, AFailedSyncWritesTheRowsAgain) {
  for (const bool second_file : {false, true}) {
    Folder folder;
    FaultyFiles files;
    LogWriterOptions options = options_for(folder / "acct.csv");
    if (second_file) {
      options.files.push_back(options.files[0]);
      options.files[1].path = folder / "twin.csv";
    }
    auto writer = open_writer(options, files);
    Accountant accountant(*writer, 0);
    Steps steps(*writer);
    for (unsigned i = 0; i < 99; ++i) {
      ASSERT_TRUE(accountant.account(sample_record(i % 3, i / 3 + 1)));
      if (i % 10 == 9) {
        files.sync_failures = static_cast<int>(i / 10) % 4;
        steps.pass(Duration::milliseconds(1200));
      }
    }
    files.sync_failures = 0;
    steps.pass(Duration::seconds(20));
    EXPECT_GT(writer->stats().rewinds, 0U);
    EXPECT_TRUE(writer->drained());
    const std::map<unsigned, unsigned> all = {{0, 33}, {1, 33}, {2, 33}};
    EXPECT_TRUE(RowCount(folder / "acct.csv").exactly(all));
    if (second_file) {
      EXPECT_TRUE(RowCount(folder / "twin.csv").exactly(all));
    }
  }
}

TEST(LogWriter, AFileAddedLaterGetsWhatTheJournalStillHas) {
  Folder folder;
  PosixFiles calls;
  LogWriterOptions options = options_for(folder / "acct.csv");
  {
    auto writer = open_writer(options, calls);
    Accountant accountant(*writer, 0);
    for (std::uint64_t i = 1; i <= 6; ++i) {
      accountant.account(sample_record(0, i));
    }
    Steps steps(*writer);
    steps.pass(Duration::seconds(2));
  }
  options.files.push_back(options.files[0]);
  options.files[1].path = folder / "new.csv";
  auto writer = open_writer(options, calls);
  EXPECT_EQ(writer->archived(0), 0U);
  Accountant accountant(*writer, 0);
  for (std::uint64_t i = 4; i <= 8; ++i) {
    EXPECT_TRUE(accountant.account(sample_record(0, i)));
  }
  Steps steps(*writer);
  steps.pass(Duration::seconds(2));
  EXPECT_TRUE(RowCount(folder / "acct.csv").exactly({{0, 8}}));
  EXPECT_EQ(lines_of(slurp(folder / "new.csv")).size(), 1 + 5U);
  EXPECT_EQ(writer->archived(0), 8U);
}

TEST(LogWriter, RefusesWhatCannotWork) {
  Folder folder;
  PosixFiles calls;
  LogWriterOptions twins = options_for(folder / "acct.csv");
  twins.files.push_back(twins.files[0]);
  EXPECT_FALSE(LogWriter::open(twins, calls).ok());
  EXPECT_FALSE(LogWriter::open(options_for("/nonexistent/acct.csv"), calls).ok());
  LogWriterOptions many;
  many.files.resize(kAccountFilesMax + 1);
  EXPECT_FALSE(LogWriter::open(many, calls).ok());
}

TEST(LogWriter, ReopenSyncsFirst) {
  Folder folder;
  PosixFiles calls;
  LogWriterOptions options = options_for(folder / "acct.csv");
  options.sync_interval = Duration::hours(1);
  auto writer = open_writer(options, calls);
  Accountant accountant(*writer, 0);
  Steps steps(*writer);
  accountant.account(sample_record(0, 1));
  std::filesystem::rename(folder / "acct.csv", folder / "moved.csv");
  writer->reopen();
  steps.pass(Duration::milliseconds(10));
  EXPECT_EQ(accountant.archived(0), 1U);
  accountant.account(sample_record(0, 2));
  writer->reopen();
  steps.pass(Duration::milliseconds(10));
  EXPECT_EQ(slurp(folder / "moved.csv"), "logId,seq\r\n0,1\r\n");
  EXPECT_EQ(slurp(folder / "acct.csv"), "logId,seq\r\n0,2\r\n");
}

TEST(LogWriter, ThreadTakesTwoShardsAtOnceAndStopsClean) {
  Folder folder;
  PosixFiles calls;
  constexpr unsigned kRecords = 20'000;
  LogWriterOptions options = options_for(folder / "acct.csv", 2);
  options.sync_interval = Duration::milliseconds(20);
  auto writer = open_writer(options, calls);
  writer->start();
  const auto shard = [&writer](unsigned number) {
    Accountant accountant(*writer, number);
    std::uint64_t last_archived = 0;
    for (std::uint64_t i = 1; i <= kRecords;) {
      if (accountant.account(sample_record(static_cast<std::uint16_t>(number), i))) {
        ++i;
      } else {
        std::this_thread::yield();
      }
      const std::uint64_t archived = accountant.archived(static_cast<std::uint16_t>(number));
      ASSERT_GE(archived, last_archived);
      last_archived = archived;
    }
  };
  std::thread first([&shard] { shard(0); });
  std::thread second([&shard] { shard(1); });
  writer->reopen();
  first.join();
  second.join();
  EXPECT_TRUE(writer->stop());
  EXPECT_EQ(writer->archived(0), kRecords);
  EXPECT_EQ(writer->archived(1), kRecords);
  EXPECT_EQ(writer->stats().records, 2U * kRecords);
  EXPECT_TRUE(RowCount(folder / "acct.csv").exactly({{0, kRecords}, {1, kRecords}}));
}

TEST(LogWriter, ASleepingThreadIsWokenByARow) {
  Folder folder;
  PosixFiles calls;
  LogWriterOptions options = options_for(folder / "acct.csv");
  options.sync_interval = Duration::milliseconds(1);
  auto writer = open_writer(options, calls);
  writer->start();
  Accountant accountant(*writer, 0);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    ASSERT_TRUE(accountant.account(sample_record(0, i)));
    // Ends only if every single row wakes the thread.
    while (accountant.archived(0) < i) {
      std::this_thread::yield();
    }
  }
  EXPECT_TRUE(writer->stop());
}

TEST(LogWriter, StopGivesUpOnADeadDisk) {
  Folder folder;
  FaultyFiles files;
  LogWriterOptions options = options_for(folder / "acct.csv");
  options.stop_patience = Duration::milliseconds(50);
  auto writer = open_writer(options, files);
  files.room = 0;
  writer->start();
  Accountant accountant(*writer, 0);
  accountant.account(sample_record(0, 1));
  EXPECT_FALSE(writer->stop());
  EXPECT_EQ(accountant.archived(0), 0U);
}

}  // namespace
}  // namespace ringpost::account
