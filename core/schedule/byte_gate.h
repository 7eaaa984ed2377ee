#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/time.h"
#include "core/schedule/limits.h"

namespace ringpost::schedule {

/// Lets messages begin under a limit of octets in a time: in any window of one period the messages
/// that begin carry at most `count` octets, or there is but one of them, which is larger. Paced: a
/// burst of 0.1 s of the rate, 4 % of it at most, then evenly; a message is let go when the burst
/// has room for it, or is whole and the message is larger, and costs its whole size: what it takes
/// beyond the burst is waited for afterwards, over several periods if need be. So any mail goes on
/// however large it is, and the rate holds in the long run. After a message that came late the next
/// ones come sooner, until that is made up: by the time of six of them at the most, since receivers
/// and other limits let few messages begin when they may. A value of one shard, without timers.
class ByteGate {
 public:
  /// Sets or changes the limit; what was counted goes on counting. `slack`: messages may begin that
  /// much after their permit was taken, and the limit still holds for their beginnings.
  void configure(ByteLimit limit, Instant now, Duration slack = {});
  bool limited() const { return limit_.limited(); }
  const ByteLimit& limit() const { return limit_; }

  /// Whether a message of this size may begin. Times must not go back.
  bool open_for(std::uint64_t size, Instant now);
  /// When one may, if no other does before; as of the last call that told the time.
  Instant opens_for(std::uint64_t size) const;
  /// The same if `more` of that size have begun by then, as soon as each may.
  Instant opens_for(std::uint64_t size, std::uint32_t more) const;
  /// Requires: open_for(size, now).
  void take(std::uint64_t size, Instant now);
  /// So many octets of what was taken at that instant began with no message.
  void give_back(std::uint64_t size, Instant taken);
  /// No message before `when`, and no burst then.
  void close_until(Instant when);
  /// What began before `start` is not known, only that the limit held: nothing for a period.
  void begin_after(Instant start) { close_until(start + limit_.period + slack_); }
  /// When nothing that began counts any more.
  Instant rests_at() const;

  /// What began, for a later run: no part of it earlier than it did.
  struct Position {
    static constexpr std::size_t kParts = 8;
    struct Part {
      Instant begun;
      std::uint64_t octets = 0;  ///< 0: nothing
    };

    Instant paid_at;
    std::array<Part, kParts + 1> parts;
  };
  Position position(Instant now) const;
  /// Goes on from there, or from later.
  void go_on(const Position& position, Instant now);
  /// Whether a message larger than the burst is still being paid for.
  bool in_debt(Instant now) const { return limited() && paid_at_ > now + limit_.period; }

 private:
  static constexpr std::int64_t kSlots = 64;
  static constexpr std::int64_t kKept = kSlots + 1;
  static constexpr std::int64_t kParts = 256;  ///< of a slot

  std::int64_t cost(std::uint64_t size) const;
  std::int64_t made_up(std::uint64_t size) const;
  Instant pace_opens(std::uint64_t size) const;
  void advance(Instant now);
  void count(std::uint64_t size, Instant when);
  std::uint64_t& used(std::int64_t slot);
  std::uint64_t used(std::int64_t slot) const { return const_cast<ByteGate*>(this)->used(slot); }
  Instant last_of(std::int64_t slot) const;
  Instant gone(std::int64_t slot) const { return last_of(slot) + limit_.period + slack_; }

  ByteLimit limit_;
  Duration slack_;
  std::uint64_t burst_ = 0;
  Instant paid_at_;  ///< when the burst will be whole
  Instant closed_;
  std::int64_t late_ns_ = 0;                 ///< that is to be made up for
  std::uint64_t last_size_ = 0;              ///< of the message that was let go last
  std::array<std::uint64_t, kKept> used_{};  ///< octets, by slot % kKept
  std::array<std::uint8_t, kKept> ends_{};   ///< when the last of them began, in parts of the slot
  std::int64_t slot_ns_ = 1;
  std::int64_t slot_ = 0;
  std::uint64_t sum_ = 0;
};

}  // namespace ringpost::schedule
