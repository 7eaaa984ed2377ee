#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/mail/doors.h"
#include "core/mail/report.h"
#include "spool/acceptance_log.h"
#include "spool/accounting_feed.h"
#include "spool/checkpoint.h"
#include "spool/compactor.h"
#include "spool/journal.h"
#include "spool/options.h"
#include "spool/recovery.h"
#include "spool/slots.h"
#include "spool/views.h"

namespace ringpost::spool {

/// Looks at a message without issuing it. Owned by the asker until released. result 0: `view` can
/// be read until Spool::release(); negative errno: there is nothing to read or release.
struct InspectOp : Completion {
  SpoolHandle message;
  MessageView view;
};

/// What the table knows of one recipient of a live message.
struct RecipientBrief {
  bool settled = false;
  bool issued = false;  ///< an attempt is under way, or its outcome not yet written
  std::uint16_t attempts = 0;
  std::uint8_t delays = 0;  ///< reports of delay made, modulo 16
  WallTime next_attempt;    ///< 0: at once
};

/// A place among the messages of a shard's spool, for walks that pause. Messages that come or go
/// meanwhile may be missed or met; none that stays is missed.
struct MessageCursor {
  std::uint32_t log = 0;   ///< index among the shard's logs
  std::uint32_t slot = 0;  ///< of the next message to look at
};

/// What the table knows of a live message; touches no disk.
struct MessageBrief {
  SpoolHandle handle;
  MessageId id;
  std::uint32_t recipients = 0;
  std::uint32_t open = 0;
  std::uint32_t issued = 0;
  std::uint32_t bytes = 0;  ///< on disk
  bool quarantined = false;
};

/// Figures of one log, or summed over several.
struct SpoolStats {
  std::uint64_t messages = 0;
  std::uint64_t committed = 0;
  std::uint64_t commits = 0;  ///< batches
  std::uint64_t failed_commits = 0;
  std::uint64_t segments = 0;
  std::uint64_t segment_bytes = 0;
  std::uint64_t journal_bytes = 0;
  std::uint64_t unsynced_outcomes = 0;
  std::uint64_t accounted = 0;
  std::uint64_t accounting_lost = 0;
  std::uint64_t accounting_behind = 0;  ///< journal records not yet handed over
  std::uint64_t reports_lost = 0;       ///< owed, and their outcome cannot be read any more
  std::uint64_t checkpoints = 0;
  std::uint64_t journal_errors = 0;
  std::uint64_t quarantined = 0;
  std::uint64_t live_bytes = 0;          ///< of messages that are not settled
  std::uint64_t compacted_segments = 0;  ///< rewritten, since the start
  std::uint64_t compacted_messages = 0;  ///< copied for it
  std::uint64_t compacted_bytes = 0;
  std::uint64_t waiting_opens = 0;
  bool journal_alarm = false;  ///< more than half of journal_max is in use
  bool journal_held = false;   ///< so, and it waits for the accounting archive to take records
  bool may_issue = true;

  void add(const SpoolStats& other);
};

struct LogPorts {
  Loop& loop;
  Disk& disk;
  Entropy& entropy;
  AdmissionSink& admissions;
  OutcomeSink& outcomes;
  /// Gets the outcomes that senders are to be told of, and answers by Spool::reported(); its
  /// archived() is the sequence below the first that is not yet answered. None: nobody is told.
  ReportSink* reports = nullptr;
};

/// One log: its two kinds of segments, its live messages, and what moves them. Lives on the shard
/// it was dealt to.
class Log final : private ViewUser {
 public:
  /// `chunks` null: an adopted log that takes no new mail.
  Log(const SpoolOptions& options, std::uint16_t number, const Uuid& spool, ChunkPool* chunks,
      const LogPorts& ports);
  ~Log() override;

  /// Reads what is on disk. Blocks. Nothing is admitted or written before the loop runs.
  Result<RecoveryReport> start();

  Result<MessageWriter*> begin(std::uint64_t declared_bytes);
  /// A message of our own about mail that ended here: taken at journal-max too, as the journal
  /// waits for it.
  Result<MessageWriter*> begin_report(std::uint64_t declared_bytes);
  /// Whether a report on the recipient's ending is owed and was not yet made.
  bool owes(const SpoolHandle& message, std::uint32_t recipient) noexcept;
  /// The reports on the endings of these recipients are durable, or are not to be made.
  void reported(const SpoolHandle& message, std::span<const std::uint32_t> recipients);
  /// The `count`-th report on the delay of these recipients is durable.
  void delay_reported(const SpoolHandle& message, std::span<const std::uint32_t> recipients,
                      std::uint8_t count);
  /// When ReportSink::look_at() is to be asked next. 0: never again.
  void look_later(const SpoolHandle& message, std::uint32_t unix_seconds) noexcept;
  /// Notes for accounting that a queue was put off: the record's queue, virtual MTA, outcome and
  /// attempt. It is journaled in this turn and synced like outcomes.
  void note_queue(const SettledRecord& record);
  void open(Job& job);
  void settle(Job& job);
  void inspect(InspectOp& op);
  void release(InspectOp& op);
  bool end_of_turn(Now now);
  /// For an import, which offers and accounts nothing: the recipient is in this state. `owed`, if
  /// not empty, is its ending as in an outcome record: it is settled, and its sender is still to be
  /// told. False: that ending cannot be read.
  bool restore(const SpoolHandle& message, std::uint32_t recipient, RecipientState state,
               std::string_view owed);

  /// Begins to stop; stopped() turns true when a clean checkpoint is durable.
  void stop() noexcept;
  bool stopped() const noexcept { return stop_ == Stop::stopped; }
  /// An adopted log with nothing left; its files are being unlinked.
  bool drained() noexcept;

  std::uint16_t number() const noexcept { return number_; }
  /// New transactions may begin: outcomes would become durable.
  bool may_issue() const noexcept;
  SpoolStats stats() noexcept;
  /// The slot of a live message, or false.
  bool find(const MessageId& id, SpoolHandle& handle);
  /// The next live message at or after `slot`, which moves behind it; looks at no more than
  /// `budget` slots, which it counts down. False: the budget is spent, or there is none.
  bool next_message(std::uint32_t& slot, std::uint32_t& budget, SpoolHandle& handle);
  /// False: no such message or recipient.
  bool recipient(const SpoolHandle& message, std::uint32_t index, RecipientBrief& brief);
  /// Calls visit(const MessageBrief&) for every live message, in no order.
  template <class Visit>
  void for_each(Visit visit) {
    for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
      if (slots_[slot].recipients > 0) {
        visit(brief(slot));
      }
    }
  }

 private:
  enum class Stop : std::uint8_t { running, finishing, checkpointing, syncing, stopped };
  struct StartSync : SyncOp {
    Log* log = nullptr;
  };

  static SegmentPool::Config pool_config(const SpoolOptions& options, SegmentKind kind,
                                         std::uint16_t number, const Uuid& spool);
  void take_image(LogImage& image);
  void note_receipts();
  void start_syncs();
  void on_start_synced(Completion& done);
  void on_housekeeping(Now now);
  void step_stop();

  void view_loaded(const ViewWaiter& waiter, View* view) override;
  void view_ended(std::uint32_t slot) override;
  void start_open(Job& job);
  void finish_open(Job& job, View& view);
  void finish_settle(Job& job, View& view);
  void record_outcome(const Job& job, const JobRecipient& recipient, MessageSlot& slot,
                      const View& view, std::uint64_t number);
  void close_recipient(MessageSlot& slot, std::uint64_t sequence);
  void end_message(MessageSlot& slot, std::uint64_t sequence);
  void note_owed();
  void forgive_reports();
  void look_for_delays(Now now);
  void fill(const View& view, MessageView& out) const;
  void write_runs(JournalKind kind, std::uint64_t number, const Job& job, bool returned_only);
  void open_waiting();

  void admit_some();
  bool admit_from(Segment& segment, std::uint32_t& budget);
  bool admit_entry(Segment& segment, const SummaryEntry& entry, std::uint32_t index,
                   std::uint32_t& budget);
  void drop_journal();
  /// Accounting and reports need nothing of the journal through this sequence.
  std::uint64_t told_through() const noexcept;
  bool half_full() const noexcept;
  /// A checkpoint makes no room: what it frees waits for accounting.
  bool accounting_holds() noexcept;
  MessageBrief brief(std::uint32_t slot);
  std::uint64_t number_of(const MessageSlot& slot);

  const SpoolOptions& options_;
  std::uint16_t number_;
  Uuid spool_;
  bool accepts_;
  LogPorts ports_;
  std::string folder_;
  SlotTable slots_;
  Journal journal_;
  AcceptanceLog acceptance_;
  Checkpoint checkpoint_;
  AccountingFeed feed_;
  std::unique_ptr<AccountingFeed> reports_;  ///< none: nothing is reported
  std::vector<std::pair<SpoolHandle, std::uint32_t>> owed_at_start_;
  std::uint64_t start_end_ = 0;  ///< sequences below were there at the start
  std::uint64_t reports_lost_ = 0;
  std::uint64_t receipts_lost_ = 0;  ///< their record is damaged
  std::uint32_t delay_cursor_ = 0;   ///< slot to be looked at next
  Views views_;
  MovedMessages moved_;
  Compactor compactor_;
  std::vector<std::unique_ptr<StartSync>> start_syncs_;
  std::uint32_t syncs_left_ = 0;
  bool running_ = false;  ///< what recovery found is durable
  bool begun_ = false;
  bool mail_may_have_room_ = false;  ///< the journal has its first segment
  List<Job, Job> waiting_opens_;
  Timer housekeeping_;
  Stop stop_ = Stop::running;
  std::vector<std::string> to_unlink_;
};

}  // namespace ringpost::spool
