#pragma once

#include "core/base/result.h"

namespace ringpost {

/// A counter in the kernel that any thread can raise and one thread can wait for (with poll or a
/// ring). Shards have one inside their driver; other threads that receive letters make their own
/// and publish it in RingPeers.
class WakeEvent {
 public:
  WakeEvent() = default;
  ~WakeEvent();
  WakeEvent(const WakeEvent&) = delete;
  WakeEvent& operator=(const WakeEvent&) = delete;

  Status open();
  int descriptor() const noexcept { return descriptor_; }
  /// From any thread.
  void raise() const noexcept { raise(descriptor_); }
  static void raise(int descriptor) noexcept;
  /// From the waiting thread: takes the counter down.
  void lower() const noexcept;

 private:
  int descriptor_ = -1;
};

}  // namespace ringpost
