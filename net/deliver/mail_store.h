#pragma once

#include <atomic>

#include "core/loop/ports.h"
#include "core/mail/job.h"

namespace ringpost::deliver {

/// Mail of one job on its way to a file or a command. Result 0: every recipient of the job has its
/// outcome. Below zero (negative errno): nothing of the kind works now; those without an outcome
/// wait with their queue, `reason` says what failed.
struct StoreOp : WorkOp {
  Job* job = nullptr;  ///< open; nobody else touches it until completion
  const LocalDelivery* how = nullptr;
  WallTime now;
  std::string reason;
  std::atomic<bool> cancelled{false};  ///< set from outside: what is not done yet is left
};

/// Door to whoever stores mail in files or hands it to commands.
class MailStore {
 public:
  virtual ~MailStore() = default;
  /// Completes `op` in a later turn. What counts as delivered is on stable storage.
  virtual void store(StoreOp& op) = 0;
};

}  // namespace ringpost::deliver
