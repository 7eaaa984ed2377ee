#include "net/wire/thread_worker.h"

#include "net/wire/ring_driver.h"

namespace ringpost {

WorkerPool::WorkerPool(unsigned threads) : jobs_(256) {
  RP_ASSERT(threads > 0);
  threads_.reserve(threads);
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { work(); });
  }
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void WorkerPool::give(WorkOp& op, RingDriver& driver) {
  RP_ASSERT(op.work != nullptr);
  op.start();
  {
    const std::lock_guard lock(mutex_);
    if (count_ == jobs_.size()) {
      std::vector<Job> larger(jobs_.size() * 2);
      for (std::size_t i = 0; i < count_; ++i) {
        larger[i] = jobs_[(first_ + i) % jobs_.size()];
      }
      jobs_.swap(larger);
      first_ = 0;
    }
    jobs_[(first_ + count_) % jobs_.size()] = {&op, &driver};
    ++count_;
  }
  changed_.notify_one();
}

void WorkerPool::work() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return count_ > 0 || ending_; });
      if (count_ == 0) {
        return;
      }
      job = jobs_[first_];
      first_ = (first_ + 1) % jobs_.size();
      --count_;
    }
    const std::int32_t result = job.op->work(job.op->context);
    job.driver->post(*job.op, result);
  }
}

void ThreadWorker::run(WorkOp& op) { pool_.give(op, driver_); }

}  // namespace ringpost
