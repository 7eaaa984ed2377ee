#pragma once

#include <array>
#include <cstdint>

#include "core/base/completion.h"
#include "core/base/fixed_vector.h"
#include "core/base/time.h"
#include "core/loop/mailroom.h"
#include "core/loop/ports.h"
#include "core/loop/timer_wheel.h"

namespace ringpost {

/// Receives the letters of one shard. Implemented by the shard's composition (core/app).
class LetterHandler {
 public:
  virtual ~LetterHandler() = default;
  virtual void on_letter(const Letter& letter, Now now) = 0;
};

/// Something that works once at the end of every turn: group commit, batched notices.
class TurnHook {
 public:
  virtual ~TurnHook() = default;
  /// True: there is more to do at once, the loop must not sleep before the next turn.
  virtual bool end_of_turn(Now now) = 0;
};

/// Counters of a loop, read by its own thread or after it stopped.
struct LoopStats {
  std::uint64_t turns = 0;
  std::uint64_t handlers = 0;
  std::uint64_t timers = 0;
  std::uint64_t letters_received = 0;
  std::uint64_t letters_posted = 0;
  std::uint64_t peers_woken = 0;
};

/// One shard's loop. Lives on one thread; driver and mailroom outlive it.
///
/// Invariants, turn by turn:
///  1. Time is read once; all handlers of the turn get the same Now.
///  2. Finished operations are gathered first; handlers run afterwards, from the ready list, so no
///     handler runs inside another and none runs inside a port call.
///  3. At most kHandlersPerTurn handlers and kLettersPerTurn letters run before the kernel is asked
///     again, so one busy shard still serves timers and new completions.
///  4. Peers are woken at the end of the turn, each at most once, and only if they sleep.
///  5. The loop sleeps only when the ready list, the mailboxes and the hooks have nothing left.
class Loop {
 public:
  static constexpr std::size_t kHandlersPerTurn = 1024;
  static constexpr std::size_t kLettersPerTurn = 1024;
  static constexpr std::size_t kHooksMax = 8;

  Loop(unsigned shard, Driver& driver, Mailroom& mailroom, LetterHandler& letters);

  unsigned shard() const noexcept { return shard_; }
  Now now() const noexcept { return now_; }
  TimerWheel& timers() noexcept { return timers_; }
  Driver& driver() noexcept { return driver_; }
  const LoopStats& stats() const noexcept { return stats_; }

  /// Hooks run in the order they were added; they outlive the loop.
  void add_hook(TurnHook& hook) noexcept { hooks_.push_back(&hook); }

  /// Makes a completion ready that no port holds (it must be idle): its handler runs later, in
  /// this turn or the next.
  void complete(Completion& completion, std::int32_t result) noexcept;

  /// Sends a letter to an endpoint, this shard included. False when its mailbox is full.
  bool post(unsigned to, const Letter& letter) noexcept;
  std::size_t room(unsigned to) const noexcept { return mailroom_.room(shard_, to); }

  /// One turn; sleeps until there is work, but not past `until`.
  void turn(Instant until);
  /// Turns until stop() is called from a handler, and once more.
  void run();
  void stop() noexcept { stopping_ = true; }
  bool stopping() const noexcept { return stopping_; }
  /// The latest instant this loop may sleep to, for a driver that steps several loops.
  Instant next_wakeup() const noexcept { return timers_.next_wakeup(); }
  /// Nothing is waiting to be run except timers and the kernel.
  bool quiet() const noexcept { return ready_.empty() && !busy_ && mailroom_.empty(shard_); }

 private:
  void gather(Instant until);
  void run_ready();
  void read_letters();
  void run_hooks();
  void wake_peers();

  unsigned shard_;
  Driver& driver_;
  Mailroom& mailroom_;
  LetterHandler& letters_;
  Now now_;
  TimerWheel timers_;
  ReadyList ready_;
  FixedVector<TurnHook*, kHooksMax> hooks_;
  FixedVector<std::uint16_t, 256> posted_to_;
  std::array<bool, 256> posted_flag_{};
  unsigned next_sender_ = 0;
  bool busy_ = false;
  bool stopping_ = false;
  LoopStats stats_;
};

}  // namespace ringpost
