#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/account/archive_file.h"
#include "core/account/archiver.h"
#include "core/account/fields.h"
#include "core/account/file_calls.h"
#include "core/account/queue_filter.h"
#include "core/account/rotation.h"
#include "core/account/row.h"
#include "core/account/row_ring.h"
#include "core/base/result.h"
#include "core/base/time.h"

namespace ringpost::account {

/// One accounting file as configured.
struct AccountFileSpec {
  std::string path;
  std::uint8_t records = records::kDefault;
  RowStyle style;
  QueueFilter queues;
  mode_t mode = 0640;
  RotationRule rotation;
  std::string move_to;  ///< folder for finished files; empty: they stay
  Packing packing = Packing::none;
  Duration delete_after = Duration::forever();
};
FinishRule finish_rule_of(const AccountFileSpec& spec);

inline constexpr std::size_t kAccountFilesMax = 16;  // below 32: EntryRowHead
inline constexpr Duration kRelieveInterval = Duration::minutes(5);

struct LogWriterOptions {
  std::vector<AccountFileSpec> files;  ///< none: everything counts as archived
  unsigned shards = 1;
  SpoolId spool{};                                ///< positions written for another spool are void
  std::size_t ring_bytes = std::size_t{8} << 20;  ///< per shard, a power of two
  Duration sync_interval = Duration::seconds(1);
  std::shared_ptr<const BounceRules> bounce_rules;  ///< none: categories follow the status alone
  Duration stop_patience = Duration::seconds(10);   ///< for a failing disk, at stop()
};

/// Counters for metrics; a snapshot.
struct LogWriterStats {
  std::uint64_t records = 0;  ///< taken from the rings
  std::uint64_t bytes = 0;    ///< written to the files
  std::uint64_t syncs = 0;
  std::uint64_t failures = 0;  ///< failed writes, syncs and reopenings
  std::uint64_t rewinds = 0;   ///< times unsynced rows were written again after a failed sync
  bool failing = false;        ///< alarm: nothing is written now; retried with back-off
  std::uint64_t rotations = 0;
  std::uint64_t ring_bytes = 0;       ///< room of one ring
  std::uint64_t ring_bytes_used = 0;  ///< in the fullest ring
  ArchiverStats archiver;
};

/// Carries rows from the shards' rings to the accounting files, on a thread of its own. Made before
/// the shards start, stopped after their last account(); outlives the accountants.
///
/// Invariants:
///  1. A ring's room is released only when its rows are durable in all files, so whatever fails can
///     be written again.
///  2. archived(log) never passes what is durable in every file, the index included; a file on a
///     file system that goes with the power counts by its archive, where it has one.
///  3. A record that a file holds already is not written to it again, whoever offers it.
class LogWriter {
 public:
  /// Recovers the files. Errors name the file; nothing was started then.
  static Result<std::unique_ptr<LogWriter>> open(LogWriterOptions options, FileCalls& calls);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  /// What recovery did, for the log; before start().
  const std::vector<std::string>& recovery_notes() const noexcept { return recovery_notes_; }
  const LogWriterOptions& options() const noexcept { return options_; }

  /// Starts the thread, with all signals blocked. Once.
  void start();
  /// Writes and syncs what was offered before, ends the thread. False: the disk did not let it
  /// within stop_patience; what is missing is not archived, so the journal still has it.
  bool stop();
  /// Opens the files anew by name after what was written so far (log rotation). From any thread.
  void reopen() noexcept;

  /// Finishes all files that have rows, and wakes the archiver. From any thread.
  void flush() noexcept;
  /// The journals grow: what is not archived because it lies in memory alone is brought away, at
  /// most once in kRelieveInterval. From any thread.
  void relieve(Instant now) noexcept;
  /// The same as flush(), and waits until new files have begun. False: not within `patience`.
  bool flush_and_wait(Duration patience);

  /// Sequence of the log up to which all files hold its records, if only until the power goes.
  /// For the start of an Accountant.
  std::uint64_t written(std::size_t log) const noexcept {
    return log < kLogsMax ? written_[log].load(std::memory_order_acquire) : 0;
  }
  /// Sequence of the log up to which all files hold its records durably. From any thread.
  std::uint64_t archived(std::size_t log) const noexcept {
    return log < kLogsMax ? archived_[log].load(std::memory_order_acquire) : 0;
  }
  LogWriterStats stats() const noexcept;
  /// What went wrong last and other events, oldest first; empties the list. From any thread.
  std::vector<std::string> take_notes();

  // For Accountant: the shard's own thread.

  RowRing& ring(unsigned shard) noexcept { return *rings_[shard]; }
  /// After a put: wakes the thread if it sleeps.
  void notify() noexcept;

  // What the thread does, callable without one by tests and the simulator.

  /// One round at `now`: takes rows, writes them, syncs when it is time. False: nothing to do now.
  bool pump(Instant now);
  /// When pump() has something to do although no row came; never() when only rows can matter.
  Instant next_deadline() const noexcept;
  /// Nothing waits in rings or buffers and all is durable.
  bool drained() const noexcept;

 private:
  struct State;
  static constexpr std::int64_t kNever = std::int64_t{-1} << 62;

  LogWriter(LogWriterOptions options, FileCalls& calls);
  Status open_file(const AccountFileSpec& spec);

  void run();
  void wait(Instant now, bool worked);
  bool collect();
  void take_entry(std::string_view entry);
  bool write_all(Instant now);
  bool sync_all(Instant now);
  bool reopen_all(Instant now);
  bool check(const Status& status, Instant now);
  bool check_rewound();
  void publish();
  void look_at_archives(Instant now);
  void regain_reserve(Instant now);
  void make_room(Instant now);
  bool rotation_due();
  bool rotate_due(Instant now);
  bool sync_due(Instant now);
  void note(std::string text);

  LogWriterOptions options_;
  std::vector<std::string> recovery_notes_;
  std::vector<std::unique_ptr<RowRing>> rings_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> written_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> archived_;
  std::unique_ptr<State> state_;  ///< the thread's own
  std::thread thread_;
  int wake_ = -1;  ///< eventfd
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> reopening_{false};
  bool any_apart_ = false;  ///< set once, at open
  std::atomic<std::int64_t> relieved_at_ns_{kNever};
  std::atomic<std::uint64_t> flushes_asked_{0};
  std::atomic<std::uint64_t> flushes_done_{0};
};

/// How an entry in a ring looks, shared with Accountant: a head, then for each row a row head and
/// its octets; files that look alike share a row. A record that no file shows has no rows but
/// counts.
struct EntryHead {
  std::uint64_t sequence = 0;
  std::uint16_t log = 0;
  std::uint16_t rows = 0;
  std::uint32_t reserved = 0;
};
struct EntryRowHead {
  std::uint32_t files = 0;  ///< that show the row, a bit each
  std::uint32_t size = 0;
};

}  // namespace ringpost::account
