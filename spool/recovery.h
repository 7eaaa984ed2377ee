#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/loop/disk.h"
#include "spool/segment.h"
#include "spool/slots.h"

namespace ringpost::spool {

/// What a start found. Counts of one log, or summed over several.
struct RecoveryReport {
  std::uint64_t messages = 0;              ///< with at least one recipient unsettled
  std::uint64_t recipients = 0;            ///< unsettled
  std::uint64_t ambiguous = 0;             ///< of them issued and never settled, now or before
  std::uint64_t commit_indeterminate = 0;  ///< messages whose acknowledgement may not have left
  std::uint64_t refused_dropped = 0;       ///< intact messages of commits that were refused
  std::uint64_t tail_cuts = 0;             ///< torn records or batches that nobody was promised
  std::uint64_t damaged_records = 0;       ///< acknowledged and broken: quarantined
  std::uint64_t damaged_batches = 0;
  std::uint64_t damaged_segments = 0;  ///< header unreadable: left alone
  std::uint64_t reports_owed = 0;      ///< endings that senders were not yet told of
  std::uint64_t lost_outcomes = 0;     ///< journal sequences that cannot be read
  std::uint64_t scanned_segments = 0;  ///< read whole for want of a summary
  bool clean = true;                   ///< the last stop was clean, everywhere
  std::vector<std::string> notes;      ///< one line per damage, naming file and place

  bool damage() const {
    return damaged_records + damaged_batches + damaged_segments + lost_outcomes > 0;
  }
  void add(const RecoveryReport& other);
  /// One line for the log of a start.
  std::string summary() const;
};

/// A file that holds nothing any more.
struct FreeFile {
  std::string path;
  bool prepared = false;  ///< allocated and zeroed or used before
};

/// One log as it was found on disk. Slots are in the table that was given to read_log().
struct LogImage {
  std::vector<std::unique_ptr<Segment>> acceptance;  ///< by ordinal; slots and summary filled
  std::vector<std::unique_ptr<Segment>> journal;     ///< by ordinal
  std::vector<FreeFile> free_acceptance;
  std::vector<FreeFile> free_journal;
  std::vector<std::string> misfits;   ///< free files of another size: to be unlinked
  std::uint32_t acceptance_name = 0;  ///< highest number of a file
  std::uint32_t journal_name = 0;
  std::uint32_t acceptance_ordinal = 0;  ///< highest ever used
  std::uint32_t journal_ordinal = 0;
  std::uint64_t next_sequence = 1;
  bool empty() const { return acceptance.empty() && journal.empty(); }
};

/// Told how far a tool that reads a whole spool has come.
class ToolProgress {
 public:
  virtual ~ToolProgress() = default;
  /// `done` of `total` segments of this log have been read for this purpose.
  virtual void on_segment(std::string_view purpose, std::uint16_t log, std::size_t done,
                          std::size_t total) = 0;
};

struct RecoverySource {
  Disk& disk;
  std::string folder;
  std::uint16_t log = 0;
  Uuid spool{};
  std::uint64_t segment_bytes = 0;  ///< free files of other sizes are misfits
  std::uint64_t journal_segment_bytes = 0;
  bool writable = true;              ///< false: tools on a stopped spool
  ToolProgress* progress = nullptr;  ///< of a tool; nullptr: nobody wants to know
};

/// Reads one log: journal, summaries, and what has no summary. Blocks; for start-up and tools.
/// unknown_version: a newer format, nothing was touched. Damage is not an error: it is reported,
/// and the rest is served.
Result<LogImage> read_log(const RecoverySource& source, SlotTable& slots, RecoveryReport& report);

}  // namespace ringpost::spool
