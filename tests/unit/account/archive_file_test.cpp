#include "core/account/archive_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/random.h"
#include "tests/unit/account/account_world.h"

namespace ringpost::account {
namespace {

constexpr unsigned kLogs = 2;
constexpr unsigned kPerLog = 10;

ArchiveFileOptions archive_options(const std::string& path) {
  ArchiveFileOptions options;
  options.path = path;
  options.header = "logId,seq\r\n";
  return options;
}

/// Offers records `from`..`to` of every log, as a journal does after a restart.
void offer(ArchiveFile& file, unsigned to, unsigned from = 1) {
  for (unsigned sequence = from; sequence <= to; ++sequence) {
    for (unsigned log = 0; log < kLogs; ++log) {
      if (file.wants(log, sequence)) {
        file.take(log, sequence, std::to_string(log) + "," + std::to_string(sequence) + "\r\n");
      }
    }
  }
}

const std::map<unsigned, unsigned> kAll = {{0, kPerLog}, {1, kPerLog}};

/// A new life: recovers, is offered everything again, syncs.
void live_again(FileCalls& calls, const std::string& path) {
  ArchiveFile file(calls, archive_options(path));
  ASSERT_TRUE(file.recover().ok());
  offer(file, kPerLog);
  ASSERT_TRUE(file.write().ok());
  ASSERT_TRUE(file.sync().ok());
  EXPECT_EQ(file.synced()[0], kPerLog);
  EXPECT_EQ(file.synced()[1], kPerLog);
}

/// Bytes of the data file and its index at a crash.
struct Disk {
  std::string data;
  std::string index;

  void apply(const FaultyFiles::Written& written, std::size_t size) {
    std::string& target = written.index ? index : data;
    target.resize(std::max<std::size_t>(target.size(), written.offset + size), '\0');
    target.replace(written.offset, size, written.bytes, 0, size);
  }
};

/// Runs a first life that writes in batches, syncing after those that `synced` says, and records
/// every write after recovery.
class FirstLife {
 public:
  explicit FirstLife(bool sync_some) : path(folder / "acct.csv") {
    ArchiveFile file(files, archive_options(path));
    EXPECT_TRUE(file.recover().ok());
    start = {slurp(path), slurp(path + ".pos")};
    files.stream.clear();
    for (unsigned sequence = 1; sequence <= kPerLog; ++sequence) {
      offer(file, sequence, sequence);
      EXPECT_TRUE(file.write().ok());
      if (sync_some && sequence % 3 == 0) {
        EXPECT_TRUE(file.sync().ok());
        synced_writes = files.stream.size();
        synced_sequence = sequence;
      }
    }
  }
  /// Puts the disk into a state; the data file keeps its inode.
  void crash_to(const Disk& disk) const {
    spill(path, disk.data);
    spill(path + ".pos", disk.index);
  }

  Folder folder;
  std::string path;
  FaultyFiles files;
  Disk start;
  std::size_t synced_writes = 0;
  unsigned synced_sequence = 0;
};

TEST(ArchiveFile, WritesHeaderAndRowsAndGoesOn) {
  Folder folder;
  PosixFiles calls;
  const std::string path = folder / "acct.csv";
  {
    ArchiveFile file(calls, archive_options(path));
    ASSERT_TRUE(file.recover().ok());
    EXPECT_EQ(slurp(path), "logId,seq\r\n");
    offer(file, 2);
    ASSERT_TRUE(file.write().ok());
    EXPECT_EQ(file.synced()[0], 0U);
    ASSERT_TRUE(file.sync().ok());
    EXPECT_EQ(file.synced()[0], 2U);
    EXPECT_TRUE(file.notes().empty());
  }
  ArchiveFile file(calls, archive_options(path));
  ASSERT_TRUE(file.recover().ok());
  EXPECT_TRUE(file.notes().empty());
  EXPECT_EQ(file.synced()[0], 2U);
  EXPECT_FALSE(file.wants(0, 2));
  EXPECT_TRUE(file.wants(0, 3));
  live_again(calls, path);
  EXPECT_TRUE(RowCount(path).exactly(kAll));
}

// A kill leaves a prefix of what was written, in the order it was written.
TEST(ArchiveFile, KilledAtEveryByteEachRecordStandsOnce) {
  for (const bool sync_some : {false, true}) {
    FirstLife life(sync_some);
    Disk disk = life.start;
    QuickFiles calls;
    for (const auto& written : life.files.stream) {
      for (std::size_t size = 0; size <= written.bytes.size(); ++size) {
        Disk crashed = disk;
        crashed.apply(written, size);
        life.crash_to(crashed);
        live_again(calls, life.path);
        ASSERT_TRUE(RowCount(life.path).exactly(kAll)) << size;
      }
      disk.apply(written, written.bytes.size());
    }
  }
}

// A power loss keeps what was synced and of the rest any part, in any order.
TEST(ArchiveFile, AfterAPowerLossEachRecordStandsOnce) {
  FirstLife life(true);
  Disk synced = life.start;
  for (std::size_t i = 0; i < life.synced_writes; ++i) {
    synced.apply(life.files.stream[i], life.files.stream[i].bytes.size());
  }
  Random random(11);
  QuickFiles calls;
  for (int round = 0; round < 300; ++round) {
    Disk crashed = synced;
    for (std::size_t i = life.synced_writes; i < life.files.stream.size(); ++i) {
      const auto& written = life.files.stream[i];
      if (random.chance(60)) {
        crashed.apply(written, random.chance(70) ? written.bytes.size()
                                                 : random.below(written.bytes.size() + 1));
      }
    }
    life.crash_to(crashed);
    {
      ArchiveFile file(calls, archive_options(life.path));
      ASSERT_TRUE(file.recover().ok());
      ASSERT_GE(file.synced()[0], life.synced_sequence) << "what was synced is never lost";
    }
    life.crash_to(crashed);
    live_again(calls, life.path);
    ASSERT_TRUE(RowCount(life.path).exactly(kAll)) << round;
  }
}

TEST(ArchiveFile, AnyCutOfDataOrIndexAloneIsMended) {
  FirstLife life(false);
  Disk whole = life.start;
  for (const auto& written : life.files.stream) {
    whole.apply(written, written.bytes.size());
  }
  QuickFiles calls;
  for (std::size_t size = life.start.data.size(); size <= whole.data.size(); ++size) {
    life.crash_to({whole.data.substr(0, size), whole.index});
    live_again(calls, life.path);
    ASSERT_TRUE(RowCount(life.path).exactly(kAll)) << "data cut to " << size;
  }
  for (std::size_t size = life.start.index.size(); size <= whole.index.size(); ++size) {
    life.crash_to({whole.data, whole.index.substr(0, size)});
    live_again(calls, life.path);
    ASSERT_TRUE(RowCount(life.path).exactly(kAll)) << "index cut to " << size;
  }
  // A flipped bit in the index ends it there.
  for (std::size_t at = life.start.index.size(); at < whole.index.size(); ++at) {
    Disk flipped = whole;
    flipped.index[at] = static_cast<char>(flipped.index[at] ^ 0x10);
    life.crash_to(flipped);
    live_again(calls, life.path);
    ASSERT_TRUE(RowCount(life.path).exactly(kAll)) << "flipped at " << at;
  }
}

TEST(ArchiveFile, AMovedFileIsCutToo) {
  FirstLife life(false);
  const std::string moved = life.folder / "acct-1.csv";
  ASSERT_EQ(::rename(life.path.c_str(), moved.c_str()), 0);
  const std::string before = slurp(moved);
  spill(moved, before + "1,half a r");
  PosixFiles calls;
  live_again(calls, life.path);
  EXPECT_EQ(slurp(moved), before);
  EXPECT_EQ(slurp(life.path), "logId,seq\r\n") << "the moved file has all records";
}

TEST(ArchiveFile, AFileMovedOutOfSightKeepsItsPositions) {
  FirstLife life(false);
  ASSERT_EQ(::unlink(life.path.c_str()), 0);
  PosixFiles calls;
  live_again(calls, life.path);
  EXPECT_EQ(slurp(life.path), "logId,seq\r\n");
}

TEST(ArchiveFile, NeverCutsAFileThatIsNotItsOwn) {
  FirstLife life(true);
  const std::string foreign = "logId,seq\r\n" + std::string(5000, 'x') + "\r\n";
  spill(life.path, foreign);  // the same inode, another content
  PosixFiles calls;
  ArchiveFile file(calls, archive_options(life.path));
  ASSERT_TRUE(file.recover().ok());
  EXPECT_EQ(file.notes().size(), 1U);
  EXPECT_EQ(slurp(life.path), foreign);
  EXPECT_FALSE(file.wants(0, kPerLog)) << "the index still says what was written";
}

TEST(ArchiveFile, ReopensUnderItsNameAfterRotation) {
  Folder folder;
  PosixFiles calls;
  const std::string path = folder / "acct.csv";
  ArchiveFile file(calls, archive_options(path));
  ASSERT_TRUE(file.recover().ok());
  offer(file, 3);
  ASSERT_TRUE(file.write().ok() && file.sync().ok());
  ASSERT_TRUE(file.reopen().ok());
  EXPECT_EQ(lines_of(slurp(path)).size(), 1 + 2 * 3U) << "nothing to do";
  ASSERT_EQ(::rename(path.c_str(), (folder / "old.csv").c_str()), 0);
  offer(file, 4);
  ASSERT_TRUE(file.write().ok() && file.sync().ok());
  ASSERT_TRUE(file.reopen().ok());
  offer(file, kPerLog);
  ASSERT_TRUE(file.write().ok() && file.sync().ok());
  EXPECT_EQ(lines_of(slurp(folder / "old.csv")).size(), 1 + 2 * 4U);
  const auto lines = lines_of(slurp(path));
  ASSERT_EQ(lines.size(), 1 + 2 * (kPerLog - 4U));
  EXPECT_EQ(lines[0], "logId,seq");
  EXPECT_EQ(lines[1], "0,5");
  const std::string after = slurp(path);
  live_again(calls, path);
  EXPECT_EQ(slurp(path), after);
}

TEST(ArchiveFile, OtherColumnsBeginAnotherFile) {
  FirstLife life(true);
  const std::string before = slurp(life.path);
  PosixFiles calls;
  ArchiveFileOptions options = archive_options(life.path);
  options.header = "seq\r\n";
  ArchiveFile file(calls, options);
  ASSERT_TRUE(file.recover().ok());
  EXPECT_EQ(slurp(life.path), "seq\r\n");
  EXPECT_EQ(slurp(life.path + ".old-1"), before);
  EXPECT_FALSE(file.wants(0, kPerLog));
}

TEST(ArchiveFile, AnotherSpoolStartsAnew) {
  FirstLife life(true);
  PosixFiles calls;
  ArchiveFileOptions options = archive_options(life.path);
  options.spool[0] = 1;
  ArchiveFile file(calls, options);
  ASSERT_TRUE(file.recover().ok());
  EXPECT_TRUE(file.wants(0, 1));
  EXPECT_EQ(file.notes().size(), 1U);
}

TEST(ArchiveFile, AForeignFileIsContinuedOnALineOfItsOwn) {
  Folder folder;
  PosixFiles calls;
  const std::string path = folder / "acct.csv";
  spill(path, "logId,seq\r\n0,1");
  ArchiveFile file(calls, archive_options(path));
  ASSERT_TRUE(file.recover().ok());
  EXPECT_EQ(slurp(path), "logId,seq\r\n0,1\r\n");
  spill(path, "logId,");
  ArchiveFile again(calls, archive_options(path));
  ASSERT_TRUE(again.recover().ok());
  EXPECT_EQ(slurp(path), "logId,seq\r\n") << "an unfinished header is none";
}

TEST(ArchiveFile, AFullDiskLosesAndDoublesNothing) {
  Folder folder;
  FaultyFiles files;
  const std::string path = folder / "acct.csv";
  ArchiveFile file(files, archive_options(path));
  ASSERT_TRUE(file.recover().ok());
  for (int room = 1; room < 60; ++room) {
    offer(file, static_cast<unsigned>(room), static_cast<unsigned>(room));
    files.room = room % 13;
    const Status written = file.write();
    if (!written) {
      EXPECT_EQ(written.error().code, ErrorCode::no_space);
      EXPECT_FALSE(file.ready());
    }
    files.room = -1;
    ASSERT_TRUE(file.write().ok());
    ASSERT_TRUE(file.ready());
  }
  ASSERT_TRUE(file.sync().ok());
  EXPECT_TRUE(RowCount(path).exactly({{0, 59}, {1, 59}}));
}

TEST(ArchiveFile, AFailedIndexWriteIsRepeated) {
  Folder folder;
  FaultyFiles files;
  const std::string path = folder / "acct.csv";
  {
    ArchiveFile file(files, archive_options(path));
    ASSERT_TRUE(file.recover().ok());
    offer(file, 4);
    files.index_failures = 2;
    EXPECT_FALSE(file.write().ok());
    EXPECT_FALSE(file.write().ok());
    EXPECT_TRUE(file.write().ok());
    files.index_failures = 1;
    EXPECT_FALSE(file.sync().ok());
    EXPECT_EQ(file.synced()[0], 0U);
    EXPECT_TRUE(file.sync().ok());
    EXPECT_EQ(file.synced()[0], 4U);
  }
  live_again(files, path);
  EXPECT_TRUE(RowCount(path).exactly(kAll));
}

TEST(ArchiveFile, AFailedSyncGoesBackToWhatIsDurable) {
  for (int failures = 1; failures <= 6; ++failures) {
    Folder folder;
    FaultyFiles files;
    const std::string path = folder / "acct.csv";
    ArchiveFile file(files, archive_options(path));
    ASSERT_TRUE(file.recover().ok());
    offer(file, 3);
    ASSERT_TRUE(file.write().ok() && file.sync().ok());
    offer(file, 6);
    ASSERT_TRUE(file.write().ok());
    files.sync_failures = failures;
    bool rewound = false;
    int rounds = 0;
    for (; rounds < 20; ++rounds) {
      if (file.ready()) {
        offer(file, kPerLog);
      }
      const bool done = file.write().ok() && file.ready() && file.sync().ok();
      const bool back = file.rewound();
      rewound = rewound || back;
      if (done && !back && file.synced()[0] == kPerLog) {
        break;
      }
      EXPECT_GE(file.synced()[0], 3U);
    }
    EXPECT_LT(rounds, 20);
    EXPECT_TRUE(rewound);
    EXPECT_TRUE(RowCount(path).exactly(kAll)) << failures;
  }
}

TEST(ArchiveFile, GoesOnAfterSomebodyElseCutTheFile) {
  Folder folder;
  PosixFiles calls;
  const std::string path = folder / "acct.csv";
  {
    ArchiveFile file(calls, archive_options(path));
    ASSERT_TRUE(file.recover().ok());
    offer(file, 3);
    ASSERT_TRUE(file.write().ok() && file.sync().ok());
    ASSERT_EQ(::truncate(path.c_str(), 0), 0);
    offer(file, kPerLog);
    ASSERT_TRUE(file.write().ok() && file.sync().ok());
    EXPECT_EQ(file.notes().size(), 1U);
  }
  EXPECT_EQ(lines_of(slurp(path)).size(), 2 * (kPerLog - 3U));
}

TEST(ArchiveFile, TheIndexIsRenewedBeforeItGrowsLarge) {
  Folder folder;
  QuickFiles calls;
  const std::string path = folder / "acct.csv";
  ArchiveFile file(calls, archive_options(path));
  ASSERT_TRUE(file.recover().ok());
  std::uint64_t largest = 0;
  for (unsigned sequence = 1; sequence <= 15'000; ++sequence) {
    file.take(0, sequence, "0,1\r\n");
    ASSERT_TRUE(file.write().ok());
    if (sequence % 1000 == 0) {
      ASSERT_TRUE(file.sync().ok());
      largest = std::max<std::uint64_t>(largest, std::filesystem::file_size(path + ".pos"));
    }
  }
  EXPECT_GT(largest, 900'000U);
  EXPECT_LT(largest, 1'200'000U);
}

TEST(ArchiveFile, AMissingFolderIsAnErrorThatNamesTheFile) {
  PosixFiles calls;
  ArchiveFile file(calls, archive_options("/nonexistent/acct.csv"));
  const Status recovered = file.recover();
  ASSERT_FALSE(recovered.ok());
  EXPECT_EQ(recovered.error().code, ErrorCode::not_found);
  EXPECT_NE(recovered.error().detail.find("/nonexistent/acct.csv"), std::string::npos);
}

}  // namespace
}  // namespace ringpost::account
