#pragma once

#include <memory>

#include "core/base/result.h"
#include "core/loop/ports.h"
#include "net/wire/ring_disk.h"

namespace ringpost::app {

/// A disk for start-up and tools: only its synchronous calls may be used, there is no loop its
/// operations could come back to. Any one thread.
class PlainDisk {
 public:
  static Result<PlainDisk> open();

  Disk& disk() noexcept { return *disk_; }

 private:
  /// There is nowhere to come back to.
  class NoWorker : public Worker {
   public:
    void run(WorkOp& op) override;
  };

  PlainDisk() = default;

  std::unique_ptr<Ring> ring_;
  std::unique_ptr<NoWorker> worker_;
  std::unique_ptr<RingDisk> disk_;
};

}  // namespace ringpost::app
