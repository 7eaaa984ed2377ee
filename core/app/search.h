#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/completion.h"
#include "core/base/time.h"
#include "core/loop/loop.h"
#include "core/mail/envelope.h"
#include "core/mail/message_id.h"
#include "spool/spool.h"

namespace ringpost::app {

/// What `list` looks for; each with `*` as wildcard, without regard to case.
struct SearchQuery {
  std::string recipient = "*";
  std::string sender = "*";
  std::string job = "*";
  std::string vmta = "*";
  std::optional<std::uint8_t> priority;  ///< none: any
  std::size_t rows_max = 100;
};

/// A recipient that is not settled yet.
struct SearchRow {
  MessageId id;
  std::string recipient;
  std::string sender;  ///< reverse path; empty for the null path
  std::string vmta;
  std::string job;
  std::uint8_t priority = kNormalPriority;
  WallTime received;
  std::uint32_t size_bytes = 0;
  std::uint16_t attempts = 0;
  WallTime next_attempt;  ///< 0: at once, or under way
  bool under_way = false;
};

/// One round of a search over a shard's spool: reads some messages from `cursor` on.
struct SearchRound {
  SearchQuery query;
  spool::MessageCursor cursor;  ///< where the next round begins
  bool finished = false;        ///< nothing is left behind the cursor
  std::uint32_t examined = 0;   ///< messages read in this round
  std::vector<SearchRow> rows;
};

/// Knows the priority that mail has by now.
class PriorityView {
 public:
  virtual ~PriorityView() = default;
  /// Of a recipient of a message in the spool; its views hold until this returns.
  virtual std::uint8_t priority_now(const MessageId& id, const Envelope& envelope,
                                    const Recipient& recipient) = 0;
};

/// Reads the messages of one shard's spool for an operator, a bounded number a round and a few at a
/// time, so that delivery beside it goes on. On its shard's thread; one round at a time.
class MessageSearch {
 public:
  static constexpr std::size_t kReadsAtOnce = 32;
  static constexpr std::uint32_t kMessagesPerRound = 8192;
  static constexpr std::uint32_t kSlotsPerRound = 262'144;

  MessageSearch(Loop& loop, spool::Spool& spool, PriorityView& priorities);

  bool idle() const { return round_ == nullptr; }
  /// `done` completes when the round is over; both live until then.
  void start(SearchRound& round, Completion& done);

 private:
  struct Read : spool::InspectOp {
    bool used = false;
  };

  void on_read(Completion& completion);
  void read_on();
  void collect(const Read& read);

  Loop& loop_;
  spool::Spool& spool_;
  PriorityView& priorities_;
  SearchRound* round_ = nullptr;
  Completion* done_ = nullptr;
  std::array<Read, kReadsAtOnce> reads_;
  std::uint32_t reading_ = 0;
  std::uint32_t slots_left_ = 0;
};

}  // namespace ringpost::app
