#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/loop/ports.h"
#include "net/wire/ring.h"
#include "net/wire/wake_event.h"

namespace ringpost {

/// How each endpoint of the mailroom is woken: by a message to its ring, or by its event
/// descriptor. Made for all endpoints before the threads start, outlives them; descriptors are
/// published when they exist and withdrawn before they are closed.
class RingPeers {
 public:
  explicit RingPeers(unsigned endpoints);

  unsigned endpoints() const noexcept { return endpoints_; }
  /// From any thread. A `ring` of -1: the endpoint has none.
  void publish(unsigned endpoint, int ring, int event) noexcept;
  void withdraw(unsigned endpoint) noexcept { publish(endpoint, -1, -1); }
  int ring(unsigned endpoint) const noexcept;
  int event(unsigned endpoint) const noexcept;

 private:
  struct Entry {
    std::atomic<int> ring{-1};
    std::atomic<int> event{-1};
  };
  unsigned endpoints_;
  std::unique_ptr<Entry[]> entries_;
};

/// The Driver of production: one shard's loop over its ring. Ring and peers outlive it. All calls
/// from the shard's thread, except wake() and post().
class RingDriver final : public Driver {
 public:
  /// `endpoint` is the shard's number in the mailroom. Publishes the ring in `peers`; the ring
  /// must be enabled before others send.
  static Result<std::unique_ptr<RingDriver>> make(Ring& ring, RingPeers& peers, unsigned endpoint);
  ~RingDriver() override;

  Now now() override;
  void wait(ReadyList& ready, Instant until) override;
  void finish(Completion& operation, std::int32_t result) override {
    ring_.complete(operation, result);
  }
  void wake_peer(unsigned shard) override;
  void wake() override;

  /// From any thread: `operation`, which is in flight, ended with `result`; its handler will run
  /// on this driver's loop.
  void post(Completion& operation, std::int32_t result);

 private:
  struct Posted {
    Completion* operation;
    std::int32_t result;
  };

  RingDriver(Ring& ring, RingPeers& peers, unsigned endpoint);
  void watch_event();
  void collect_posted();
  static void on_event(void* self, const RingEvent& event);
  static void on_wake_sent(void* self, const RingEvent& event);

  Ring& ring_;
  RingPeers& peers_;
  unsigned endpoint_;
  WakeEvent event_;
  bool watching_ = false;
  std::atomic<bool> raised_{false};  ///< the event was raised since we last looked
  std::mutex mutex_;
  std::vector<Posted> posted_;  ///< guarded by mutex_
  std::vector<Posted> collected_;
  std::atomic<bool> any_posted_{false};
};

/// Both clocks of this host.
Now read_clocks() noexcept;

/// Binds the calling thread to one processor. out_of_range: the process may not run there.
Status pin_thread(unsigned processor);
/// The processors this process may run on, ascending.
std::vector<unsigned> usable_processors();

}  // namespace ringpost
