// A log writer whose file system does not answer.

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/account/accountant.h"
#include "core/account/log_writer.h"
#include "tests/unit/account/account_world.h"

namespace ringpost::account {
namespace {

/// Files whose writes do not return while they hang.
class HangingFiles final : public QuickFiles {
 public:
  void hang(bool yes) {
    const std::lock_guard lock(mutex_);
    hangs_ = yes;
    changed_.notify_all();
  }
  void until_caught() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return caught_; });
  }
  ssize_t append(int file, std::string_view bytes) override {
    {
      std::unique_lock lock(mutex_);
      caught_ = hangs_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !hangs_; });
    }
    return QuickFiles::append(file, bytes);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool hangs_ = false;
  bool caught_ = false;
};

TEST(LogWriter, WhileItHangsShardsGoOnAndNothingIsLost) {
  Folder folder;
  HangingFiles files;
  LogWriterOptions options;
  AccountFileSpec spec;
  spec.path = folder / "acct.csv";
  spec.style.fields = {Field::log_id, Field::seq};
  options.files = {spec};
  options.ring_bytes = 1;  // as small as may be
  options.sync_interval = Duration::milliseconds(1);
  auto writer = LogWriter::open(std::move(options), files);
  ASSERT_TRUE(writer.ok());
  Accountant accountant(**writer, 0);
  files.hang(true);
  (*writer)->start();
  unsigned next = 1;
  const auto account = [&](unsigned last) {
    for (; next <= last && accountant.account(sample_record(0, next)); ++next) {
    }
  };
  account(1);
  files.until_caught();
  account(1'000'000);  // until the ring has no room; no call waits for the writer
  EXPECT_LT(next, 1'000'000U);
  const LogWriterStats stuck = (*writer)->stats();
  EXPECT_GT(stuck.ring_bytes_used * 10, stuck.ring_bytes * 9) << "what health looks at";
  EXPECT_EQ((*writer)->archived(0), 0U) << "the journal keeps it all";
  files.hang(false);
  const unsigned last = next + 1000;
  while (next <= last) {
    account(last);  // what was refused is offered again
    std::this_thread::yield();
  }
  EXPECT_TRUE((*writer)->stop());
  EXPECT_EQ((*writer)->archived(0), last);
  EXPECT_TRUE(RowCount(folder / "acct.csv").exactly({{0, last}}));
}

}  // namespace
}  // namespace ringpost::account
