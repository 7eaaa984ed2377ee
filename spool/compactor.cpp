#include "spool/compactor.h"

#include <algorithm>

#include "spool/bytes.h"
#include "spool/record_writer.h"

namespace ringpost::spool {

namespace {

/// So often in a row a write stands back for commits; a host that always commits compacts too.
constexpr std::uint32_t kPutOffMost = 50;
/// What lies between messages of one run is brought in with them, up to so many times their size.
constexpr std::uint64_t kSpanOfRun = 4;

}  // namespace

Compactor::Compactor(const SpoolOptions& options, Loop& loop, Disk& disk, SlotTable& slots,
                     AcceptanceLog& acceptance, Journal& journal, MovedMessages& moved)
    : options_(options),
      loop_(loop),
      disk_(disk),
      slots_(slots),
      acceptance_(acceptance),
      journal_(journal),
      moved_(moved) {
  timer_.bind<&Compactor::on_due>(this);
  populate_.bind<&Compactor::on_populated>(this);
  write_.bind<&Compactor::on_written>(this);
}

Compactor::~Compactor() { loop_.timers().disarm(timer_); }

void Compactor::begin(Now now) {
  if (options_.compact_percent > 0) {
    loop_.timers().arm(timer_, now.instant + options_.compact_look);
  }
}

void Compactor::stop() {
  if (!stopping_) {
    stopping_ = true;
    loop_.timers().disarm(timer_);
  }
  if (idle()) {
    give_up();
  }
}

void Compactor::later(Duration wait) {
  if (!stopping_) {
    loop_.timers().arm(timer_, loop_.now().instant + wait);
  }
}

// Choosing.

void Compactor::on_due(Now) {
  if (source_ == nullptr && !take_source()) {
    later(options_.compact_look);
    return;
  }
  const bool strained =
      !journal_.healthy() || 4 * journal_.used_bytes() > 3 * options_.journal_max_bytes;
  if (strained || (acceptance_.committing() && ++put_off_ < kPutOffMost)) {
    later(options_.compact_pause);
    return;
  }
  put_off_ = 0;
  if (acceptance_.copies() == nullptr) {
    acceptance_.open_copies();
    later(options_.retry_interval);
    return;
  }
  if (large_.active) {
    write_piece();
  } else {
    gather();
  }
}

// A segment that loses half of what it has from one look to the next is being delivered: it will
// be empty by itself before long.
void Compactor::look() {
  for (Segment* segment : acceptance_.table()) {
    if (segment == nullptr || segment->state != SegmentState::sealed) {
      continue;
    }
    const bool little =
        segment->live_bytes <= segment->header.size / 100 * options_.compact_percent;
    const bool lasting =
        segment->looked_live > 0 && 2 * segment->live_bytes >= segment->looked_live;
    const bool sound = !segment->keep && !segment->suspect;
    if (little && lasting && sound && segment->live > 0 && segment->summary.empty()) {
      candidates_.push_back(segment->ordinal());
    }
    segment->looked_live = segment->live_bytes;
  }
  const Segment* copies = acceptance_.copies();
  if (copies == nullptr && candidates_.size() < 2) {
    candidates_.clear();  // one for one gains nothing
  } else if (copies != nullptr && copies->live == 0 && copies->entries > 0) {
    acceptance_.drain_copies();
  }
  std::sort(candidates_.rbegin(), candidates_.rend());  // the oldest last: it is taken first
}

bool Compactor::take_source() {
  if (candidates_.empty()) {
    look();
  }
  while (source_ == nullptr && !candidates_.empty()) {
    Segment* segment = acceptance_.find(candidates_.back());
    candidates_.pop_back();
    if (segment != nullptr && segment->live > 0 && !segment->keep && !segment->suspect) {
      source_ = segment;
      acceptance_.pin(*source_);
      cursor_ = 0;
    }
  }
  return source_ != nullptr;
}

void Compactor::leave_source() {
  if (source_ != nullptr) {
    figures_.segments += source_->live == 0 ? 1 : 0;
    acceptance_.unpin(*source_);
    source_ = nullptr;
  }
}

void Compactor::give_up() {
  leave_large();
  run_.clear();
  copies_.clear();
  candidates_.clear();
  leave_source();
}

// The next neighbours that one write can take.
void Compactor::gather() {
  run_.clear();
  std::uint64_t begin = ~std::uint64_t{0};
  std::uint64_t end = 0;
  std::uint64_t bytes = 0;
  for (; cursor_ < source_->slots.size(); ++cursor_) {
    const std::uint32_t index = source_->slots[cursor_];
    if (index == kNone || index == kPending) {
      continue;
    }
    const MessageSlot& slot = slots_[index];
    if (slot.view != kNone || (slot.flags & MessageSlot::kQuarantined) != 0) {
      continue;  // in use: at another time
    }
    const std::uint64_t from = std::min<std::uint64_t>(begin, slot.begin);
    const std::uint64_t to = std::max<std::uint64_t>(end, std::uint64_t{slot.begin} + slot.bytes);
    const bool over = bytes + slot.bytes > options_.compact_bytes ||
                      to - from > kSpanOfRun * options_.compact_bytes || run_.size() == kCopiesMax;
    if (over && !run_.empty()) {
      break;
    }
    begin = from;
    end = to;
    bytes += slot.bytes;
    Copy& copy = run_.emplace_back();
    copy.slot = index;
    copy.generation = slot.generation;
    copy.local = slot.local;
  }
  if (run_.empty()) {
    leave_source();
    later(options_.compact_pause);
    return;
  }
  begin = begin / kPage * kPage;
  populate_.address = source_->bytes.data() + begin;
  populate_.size = std::min<std::uint64_t>(align_up(end, kPage), source_->bytes.size()) - begin;
  disk_.populate(populate_);
}

// Live, where it was, and lent to nobody.
bool Compactor::still(const Copy& copy) noexcept {
  const MessageSlot* slot = slots_.find(copy.slot, copy.generation);
  return slot != nullptr && slot->segment == source_->index && slot->local == copy.local &&
         slot->open > 0 && slot->view == kNone;
}

void Compactor::damaged(std::uint32_t slot) {
  slots_[slot].flags |= MessageSlot::kQuarantined;
  source_->keep = true;
  ++figures_.damaged;
}

// Reads the record where it lies. False: it is broken.
bool Compactor::describe(const Copy& wanted, bool with_content, Copy& out) {
  out = wanted;
  const MessageSlot& slot = slots_[wanted.slot];
  const std::string_view bytes = source_->bytes;
  const auto head = decode_record_head(bytes, source_->header.generation, slot.head);
  if (!head || head->recipients != slot.recipients) {
    return false;
  }
  out.source_meta = std::uint64_t{slot.head} + kRecordHeadBytes;
  out.source_bytes = head->index_bytes + head->envelope_bytes;
  out.source_content = head->content_offset;
  const std::string_view meta = bytes.substr(out.source_meta, out.source_bytes);
  const std::string_view content = bytes.substr(head->content_offset, head->content.wire_bytes);
  if (hash64(meta) != head->meta_hash || (with_content && hash64(content) != head->content_hash)) {
    return false;
  }
  out.head = *head;
  out.id = source_->id_of(wanted.local);
  if (!head->copy) {
    encode_born(out.id, out.born);
    out.head.copy = true;
    out.head.envelope_bytes += kBornBytes;
    Hasher64 hasher;
    hasher.update(meta);
    hasher.update({out.born, kBornBytes});
    out.head.meta_hash = hasher.digest();
  }
  return true;
}

// Writing.

void Compactor::on_populated(Completion& done) {
  target_ = acceptance_.copies();
  if (done.result != 0) {
    source_->suspect = true;  // the medium failed somewhere in it
  }
  if (stopping_ || done.result != 0 || target_ == nullptr) {
    give_up();
    later(options_.compact_look);
    return;
  }
  const MessageSlot* first = slots_.find(run_.front().slot, run_.front().generation);
  if (first != nullptr && first->bytes > options_.compact_bytes) {
    start_large();
  } else {
    write_run();
  }
}

void Compactor::write_run() {
  const std::uint32_t block = target_->header.block_bytes;
  const std::uint64_t start = align_up(target_->append, block);
  std::uint64_t used = kBatchHeaderBytes;
  std::uint64_t summary = 0;
  bool full = false;
  copies_.clear();
  slices_.clear();
  slices_.push_back({batch_head_, kBatchHeaderBytes});
  copies_.reserve(run_.size());  // slices point into them
  for (const Copy& wanted : run_) {
    Copy copy;
    if (!still(wanted)) {
      continue;
    }
    if (!describe(wanted, true, copy)) {
      damaged(wanted.slot);
      continue;
    }
    const std::uint64_t bytes = kRecordHeadBytes + std::uint64_t{copy.head.index_bytes} +
                                copy.head.envelope_bytes + copy.head.content.wire_bytes;
    const std::uint64_t entry = copy.head.index_bytes + kSummaryEntryMax + kBornBytes;
    const std::uint64_t end = align_up(start + used + align_up(bytes, kRecordAlign), block);
    full = end > acceptance_.limit(*target_, summary + entry) || target_->next_local >= kLocalMax;
    if (full) {
      cursor_ = wanted.local;
      break;
    }
    summary += entry;
    add(copy, start, used, true);
  }
  if (!copies_.empty()) {
    write_batch(start, used);
  } else if (full && target_->next_local > 0) {
    acceptance_.drain_copies();
    later(options_.compact_pause);
  } else {
    cursor_ += full ? 1 : 0;  // made for larger segments: it stays
    later(options_.compact_pause);
  }
}

void Compactor::add(const Copy& described, std::uint64_t start, std::uint64_t& used,
                    bool with_content) {
  RP_ASSERT(copies_.size() < copies_.capacity());
  Copy& copy = copies_.emplace_back(described);
  copy.offset = start + used;
  copy.head.local = target_->next_local++;
  target_->slots.push_back(kNone);
  target_->born.resize(target_->next_local);
  target_->born[copy.head.local] = copy.id;
  const std::uint64_t meta =
      kRecordHeadBytes + std::uint64_t{copy.head.index_bytes} + copy.head.envelope_bytes;
  if (with_content) {
    copy.head.content_offset = copy.offset + meta;
  }
  encode_record_head(copy.head, target_->header.generation, copy.offset, copy.encoded);
  slices_.push_back({copy.encoded, kRecordHeadBytes});
  slices_.push_back(Slice::of(source_->bytes.substr(copy.source_meta, copy.source_bytes)));
  if (copy.head.index_bytes + copy.head.envelope_bytes > copy.source_bytes) {
    slices_.push_back({copy.born, kBornBytes});
  }
  std::uint64_t bytes = meta;
  if (with_content) {
    const std::uint32_t content = copy.head.content.wire_bytes;
    slices_.push_back(Slice::of(source_->bytes.substr(copy.source_content, content)));
    bytes += content;
  }
  if (align_up(bytes, kRecordAlign) > bytes) {
    slices_.push_back({kZeroPage, align_up(bytes, kRecordAlign) - bytes});
  }
  used += align_up(bytes, kRecordAlign);
}

void Compactor::write_batch(std::uint64_t start, std::uint64_t used) {
  write_bytes_ = align_up(used, target_->header.block_bytes);
  if (write_bytes_ > used) {
    slices_.push_back({kZeroPage, write_bytes_ - used});
  }
  batch_index_ = target_->next_batch++;
  BatchHeader header;
  header.bytes = static_cast<std::uint32_t>(write_bytes_);
  header.body_bytes = static_cast<std::uint32_t>(used - kBatchHeaderBytes);
  header.records = static_cast<std::uint32_t>(copies_.size());
  header.first = copies_.front().head.local;
  header.last = copies_.back().head.local;
  header.index = batch_index_;
  header.confirmed = target_->confirmed;
  encode_batch_header(header, target_->header.generation, start, batch_head_);
  target_->append = std::max(target_->append, start + write_bytes_);
  ++target_->in_flight;
  write_.file = target_->file;
  write_.offset = start;
  write_.slices = slices_.data();
  write_.slice_count = static_cast<std::uint32_t>(slices_.size());
  write_.durable = true;
  disk_.write(write_);
}

void Compactor::on_written(Completion& done) {
  --target_->in_flight;
  acceptance_.look_again();
  if (done.result < 0 || static_cast<std::uint64_t>(done.result) != write_bytes_) {
    // As with any segment, a write that failed ends its use. The sources are what they were.
    target_->write_failed = true;
    acceptance_.drain_copies();
    give_up();
    later(options_.compact_look);
    return;
  }
  if (copies_.empty()) {
    end_piece();
    return;
  }
  target_->confirm(batch_index_);
  switch_over();
  leave_large();
  if (stopping_) {
    give_up();
  }
  later(options_.compact_pause);
}

void Compactor::switch_over() {
  for (const Copy& copy : copies_) {
    if (still(copy)) {
      move(copy);
    }
  }
  copies_.clear();
}

// The copy is durable. What the journal tells from here on, it tells under the new number.
void Compactor::move(const Copy& copy) {
  MessageSlot& slot = slots_[copy.slot];
  const std::uint64_t from = message_number(source_->ordinal(), copy.local);
  const std::uint64_t sequence = journal_.add(JournalKind::dropped, [&](auto& encode) {
    encode.number(message_number(target_->ordinal(), copy.head.local));
    encode.varint(0);  // drops nothing
    encode.number(static_cast<std::uint8_t>(NoteTag::moved));
    encode.number(from);
    encode.varint(slot.recipients);
    for (std::uint32_t i = 0; i < slot.recipients; ++i) {
      write_recipient(encode, slot.state(i));
    }
  });
  source_->slots[copy.local] = kNone;
  acceptance_.message_ended(*source_, slot.bytes, sequence);
  const RecordSpan span = span_of(copy.offset, copy.head);
  slot.segment = target_->index;
  slot.local = copy.head.local;
  slot.head = static_cast<std::uint32_t>(copy.offset);
  slot.begin = static_cast<std::uint32_t>(span.begin);
  slot.bytes = static_cast<std::uint32_t>(span.end - span.begin);
  slot.flags |= MessageSlot::kVerified;
  target_->slots[copy.head.local] = copy.slot;
  ++target_->live;
  target_->live_bytes += slot.bytes;
  ++target_->entries;
  append_summary_entry(copy.head, copy.offset, target_->bytes, target_->summary);
  target_->admitted = target_->summary.size();  // the scheduler has it
  acceptance_.touch(*target_, span.begin, span.end);
  moved_[copy.id.low] = copy.slot;
  ++figures_.messages;
  figures_.bytes += slot.bytes;
}

// Large messages.

void Compactor::start_large() {
  const Copy wanted = run_.front();
  run_.clear();
  if (!still(wanted)) {
    later(options_.compact_pause);
    return;
  }
  if (!describe(wanted, false, large_.copy)) {
    damaged(wanted.slot);
    later(options_.compact_pause);
    return;
  }
  const RecordHead& head = large_.copy.head;
  const std::uint32_t block = target_->header.block_bytes;
  const std::uint64_t meta =
      kRecordHeadBytes + std::uint64_t{head.index_bytes} + head.envelope_bytes;
  large_.begin = align_up(target_->append, block);
  large_.end = large_.begin + align_up(head.content.wire_bytes, block) +
               align_up(kBatchHeaderBytes + align_up(meta, kRecordAlign), block);
  const std::uint64_t entry = head.index_bytes + kSummaryEntryMax + kBornBytes;
  if (large_.end > acceptance_.limit(*target_, entry) || target_->next_local >= kLocalMax) {
    if (target_->next_local > 0) {
      cursor_ = wanted.local;
      acceptance_.drain_copies();
    }
    later(options_.compact_pause);
    return;
  }
  large_.active = true;
  large_.written = 0;
  large_.hasher = Hasher64();
  target_->append = large_.end;
  ++target_->extents;
  write_piece();
}

void Compactor::write_piece() {
  const Copy& copy = large_.copy;
  if (!still(copy)) {
    leave_large();
    later(options_.compact_pause);
    return;
  }
  const std::uint64_t left = copy.head.content.wire_bytes - large_.written;
  const std::string_view piece = source_->bytes.substr(
      copy.source_content + large_.written, std::min<std::uint64_t>(left, options_.compact_bytes));
  large_.hasher.update(piece);
  slices_.clear();
  slices_.push_back(Slice::of(piece));
  copies_.clear();
  write_bytes_ = piece.size();
  ++target_->in_flight;
  write_.file = target_->file;
  write_.offset = large_.begin + large_.written;
  write_.slices = slices_.data();
  write_.slice_count = 1;
  write_.durable = true;
  disk_.write(write_);
}

void Compactor::end_piece() {
  Copy& copy = large_.copy;
  large_.written += write_bytes_;
  if (stopping_) {
    give_up();
    return;
  }
  if (large_.written < copy.head.content.wire_bytes) {
    later(options_.compact_pause);
    return;
  }
  const bool good = large_.hasher.digest() == copy.head.content_hash;
  if (!good || !still(copy)) {
    if (!good && still(copy)) {
      damaged(copy.slot);
    }
    leave_large();
    later(options_.compact_pause);
    return;
  }
  const std::uint64_t start =
      align_up(large_.begin + copy.head.content.wire_bytes, target_->header.block_bytes);
  copy.head.content_offset = large_.begin;
  std::uint64_t used = kBatchHeaderBytes;
  slices_.clear();
  slices_.push_back({batch_head_, kBatchHeaderBytes});
  copies_.clear();
  copies_.reserve(1);
  add(copy, start, used, false);
  write_batch(start, used);
}

void Compactor::leave_large() {
  if (large_.active) {
    large_.active = false;
    --target_->extents;
    acceptance_.look_again();
  }
}

}  // namespace ringpost::spool
