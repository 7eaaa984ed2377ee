#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/mail/doors.h"
#include "spool/acceptance_writer.h"
#include "spool/chunks.h"
#include "spool/journal.h"
#include "spool/options.h"
#include "spool/receipts.h"
#include "spool/segment.h"
#include "spool/slots.h"

namespace ringpost::spool {

/// Segments with messages of one log: gathers, commits by batches, streams large messages, seals
/// and retires. One batch is in flight; what is committed meanwhile forms the next.
class AcceptanceLog : private SegmentOwner {
 public:
  AcceptanceLog(const SpoolOptions& options, SegmentPool::Config config, Loop& loop, Disk& disk,
                Entropy& entropy, SlotTable& slots, Journal& journal, ChunkPool* chunks);
  ~AcceptanceLog() override;

  SegmentPool& pool() noexcept { return pool_; }
  /// Recovery: a sealed or draining segment with its messages. Returns it with its index in the
  /// table.
  Segment& adopt(std::unique_ptr<Segment> segment);

  /// A new message; see MessageSink::begin().
  Result<MessageWriter*> begin(std::uint64_t declared_bytes);
  /// Forms and writes the next batch; opens, seals and retires segments.
  void end_of_turn(Now now);
  /// No new messages; what is committed is finished, then segments are sealed.
  void stop();
  bool idle() const noexcept;

  /// A message of so many bytes is needed in this segment no more: the journal record `sequence`
  /// says so.
  void message_ended(Segment& segment, std::uint32_t bytes, std::uint64_t sequence);
  void pin(Segment& segment) noexcept { ++segment.pins; }
  void unpin(Segment& segment) noexcept;

  /// By index in the table, which slots name; null where none is.
  std::vector<Segment*>& table() noexcept { return table_; }
  Segment* find(std::uint32_t ordinal) noexcept;
  /// Segments with summary entries not yet admitted, oldest first.
  std::vector<Segment*>& to_admit() noexcept { return to_admit_; }
  /// All of `segment`'s entries are admitted: its summary may go when it is sealed.
  void admitted(Segment& segment);
  /// Calls visit(const SegmentHeader&) for every segment that may hold live messages.
  template <class Visit>
  void for_each_live(Visit visit) const {
    for (const Segment* segment : table_) {
      if (segment != nullptr) {
        visit(segment->header);
      }
    }
  }
  /// Segments with this ordinal or above are not in the table yet.
  std::uint32_t next_ordinal() const noexcept;

  // A segment for copies, which the compactor fills.

  /// Opens one, unless that took one of the spares that are kept for new mail.
  void open_copies();
  /// Ready to be written to; null: none is.
  Segment* copies() noexcept { return copies_ready_ ? copies_ : nullptr; }
  /// It takes no more: it is sealed when its writes have ended.
  void drain_copies();
  /// Where records must end, so that a summary with so many more bytes finds room.
  std::uint64_t limit(const Segment& segment, std::uint64_t new_summary_bytes) const;
  /// Bytes that were just written count as present in memory.
  void touch(Segment& segment, std::uint64_t begin, std::uint64_t end);
  /// A batch of this segment has ended; its summary changed; it may be sealed.
  void look_again() noexcept { look_ = true; }
  /// Mail is being made durable.
  bool committing() const noexcept { return !batch_.idle() || !committing_.empty(); }

  std::uint64_t committed() const noexcept { return committed_; }
  std::uint64_t commits() const noexcept { return commits_; }
  std::uint64_t failed_commits() const noexcept { return failed_commits_; }
  std::uint64_t live_bytes() const noexcept;
  /// Of messages not settled.
  std::uint64_t messages_bytes() const noexcept;
  /// The reason why a message of so many bytes is not taken: negative errno, or 0.
  std::int32_t trouble(std::uint64_t bytes) const noexcept;

 private:
  friend class Writer;

  /// One write of records, and who waits for it.
  struct CommitBatch : WriteOp {
    char head[kBatchHeaderBytes];
    std::vector<Slice> slice_list;
    List<Writer> writers;
    Segment* segment = nullptr;
    std::uint64_t bytes = 0;
    std::uint32_t index = 0;
  };
  /// A large message on its way into its extent.
  struct Stream {
    struct Write : WriteOp {
      Stream* stream = nullptr;
    };
    struct Sync : SyncOp {
      Stream* stream = nullptr;
    };

    Writer* writer = nullptr;
    Segment* segment = nullptr;  ///< null: waits for room
    std::uint64_t begin = 0;     ///< the reservation
    std::uint64_t end = 0;
    std::uint64_t written = 0;
    Segment* old_segment = nullptr;  ///< being copied from
    std::uint64_t old_begin = 0;
    std::uint64_t old_end = 0;
    std::int32_t error = 0;
    bool synced = false;
    ChunkChain in_flight;
    std::vector<Slice> slice_list;
    Write write;
    std::uint64_t write_bytes = 0;
    Sync sync;
    CommitBatch batch;
    Completion* waiter = nullptr;

    bool busy() const { return !write.idle() || !sync.idle() || !batch.idle(); }
  };

  void segment_opened(Segment& segment, std::int32_t result) override;
  void open_next();
  bool take_next();
  void enter(Segment& segment);

  // Writers.
  Status append(Writer& writer, std::string_view run);
  bool has_room(Writer& writer, Completion& when_room);
  void commit(Writer& writer, const Submission& submission, CommitOp& op);
  void abandon(Writer& writer);
  void finish(Writer& writer, std::int32_t result);

  // Batches.
  void flush(Now now);
  std::size_t fill_batch(CommitBatch& batch, Segment& segment);
  std::uint64_t add_record(CommitBatch& batch, Writer& writer, std::uint64_t offset);
  void start_batch(CommitBatch& batch, std::uint64_t offset, std::uint64_t used);
  void on_batch(Completion& done);
  void accept(Segment& segment, Writer& writer);
  void refuse(CommitBatch& batch, std::int32_t error);
  void fail_waiting();

  // Streams (acceptance_stream.cpp).
  bool start_stream(Writer& writer);
  void advance(Stream& stream);
  bool place(Stream& stream, std::uint64_t bytes);
  bool make_room(Stream& stream);
  void copy_over(Stream& stream);
  void write_stream(Stream& stream);
  std::uint64_t fill_block(Stream& stream, std::uint64_t end) const;
  void write_head(Stream& stream);
  void end_stream(Stream& stream);
  void leave_extent(Segment& segment, std::uint64_t begin, std::uint64_t used, std::uint64_t end);
  void wake(Stream& stream);
  void on_stream_written(Completion& done);
  void on_stream_synced(Completion& done);
  void advance_waiting();

  // Segments.
  void drain(Segment& segment);
  void seal(Segment& segment);
  void on_sealed(Completion& done);
  void retire();
  void give_summary_back(Segment& segment);

  const SpoolOptions& options_;
  Loop& loop_;
  Disk& disk_;
  SlotTable& slots_;
  Journal& journal_;
  Receipts receipts_;
  SegmentPool pool_;
  std::vector<Segment*> table_;
  std::vector<Segment*> to_admit_;
  Segment* active_ = nullptr;
  Segment* next_ = nullptr;
  bool next_ready_ = false;
  Segment* copies_ = nullptr;
  bool copies_ready_ = false;
  bool stopping_ = false;
  bool waiting_ = false;  ///< some stream waits for room
  bool look_ = false;     ///< some segment may have become ready to seal or retire
  std::uint64_t looked_synced_ = 0;

  std::vector<std::unique_ptr<Writer>> writers_;
  List<Writer> free_writers_;
  std::uint32_t writers_in_use_ = 0;
  List<Writer> committing_;
  CommitBatch batch_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Stream*> free_streams_;
  std::vector<std::string> free_summaries_;
  ChunkPool* chunks_;

  std::uint64_t committed_ = 0;
  std::uint64_t commits_ = 0;
  std::uint64_t failed_commits_ = 0;
};

}  // namespace ringpost::spool
