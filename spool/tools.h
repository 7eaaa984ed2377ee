#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/loop/disk.h"
#include "core/mail/doors.h"
#include "spool/recovery.h"

// What `ringpost spool` does to a stopped spool. All of it blocks, changes nothing in the spool,
// and holds its lock meanwhile: locked means that a daemon runs on it.

namespace ringpost::spool {

/// One log as found.
struct LogFigures {
  std::uint16_t log = 0;
  RecoveryReport report;
  std::uint64_t segments = 0;  ///< with live messages or damage
  std::uint64_t spares = 0;
  std::uint64_t journal_segments = 0;
  std::uint64_t bytes = 0;       ///< of all its files
  std::uint64_t live_bytes = 0;  ///< of unsettled messages
  std::int64_t oldest_us = 0;    ///< receipt of the oldest unsettled message; 0: none
  std::map<std::string, std::uint64_t> domains;  ///< unsettled recipients by domain, lower case
};

struct SpoolFigures {
  std::string id;  ///< UUID in hexadecimal
  RecoveryReport total;
  std::vector<LogFigures> logs;
};

// Each tells `progress`, where that is not nullptr, before it reads a segment.

/// What the spool holds, from summaries and journals.
Result<SpoolFigures> stat(Disk& disk, const std::string& folder, ToolProgress* progress = nullptr);
/// The same, and every byte of every unsettled message is read and held against its checksums.
/// Damage is in the report (damage(), notes), not an error.
Result<SpoolFigures> check(Disk& disk, const std::string& folder, ToolProgress* progress = nullptr);

struct ExportFigures {
  std::uint64_t messages = 0;
  std::uint64_t recipients = 0;
  std::uint64_t reports = 0;  ///< endings that senders are still to be told of
  std::uint64_t damaged = 0;  ///< could not be exported
  RecoveryReport report;
};

/// Writes each unsettled message as ID.eml (as it would be sent, without dot-stuffing) and a line
/// of messages.jsonl with its envelope and the state of its recipients. `target` is created;
/// already_exists: there is an export in it.
Result<ExportFigures> export_messages(Disk& disk, const std::string& folder,
                                      const std::string& target, ToolProgress* progress = nullptr);

/// Takes the outcomes that a tool reads from the journals.
class OutcomeReader {
 public:
  virtual ~OutcomeReader() = default;
  /// The record's views hold during the call. An error ends the reading.
  virtual Status on_outcome(const SettledRecord& record) = 0;
  /// Those too that the accounting of another host has.
  virtual bool elsewhere_too() const { return false; }
};
/// All outcomes that the journals of a stopped spool still hold, log by log in their order; how
/// many. What cannot be read is passed over and counted in `lost`.
Result<std::uint64_t> read_outcomes(Disk& disk, const std::string& folder, OutcomeReader& reader,
                                    std::uint64_t& lost, ToolProgress* progress = nullptr);

/// Wire form to plain: stuffed dots and the final dot line removed.
std::string unstuffed(std::string_view wire);

}  // namespace ringpost::spool
