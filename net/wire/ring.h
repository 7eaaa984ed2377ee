#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/completion.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "net/wire/wire_stats.h"

struct io_uring;
struct io_uring_sqe;

namespace ringpost {

/// What may be missing in a kernel, or be withheld by configuration. Bits of a mask.
/// IORING_SEND_ZC_REPORT_USAGE; younger than the installed header.
inline constexpr unsigned kReportUsage = 1U << 3;

enum class RingFeature : std::uint32_t {
  deferred_work = 1U << 0,     ///< completions are made only inside our own waits (6.1)
  registered_ring = 1U << 1,   ///< entering the kernel needs no descriptor look-up (5.18)
  direct_sockets = 1U << 2,    ///< sockets live in the ring's own table, not as descriptors (6.13)
  message_ring = 1U << 3,      ///< one ring can wake another (5.18)
  zero_copy = 1U << 4,         ///< vectored zero-copy sends (6.1)
  zero_copy_report = 1U << 5,  ///< their notices say whether the kernel copied (6.2)
  whole_sends = 1U << 6,       ///< the kernel itself goes on with short sends (5.19)
};

struct RingOptions {
  unsigned submission_entries = 4096;
  unsigned completion_entries = 32768;
  std::uint32_t withheld = 0;  ///< RingFeature bits that must not be used
};

/// Whose completion it is: the first byte of the kernel's user data.
enum class RingTag : std::uint8_t {
  internal,      ///< trials at start, cancels at the end
  wake_message,  ///< another ring woke us
  wake_event,    ///< the driver's event descriptor
  wake_sent,     ///< our waking of another ring
  accept,
  listener_cancel,
  connect,
  connect_cancel,
  receive,
  send,
  stream_cancel,
  stream_shutdown,
  stream_close,
  disk_write,
  disk_sync,
  dns_poll,
  dns_cancel,
  count,
};

/// One completion as the kernel reported it.
struct RingEvent {
  std::uint64_t payload = 0;  ///< what was given to next_entry(), 56 bits
  std::int32_t result = 0;
  bool more = false;          ///< the operation stays in the kernel and will report again
  bool notification = false;  ///< release notice of a zero-copy send
  std::int32_t buffer = -1;   ///< id of the provided buffer that was filled
};

/// The io_uring of one shard and the traffic between it and the shard's adapters. Made on any
/// thread, then used by the one thread that calls enable(), up to its destruction; adapters are
/// destroyed first, and the first of them to go calls stop().
class Ring {
 public:
  using Handler = void (*)(void* owner, const RingEvent& event);
  using Hook = bool (*)(void* owner);
  static constexpr std::size_t kHooksMax = 4;

  /// unsupported or denied: no io_uring here (old kernel, seccomp). `report` gets one line for
  /// every feature that is missing.
  static Result<std::unique_ptr<Ring>> make(const RingOptions& options, ProbeReport& report);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  /// Binds the ring to the calling thread and tries out what only a running ring can tell.
  Status enable(ProbeReport& report);
  bool has(RingFeature feature) const noexcept;
  /// The ring's real descriptor, for other rings to send messages to.
  int descriptor() const noexcept;
  WireStats& stats() noexcept { return stats_; }

  /// Completions with `tag` go to `handler`, inside turn(). Once per tag.
  void attach(RingTag tag, void* owner, Handler handler) noexcept;
  /// `hook` runs before each entry into the kernel; true: this turn must not sleep.
  void attach_hook(void* owner, Hook hook) noexcept;

  /// A fresh submission entry, its user data set; the caller prepares it at once. Flushes the
  /// queue when it is full. After stop() the entry leads nowhere.
  io_uring_sqe* next_entry(RingTag tag, std::uint64_t payload) noexcept;
  /// User data that makes this ring take an event for (tag, payload).
  static std::uint64_t user_data(RingTag tag, std::uint64_t payload) noexcept;

  /// Submits, waits at most `timeout` for a completion (not at all where it is zero, or where
  /// finished operations wait already), and runs the handlers of the adapters.
  void turn(Duration timeout);
  /// An operation of a port is done: its owner's handler will run in the next loop turn.
  void complete(Completion& operation, std::int32_t result) noexcept;
  bool finished_waiting() const noexcept { return !finished_.empty(); }
  /// Moves finished operations to the loop, oldest first.
  void hand_over(ReadyList& ready) noexcept;

  /// Table of direct sockets with `slots` places. unsupported: none, or one that closes sockets
  /// late; the caller uses descriptors.
  Status make_file_table(unsigned slots);
  Status set_file(unsigned slot, int descriptor);

  /// Cancels everything in the kernel and waits, at most two seconds, until nothing there refers
  /// to our memory any more. What completes now is dropped. Only the owning thread can; from any
  /// other the kernel cleans up on its own.
  void stop() noexcept;

  /// For adapters that register buffers.
  ::io_uring* native() noexcept;

 private:
  struct Impl;
  struct Client {
    void* owner = nullptr;
    Handler handler = nullptr;
  };

  explicit Ring(std::unique_ptr<Impl> impl);
  void enter(Duration timeout) noexcept;
  void reap();
  void try_features(ProbeReport& report);
  std::int32_t trial(void (*prepare)(io_uring_sqe*));
  void lack(RingFeature feature, const char* sentence, ProbeReport& report);

  std::unique_ptr<Impl> impl_;
  std::vector<Completion*> finished_;
  Client clients_[static_cast<std::size_t>(RingTag::count)];
  struct {
    void* owner = nullptr;
    Hook hook = nullptr;
  } hooks_[kHooksMax];
  std::size_t hook_count_ = 0;
  std::uint32_t features_ = 0;
  std::uint64_t in_kernel_ = 0;  ///< entries whose last completion has not come
  bool stopped_ = false;
  WireStats stats_;
};

}  // namespace ringpost
