#pragma once

#include <array>
#include <string>

#include "net/deliver/mail_store.h"
#include "net/deliver/session_context.h"

namespace ringpost::deliver {

/// The counterpart of a DeliverySession for queues whose mail no host gets: takes jobs under the
/// same permits and discards them or hands them to the MailStore. Ends when there is no work.
/// Pooled by the Deliverer; on its shard's thread.
class LocalSession final {
 public:
  explicit LocalSession(SessionContext& context);
  LocalSession(const LocalSession&) = delete;
  LocalSession& operator=(const LocalSession&) = delete;

  /// From free. The policy has a LocalDelivery.
  void open(QueueId queue, const QueuePolicyRef& policy);
  /// Takes no more jobs and ends once those in hand are done.
  void drain() noexcept { draining_ = true; }
  /// The same, and breaks off what takes long.
  void abort();
  bool free() const noexcept { return policy_ == nullptr; }

 private:
  static constexpr std::size_t kWorks = 8;

  struct Work {
    LocalSession* session = nullptr;
    Job* job = nullptr;
    StoreOp op;

    void on_opened(Completion& completion) { session->opened(*this, completion.result); }
    void on_stored(Completion& completion) { session->stored(*this, completion.result); }
  };

  void on_wake(Completion& completion);
  void progress();
  void opened(Work& work, std::int32_t result);
  void stored(Work& work, std::int32_t result);
  void discard(Job& job) const;
  void fail(Job& job, std::int32_t result, std::string_view reason);
  void finish(Work& work);
  void end();

  SessionContext& context_;
  QueueId queue_;
  QueuePolicyRef policy_;
  Completion wake_;
  std::array<Work, kWorks> works_;
  std::size_t busy_ = 0;
  bool draining_ = false;
  bool failed_ = false;
  bool told_established_ = false;
  std::string failure_;
};

}  // namespace ringpost::deliver
