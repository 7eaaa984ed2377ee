#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/assert.h"
#include "core/base/time.h"
#include "spool/format.h"

namespace ringpost::spool {

/// What the spool knows of one recipient while its message is live.
struct RecipientState {
  static constexpr std::uint8_t kSettled = 1;
  static constexpr std::uint8_t kIssued = 2;
  static constexpr std::uint8_t kAmbiguous = 4;   ///< an earlier attempt may have delivered
  static constexpr std::uint8_t kOwed = 8;        ///< settled, and its report is not yet durable
  static constexpr std::uint8_t kDelayShift = 4;  ///< above: delays reported, modulo 16

  std::uint32_t next_s = 0;  ///< next attempt, unix seconds rounded up; 0: at once
  std::uint16_t attempts = 0;
  std::uint8_t flags = 0;
  std::uint32_t first_s = 0;  ///< first attempt, unix seconds; 0: none yet

  bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
  void set(std::uint8_t flag) { flags = static_cast<std::uint8_t>(flags | flag); }
  void unset(std::uint8_t flag) { flags = static_cast<std::uint8_t>(flags & ~flag); }
  /// Reports of delay that were made, modulo 16.
  std::uint8_t delays() const { return static_cast<std::uint8_t>(flags >> kDelayShift); }
  void set_delays(std::uint8_t count) {
    flags = static_cast<std::uint8_t>((flags & 15) | (count & 15) << kDelayShift);
  }
  /// Its message is needed for it.
  bool open() const { return !has(kSettled) || has(kOwed); }
  bool untouched() const { return flags == 0 && attempts == 0 && next_s == 0 && first_s == 0; }
  bool operator==(const RecipientState&) const = default;
};
static_assert(sizeof(RecipientState) == 12);

/// A wall time in whole seconds, rounded up; 0 stays 0.
inline std::uint32_t seconds_up(WallTime time) {
  return time.us <= 0 ? 0 : static_cast<std::uint32_t>((time.us + 999'999) / 1'000'000);
}

/// Of a message found at a start: nobody knows yet whether its delay interests anybody.
inline constexpr std::uint32_t kLookSoon = 1;

/// One live message. The common case of one recipient needs nothing else.
struct MessageSlot {
  static constexpr std::uint8_t kVerified = 1;     ///< written in this run, or checked since
  static constexpr std::uint8_t kQuarantined = 2;  ///< damaged or unreadable
  static constexpr std::uint8_t kUnproven = 4;     ///< a copy of which the journal has not yet told

  std::uint32_t generation = 0;
  std::uint32_t segment = kNone;  ///< index in the log's table; kNone: slot is free
  std::uint32_t local = 0;
  std::uint32_t head = 0;   ///< offset of the record
  std::uint32_t begin = 0;  ///< of record and content
  std::uint32_t bytes = 0;
  std::uint32_t recipients = 0;
  std::uint32_t open = 0;  ///< recipients not settled, or not reported though owed
  /// When somebody is to look whether its delay is to be reported, unix seconds. 0: never.
  std::uint32_t delay_look_s = 0;
  std::uint32_t view = kNone;  ///< open view; next free slot while free
  std::uint8_t flags = 0;
  /// Recipients, from the first on, whose receipt is in the journal or was not asked for.
  std::uint32_t receipted = 0;
  union {
    RecipientState one;
    RecipientState* many;
  };

  MessageSlot() : one() {}
  RecipientState& state(std::uint32_t recipient) {
    RP_ASSERT(recipient < recipients);
    return recipients == 1 ? one : many[recipient];
  }
  const RecipientState& state(std::uint32_t recipient) const {
    return const_cast<MessageSlot*>(this)->state(recipient);
  }
};
static_assert(sizeof(MessageSlot) <= 64, "a queued recipient costs at most 200 bytes in all");

/// Blocks of recipient states for messages with several; sizes are powers of two, kept on free
/// lists. Memory is never given back: it is bounded by the largest backlog seen.
class StateArena {
 public:
  RecipientState* take(std::uint32_t count);
  void give(RecipientState* states, std::uint32_t count) noexcept;

 private:
  static constexpr std::size_t kChunkStates = 8192;

  std::vector<std::unique_ptr<RecipientState[]>> chunks_;
  std::size_t used_ = kChunkStates;
  RecipientState* free_[32] = {};
};

/// All live messages of one log, by slot number. Grows by chunks up to its maximum.
class SlotTable {
 public:
  explicit SlotTable(std::uint32_t max) noexcept : max_(max) {}

  std::uint32_t in_use() const noexcept { return in_use_; }
  std::uint32_t max() const noexcept { return max_; }
  /// A fresh slot with `recipients` untouched states, or kNone when the table is full. Recovery
  /// may go past the maximum: what is there must be served.
  std::uint32_t take(std::uint32_t recipients, bool past_max = false);
  void give(std::uint32_t slot) noexcept;

  MessageSlot& operator[](std::uint32_t slot) noexcept {
    RP_ASSERT(slot < size_);
    return chunks_[slot / kChunk][slot % kChunk];
  }
  /// The live slot, if the generation is the one that was meant.
  MessageSlot* find(std::uint32_t slot, std::uint32_t generation) noexcept;
  std::uint32_t size() const noexcept { return size_; }

 private:
  static constexpr std::uint32_t kChunk = 4096;

  std::uint32_t max_;
  std::uint32_t in_use_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t free_ = kNone;
  std::vector<std::unique_ptr<MessageSlot[]>> chunks_;
  StateArena states_;
};

}  // namespace ringpost::spool
