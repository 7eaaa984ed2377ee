#include "core/account/archiver.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <chrono>

namespace ringpost::account {
namespace {

constexpr auto kPause = std::chrono::seconds(60);
constexpr std::size_t kAdviceMax = 64;

WallTime wall_now() {
  struct timespec time {};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return {static_cast<std::int64_t>(time.tv_sec) * 1'000'000 + time.tv_nsec / 1'000};
}

}  // namespace

Archiver::Archiver(std::vector<FinishRule> rules, SpoolId spool)
    : rules_(std::move(rules)), spool_(spool) {}

void Archiver::start() {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread_.native_handle(), "acct-archiver");
}

void Archiver::stop() {
  if (!thread_.joinable()) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Archiver::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void Archiver::run() {
  while (true) {
    pass();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPause, [this] { return woken_ || stopping_; });
    woken_ = false;
    if (stopping_) {
      return;
    }
  }
}

void Archiver::pass() {
  std::vector<std::string> problems;
  std::uint64_t files = 0;
  for (const FinishRule& rule : rules_) {
    const auto report = Finisher(rule, spool_).run(wall_now());
    if (!report) {
      // Another finisher at work is no trouble: what it does need not be done here.
      if (report.error().code != ErrorCode::locked) {
        problems.push_back(report.error().describe());
      }
      continue;
    }
    files += report->finished;
    problems.insert(problems.end(), report->problems.begin(), report->problems.end());
  }
  files_.fetch_add(files, std::memory_order_relaxed);
  failing_.store(!problems.empty(), std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  for (const std::string& problem : problems) {
    const bool told = std::find(problems_.begin(), problems_.end(), problem) != problems_.end();
    if (!told && notes_.size() < kAdviceMax) {
      notes_.push_back(problem);
    }
  }
  problems_ = std::move(problems);
}

ArchiverStats Archiver::stats() const noexcept {
  return {files_.load(std::memory_order_relaxed), failing_.load(std::memory_order_relaxed)};
}

std::vector<std::string> Archiver::take_notes() {
  const std::lock_guard lock(mutex_);
  return std::exchange(notes_, {});
}

}  // namespace ringpost::account
