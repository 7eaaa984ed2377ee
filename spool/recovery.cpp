#include "spool/recovery.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/base/hash.h"
#include "spool/bytes.h"
#include "spool/journal_replay.h"
#include "spool/record_reader.h"
#include "spool/record_writer.h"
#include "spool/segment_scan.h"

namespace ringpost::spool {

namespace {

/// Found in a file's first sector.
struct Candidate {
  std::string path;
  FileId file;
  SegmentHeader header;
};

class LogReader {
 public:
  LogReader(const RecoverySource& source, SlotTable& slots, RecoveryReport& report)
      : source_(source), slots_(slots), report_(report) {}

  Result<LogImage> read();

 private:
  Status look_at(const std::string& name, SegmentKind kind);
  void close_candidates();
  Status sort_out(Candidate candidate, SegmentKind kind);
  void set_free(SegmentKind kind, std::string path, std::uint64_t size, bool prepared);
  std::unique_ptr<Segment> open_segment(const Candidate& candidate);
  void read_acceptance(const Candidate& candidate);
  void keep_tail(const JournalReplay& replay);
  bool read_summary(Segment& segment);
  bool intact(const Segment& segment, const SummaryEntry& entry);
  void scan(Segment& segment);
  void take_entry(Segment& segment, const SummaryEntry& entry, bool verified);
  void doubt_copies();
  void settle_states();
  void note(std::string text) { report_.notes.push_back(std::move(text)); }

  const RecoverySource& source_;
  SlotTable& slots_;
  RecoveryReport& report_;
  LogImage image_;
  std::vector<Candidate> acceptance_;
  std::vector<Candidate> journal_;
};

Result<LogImage> LogReader::read() {
  const auto names = source_.disk.list(source_.folder);
  if (!names) {
    return names.error();
  }
  for (const std::string& name : *names) {
    for (const SegmentKind kind : {SegmentKind::acceptance, SegmentKind::journal}) {
      if (segment_name(name, kind) != 0) {
        if (const Status status = look_at(name, kind); !status) {
          close_candidates();
          return status.error();
        }
      }
    }
  }
  const auto by_ordinal = [](const Candidate& a, const Candidate& b) {
    return a.header.ordinal < b.header.ordinal;
  };
  std::sort(acceptance_.begin(), acceptance_.end(), by_ordinal);
  std::sort(journal_.begin(), journal_.end(), by_ordinal);
  for (const Candidate& candidate : journal_) {
    image_.journal.push_back(open_segment(candidate));
  }
  JournalReplay replay(source_.disk, report_);
  replay.read(image_.journal);
  image_.next_sequence = replay.next_sequence();
  if (source_.writable && !replay.clean() && !replay.tail().empty()) {
    keep_tail(replay);
  }
  image_.acceptance_ordinal = std::max(image_.acceptance_ordinal, replay.highest_ordinal());
  for (std::size_t i = 0; i < acceptance_.size(); ++i) {
    const Candidate& candidate = acceptance_[i];
    if (source_.progress != nullptr) {
      source_.progress->on_segment("reading summaries", source_.log, i, acceptance_.size());
    }
    if (replay.retired(candidate.header)) {
      source_.disk.close(candidate.file);
      set_free(SegmentKind::acceptance, candidate.path, candidate.header.size, true);
    } else {
      read_acceptance(candidate);
    }
  }
  replay.apply(image_.acceptance, slots_);
  if (!replay.complete()) {
    doubt_copies();
  }
  report_.clean = report_.clean && replay.clean();
  settle_states();
  return std::move(image_);
}

// After a flush that failed, pages count as clean and a further sync is no use: only writing the
// same bytes again makes sure that they stay, before anything is accounted on their strength.
void LogReader::keep_tail(const JournalReplay& replay) {
  const Segment& last = *image_.journal.back();
  if (!source_.disk.write_now(last.file, replay.tail_offset(), replay.tail(), true)) {
    note(last.path + ": its end cannot be written again; outcomes in it may be lost");
  }
}

Status LogReader::look_at(const std::string& name, SegmentKind kind) {
  const std::uint32_t number = segment_name(name, kind);
  std::uint32_t& highest =
      kind == SegmentKind::acceptance ? image_.acceptance_name : image_.journal_name;
  highest = std::max(highest, number);
  Candidate candidate;
  candidate.path = source_.folder + "/" + name;
  const auto file = source_.disk.open(candidate.path, source_.writable);
  if (!file) {
    return file.error();
  }
  candidate.file = *file;
  char sector[kSector] = {};
  const auto size = source_.disk.size(*file);
  const auto got = source_.disk.read(*file, 0, sector);
  if (!size || !got) {
    ++report_.damaged_segments;
    note(candidate.path + ": its header cannot be read; left alone");
    source_.disk.close(*file);
    return {};
  }
  auto header =
      *got < kSector && *got < *size
          ? Result<SegmentHeader>(Error::of(ErrorCode::damaged, "short read"))
          : (*size < kSector ? Result<SegmentHeader>(Error::of(ErrorCode::not_found, "short"))
                             : decode_segment_header({sector, kSector}));
  if (!header) {
    source_.disk.close(*file);
    if (header.error().code == ErrorCode::unknown_version) {
      return Error::of(ErrorCode::unknown_version, candidate.path + ": " + header.error().detail);
    }
    if (header.error().code == ErrorCode::not_found) {
      // Made, never used. Whether it was prepared to its end is unknown.
      set_free(kind, candidate.path, 0, false);
    } else {
      ++report_.damaged_segments;
      note(candidate.path + ": " + header.error().detail + "; left alone");
    }
    return {};
  }
  candidate.header = *header;
  candidate.header.size = std::min<std::uint64_t>(header->size, *size);
  return sort_out(std::move(candidate), kind);
}

void LogReader::close_candidates() {
  for (const auto* candidates : {&acceptance_, &journal_}) {
    for (const Candidate& candidate : *candidates) {
      source_.disk.close(candidate.file);
    }
  }
}

Status LogReader::sort_out(Candidate candidate, SegmentKind kind) {
  const SegmentHeader& header = candidate.header;
  std::uint32_t& highest =
      kind == SegmentKind::acceptance ? image_.acceptance_ordinal : image_.journal_ordinal;
  highest = std::max(highest, header.ordinal);
  if (header.kind == SegmentKind::free) {
    source_.disk.close(candidate.file);
    set_free(kind, candidate.path, header.size, true);
    return {};
  }
  if (header.kind != kind || header.spool != source_.spool || header.log != source_.log) {
    source_.disk.close(candidate.file);
    ++report_.damaged_segments;
    note(candidate.path + ": belongs to another spool or log; left alone");
    return {};
  }
  (kind == SegmentKind::acceptance ? acceptance_ : journal_).push_back(std::move(candidate));
  return {};
}

void LogReader::set_free(SegmentKind kind, std::string path, std::uint64_t size, bool prepared) {
  const bool acceptance = kind == SegmentKind::acceptance;
  const std::uint64_t wanted = acceptance ? source_.segment_bytes : source_.journal_segment_bytes;
  if (prepared && size != wanted) {
    image_.misfits.push_back(std::move(path));
    return;
  }
  (acceptance ? image_.free_acceptance : image_.free_journal)
      .push_back({std::move(path), prepared});
}

std::unique_ptr<Segment> LogReader::open_segment(const Candidate& candidate) {
  auto segment = std::make_unique<Segment>();
  segment->path = candidate.path;
  segment->file = candidate.file;
  segment->header = candidate.header;
  segment->state = SegmentState::sealed;
  if (auto mapping = source_.disk.map(candidate.file)) {
    segment->mapping = std::move(*mapping);
    segment->bytes = segment->mapping->bytes().substr(0, candidate.header.size);
  }
  return segment;
}

void LogReader::read_acceptance(const Candidate& candidate) {
  auto segment = open_segment(candidate);
  if (segment->bytes.size() != candidate.header.size) {
    ++report_.damaged_segments;
    note(candidate.path + ": cannot be mapped; left alone");
    segment->mapping.reset();
    source_.disk.close(candidate.file);
    return;
  }
  if (!read_summary(*segment)) {
    scan(*segment);
  }
  image_.acceptance.push_back(std::move(segment));
}

bool LogReader::read_summary(Segment& segment) {
  const SegmentHeader& header = segment.header;
  std::vector<char> block(header.block_bytes);
  const auto got = source_.disk.read(segment.file, header.size - header.block_bytes, block);
  if (!got || *got != block.size()) {
    return false;
  }
  const auto footer =
      decode_summary_footer({block.data(), block.size()}, header.generation, header.size);
  if (!footer) {
    return false;
  }
  std::string summary(footer->summary_bytes, '\0');
  const auto read = source_.disk.read(segment.file, footer->summary_offset, summary);
  if (!read || *read != summary.size() || hash64(summary, header.generation) != footer->hash) {
    return false;
  }
  segment.summary = std::move(summary);
  segment.next_local = footer->locals;
  segment.slots.assign(std::min(footer->locals, kLocalMax), kNone);
  segment.append = header.size;
  std::size_t position = 0;
  while (const auto entry = next_summary_entry(segment.summary, position)) {
    const bool doubtful = entry->local >= footer->vouched;
    if (doubtful && !intact(segment, *entry)) {
      ++report_.tail_cuts;
    } else {
      take_entry(segment, *entry, doubtful);
    }
  }
  return true;
}

// Of a record that an earlier start found and that no later batch vouches for: it may have stood
// in the page cache alone, after a flush that failed.
bool LogReader::intact(const Segment& segment, const SummaryEntry& entry) {
  std::string room(std::min<std::uint64_t>(entry.bytes, segment.header.size), '\0');
  const auto got = source_.disk.read(segment.file, entry.begin, room);
  if (!got || *got != room.size()) {
    return false;
  }
  const auto head = decode_record_head(segment.bytes, segment.header.generation, entry.head);
  return head && record_intact(segment.bytes, entry.head, *head);
}

void LogReader::scan(Segment& segment) {
  ++report_.scanned_segments;
  SegmentScan scan;
  scan_segment(source_.disk, segment.file, segment.header, scan);
  segment.summary = std::move(scan.summary);
  segment.next_local = scan.locals;
  segment.next_batch = scan.batches;
  segment.vouched = scan.vouched;
  segment.append = scan.end;
  segment.slots.assign(scan.locals, kNone);
  // An intact one is given its summary now; a damaged one is left as it is.
  segment.state = SegmentState::draining;
  segment.write_failed = scan.torn + scan.damaged_records + scan.damaged_batches > 0;
  segment.keep = scan.damaged_records + scan.damaged_batches > 0;
  report_.tail_cuts += scan.torn;
  report_.damaged_records += scan.damaged_records;
  report_.damaged_batches += scan.damaged_batches;
  report_.commit_indeterminate += scan.unconfirmed;
  for (const std::string& place : scan.places) {
    note(segment.path + ": " + place);
  }
  std::size_t position = 0;
  while (const auto entry = next_summary_entry(segment.summary, position)) {
    take_entry(segment, *entry, true);
  }
}

void LogReader::take_entry(Segment& segment, const SummaryEntry& entry, bool verified) {
  ++segment.entries;
  if (entry.local >= segment.slots.size() || segment.slots[entry.local] != kNone ||
      std::uint64_t{entry.begin} + entry.bytes > segment.header.size) {
    return;
  }
  const std::uint32_t index = slots_.take(entry.recipients, true);
  if (index == kNone) {
    return;
  }
  MessageSlot& slot = slots_[index];
  // Until the log has its table, the slot names the segment's place in the image.
  slot.segment = static_cast<std::uint32_t>(image_.acceptance.size());
  slot.local = entry.local;
  slot.head = entry.head;
  slot.begin = entry.begin;
  slot.bytes = entry.bytes;
  slot.flags = verified ? MessageSlot::kVerified : 0;
  slot.delay_look_s = kLookSoon;
  // A copy was made long after its receipts were noted.
  const bool asks = !entry.copy && IndexReader(entry.index).receipts();
  slot.receipted = asks ? 0 : entry.recipients;
  segment.slots[entry.local] = index;
  if (entry.copy) {
    // It counts from the moment when the journal says so; until then the message is its source.
    segment.born.resize(segment.slots.size());
    segment.born[entry.local] = entry.born;
    slot.flags |= MessageSlot::kUnproven;
    for (std::uint32_t i = 0; i < slot.recipients; ++i) {
      slot.state(i).set(RecipientState::kSettled);
    }
  }
}

// Where the journal lost what it said of copies, one whose source is gone may be all there is of
// its message: better offered again than lost.
void LogReader::doubt_copies() {
  std::map<MessageId, MessageSlot*> copies;  // the latest of each
  std::set<MessageId> known;
  for (const auto& segment : image_.acceptance) {
    for (std::uint32_t local = 0; local < segment->slots.size(); ++local) {
      if (segment->slots[local] == kNone) {
        continue;
      }
      MessageSlot& slot = slots_[segment->slots[local]];
      const bool unproven = (slot.flags & MessageSlot::kUnproven) != 0;
      if (unproven) {
        copies[segment->id_of(local)] = &slot;
      } else {
        known.insert(segment->id_of(local));
      }
    }
  }
  for (const auto& [id, slot] : copies) {
    for (std::uint32_t i = 0; i < slot->recipients && known.count(id) == 0; ++i) {
      slot->state(i).unset(RecipientState::kSettled);
    }
  }
}

/// Drops what is settled, counts what is not.
void LogReader::settle_states() {
  for (const auto& segment : image_.acceptance) {
    for (std::uint32_t& index : segment->slots) {
      if (index == kNone) {
        continue;
      }
      MessageSlot& slot = slots_[index];
      slot.open = 0;
      std::uint32_t unsettled = 0;
      for (std::uint32_t i = 0; i < slot.recipients; ++i) {
        RecipientState& state = slot.state(i);
        if (!state.has(RecipientState::kSettled)) {
          state.unset(RecipientState::kOwed);  // nothing to report yet, whatever the journal says
        }
        slot.open += state.open() ? 1 : 0;
        report_.reports_owed += state.has(RecipientState::kOwed) ? 1 : 0;
        if (state.has(RecipientState::kSettled)) {
          continue;
        }
        ++unsettled;
        if (state.has(RecipientState::kIssued)) {
          state.unset(RecipientState::kIssued);
          state.set(RecipientState::kAmbiguous);
        }
        report_.ambiguous += state.has(RecipientState::kAmbiguous) ? 1 : 0;
      }
      if (slot.open == 0) {
        slots_.give(index);
        index = kNone;
        continue;
      }
      ++segment->live;
      segment->live_bytes += slot.bytes;
      report_.messages += unsettled > 0 ? 1 : 0;
      report_.recipients += unsettled;
    }
    if (segment->live == 0) {
      segment->summary.clear();
      segment->state = SegmentState::sealed;
    }
    segment->last_outcome = image_.next_sequence - 1;
  }
}

}  // namespace

void RecoveryReport::add(const RecoveryReport& other) {
  messages += other.messages;
  recipients += other.recipients;
  ambiguous += other.ambiguous;
  commit_indeterminate += other.commit_indeterminate;
  refused_dropped += other.refused_dropped;
  tail_cuts += other.tail_cuts;
  damaged_records += other.damaged_records;
  damaged_batches += other.damaged_batches;
  damaged_segments += other.damaged_segments;
  reports_owed += other.reports_owed;
  lost_outcomes += other.lost_outcomes;
  scanned_segments += other.scanned_segments;
  clean = clean && other.clean;
  notes.insert(notes.end(), other.notes.begin(), other.notes.end());
}

std::string RecoveryReport::summary() const {
  std::string text = std::to_string(messages) + " messages with " + std::to_string(recipients) +
                     " recipients waiting, " + std::to_string(ambiguous) + " ambiguous, after " +
                     (clean ? "a clean stop" : "an unclean stop");
  const auto add = [&](std::uint64_t count, const char* what) {
    if (count > 0) {
      text += ", " + std::to_string(count) + " " + what;
    }
  };
  add(reports_owed, "reports to senders owed");
  add(commit_indeterminate, "messages with commit_indeterminate");
  add(refused_dropped, "refused commits dropped");
  add(tail_cuts, "torn tails cut");
  add(damaged_records, "records damaged");
  add(damaged_batches, "batches damaged");
  add(damaged_segments, "segments damaged");
  add(lost_outcomes, "journal records lost");
  return text;
}

Result<LogImage> read_log(const RecoverySource& source, SlotTable& slots, RecoveryReport& report) {
  return LogReader(source, slots, report).read();
}

}  // namespace ringpost::spool
