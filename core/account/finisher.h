#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/account/log_table.h"
#include "core/account/position_index.h"
#include "core/base/result.h"
#include "core/base/time.h"

namespace ringpost::account {

enum class Packing : std::uint8_t { none, gzip, zstd };

/// What becomes of the finished files of one accounting file.
struct FinishRule {
  std::string path;     ///< of the accounting file
  std::string move_to;  ///< folder; empty: they stay beside it
  Packing packing = Packing::none;
  Duration delete_after = Duration::forever();  ///< of files that stay beside it
  mode_t mode = 0640;

  /// Whether anything is done with finished files.
  bool moves() const { return !move_to.empty() || packing != Packing::none; }
};

/// Name of the finished file with that day (days since 1970) and number:
/// `acct-2026-11-21-0007.csv`.
std::string finished_name(std::string_view path, std::int64_t day, unsigned number);
/// Day and number of such a name (without folder, packed or not); day below 0: another file.
struct FinishedNumber {
  std::int64_t day = -1;
  unsigned number = 0;
};
FinishedNumber number_of_finished(std::string_view path, std::string_view name);
/// A number of that day that no file has, neither beside `rule.path` nor in `rule.move_to`.
unsigned free_number(const FinishRule& rule, std::int64_t day);

/// Positions that a finished file ends with, in `<file>.end`; and those of the archive, in
/// `<folder>/<name of the accounting file>.archived`. Written whole or not at all.
Status write_positions(const std::string& path, const SpoolId& spool, const LogTable& positions,
                       mode_t mode);
/// Empty where the file is missing, damaged or of another spool.
LogTable read_positions(const std::string& path, const SpoolId& spool);
std::string archive_position_path(const FinishRule& rule);

/// Positions up to which the archive holds records durably, files just placed there included.
LogTable archived_positions(const FinishRule& rule, const SpoolId& spool);

/// Called between the steps of a finish; tests end the process here.
class FinishSteps {
 public:
  virtual ~FinishSteps() = default;
  virtual void at(std::string_view step) = 0;
};

struct FinishReport {
  unsigned finished = 0;         ///< files that reached their place
  unsigned deleted = 0;          ///< files past delete-after
  std::uint64_t bytes_read = 0;  ///< of files finished
  std::uint64_t bytes_kept = 0;
  std::vector<std::string> files;
  std::vector<std::string> problems;  ///< each names the file; it stays where it was
};

/// Packs, copies, verifies and removes finished files; blocking. Killed at any step and repeated,
/// it loses nothing and doubles nothing: the packed copy is made under another name, synced and
/// compared with its source; then the positions it ends with are put beside it, then it gets its
/// name, all synced; only then the archive's position moves, and the source goes last. A lock file
/// beside the accounting file keeps two finishers apart.
class Finisher {
 public:
  Finisher(FinishRule rule, SpoolId spool, FinishSteps* steps = nullptr)
      : rule_(std::move(rule)), spool_(spool), steps_(steps) {}

  /// All finished files there are. locked: another finisher is at work.
  Result<FinishReport> run(WallTime now);

 private:
  Status finish(const std::string& source, FinishReport& report);
  Status place(const std::string& source, const std::string& target);
  Status record(const std::string& source, const std::string& target);
  Status tidy_ends();
  void remove_old(WallTime now, FinishReport& report);
  void step(std::string_view name) const {
    if (steps_ != nullptr) {
      steps_->at(name);
    }
  }

  FinishRule rule_;
  SpoolId spool_;
  FinishSteps* steps_;
};

}  // namespace ringpost::account
