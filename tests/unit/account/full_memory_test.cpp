// Accounting files on a file system of memory that is full.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "core/account/accountant.h"
#include "core/account/log_writer.h"
#include "tests/unit/account/archive_world.h"

namespace ringpost::account {
namespace {

/// From the n-th call that wants room on the file system is full until relieve(): what is to be had
/// is only what a removed reserve gives back.
class FullFiles final : public QuickFiles {
 public:
  explicit FullFiles(const std::string& path) : reserve_(path + ".reserve") {}
  /// So many calls find room from now on.
  void fill_after(int calls) { left_ = calls; }
  bool full() const { return full_; }
  bool was_full() const { return was_full_; }
  void relieve() { full_ = false; }

  bool is_volatile(const std::string& path) override {
    return path.find("/memory/") != std::string::npos;
  }
  int open(const std::string& path, mode_t mode) override {
    return exists(path) || room() ? QuickFiles::open(path, mode) : -ENOSPC;
  }
  int open_index(const std::string& path, mode_t mode, bool fresh) override {
    return !fresh || room() ? QuickFiles::open_index(path, mode, fresh) : -ENOSPC;
  }
  ssize_t append(int file, std::string_view bytes) override {
    return room() ? QuickFiles::append(file, bytes) : -ENOSPC;
  }
  ssize_t write_at(int file, std::uint64_t offset, std::string_view bytes) override {
    return room() ? QuickFiles::write_at(file, offset, bytes) : -ENOSPC;
  }
  int rename(const std::string& from, const std::string& to) override {
    return room() ? QuickFiles::rename(from, to) : -ENOSPC;
  }

 private:
  bool room() {
    if (left_ >= 0 && left_-- == 0) {
      full_ = was_full_ = true;
    }
    return !full_ || !exists(reserve_);
  }

  std::string reserve_;
  int left_ = -1;
  bool full_ = false;
  bool was_full_ = false;
};

/// Brings away what the writer has finished. False: the file system stays full although rows of
/// ours stand in it.
bool make_way(const Host& host, FullFiles& files, LogWriter& writer, Instant& now) {
  pass(writer, Duration::seconds(10), now);
  const auto report = Finisher(host.rule(Packing::none), host.spool).run(kNow);
  const bool good = report.ok() && report->problems.empty();
  if (files.full() && report->finished == 0 && !rows_of(host.memory, true).empty()) {
    return false;
  }
  files.relieve();  // by what was removed, or by others where nothing was ours
  pass(writer, Duration::seconds(10), now);
  return good && !writer.stats().failing;
}

/// Whichever step it is that finds no room - rows, their index, the name of a finished file, the
/// beginning of the next one - the writer finishes what it has, gets on when that was brought away,
/// and each record is there once.
TEST(LogWriter, AnyStepMayFindNoRoom) {
  constexpr std::uint64_t kRecords = 40;
  int step = 0;
  for (bool reached = true; reached; ++step) {
    Host host;
    FullFiles files(host.memory + "/acct.csv");
    auto writer = LogWriter::open(host.options(Packing::none), files);
    ASSERT_TRUE(writer.ok());
    Accountant accountant(**writer, 0);
    Instant now{1'000'000'000};
    pass(**writer, Duration::seconds(2), now);
    files.fill_after(step);
    for (std::uint64_t i = 1; i <= kRecords; ++i) {
      ASSERT_TRUE(accountant.account(sample_record(4, i)));
      if (i % 5 == 0) {
        pass(**writer, Duration::seconds(2), now);
      }
      if (i % 10 == 0) {
        (*writer)->flush();
        ASSERT_TRUE(make_way(host, files, **writer, now)) << "step " << step;
        ASSERT_EQ((*writer)->written(4), i) << "step " << step;
      }
    }
    reached = files.was_full();
    (*writer)->flush();  // what came after the last one found room
    EXPECT_TRUE(make_way(host, files, **writer, now)) << "step " << step;
    EXPECT_EQ((*writer)->archived(4), kRecords);
    EXPECT_TRUE(each_once(rows_of(host.disk, true), kRecords)) << "step " << step;
  }
  EXPECT_GT(step, 30) << "there are that many steps";
}

/// Runs it in a process of its own, with a file system of its own in the folder `memory`.
/// 77: none can be mounted here.
int in_memory(const Host& host, const char* size, const std::function<int()>& run) {
  const pid_t child = ::fork();
  if (child == 0) {
    const bool mounted = ::unshare(CLONE_NEWNS) == 0 &&
                         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, "") == 0 &&
                         ::mount("none", host.memory.c_str(), "tmpfs", 0, size) == 0;
    ::_exit(mounted ? run() : 77);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

/// Takes all room that is left.
void fill_up(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string page(4096, 'x');
  while (::write(file, page.data(), page.size()) > 0) {
  }
  ::close(file);
}

/// 0: as it should be.
int finish_without_room(const Host& host) {
  VolatileFiles files;
  auto writer = LogWriter::open(host.options(Packing::none), files);
  if (!writer) {
    return 2;
  }
  Accountant accountant(**writer, 0);
  Instant now{1'000'000'000};
  constexpr std::uint64_t kRounds = 4;
  for (std::uint64_t i = 1; i <= kRounds; ++i) {
    static_cast<void>(accountant.account(sample_record(4, i)));
    pass(**writer, Duration::seconds(2), now);
    if ((*writer)->written(4) != i) {
      return 3;
    }
    if (i == 1) {
      fill_up(host.memory + "/of-others");
    }
    // No page is left for the positions beside the finished file.
    (*writer)->flush();
    pass(**writer, Duration::seconds(10), now);
    if ((*writer)->stats().rotations != i) {
      return 4;
    }
    if (!Finisher(host.rule(Packing::none), host.spool).run(kNow).ok()) {
      return 5;
    }
    pass(**writer, Duration::seconds(10), now);
    if ((*writer)->stats().failing || (*writer)->archived(4) != i) {
      return 6;
    }
  }
  return each_once(rows_of(host.disk, true), kRounds) ? 0 : 7;
}

TEST(LogWriter, AFileIsFinishedWhereOthersLeftNoRoom) {
  Host host;
  const int result = in_memory(host, "size=256k", [&] { return finish_without_room(host); });
  if (result == 77) {
    GTEST_SKIP() << "no file systems can be mounted here";
  }
  EXPECT_EQ(result, 0);
}

/// 0: as it should be.
int fill_memory(const Host& host) {
  class Files final : public PosixFiles {
   public:
    bool is_volatile(const std::string& path) override {
      return path.find("/memory/") != std::string::npos;
    }
    int sync(int) override { return 0; }
  } files;
  LogWriterOptions options = host.options(Packing::gzip);
  options.stop_patience = Duration::minutes(10);  // a starved machine takes its time
  options.files[0].style.fields = {Field::log_id, Field::seq, Field::dsn_diag};
  options.files[0].records = records::kAll;
  auto writer = LogWriter::open(std::move(options), files);
  if (!writer) {
    return 2;
  }
  (*writer)->start();
  Accountant accountant(**writer, 0);
  const std::string text(400, 'x');
  constexpr std::uint64_t kRecords = 2'500;
  for (std::uint64_t i = 1; i <= kRecords; ++i) {
    SettledRecord record = sample_record(4, i);
    record.text = text;
    record.type = i % 4 == 0   ? RecordType::received
                  : i % 4 == 1 ? RecordType::queue
                               : RecordType::outcome;
    while (!accountant.account(record)) {
      ::usleep(1000);  // the rings are full, for as long as the writer needs
    }
  }
  // It gets on by itself, not only because the end makes it sync each batch.
  for (int tries = 0; (*writer)->written(4) < kRecords / 2; ++tries) {
    if (tries == 120'000) {
      return 3;
    }
    ::usleep(1000);
  }
  const bool stopped = (*writer)->stop();
  if (!stopped || (*writer)->stats().rotations == 0) {
    for (const std::string& note : (*writer)->take_notes()) {
      std::fprintf(stderr, "%s\n", note.c_str());
    }
    return 4;
  }
  writer->reset();
  // What is left in the file itself is brought away too.
  fs::rename(host.memory + "/acct.csv", finished_name(host.memory + "/acct.csv", kDay + 9000, 1));
  const auto report = Finisher(host.rule(Packing::gzip), host.spool).run(kNow);
  if (!report || !report->problems.empty()) {
    return 5;
  }
  std::multiset<std::uint64_t> seen;
  for (const std::string& name : files_in(host.disk)) {
    if (is_archive(name)) {
      for (const std::string& line : lines_of(unpacked(host.disk + "/" + name))) {
        if (line.starts_with("4,")) {
          seen.insert(std::stoull(line.substr(2)));
        }
      }
    }
  }
  const std::set<std::uint64_t> different(seen.begin(), seen.end());
  return seen.size() == kRecords && different.size() == kRecords ? 0 : 6;
}

/// Many times what the memory holds goes through it: nothing is lost, nothing doubled, and records
/// are taken all the time.
TEST(LogWriter, FullMemoryIsRelievedByFinishingTheFile) {
  Host host;
  const int result = in_memory(host, "size=256k", [&] { return fill_memory(host); });
  if (result == 77) {
    GTEST_SKIP() << "no file systems can be mounted here";
  }
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace ringpost::account
