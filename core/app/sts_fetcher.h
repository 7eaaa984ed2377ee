#pragma once

#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/loop/ports.h"
#include "net/resolve/sts_source.h"

namespace ringpost::app {

/// The policies of MTA-STS that this process knows, kept in a file over restarts. Used by worker
/// threads; all calls from any thread.
class StsStore {
 public:
  static constexpr std::size_t kPoliciesMax = 20'000;

  /// Reads the file, leaving out what has expired, and writes it anew. A file that cannot be read
  /// or written is told by warnings(); the store then forgets with the process.
  StsStore(std::string file, WallTime now);
  ~StsStore();
  StsStore(const StsStore&) = delete;
  StsStore& operator=(const StsStore&) = delete;

  /// null: none that still holds.
  resolve::StsPolicyRef find(const std::string& domain, const std::string& authorities,
                             WallTime now);
  void keep(resolve::StsPolicyRef policy, const std::string& authorities, WallTime now);
  std::size_t size();
  const std::vector<std::string>& warnings() const { return warnings_; }

  /// What is being fetched is broken off, and nothing more is fetched.
  void close() { closed_ = true; }
  bool closed() const { return closed_; }

 private:
  struct Kept {
    resolve::StsPolicyRef policy;
    std::string authorities;
  };

  void load(WallTime now);
  void rewrite();
  void drop_expired(WallTime now);

  const std::string file_;
  std::vector<std::string> warnings_;
  std::atomic<bool> closed_{false};
  std::mutex mutex_;
  std::unordered_map<std::string, Kept> policies_;  ///< by domain and authorities
  std::FILE* out_ = nullptr;
  std::size_t lines_ = 0;  ///< in the file
};

/// Fetches policies for one shard: on worker threads, from the store or from the domain's web
/// server. Outlives its shard, and the workers outlive what was given to them.
class StsFetcher final : public resolve::StsSource {
 public:
  StsFetcher(Worker& worker, Driver& driver, StsStore& store)
      : worker_(worker), driver_(driver), store_(store) {}

  void fetch(resolve::StsFetchOp& op) override;

 private:
  /// One fetch; its own values, since the op may be gone before a worker is done.
  struct Task {
    StsFetcher* home = nullptr;
    StsStore* store = nullptr;
    WorkOp work;
    resolve::StsFetchOp* op = nullptr;
    std::string domain;
    std::string id;
    std::string authorities;
    std::vector<IpAddress> addresses;
    WallTime now;
    resolve::StsPolicyRef policy;
    TlsFailure failure = TlsFailure::none;
    std::string reason;

    void run();
    void on_done(Completion& completion);
  };

  Worker& worker_;
  Driver& driver_;
  StsStore& store_;
  std::vector<std::unique_ptr<Task>> all_;
  std::vector<Task*> free_;
};

}  // namespace ringpost::app
