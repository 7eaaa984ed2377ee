#include "core/account/finisher.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "core/account/accountant.h"
#include "core/account/packer.h"
#include "tests/unit/account/archive_world.h"

namespace ringpost::account {
namespace {

/// Accounts records up to `last` of log 4 and closes the file.
void write_and_close(const Host& host, Packing packing, unsigned last) {
  VolatileFiles files;
  auto writer = LogWriter::open(host.options(packing), files);
  ASSERT_TRUE(writer.ok()) << writer.error().describe();
  Accountant accountant(**writer, 0);
  for (std::uint64_t i = 1; i <= last; ++i) {
    ASSERT_TRUE(accountant.account(sample_record(4, i)));
  }
  Instant now{1'000'000'000};
  pass(**writer, Duration::seconds(2), now);
  (*writer)->flush();
  pass(**writer, Duration::seconds(2), now);
  ASSERT_EQ((*writer)->stats().rotations, 1U);
}

TEST(Finisher, NamesAndNumbersOfFinishedFiles) {
  EXPECT_EQ(finished_name("/a/acct.csv", kDay, 7), "/a/acct-2026-11-18-0007.csv");
  EXPECT_EQ(finished_name("/a/acct", kDay, 12345), "/a/acct-2026-11-18-12345");
  for (const auto* name : {"acct-2026-11-18-0007.csv", "acct-2026-11-18-0007.csv.gz",
                           "acct-2026-11-18-0007.csv.zst"}) {
    EXPECT_EQ(number_of_finished("/a/acct.csv", name).day, kDay) << name;
    EXPECT_EQ(number_of_finished("/a/acct.csv", name).number, 7U) << name;
  }
  for (const auto* name :
       {"acct.csv", "acct-2026-11-18-0007.csv.part", "acct-2026-11-18-0007.csv.end",
        "acct-2026-13-18-0007.csv", "other-2026-11-18-0007.csv", "acct-2026-11-18-.csv", ""}) {
    EXPECT_LT(number_of_finished("/a/acct.csv", name).day, 0) << name;
  }
}

TEST(Finisher, PacksVerifiesAndMoves) {
  for (const Packing packing : {Packing::none, Packing::gzip, Packing::zstd}) {
    Host host;
    std::string text = "logId,seq\r\n";
    for (int i = 0; i < 40'000; ++i) {
      text += "4," + std::to_string(i * 7919) + "\r\n";
    }
    const std::string source = finished_name(host.rule(packing).path, kDay, 1);
    spill(source, text);
    auto report = Finisher(host.rule(packing), host.spool).run(kNow);
    ASSERT_TRUE(report.ok());
    EXPECT_TRUE(report->problems.empty());
    EXPECT_EQ(report->finished, 1U);
    EXPECT_EQ(report->bytes_read, text.size());
    EXPECT_FALSE(fs::exists(source));
    const std::string target =
        host.disk + "/acct-2026-11-18-0001.csv" + std::string(ending_of(packing));
    EXPECT_EQ(unpacked(target), text);
    EXPECT_EQ(free_number(host.rule(packing), kDay), 2U);
    if (packing != Packing::none) {
      EXPECT_LT(report->bytes_kept, text.size() / 2);
    }
  }
}

TEST(Finisher, DamageIsFoundAndTheSourceStays) {
  for (const Packing packing : {Packing::none, Packing::gzip, Packing::zstd}) {
    Folder folder;
    spill(folder / "a", "some text of an accounting file, some text");
    spill(folder / "b", "some text of an accounting file, some texT");
    ASSERT_TRUE(pack_file(folder / "a", folder / "p", packing, 0600).ok());
    EXPECT_TRUE(verify_packed(folder / "a", folder / "p", packing).ok());
    EXPECT_EQ(verify_packed(folder / "b", folder / "p", packing).error().code, ErrorCode::damaged);
    const std::string packed = slurp(folder / "p");
    for (std::size_t cut = 0; cut < packed.size(); ++cut) {
      spill(folder / "p", packed.substr(0, cut));
      EXPECT_FALSE(verify_packed(folder / "a", folder / "p", packing).ok()) << cut;
    }
    spill(folder / "p", packed + "x");
    EXPECT_FALSE(verify_packed(folder / "a", folder / "p", packing).ok());
  }
  Host host;
  const std::string source = finished_name(host.rule(Packing::gzip).path, kDay, 1);
  spill(source, "logId,seq\r\n4,1\r\n");
  spill(host.disk + "/acct-2026-11-18-0001.csv.gz", "not a packed file");
  auto report = Finisher(host.rule(Packing::gzip), host.spool).run(kNow);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->problems.size(), 1U);
  EXPECT_TRUE(fs::exists(source));
}

TEST(Finisher, OneAtATime) {
  Host host;
  class Second final : public FinishSteps {
   public:
    explicit Second(const Host& host) : host_(host) {}
    void at(std::string_view) override {
      const auto report = Finisher(host_.rule(Packing::none), host_.spool).run(kNow);
      locked = locked && !report.ok() && report.error().code == ErrorCode::locked;
      ++asked;
    }
    bool locked = true;
    int asked = 0;

   private:
    const Host& host_;
  } second(host);
  spill(finished_name(host.rule(Packing::none).path, kDay, 1), "x\r\n");
  ASSERT_TRUE(Finisher(host.rule(Packing::none), host.spool, &second).run(kNow).ok());
  EXPECT_TRUE(second.locked);
  EXPECT_GT(second.asked, 4);
}

TEST(Finisher, OldFilesGoWhereTheyStayBesideTheFile) {
  Folder folder;
  FinishRule rule;
  rule.path = folder / "acct.csv";
  rule.delete_after = Duration::days(8);
  for (unsigned number = 1; number <= 2; ++number) {
    spill(finished_name(rule.path, kDay, number), "x\r\n");
  }
  spill(folder / "acct.csv", "x\r\n");
  struct timespec times[2] = {{1'794'000'000, 0}, {1'794'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, finished_name(rule.path, kDay, 1).c_str(), times, 0), 0);
  times[1].tv_sec = times[0].tv_sec = 1'794'900'000;
  ASSERT_EQ(::utimensat(AT_FDCWD, finished_name(rule.path, kDay, 2).c_str(), times, 0), 0);
  const auto report = Finisher(rule, {}).run(kNow);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->deleted, 1U);
  EXPECT_FALSE(fs::exists(finished_name(rule.path, kDay, 1)));
  EXPECT_TRUE(fs::exists(finished_name(rule.path, kDay, 2)));
  EXPECT_TRUE(fs::exists(folder / "acct.csv"));
}

/// Ends the process at the n-th step.
class Kill final : public FinishSteps {
 public:
  explicit Kill(int at) : left_(at) {}
  void at(std::string_view) override {
    if (left_-- == 0) {
      ::_exit(9);
    }
  }

 private:
  int left_;
};

/// True: the finisher was killed at that step. False: it has fewer steps.
bool killed_at(const Host& host, Packing packing, int step) {
  const pid_t child = ::fork();
  if (child == 0) {
    Kill kill(step);
    const auto report = Finisher(host.rule(packing), host.spool, &kill).run(kNow);
    ::_exit(report.ok() && report->problems.empty() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_NE(WEXITSTATUS(status), 1);
  return WEXITSTATUS(status) == 9;
}

/// After a kill at each step: either the finisher runs again, or the memory is lost with the host
/// and the writer goes on from what the archive holds. Each record is in exactly one place.
TEST(Finisher, KilledAtAnyStepNothingIsLostOrDoubled) {
  constexpr unsigned kRecords = 300;
  for (const bool memory_lost : {false, true}) {
    for (const Packing packing : {Packing::gzip, Packing::none}) {
      int step = 0;
      for (bool killed = true; killed; ++step) {
        Host host;
        write_and_close(host, packing, kRecords);
        killed = killed_at(host, packing, step);
        if (memory_lost) {
          fs::remove_all(host.memory);
          fs::create_directory(host.memory);
        }
        VolatileFiles files;
        auto writer = LogWriter::open(host.options(packing), files);
        ASSERT_TRUE(writer.ok());
        Accountant accountant(**writer, 0);
        // The journal offers what the archive does not have, as it would after a start.
        EXPECT_LE((*writer)->archived(4), kRecords);
        for (std::uint64_t i = (*writer)->archived(4) + 1; i <= kRecords; ++i) {
          ASSERT_TRUE(accountant.account(sample_record(4, i)));
        }
        Instant now{1'000'000'000};
        pass(**writer, Duration::seconds(2), now);
        (*writer)->flush();
        pass(**writer, Duration::seconds(2), now);
        const auto report = Finisher(host.rule(packing), host.spool).run(kNow);
        ASSERT_TRUE(report.ok());
        EXPECT_TRUE(report->problems.empty());
        pass(**writer, Duration::seconds(2), now);
        EXPECT_EQ((*writer)->archived(4), kRecords);
        EXPECT_TRUE(each_once(rows_of(host.disk, true), kRecords))
            << "step " << step << (memory_lost ? ", memory lost" : "");
        EXPECT_EQ(rows_of(host.memory, true).size(), 0U);
        EXPECT_TRUE(
            std::none_of(fs::directory_iterator(host.disk), fs::directory_iterator(),
                         [](const auto& entry) { return entry.path().extension() == ".end"; }));
      }
      EXPECT_GT(step, 6) << "there are that many steps";
    }
  }
}

TEST(LogWriter, WhatIsInMemoryAloneIsNotArchived) {
  Host host;
  VolatileFiles files;
  auto writer = LogWriter::open(host.options(Packing::none), files);
  ASSERT_TRUE(writer.ok());
  Accountant accountant(**writer, 0);
  for (std::uint64_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(accountant.account(sample_record(4, i)));
  }
  Instant now{1'000'000'000};
  pass(**writer, Duration::seconds(3), now);
  EXPECT_EQ((*writer)->written(4), 10U);
  EXPECT_EQ((*writer)->archived(4), 0U);
  EXPECT_TRUE((*writer)->drained());
  (*writer)->flush();
  pass(**writer, Duration::seconds(2), now);
  EXPECT_EQ((*writer)->archived(4), 0U) << "closed, not brought away";
  ASSERT_TRUE(Finisher(host.rule(Packing::none), host.spool).run(kNow).ok());
  pass(**writer, Duration::seconds(2), now);
  EXPECT_EQ((*writer)->archived(4), 10U);
}

/// Files whose clock the test sets.
class ClockFiles final : public QuickFiles {
 public:
  WallTime wall() override { return time; }
  WallTime time = kNow;
};

TEST(LogWriter, NewFilesBeginByTimeAndBySize) {
  Folder folder;
  ClockFiles files;
  LogWriterOptions options;
  AccountFileSpec spec;
  spec.path = folder / "acct.csv";
  spec.style.fields = {Field::log_id, Field::seq};
  spec.rotation = {Duration::hours(1), 4000};
  options.files = {spec};
  auto writer = LogWriter::open(options, files);
  ASSERT_TRUE(writer.ok());
  Accountant accountant(**writer, 0);
  Instant now{1'000'000'000};
  std::uint64_t next = 1;
  const auto account = [&](int records) {
    for (int i = 0; i < records; ++i) {
      ASSERT_TRUE(accountant.account(sample_record(4, next++)));
    }
    pass(**writer, Duration::seconds(2), now);
  };
  account(3);
  EXPECT_EQ((*writer)->stats().rotations, 0U);
  files.time = files.time + Duration::hours(1);
  pass(**writer, Duration::seconds(2), now);
  EXPECT_EQ((*writer)->stats().rotations, 1U) << "although no record came";
  files.time = files.time + Duration::hours(5);
  pass(**writer, Duration::seconds(2), now);
  EXPECT_EQ((*writer)->stats().rotations, 1U) << "an empty file just goes on";
  files.time = files.time - Duration::hours(3);
  account(3);
  EXPECT_EQ((*writer)->stats().rotations, 1U) << "nor does a clock that goes back begin one";
  account(1000);
  EXPECT_GE((*writer)->stats().rotations, 2U) << "by size";
  EXPECT_TRUE(each_once(rows_of(folder / "", true), static_cast<unsigned>(next - 1)));
  EXPECT_EQ((*writer)->archived(4), next - 1) << "what is durable where it is, is archived";
}

TEST(LogWriter, AJournalThatFillsUpAsksForAFlushNowAndThen) {
  Host host;
  VolatileFiles files;
  auto writer = LogWriter::open(host.options(Packing::none), files);
  ASSERT_TRUE(writer.ok());
  Accountant accountant(**writer, 0);
  Instant now{1'000'000'000};
  for (std::uint64_t i = 1; i <= 4; ++i) {
    ASSERT_TRUE(accountant.account(sample_record(4, i)));
    pass(**writer, Duration::seconds(2), now);
    accountant.relieve(now);
    pass(**writer, Duration::seconds(2), now);
    EXPECT_EQ((*writer)->stats().rotations, i < 3 ? 1U : 2U);
    now = i == 2 ? now + kRelieveInterval : now;
  }
}

}  // namespace
}  // namespace ringpost::account
