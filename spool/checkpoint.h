#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spool/acceptance_log.h"
#include "spool/journal.h"
#include "spool/options.h"
#include "spool/slots.h"

namespace ringpost::spool {

/// Writes the state of all live messages of a log to its journal, a bounded piece a turn, so that
/// older journal segments are no longer needed for recovery.
class Checkpoint {
 public:
  Checkpoint(const SpoolOptions& options, SlotTable& slots, AcceptanceLog& acceptance,
             Journal& journal);

  /// Begins one; no effect while one runs.
  void start();
  bool running() const noexcept { return running_; }
  /// One piece. False when there was nothing to do.
  bool step();
  /// Enough journal was written since the last one to begin another; or the journal would be full
  /// before long and another one `frees` some of it.
  bool due(bool frees) const noexcept;
  /// Replay never needs records below this sequence. 0: unknown yet.
  std::uint64_t durable_begin() noexcept;
  std::uint64_t completed() const noexcept { return completed_; }

 private:
  void write_part(Segment& segment);
  void write_retired(std::uint32_t ordinal);

  const SpoolOptions& options_;
  SlotTable& slots_;
  AcceptanceLog& acceptance_;
  Journal& journal_;
  bool running_ = false;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> live_;  ///< ordinal, generation
  std::size_t next_segment_ = 0;
  std::uint32_t next_local_ = 0;
  std::string items_;
  std::uint64_t begin_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t last_bytes_ = 0;
  std::uint64_t written_at_begin_ = 0;
  std::uint64_t written_at_end_ = 0;
  std::uint64_t last_room_ = 0;  ///< what the last one took, and what was written beside it
  std::uint64_t end_ = 0;        ///< sequence of the last complete one's end record
  std::uint64_t end_begin_ = 0;
  std::uint64_t durable_begin_ = 0;
  std::uint64_t completed_ = 0;
};

}  // namespace ringpost::spool
