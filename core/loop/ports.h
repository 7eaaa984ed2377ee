#pragma once

#include <cstdint>
#include <span>

#include "core/base/completion.h"
#include "core/base/time.h"

namespace ringpost {

/// The kernel side of one loop: waits for operations of all ports of this shard to finish. One
/// per shard, used by its thread only, except wake(). In production an io_uring, in simulation
/// a slice of the world.
class Driver {
 public:
  virtual ~Driver() = default;
  /// Both clocks. The loop asks once per turn.
  virtual Now now() = 0;
  /// Submits what the ports have queued and moves finished operations to `ready`. Returns when
  /// some are, when `until` has come, or when woken; `until` in the past only reaps.
  virtual void wait(ReadyList& ready, Instant until) = 0;
  /// From this driver's own thread: `operation`, which is in flight, ended; its handler runs in the
  /// loop's next turn, after those of operations that ended before.
  virtual void finish(Completion& operation, std::int32_t result) = 0;
  /// Ends the wait of another shard's driver. From this driver's own thread.
  virtual void wake_peer(unsigned shard) = 0;
  /// Ends this driver's wait. From any thread.
  virtual void wake() = 0;
};

/// Random bytes fit for secrets and spool generations.
class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void fill(std::span<unsigned char> out) = 0;
  std::uint64_t next64() {
    std::uint64_t value = 0;
    fill({reinterpret_cast<unsigned char*>(&value), sizeof value});
    return value;
  }
};

/// A piece of long or blocking work: `work` runs on some helper thread with `context`, then the
/// completion becomes ready on the shard that gave it. `work` touches nothing of the shard.
struct WorkOp : Completion {
  std::int32_t (*work)(void* context) = nullptr;  ///< its return value becomes `result`
  void* context = nullptr;
};

class Worker {
 public:
  virtual ~Worker() = default;
  virtual void run(WorkOp& op) = 0;
};

}  // namespace ringpost
