#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/fixed_vector.h"
#include "core/base/lender.h"
#include "core/base/slice.h"
#include "core/loop/net.h"
#include "core/mail/job.h"

namespace ringpost::deliver {

/// Who is told what became of sends.
class TransmitOwner {
 public:
  virtual ~TransmitOwner() = default;
  /// The send in flight ended: result as SendOp's. `bodies_left`: so many contents that it carried
  /// were taken by the kernel to their last octet.
  virtual void on_transmitted(std::int32_t result, std::size_t bodies_left) = 0;
  /// A zero-copy send let go of its bytes, the content of `job` among them.
  virtual void on_released(Job& job, bool copied) = 0;
};

/// Gathers what a session has to say into vectored sends, one at a time: commands and contents,
/// the latter from where the spool has them, leave in one, in order. Large content goes by zero
/// copy, alone among commands, and is held until the kernel lets go; once the kernel has said a
/// few times in a row that it copied nevertheless, the rest of the connection's content goes
/// plainly. What it needs to send is lent by the shard for as long as something waits or is on its
/// way: most connections rest.
class Transmitter {
 public:
  /// Contents between two flushes, at most: as many as a session has jobs.
  static constexpr std::size_t kBodiesMax = 28;

  struct Flight;
  struct Pieces;
  using Flights = Lender<Flight>;
  using Waiting = Lender<Pieces>;

  /// All outlive this.
  void bind(TransmitOwner& owner, Net& net, Flights& flights, Waiting& waiting);
  void start(StreamId stream, std::uint64_t zero_copy_threshold_bytes) noexcept;

  void add_command(std::string_view bytes) noexcept;
  /// All of the message as it leaves, with its final dot line or without.
  void add_body(Job& job, bool final_dot) noexcept;
  /// Starts a send of what was added unless one is in flight.
  void flush() noexcept;
  /// Forgets what was added and is not in flight.
  void discard() noexcept;

  bool in_flight() const noexcept { return current_ != nullptr; }
  /// Nothing waits and nothing is in flight; zero-copy bytes may still be held.
  bool drained() const noexcept { return pending_ == nullptr && current_ == nullptr; }
  /// No byte that was ever added is in use any more.
  bool released() const noexcept;
  /// The content of this job waits to be sent, is being sent, or is held by a zero-copy send.
  bool uses(const Job& job) const noexcept;
  /// Octets of the send in flight that the kernel has taken, as far as the port knows.
  std::uint64_t progress() const noexcept { return current_ != nullptr ? current_->op.sent : 0; }

 private:
  static constexpr std::size_t kSlicesMax = 32;
  static constexpr std::size_t kFlights = 6;
  static constexpr std::size_t kBodiesPerFlight = 8;
  using Slices = FixedVector<Slice, kSlicesMax>;

  /// One thing that waits to be sent: a command, or a content.
  struct Piece {
    std::string_view command;
    Job* body = nullptr;
    bool final_dot = false;
  };
  struct Body {
    Job* job = nullptr;
    std::uint64_t end = 0;  ///< octets of the send up to its last one
  };

 public:
  /// What waits to be sent.
  struct Pieces {
    FixedFifo<Piece, 2 * kBodiesMax + 2> fifo;
  };
  /// One send, from its start until no byte of it is in use.
  struct Flight {
    Flight();

    Transmitter* owner = nullptr;
    SendOp op;
    Slices slices;
    FixedVector<Body, kBodiesPerFlight> bodies;
    std::uint64_t bytes = 0;
    bool zero_copy = false;
    bool sending = false;
    bool held = false;  // until `released` has run

    void on_sent(Completion& completion);
    void on_released(Completion& completion);
    bool idle() const { return !sending && !held; }
    bool holds(const Job& job) const;
    void add(Slice slice);
    void add_body(const Piece& piece);
  };

 private:
  void push(const Piece& piece) noexcept;
  void give_back(Flight& flight) noexcept;
  bool fits(const Flight& flight, const Piece& piece, bool large) const noexcept;
  void gather(Flight& flight, bool may_zero_copy) noexcept;
  void pop() noexcept;

  TransmitOwner* owner_ = nullptr;
  Net* net_ = nullptr;
  StreamId stream_;
  std::uint64_t threshold_ = 0;  ///< octets of content from which on it goes by zero copy
  unsigned copies_ = 0;          ///< in a row, though zero copy was asked for
  Flights* flights_ = nullptr;
  Waiting* waiting_ = nullptr;
  Pieces* pending_ = nullptr;  ///< none: nothing waits
  Flight* current_ = nullptr;
  std::array<Flight*, kFlights> used_{};
};

}  // namespace ringpost::deliver
