#pragma once

#include <cstdint>

#include "core/loop/disk.h"
#include "core/loop/loop.h"
#include "core/mail/doors.h"
#include "spool/journal.h"
#include "spool/options.h"

namespace ringpost::spool {

/// Which outcomes a feed hands over.
enum class FeedOf : std::uint8_t { all_outcomes, reports_owed };

/// Reads the journal of one log back, below the synced watermark, and hands its outcomes to a sink
/// in sequence order: to accounting all of them, and those that senders are to be told of to
/// whoever reports. Keeps its place by sequence; it asks again for what was refused.
class AccountingFeed {
 public:
  AccountingFeed(const SpoolOptions& options, Loop& loop, Disk& disk, Journal& journal,
                 std::uint16_t log, OutcomeSink& sink, FeedOf what = FeedOf::all_outcomes);

  /// Begins behind this sequence.
  void begin(std::uint64_t after);
  /// Hands over a bounded number. True when it stopped at that bound.
  bool pump(Now now);
  /// The next sequence that was not yet handed over.
  std::uint64_t next() const noexcept { return next_; }
  /// Records with this sequence or below need no longer be kept for accounting.
  std::uint64_t passed() const noexcept {
    const std::uint64_t archived = sink_.archived(log_);
    return archived >= last_outcome_ ? next_ - 1 : archived;
  }
  std::uint64_t delivered() const noexcept { return delivered_; }
  /// Sequences that could not be read any more.
  std::uint64_t lost() const noexcept { return lost_; }
  bool idle() const noexcept { return populate_.idle(); }

 private:
  enum class Step : std::uint8_t { go_on, wait };

  Segment* current();
  Step read_batch(Segment& segment, Now now);
  Step hand_over(std::uint64_t limit, std::uint32_t& budget);
  bool wanted(std::string_view fields) const;
  /// Whether records of this kind may be for the sink.
  bool shows(JournalKind kind) const {
    return kind == JournalKind::outcome ||
           (kind == JournalKind::dropped && what_ == FeedOf::all_outcomes);
  }
  bool readable(const Segment& segment, Now now);
  void on_populated(Completion& done);

  const SpoolOptions& options_;
  Loop& loop_;
  Disk& disk_;
  Journal& journal_;
  std::uint16_t log_;
  OutcomeSink& sink_;
  FeedOf what_;

  std::uint64_t next_ = 1;
  std::uint32_t ordinal_ = 0;  ///< of the segment that offset_ belongs to
  std::uint64_t offset_ = 0;
  std::string_view body_;        ///< rest of the batch being handed over
  std::uint64_t sequence_ = 0;   ///< of the first record in body_
  std::uint64_t batch_end_ = 0;  ///< sequence behind the batch; 0: none
  std::uint64_t batch_offset_ = 0;
  Instant batch_read_at_;

  Instant caught_up_;  ///< when nothing was left to read
  PopulateOp populate_;
  std::uint32_t populated_ordinal_ = 0;
  std::uint64_t populated_end_ = 0;
  Instant populated_at_;
  bool begun_ = false;
  std::uint64_t last_outcome_ = 0;  ///< handed over
  std::uint64_t delivered_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace ringpost::spool
