#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/fixed_vector.h"
#include "core/base/slice.h"
#include "core/loop/net.h"
#include "core/mail/job.h"

namespace ringpost::deliver {

/// Who is told what became of sends.
class TransmitOwner {
 public:
  virtual ~TransmitOwner() = default;
  /// The send in flight ended: result as SendOp's. `body_left`: it carried content, and all of
  /// that up to the final dot was taken by the kernel.
  virtual void on_transmitted(std::int32_t result, bool body_left) = 0;
  /// A zero-copy send let go of its bytes, the content of `job` among them.
  virtual void on_released(Job& job, bool copied) = 0;
};

/// Gathers what a session has to say into vectored sends, one at a time: commands, content from
/// where the spool has it, and commands behind it leave in one. Large content goes by zero copy
/// and is held until the kernel lets go. Never allocates.
class Transmitter {
 public:
  /// `owner` and `net` outlive this.
  void bind(TransmitOwner& owner, Net& net);
  void start(StreamId stream, std::uint64_t zero_copy_threshold_bytes) noexcept;

  void add_command(std::string_view bytes) noexcept;
  /// All of the message as it leaves; at most one content between two flushes.
  void add_body(Job& job) noexcept;
  /// Starts a send of all that was added unless one is in flight.
  void flush() noexcept;
  /// Forgets what was added and is not in flight.
  void discard() noexcept;

  bool in_flight() const noexcept { return current_ != nullptr; }
  /// Nothing waits and nothing is in flight; zero-copy bytes may still be held.
  bool drained() const noexcept { return pending_.empty() && current_ == nullptr; }
  /// No byte that was ever added is in use any more.
  bool released() const noexcept;
  /// The content of this job waits to be sent, is being sent, or is held by a zero-copy send.
  bool uses(const Job& job) const noexcept;
  /// Octets of the send in flight that the kernel has taken, as far as the port knows.
  std::uint64_t progress() const noexcept { return current_ != nullptr ? current_->op.sent : 0; }

 private:
  static constexpr std::size_t kSlicesMax = 25;
  static constexpr std::size_t kFlights = 3;
  using Slices = FixedVector<Slice, kSlicesMax>;

  struct Flight {
    Transmitter* owner = nullptr;
    SendOp op;
    Slices slices;
    Job* body = nullptr;
    std::uint64_t body_end = 0;
    bool sending = false;
    bool held = false;  // until `released` has run

    void on_sent(Completion& completion);
    void on_released(Completion& completion);
    bool idle() const { return !sending && !held; }
  };

  void add(Slice slice) noexcept;

  TransmitOwner* owner_ = nullptr;
  Net* net_ = nullptr;
  StreamId stream_;
  std::uint64_t threshold_ = 0;
  Slices pending_;
  std::uint64_t pending_bytes_ = 0;
  std::uint64_t pending_body_bytes_ = 0;
  std::uint64_t pending_body_end_ = 0;
  Job* pending_body_ = nullptr;
  Flight* current_ = nullptr;
  std::array<Flight, kFlights> flights_;
};

}  // namespace ringpost::deliver
