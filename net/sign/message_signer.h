#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/list.h"
#include "core/loop/loop.h"
#include "core/mail/doors.h"
#include "net/sign/header_section.h"
#include "net/sign/signature_cache.h"
#include "net/sign/signing_plan.h"

namespace ringpost::sign {

struct SignerOptions {
  std::size_t cache_entries = 8192;
  /// Private operations that helpers may have at a time; with 0 all are done on the shard.
  unsigned helpers_max = 1;
};

/// Counters of a shard, read on its thread.
struct SignerStats {
  std::uint64_t signatures = 0;     ///< made; a private operation each
  std::uint64_t cached = 0;         ///< messages whose signatures were still known
  std::uint64_t unsigned_mail = 0;  ///< messages of signing queues that no key fits
  std::uint64_t failed = 0;         ///< messages that could not be signed now and were deferred
  std::uint64_t late_hashes = 0;    ///< bodies hashed here, because reception did not
};

/// Signs messages while they are opened: stands between deliver and whoever opens jobs. A job whose
/// policy has a signing plan is completed with its signature fields in Job::signature.
///
/// Signatures come from the cache, from helper threads, or, while these are busy, from the shard
/// itself: one private operation a turn, so that replies never wait for more than one. One per
/// shard, on its thread; must be a hook of its loop.
class MessageSigner final : public BodySource, public TurnHook {
 public:
  /// All outlive this; `helpers` may be null.
  MessageSigner(Loop& loop, BodySource& below, Worker* helpers, const SignerOptions& options);
  ~MessageSigner() override;

  void open(Job& job) override;
  void settle(Job& job) override { below_.settle(job); }
  bool end_of_turn(Now now) override;

  const SignerStats& stats() const noexcept { return stats_; }

 private:
  /// A job on its way through here.
  struct Task : ListLink<Task> {
    MessageSigner* signer = nullptr;
    Job* job = nullptr;
    Completion::Binding users;  ///< of job->opened
    const SigningPlan* plan = nullptr;
    SignatureCacheKey key;
    WallTime now;
    bool prepared = false;
    Status status;
    std::vector<PendingSignature> pending;
    std::size_t made = 0;
    WorkOp op;

    void on_opened(Completion& completion) { signer->opened(*this, completion.result); }
    void on_helped(Completion&) { signer->helped(*this); }
    void prepare(HeaderSection& header);
    Status prepare_by(const SigningRules& rules, const std::vector<const KeyBook*>& scopes,
                      const HeaderSection& header);
    /// One private operation; false: none is left.
    bool step();
    static std::int32_t work(void* task);
  };

  Task& take_task();
  void opened(Task& task, std::int32_t result);
  void helped(Task& task);
  bool from_cache(Task& task);
  void finish(Task& task);
  void pass_on(Task& task, std::int32_t result);
  Task* next_waiting();

  Loop& loop_;
  BodySource& below_;
  Worker* helpers_;
  unsigned helpers_max_;
  SignatureCache cache_;
  HeaderSection header_;
  std::vector<std::unique_ptr<Task>> tasks_;
  List<Task, Task> free_;
  List<Task, Task> waiting_;
  Task* here_ = nullptr;  ///< being signed on the shard
  unsigned helping_ = 0;
  std::string fields_;
  SignerStats stats_;
};

}  // namespace ringpost::sign
