#include "spool/acceptance_log.h"

#include <algorithm>
#include <cerrno>

#include "core/mail/report.h"
#include "spool/bytes.h"
#include "spool/record_writer.h"

namespace ringpost::spool {

namespace {

/// Slices a batch leaves for its header, the last record's pad and its own.
constexpr std::size_t kSlicesSpare = 4;
constexpr std::size_t kSummariesKept = 4;

}  // namespace

AcceptanceLog::AcceptanceLog(const SpoolOptions& options, SegmentPool::Config config, Loop& loop,
                             Disk& disk, Entropy& entropy, SlotTable& slots, Journal& journal,
                             ChunkPool* chunks)
    : options_(options),
      loop_(loop),
      disk_(disk),
      slots_(slots),
      journal_(journal),
      receipts_(journal),
      pool_(std::move(config), loop, disk, entropy, *this),
      chunks_(chunks) {
  batch_.bind<&AcceptanceLog::on_batch>(this);
  batch_.slice_list.reserve(kWriteSlicesMax);
}

AcceptanceLog::~AcceptanceLog() = default;

Segment& AcceptanceLog::adopt(std::unique_ptr<Segment> owned) {
  Segment& segment = pool_.adopt(std::move(owned));
  segment.seal.segment = &segment;
  segment.seal.bind<&AcceptanceLog::on_sealed>(this);
  segment.warm.assign(segment.header.size / options_.window_bytes + 1, 0);
  segment.index = static_cast<std::uint32_t>(table_.size());
  table_.push_back(&segment);
  if (!segment.summary.empty()) {
    to_admit_.push_back(&segment);
  }
  look_ = true;
  return segment;
}

Segment* AcceptanceLog::find(std::uint32_t ordinal) noexcept {
  for (Segment* segment : table_) {
    if (segment != nullptr && segment->ordinal() == ordinal) {
      return segment;
    }
  }
  return nullptr;
}

// Segments.

void AcceptanceLog::open_next() {
  if (next_ == nullptr && chunks_ != nullptr && !stopping_) {
    next_ = pool_.open(0);
    next_ready_ = false;
  }
}

std::uint32_t AcceptanceLog::next_ordinal() const noexcept {
  std::uint32_t next = pool_.next_ordinal();
  if (next_ != nullptr && !next_ready_) {
    next = std::min(next, next_->ordinal());
  }
  return copies_ != nullptr && !copies_ready_ ? std::min(next, copies_->ordinal()) : next;
}

void AcceptanceLog::open_copies() {
  if (copies_ == nullptr && !stopping_ && pool_.spares() >= options_.spare_segments) {
    copies_ = pool_.open(0, true);
    copies_ready_ = false;
    pool_.pump(loop_.now());
  }
}

void AcceptanceLog::drain_copies() {
  if (copies() != nullptr) {
    drain(*copies_);
    copies_ = nullptr;
    copies_ready_ = false;
  }
}

void AcceptanceLog::segment_opened(Segment& segment, std::int32_t result) {
  if (&segment == copies_) {
    copies_ready_ = result == 0;
    copies_ = copies_ready_ ? copies_ : nullptr;
    if (copies_ready_) {
      enter(segment);
    }
    return;
  }
  RP_ASSERT(&segment == next_);
  if (result != 0) {
    next_ = nullptr;
    return;
  }
  next_ready_ = true;
  enter(segment);
  if (active_ == nullptr) {
    take_next();
  }
  advance_waiting();
}

/// Into the table, ready to be written to.
void AcceptanceLog::enter(Segment& segment) {
  const std::uint64_t windows = segment.header.size / options_.window_bytes + 1;
  segment.warm.assign(windows, 0);
  segment.seal.segment = &segment;
  segment.seal.bind<&AcceptanceLog::on_sealed>(this);
  auto hole = std::find(table_.begin(), table_.end(), nullptr);
  segment.index = static_cast<std::uint32_t>(hole - table_.begin());
  if (hole == table_.end()) {
    table_.push_back(&segment);
  } else {
    *hole = &segment;
  }
  if (!free_summaries_.empty()) {
    segment.summary.swap(free_summaries_.back());
    free_summaries_.pop_back();
  }
}

bool AcceptanceLog::take_next() {
  if (next_ == nullptr || !next_ready_) {
    open_next();
    return false;
  }
  if (active_ != nullptr) {
    drain(*active_);
  }
  active_ = next_;
  next_ = nullptr;
  open_next();
  pool_.pump(loop_.now());
  return true;
}

std::uint64_t AcceptanceLog::limit(const Segment& segment, std::uint64_t new_summary_bytes) const {
  const std::uint64_t tail =
      align_up(segment.summary.size() + new_summary_bytes, segment.header.block_bytes) +
      segment.header.block_bytes;
  return segment.header.size > tail ? segment.header.size - tail : 0;
}

void AcceptanceLog::drain(Segment& segment) {
  segment.state = SegmentState::draining;
  if (active_ == &segment) {
    active_ = nullptr;
  }
  look_ = true;
}

void AcceptanceLog::seal(Segment& segment) {
  const std::uint32_t block = segment.header.block_bytes;
  const std::uint64_t room = align_up(segment.summary.size(), block);
  const std::uint64_t end = segment.header.size - block;
  if (segment.write_failed || segment.append > end || room > end - segment.append) {
    segment.state = SegmentState::sealed;
    give_summary_back(segment);
    return;
  }
  segment.state = SegmentState::sealing;
  SummaryFooter footer;
  footer.entries = segment.entries;
  footer.summary_bytes = segment.summary.size();
  footer.summary_offset = end - footer.summary_bytes;
  footer.locals = segment.next_local;
  footer.batches = segment.next_batch;
  footer.vouched = std::min(segment.vouched, segment.next_local);
  footer.hash = hash64(segment.summary, segment.header.generation);
  std::memset(segment.block.get(), 0, block);
  encode_summary_footer(footer, segment.header.generation, segment.block.get());
  SegmentWrite& write = segment.seal;
  write.slice[0] = Slice::of(segment.summary);
  write.slice[1] = {segment.block.get(), block};
  write.slices = write.slice[0].size > 0 ? write.slice : write.slice + 1;
  write.slice_count = write.slice[0].size > 0 ? 2 : 1;
  write.file = segment.file;
  write.offset = footer.summary_offset;
  write.durable = true;  // one flush a segment spares the next start a scan
  disk_.write(write);
}

void AcceptanceLog::on_sealed(Completion& done) {
  // A summary that was not written whole costs a scan at the next start, no more.
  Segment& segment = *static_cast<SegmentWrite&>(done).segment;
  segment.state = SegmentState::sealed;
  give_summary_back(segment);
  look_ = true;
}

void AcceptanceLog::give_summary_back(Segment& segment) {
  if (segment.state != SegmentState::sealed || segment.admitted < segment.summary.size()) {
    return;
  }
  segment.admitted = 0;
  segment.admitted_recipients = 0;
  segment.summary.clear();
  if (free_summaries_.size() < kSummariesKept) {
    free_summaries_.emplace_back();
    free_summaries_.back().swap(segment.summary);
  } else {
    std::string().swap(segment.summary);
  }
}

void AcceptanceLog::admitted(Segment& segment) { give_summary_back(segment); }

void AcceptanceLog::touch(Segment& segment, std::uint64_t begin, std::uint64_t end) {
  const auto second = static_cast<std::uint32_t>(loop_.now().instant.ns / 1'000'000'000) + 1;
  for (std::uint64_t window = begin / options_.window_bytes; window <= end / options_.window_bytes;
       ++window) {
    segment.warm[window] = second;
  }
}

void AcceptanceLog::message_ended(Segment& segment, std::uint32_t bytes, std::uint64_t sequence) {
  RP_ASSERT(segment.live > 0 && segment.live_bytes >= bytes);
  --segment.live;
  segment.live_bytes -= bytes;
  segment.last_outcome = std::max(segment.last_outcome, sequence);
  look_ = true;
}

void AcceptanceLog::unpin(Segment& segment) noexcept {
  RP_ASSERT(segment.pins > 0);
  --segment.pins;
  look_ = true;
}

void AcceptanceLog::retire() {
  for (Segment*& entry : table_) {
    if (entry == nullptr) {
      continue;
    }
    Segment& segment = *entry;
    if (segment.state == SegmentState::draining && segment.extents == 0 && segment.in_flight == 0) {
      seal(segment);
    }
    if (segment.state == SegmentState::sealed && segment.live == 0 && segment.pins == 0 &&
        !segment.keep && segment.summary.empty() && segment.last_outcome <= journal_.synced()) {
      entry = nullptr;
      pool_.release(segment);
    }
  }
}

void AcceptanceLog::end_of_turn(Now now) {
  open_next();
  if (active_ == nullptr && next_ready_) {
    take_next();
  }
  flush(now);
  if (waiting_) {
    waiting_ = false;
    advance_waiting();
  }
  if (look_ || looked_synced_ != journal_.synced()) {
    look_ = false;
    looked_synced_ = journal_.synced();
    retire();
  }
}

std::uint64_t AcceptanceLog::live_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const Segment* segment : table_) {
    bytes += segment != nullptr ? segment->header.size : 0;
  }
  return bytes;
}

std::uint64_t AcceptanceLog::messages_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const Segment* segment : table_) {
    bytes += segment != nullptr ? segment->live_bytes : 0;
  }
  return bytes;
}

std::int32_t AcceptanceLog::trouble(std::uint64_t bytes) const noexcept {
  if (next_ != nullptr || pool_.spares() > 0) {
    return 0;
  }
  const std::uint64_t wanted = std::max<std::uint64_t>(bytes, options_.small_message_max) +
                               options_.head_room + 2ULL * options_.block_bytes;
  const bool room = active_ != nullptr && active_->append + wanted <= limit(*active_, kPage);
  return room ? 0 : pool_.trouble();
}

void AcceptanceLog::stop() {
  stopping_ = true;
  drain_copies();
  for (const auto& stream : streams_) {
    if (stream->writer != nullptr && stream->writer->state_ == Writer::State::gathering) {
      stream->error = -ESHUTDOWN;
      wake(*stream);
    }
  }
  if (active_ != nullptr && committing_.empty() && batch_.idle()) {
    drain(*active_);
  }
  if (next_ != nullptr && next_ready_ && active_ == nullptr) {
    drain(*next_);
    next_ = nullptr;
  }
}

bool AcceptanceLog::idle() const noexcept {
  if (!committing_.empty() || !batch_.idle() || !pool_.idle() || active_ != nullptr ||
      next_ != nullptr || copies_ != nullptr) {
    return false;
  }
  return std::all_of(table_.begin(), table_.end(), [](const Segment* segment) {
    return segment == nullptr || segment->state == SegmentState::sealed ||
           (segment->state == SegmentState::draining && segment->extents > 0);
  });
}

// Writers.

Status Writer::append(std::string_view run) { return log_.append(*this, run); }
bool Writer::has_room(Completion& when_room) { return log_.has_room(*this, when_room); }
void Writer::commit(const Submission& submission, CommitOp& op) {
  log_.commit(*this, submission, op);
}
void Writer::abandon() { log_.abandon(*this); }

Result<MessageWriter*> AcceptanceLog::begin(std::uint64_t declared_bytes) {
  if (stopping_ || chunks_ == nullptr) {
    return Error::of(ErrorCode::shutting_down);
  }
  if (const std::int32_t error = trouble(declared_bytes); error != 0) {
    return Error::of(code_from_errno(-error), "no room for a spool segment");
  }
  if (declared_bytes > options_.message_max) {
    return Error::of(ErrorCode::no_capacity, "larger than the spool takes");
  }
  if (writers_in_use_ >= options_.writers_max ||
      slots_.in_use() + writers_in_use_ >= slots_.max() || chunks_->free_count() < 4) {
    return Error::of(ErrorCode::no_capacity, "spool buffers are in use");
  }
  Writer* writer = free_writers_.pop_front();
  if (writer == nullptr) {
    writers_.push_back(std::make_unique<Writer>(*this, *chunks_));
    writer = writers_.back().get();
  }
  ++writers_in_use_;
  writer->state_ = Writer::State::gathering;
  writer->declared_ = declared_bytes;
  writer->hasher_ = Hasher64();
  if (declared_bytes > options_.small_message_max && !start_stream(*writer)) {
    finish(*writer, 0);
    return Error::of(ErrorCode::no_capacity, "large messages are being received already");
  }
  return static_cast<MessageWriter*>(writer);
}

Status AcceptanceLog::append(Writer& writer, std::string_view run) {
  RP_ASSERT(writer.state_ == Writer::State::gathering && !writer.refused_);
  writer.refused_ = true;
  if (run.size() > options_.message_max - writer.content_bytes_) {
    return Error::of(ErrorCode::no_capacity, "larger than the spool takes");
  }
  if (writer.stream_ == kNone && writer.content_bytes_ + run.size() > options_.small_message_max &&
      !start_stream(writer)) {
    return Error::of(ErrorCode::no_capacity, "large messages are being received already");
  }
  if (writer.stream_ != kNone && streams_[writer.stream_]->error != 0) {
    return Error::of(code_from_errno(-streams_[writer.stream_]->error), "spool extent");
  }
  writer.content_.put(run.data(), run.size());
  if (writer.content_.full()) {
    return Error::of(ErrorCode::no_capacity, "spool buffers are in use");
  }
  writer.hasher_.update(run);
  writer.content_bytes_ += run.size();
  if (writer.stream_ != kNone) {
    advance(*streams_[writer.stream_]);
  }
  writer.refused_ = false;
  return {};
}

void AcceptanceLog::commit(Writer& writer, const Submission& submission, CommitOp& op) {
  RP_ASSERT(writer.state_ == Writer::State::gathering);
  RP_ASSERT(submission.content.wire_bytes == writer.content_bytes_);
  writer.op_ = &op;
  writer.state_ = Writer::State::committing;
  RecordHead& head = writer.head_;
  head = RecordHead{};
  head.content_hash = writer.hasher_.digest();
  const Envelope& envelope = submission.envelope;
  writer.tells_delay_ =
      std::any_of(envelope.recipients.begin(), envelope.recipients.end(),
                  [&](const Recipient& to) { return delay_wanted(to.notify, envelope); });
  std::int32_t error = writer.refused_ ? -ENOBUFS : 0;
  if (error == 0 && !write_record_meta(submission, options_.receipts, writer.meta_, head)) {
    error = -ENOBUFS;
  }
  // Bounds that keep every record, and its state in a checkpoint, inside one segment.
  const std::uint64_t meta = writer.meta_.size();
  const std::uint64_t in_batch = meta + (writer.stream_ == kNone ? writer.content_bytes_ : 0);
  const std::uint64_t room = options_.segment_bytes - 5ULL * options_.block_bytes;
  if (in_batch + head.index_bytes + kSummaryEntryMax + kBatchHeaderBytes > room ||
      writer.meta_.runs() + options_.small_message_max / options_.chunk_bytes + 8 >
          kWriteSlicesMax ||
      std::uint64_t{head.recipients} * 16 + 256 > options_.journal_segment_bytes / 2 ||
      meta > options_.segment_bytes / 2) {
    error = -EMSGSIZE;
  }
  if (writer.stream_ != kNone) {
    Stream& stream = *streams_[writer.stream_];
    stream.error = stream.error != 0 ? stream.error : error;
    advance(stream);
  } else if (error != 0) {
    finish(writer, error);
  } else {
    committing_.push_back(writer);
  }
}

void AcceptanceLog::abandon(Writer& writer) {
  RP_ASSERT(writer.state_ == Writer::State::gathering);
  if (writer.stream_ == kNone) {
    finish(writer, 0);
    return;
  }
  writer.state_ = Writer::State::abandoned;
  Stream& stream = *streams_[writer.stream_];
  stream.waiter = nullptr;
  advance(stream);
}

void AcceptanceLog::finish(Writer& writer, std::int32_t result) {
  RP_ASSERT(writer.stream_ == kNone && writers_in_use_ > 0);
  if (writer.op_ != nullptr) {
    failed_commits_ += result != 0 ? 1 : 0;
    loop_.complete(*writer.op_, result);
    writer.op_ = nullptr;
  }
  writer.content_.clear();
  writer.meta_.clear();
  writer.content_bytes_ = 0;
  writer.refused_ = false;
  writer.state_ = Writer::State::unused;
  --writers_in_use_;
  free_writers_.push_back(writer);
}

// Batches.

void AcceptanceLog::flush(Now now) {
  if (!batch_.idle() || committing_.empty()) {
    return;
  }
  if (active_ == nullptr && !take_next()) {
    fail_waiting();
    return;
  }
  if (fill_batch(batch_, *active_) == 0) {
    // The segment is full. A fresh one takes at least one record: commit() saw to that.
    if (take_next()) {
      fill_batch(batch_, *active_);
    } else {
      fail_waiting();
    }
  }
  if (!batch_.idle()) {
    journal_.sync_along(now);
  }
}

// No segment can be had: those who wait for one are told, unless it is only late.
void AcceptanceLog::fail_waiting() {
  const bool none = pool_.spares() == 0 && next_ == nullptr;
  const std::int32_t error = stopping_ ? -ESHUTDOWN : none ? pool_.trouble() : 0;
  if (error == 0) {
    return;
  }
  while (Writer* writer = committing_.pop_front()) {
    finish(*writer, error);
  }
}

std::size_t AcceptanceLog::fill_batch(CommitBatch& batch, Segment& segment) {
  const std::uint64_t start = align_up(segment.append, segment.header.block_bytes);
  std::uint64_t used = kBatchHeaderBytes;
  std::uint64_t summary = 0;
  batch.slice_list.clear();
  batch.slice_list.push_back({batch.head, kBatchHeaderBytes});
  batch.segment = &segment;
  while (Writer* writer = committing_.front()) {
    const std::uint64_t bytes =
        align_up(writer->meta_.size() + writer->content_bytes_, kRecordAlign);
    const std::uint64_t entry = writer->head_.index_bytes + kSummaryEntryMax;
    const std::size_t slices = writer->meta_.runs() + writer->content_.runs();
    const bool fits = align_up(start + used + bytes, segment.header.block_bytes) <=
                          limit(segment, summary + entry) &&
                      segment.next_local < kLocalMax;
    const bool over = used + bytes > options_.batch_bytes_max ||
                      batch.slice_list.size() + slices + kSlicesSpare > kWriteSlicesMax;
    if (!fits || (over && !batch.writers.empty())) {
      break;
    }
    committing_.remove(*writer);
    batch.writers.push_back(*writer);
    writer->head_.content_offset = start + used + writer->meta_.size();
    used += add_record(batch, *writer, start + used);
    summary += entry;
  }
  if (batch.writers.empty()) {
    return 0;
  }
  start_batch(batch, start, used);
  return batch.writers.size();
}

std::uint64_t AcceptanceLog::add_record(CommitBatch& batch, Writer& writer, std::uint64_t offset) {
  Segment& segment = *batch.segment;
  writer.offset_ = offset;
  writer.head_.local = segment.next_local++;
  segment.slots.push_back(kPending);
  RP_ASSERT(segment.slots.size() == segment.next_local);
  encode_record_head(writer.head_, segment.header.generation, offset, writer.meta_.front());
  const auto add = [&](std::string_view run) { batch.slice_list.push_back(Slice::of(run)); };
  writer.meta_.for_each(add);
  std::uint64_t bytes = writer.meta_.size();
  if (writer.stream_ == kNone) {
    writer.content_.for_each(add);
    bytes += writer.content_bytes_;
  }
  const std::uint64_t aligned = align_up(bytes, kRecordAlign);
  if (aligned > bytes) {
    batch.slice_list.push_back({kZeroPage, aligned - bytes});
  }
  return aligned;
}

void AcceptanceLog::start_batch(CommitBatch& batch, std::uint64_t offset, std::uint64_t used) {
  Segment& segment = *batch.segment;
  batch.bytes = align_up(used, segment.header.block_bytes);
  if (batch.bytes > used) {
    batch.slice_list.push_back({kZeroPage, batch.bytes - used});
  }
  batch.index = segment.next_batch++;
  BatchHeader header;
  header.bytes = static_cast<std::uint32_t>(batch.bytes);
  header.body_bytes = static_cast<std::uint32_t>(used - kBatchHeaderBytes);
  header.records = static_cast<std::uint32_t>(batch.writers.size());
  header.first = batch.writers.front()->head_.local;
  header.last = batch.writers.back()->head_.local;
  header.index = batch.index;
  header.confirmed = segment.confirmed;
  encode_batch_header(header, segment.header.generation, offset, batch.head);
  segment.append = std::max(segment.append, offset + batch.bytes);
  ++segment.in_flight;
  batch.file = segment.file;
  batch.offset = offset;
  batch.slices = batch.slice_list.data();
  batch.slice_count = static_cast<std::uint32_t>(batch.slice_list.size());
  batch.durable = true;
  disk_.write(batch);
}

void AcceptanceLog::on_batch(Completion& done) {
  auto& batch = static_cast<CommitBatch&>(static_cast<WriteOp&>(done));
  Segment& segment = *batch.segment;
  --segment.in_flight;
  look_ = true;
  const bool whole = done.result >= 0 && static_cast<std::uint64_t>(done.result) == batch.bytes;
  if (!whole) {
    refuse(batch, done.result < 0 ? done.result : -EIO);
  } else {
    ++commits_;
    segment.confirm(batch.index);
    while (Writer* writer = batch.writers.pop_front()) {
      accept(segment, *writer);
    }
  }
  if (&batch == &batch_) {
    flush(loop_.now());
  }
}

void AcceptanceLog::accept(Segment& segment, Writer& writer) {
  const RecordHead& head = writer.head_;
  const std::uint32_t index = slots_.take(head.recipients, true);
  RP_ASSERT(index != kNone);
  MessageSlot& slot = slots_[index];
  const RecordSpan span = span_of(writer.offset_, head);
  slot.segment = segment.index;
  slot.local = head.local;
  slot.head = static_cast<std::uint32_t>(writer.offset_);
  slot.begin = static_cast<std::uint32_t>(span.begin);
  slot.bytes = static_cast<std::uint32_t>(span.end - span.begin);
  slot.flags = MessageSlot::kVerified;
  slot.delay_look_s = writer.tells_delay_ ? kLookSoon : 0;
  slot.receipted = head.recipients;
  if (options_.receipts) {
    receipts_.note(segment, slot, 0, false);
  }
  segment.slots[head.local] = index;
  ++segment.live;
  segment.live_bytes += slot.bytes;
  ++segment.entries;
  ++committed_;
  touch(segment, span.begin, span.end);
  if (segment.admitted == segment.summary.size()) {
    to_admit_.push_back(&segment);
  }
  append_summary_entry(head, writer.offset_, writer.meta_, segment.summary);
  writer.op_->id = {segment.header.id_high, message_number(segment.ordinal(), head.local)};
  if (writer.stream_ != kNone) {
    end_stream(*streams_[writer.stream_]);
  } else {
    finish(writer, 0);
  }
}

void AcceptanceLog::refuse(CommitBatch& batch, std::int32_t error) {
  Segment& segment = *batch.segment;
  segment.write_failed = true;
  if (active_ == &segment) {
    drain(segment);
  }
  const std::uint64_t first = message_number(segment.ordinal(), batch.writers.front()->head_.local);
  journal_.add(JournalKind::dropped, [&](auto& encode) {
    encode.number(first);
    encode.varint(batch.writers.size());
  });
  while (Writer* writer = batch.writers.pop_front()) {
    segment.slots[writer->head_.local] = kNone;
    if (writer->stream_ != kNone) {
      streams_[writer->stream_]->error = error;
      end_stream(*streams_[writer->stream_]);
    } else {
      finish(*writer, error);
    }
  }
}

}  // namespace ringpost::spool
