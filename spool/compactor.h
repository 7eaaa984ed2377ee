#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "core/base/hash.h"
#include "core/loop/disk.h"
#include "core/loop/loop.h"
#include "spool/acceptance_log.h"
#include "spool/journal.h"
#include "spool/options.h"
#include "spool/slots.h"

namespace ringpost::spool {

/// Messages that lie as copies: their slots, by the low half of the id that they keep.
using MovedMessages = std::unordered_map<std::uint64_t, std::uint32_t>;

/// What was rewritten since the start.
struct CompactionFigures {
  std::uint64_t segments = 0;  ///< emptied
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t damaged = 0;  ///< messages found broken: quarantined
};

/// Copies the live rest of mostly dead segments of one log into a fresh one, so that the space of
/// what is settled comes back. A copy is durable before the journal says that it counts, and the
/// source stays until that is durable too; a crash in between leaves either. What is lent out is
/// not moved, and a segment outlives the views of it. Runs from a timer, a small write at a time,
/// and waits while mail is being committed.
class Compactor {
 public:
  Compactor(const SpoolOptions& options, Loop& loop, Disk& disk, SlotTable& slots,
            AcceptanceLog& acceptance, Journal& journal, MovedMessages& moved);
  Compactor(const Compactor&) = delete;
  Compactor& operator=(const Compactor&) = delete;
  ~Compactor();

  void begin(Now now);
  /// Begins nothing more; what is under way ends or is given up.
  void stop();
  bool idle() const noexcept { return populate_.idle() && write_.idle(); }
  const CompactionFigures& figures() const noexcept { return figures_; }

 private:
  /// One message on its way.
  struct Copy {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
    std::uint32_t local = 0;         ///< in the source
    std::uint64_t source_meta = 0;   ///< where index and envelope begin in the source
    std::uint32_t source_bytes = 0;  ///< of index and envelope there
    std::uint64_t source_content = 0;
    std::uint64_t offset = 0;  ///< of the record in the target
    MessageId id;
    RecordHead head;  ///< as in the target
    char encoded[kRecordHeadBytes] = {};
    char born[kBornBytes] = {};
  };
  /// A message too large for one write: its content goes first, piece by piece.
  struct Large {
    bool active = false;
    Copy copy;
    std::uint64_t begin = 0;  ///< of its reservation in the target
    std::uint64_t end = 0;
    std::uint64_t written = 0;
    Hasher64 hasher;
  };
  static constexpr std::size_t kCopiesMax = 128;

  void on_due(Now now);
  void later(Duration wait);
  void look();
  bool take_source();
  void leave_source();
  void give_up();
  void gather();
  bool still(const Copy& copy) noexcept;
  bool describe(const Copy& wanted, bool with_content, Copy& out);
  void damaged(std::uint32_t slot);
  void on_populated(Completion& done);
  void write_run();
  void start_large();
  void write_piece();
  void end_piece();
  void leave_large();
  void add(const Copy& copy, std::uint64_t start, std::uint64_t& used, bool with_content);
  void write_batch(std::uint64_t start, std::uint64_t used);
  void on_written(Completion& done);
  void switch_over();
  void move(const Copy& copy);

  const SpoolOptions& options_;
  Loop& loop_;
  Disk& disk_;
  SlotTable& slots_;
  AcceptanceLog& acceptance_;
  Journal& journal_;
  MovedMessages& moved_;

  bool stopping_ = false;
  Timer timer_;
  std::uint32_t put_off_ = 0;              ///< times that commits had precedence, in a row
  std::vector<std::uint32_t> candidates_;  ///< ordinals, the next one last
  Segment* source_ = nullptr;              ///< pinned
  Segment* target_ = nullptr;              ///< of what is being written
  std::uint32_t cursor_ = 0;               ///< local number in the source to go on at
  std::vector<Copy> run_;                  ///< chosen, being populated
  std::vector<Copy> copies_;               ///< in the batch that is being written
  Large large_;

  PopulateOp populate_;
  WriteOp write_;
  char batch_head_[kBatchHeaderBytes] = {};
  std::uint32_t batch_index_ = 0;
  std::uint64_t write_bytes_ = 0;
  std::vector<Slice> slices_;
  CompactionFigures figures_;
};

}  // namespace ringpost::spool
