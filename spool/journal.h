#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/list.h"
#include "core/mail/job.h"
#include "spool/journal_record.h"
#include "spool/options.h"
#include "spool/segment.h"

namespace ringpost::spool {

/// The outcome journal of one log: gathers records, writes them once a turn, syncs them in the
/// background, moves from segment to segment. Records not known synced are kept in memory, so
/// that after an error they can be written again elsewhere.
class Journal : private SegmentOwner {
 public:
  Journal(const SpoolOptions& options, SegmentPool::Config config, Loop& loop, Disk& disk,
          Entropy& entropy);
  ~Journal() override;

  // Recovery.

  SegmentPool& pool() noexcept { return pool_; }
  /// An older segment that is still needed; in order.
  void adopt(std::unique_ptr<Segment> segment);
  /// The first sequence of this run. From now on records may be added; they gather.
  void resume(std::uint64_t next_sequence) noexcept;
  /// Everything adopted is durable: opens a segment and starts to write.
  void begin();

  // Records. Each returns the record's sequence.

  template <class Fields>
  std::uint64_t add(JournalKind kind, Fields fields) {
    CountingOut counting;
    write_journal_record(counting, kind, fields);
    Batch& batch = room_for(counting.size);
    BodyOut out{batch.body};
    write_journal_record(out, kind, fields);
    ++batch.records;
    if (kind == JournalKind::outcome) {
      ++batch.outcomes;
      ++unsynced_outcomes_;
    }
    return next_sequence_++;
  }
  /// job.settled completes once all records added so far are written.
  void notify_written(Job& job);
  /// job.opened completes once all records added so far are durable; the sync begins as soon as
  /// they are written.
  void notify_durable(Job& job);

  // Driving.

  /// Writes what has gathered. True while nothing but this turn's end held it back.
  void end_of_turn(Now now);
  /// Syncs now unless one was made very recently: called when a commit flushes the device anyway.
  void sync_along(Now now);
  /// Syncs everything as soon as possible, over and over until all is synced.
  void sync_all() noexcept { hurry_ = true; }
  /// Returns segments wholly at or below `sequence` to the pool.
  void drop_through(std::uint64_t sequence);
  /// No operation is in flight and nothing waits to be written.
  bool idle() const noexcept;

  // State.

  std::uint64_t next_sequence() const noexcept { return next_sequence_; }
  /// All records with this sequence or below are durable.
  std::uint64_t synced() const noexcept { return synced_; }
  /// False after an error, until everything is durable elsewhere.
  bool healthy() const noexcept { return synced_ >= repaired_at_; }
  bool ready() const noexcept { return state_ == State::ready; }
  std::uint32_t unsynced_outcomes() const noexcept { return unsynced_outcomes_; }
  std::uint64_t used_bytes() const noexcept;
  /// Octets of segments used up in this run, what was left empty between syncs and at their ends
  /// included.
  std::uint64_t written_bytes() const noexcept { return written_bytes_; }
  std::uint64_t errors() const noexcept { return errors_; }
  List<Segment>& segments() noexcept { return segments_; }

 private:
  enum class State : std::uint8_t {
    unused,        ///< begin() was not called
    need_segment,  ///< waits for a spare
    opening,       ///< the next segment's header is being written
    ready,
    closing,  ///< full: what it holds is synced before the next is opened
    failing,  ///< an operation failed: waits until none is in flight
  };
  struct Batch : ListLink<> {
    char head[kBatchHeaderBytes];
    std::string body;
    std::uint64_t first = 0;
    std::uint32_t records = 0;
    std::uint32_t outcomes = 0;
    std::uint32_t index = 0;
    List<Job, Job> jobs;   ///< complete `settled` when it is written
    List<Job, Job> opens;  ///< complete `opened` when it is synced
  };
  struct BodyOut {
    std::string& body;
    void put(const void* data, std::size_t bytes) {
      body.append(static_cast<const char*>(data), bytes);
    }
  };
  static constexpr std::size_t kBatchesPerWrite = 64;

  void segment_opened(Segment& segment, std::int32_t result) override;
  Batch& room_for(std::size_t bytes);
  Batch* last_unwritten() noexcept;
  void queue_filling();
  void flush();
  void start_write();
  void move_on();
  void open_next();
  void start_sync();
  void fail();
  void requeue_unsynced();
  void on_written(Completion& done);
  void on_synced(Completion& done);
  void on_sync_due(Now now);
  void recycle(Batch& batch);
  void sync_for_opens();

  const SpoolOptions& options_;
  Loop& loop_;
  Disk& disk_;
  SegmentPool pool_;
  State state_ = State::unused;

  std::uint64_t next_sequence_ = 1;
  std::uint64_t synced_ = 0;
  std::uint64_t resumed_after_ = 0;
  std::uint64_t repaired_at_ = 0;
  std::uint64_t sync_mark_ = 0;
  std::uint32_t unsynced_outcomes_ = 0;
  std::uint32_t opens_waiting_ = 0;
  std::uint64_t written_bytes_ = 0;
  std::uint64_t errors_ = 0;
  bool hurry_ = false;
  bool page_break_ = false;  ///< the next batch begins on a new page
  Instant last_sync_;

  List<Segment> segments_;  ///< in order; the last one is written to
  Segment* active_ = nullptr;
  Segment* opening_ = nullptr;
  List<Batch> queue_;  ///< complete, not yet written
  List<Batch> writing_;
  List<Batch> unsynced_;
  List<Batch> spare_batches_;
  Batch* filling_ = nullptr;
  std::vector<std::unique_ptr<Batch>> batches_;

  WriteOp write_;
  std::vector<Slice> slices_;
  std::uint64_t write_bytes_ = 0;
  SyncOp sync_;
  Timer sync_timer_;
};

}  // namespace ringpost::spool
