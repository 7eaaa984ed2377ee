#pragma once

#include <string>

#include "core/base/time.h"

namespace ringpost::app {

/// When a listener's thread may accept again after an accept() that failed for want of descriptors
/// or memory: the connection still waits then, so poll() would return at once, over and over.
class AcceptPause {
 public:
  static constexpr Duration kPause = Duration::milliseconds(100);
  static constexpr Duration kLogEvery = Duration::seconds(60);

  /// `what` is how the log calls the listener.
  explicit AcceptPause(std::string what) : what_(std::move(what)) {}

  /// Some accept() failed with that errno, and whoever called it waits by itself: only the log is
  /// told, once a minute.
  void tell(int error, Instant now);
  /// accept() failed with that errno. One that concerns a single connection pauses nothing.
  void failed(int error, Instant now);
  bool over(Instant now) const { return now >= until_; }
  /// For poll(): milliseconds to the end of the pause, but not more than `otherwise` (-1: any).
  int timeout_ms(int otherwise, Instant now) const;

 private:
  std::string what_;
  Instant until_;
  Instant next_log_;
};

/// Whether an accept() that failed so will fail again at once.
bool lacks_resources(int error) noexcept;

}  // namespace ringpost::app
