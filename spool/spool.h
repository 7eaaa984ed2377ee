#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/loop/loop.h"
#include "core/mail/doors.h"
#include "spool/chunks.h"
#include "spool/folder.h"
#include "spool/log.h"
#include "spool/options.h"
#include "spool/recovery.h"

namespace ringpost::spool {

/// The spool of one shard: the log dealt to it, and adopted logs that drain. All calls from the
/// shard's thread. Add it to the loop as a hook after start(); ports, sinks and the SpoolFolder
/// outlive it. Destroy it only after stop() has completed, or when the process ends anyway (a
/// crash is always safe).
class Spool final : public MessageSink, public BodySource, public TurnHook {
 public:
  /// `logs`: of SpoolFolder::logs_of(); the first takes mail.
  Spool(SpoolOptions options, const Uuid& id, const std::vector<std::uint16_t>& logs,
        const LogPorts& ports);
  ~Spool() override;

  /// Reads what is on disk. Blocks; before the loop runs. Nothing is admitted or written yet.
  Result<RecoveryReport> start();

  Result<MessageWriter*> begin(std::uint64_t declared_bytes) override;
  /// As begin(), for a report on mail that ended here: see Log::begin_report().
  Result<MessageWriter*> begin_report(std::uint64_t declared_bytes);
  /// Largest message taken, in wire form.
  std::uint64_t message_max() const noexcept { return options_.message_max; }
  /// See Log::owes() and Log::reported().
  bool owes(const SpoolHandle& message, std::uint32_t recipient) noexcept;
  void reported(const SpoolHandle& message, std::span<const std::uint32_t> recipients);
  /// See Log::delay_reported() and Log::look_later().
  void delay_reported(const SpoolHandle& message, std::span<const std::uint32_t> recipients,
                      std::uint8_t count);
  void look_later(const SpoolHandle& message, std::uint32_t unix_seconds) noexcept;
  /// See Log::note_queue(); in the log that takes mail.
  void note_queue(const SettledRecord& record) { logs_.front()->note_queue(record); }
  /// -ENOENT: no such message any more; -EIO: its record is damaged or unreadable, it is
  /// quarantined and must not be offered again; -ESHUTDOWN. Waits while may_issue() is false.
  void open(Job& job) override;
  /// Also for jobs that were never opened (expiry, cancellation): what was not attempted has
  /// Phase::queue.
  void settle(Job& job) override;
  bool end_of_turn(Now now) override;

  /// No mail is taken, no job opened any more; jobs out are settled first. `done` completes with
  /// 0 when a clean checkpoint is durable.
  void stop(Completion& done);

  /// False while outcomes would not become durable (journal error, too many unsynced).
  bool may_issue() const noexcept;
  SpoolStats stats() noexcept;
  /// The handle of a live message of this shard; false: unknown here.
  bool find(const MessageId& id, SpoolHandle& handle);
  /// Walks over the live messages of this shard, see Log::next_message(). False with budget left:
  /// that was all.
  bool next_message(MessageCursor& cursor, std::uint32_t& budget, SpoolHandle& handle);
  bool recipient(const SpoolHandle& message, std::uint32_t index, RecipientBrief& brief);
  /// Calls visit(const MessageBrief&) for every live message of this shard.
  template <class Visit>
  void for_each_message(Visit visit) {
    for (const auto& log : logs_) {
      log->for_each(visit);
    }
  }
  /// Lends a message to look at. release() after result 0.
  void inspect(InspectOp& op);
  void release(InspectOp& op);

 private:
  Log* log_of(std::uint16_t number) noexcept;
  Status may_accept();

  SpoolOptions options_;
  Instant space_known_until_;  ///< what was last seen of the file system holds so long
  std::uint64_t free_bytes_ = 0;
  ChunkPool chunks_;
  LogPorts ports_;
  std::vector<std::unique_ptr<Log>> logs_;
  Completion* stopped_ = nullptr;
};

}  // namespace ringpost::spool
