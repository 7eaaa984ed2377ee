#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/account/finisher.h"

namespace ringpost::account {

struct ArchiverStats {
  std::uint64_t files = 0;  ///< brought to their place
  bool failing = false;     ///< alarm: the last run could not finish all
};

/// Finishes files on a thread of its own whenever it is woken, and now and then: packing and
/// syncing take long and would hold up the log writer. Started and stopped by one thread.
class Archiver {
 public:
  Archiver(std::vector<FinishRule> rules, SpoolId spool);
  Archiver(const Archiver&) = delete;
  Archiver& operator=(const Archiver&) = delete;
  ~Archiver() { stop(); }

  void start();
  /// Ends after the file it is at; what is left is finished after the next start.
  void stop();
  /// Files may have been finished. Any thread.
  void wake();
  ArchiverStats stats() const noexcept;
  /// What went wrong and other events since the last call. Any thread.
  std::vector<std::string> take_notes();

 private:
  void run();
  void pass();

  std::vector<FinishRule> rules_;
  SpoolId spool_;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool stopping_ = false;
  std::vector<std::string> notes_;
  std::vector<std::string> problems_;  ///< of the last pass, each told once
  std::atomic<std::uint64_t> files_{0};
  std::atomic<bool> failing_{false};
};

}  // namespace ringpost::account
