#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/loop/disk.h"
#include "spool/journal_record.h"
#include "spool/recovery.h"
#include "spool/segment.h"
#include "spool/slots.h"

namespace ringpost::spool {

/// Reads a log's journal back: finds the last complete checkpoint, then applies it and all that
/// came after to the messages found. Keeps only the segments that replay needs in memory.
class JournalReplay {
 public:
  JournalReplay(Disk& disk, RecoveryReport& report) : disk_(disk), report_(report) {}

  /// `segments` in order; their last_sequence is set.
  void read(const std::vector<std::unique_ptr<Segment>>& segments);
  /// Whether the checkpoint says that this acceptance segment holds nothing live.
  bool retired(const SegmentHeader& header) const;
  void apply(const std::vector<std::unique_ptr<Segment>>& acceptance, SlotTable& slots);

  std::uint64_t next_sequence() const { return next_sequence_; }
  /// Of acceptance segments, as far as the journal knows.
  std::uint32_t highest_ordinal() const { return highest_ordinal_; }
  bool clean() const { return clean_; }
  /// Nothing that the journal once said is missing.
  bool complete() const { return complete_; }
  /// The batches at the end that nothing vouches for: they may stand in the page cache alone.
  std::uint64_t tail_offset() const { return tail_offset_; }
  std::string_view tail() const { return tail_; }

 private:
  struct Loaded {
    std::string bytes;
    std::vector<JournalBatchView> batches;  ///< those that count, in order
  };

  void load(Segment& segment, const Segment* after);
  bool find_checkpoint(const Loaded& loaded);
  void read_begin(std::string_view fields);
  void apply_record(const JournalRecord& record);
  void apply_runs(const JournalRecord& record);
  void apply_outcome(std::string_view fields);
  void apply_dropped(std::string_view fields);
  void apply_note(std::uint64_t number, Decoder decode);
  void apply_moved(std::uint64_t number, Decoder& decode);
  void apply_receipt(MessageSlot* slot, std::string_view rest);
  void apply_part(std::string_view fields);
  MessageSlot* message(std::uint64_t number);

  Disk& disk_;
  RecoveryReport& report_;
  std::map<std::uint32_t, Loaded> loaded_;  ///< by ordinal
  std::uint64_t next_sequence_ = 1;
  std::uint64_t checkpoint_ = 0;  ///< sequence of its begin; 0: none found
  std::uint32_t checkpoint_next_ordinal_ = 0;
  std::map<std::uint32_t, std::uint64_t> checkpoint_live_;
  std::uint32_t highest_ordinal_ = 0;
  bool clean_ = false;
  bool complete_ = true;
  std::uint64_t tail_offset_ = 0;
  std::string_view tail_;  ///< into loaded_

  SlotTable* slots_ = nullptr;
  std::map<std::uint32_t, Segment*> segments_;  ///< acceptance, by ordinal
};

}  // namespace ringpost::spool
