#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "core/loop/ports.h"

namespace ringpost {

class RingDriver;

/// The threads for blocking and long work, shared by all shards. Destroyed (which finishes what
/// was given) after the shards' threads have ended and before their drivers are destroyed.
class WorkerPool {
 public:
  explicit WorkerPool(unsigned threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// From any thread: runs `op` on a thread of the pool, then posts its end to `driver`.
  void give(WorkOp& op, RingDriver& driver);

 private:
  struct Job {
    WorkOp* op = nullptr;
    RingDriver* driver = nullptr;
  };
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Job> jobs_;  ///< ring of jobs, grows by doubling
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

/// The Worker of one shard: the common pool, with the way back to this shard's loop.
class ThreadWorker final : public Worker {
 public:
  ThreadWorker(WorkerPool& pool, RingDriver& driver) : pool_(pool), driver_(driver) {}
  void run(WorkOp& op) override;

 private:
  WorkerPool& pool_;
  RingDriver& driver_;
};

}  // namespace ringpost
