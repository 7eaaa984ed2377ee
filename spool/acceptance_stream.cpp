// Large messages: streamed into a reserved extent while they arrive, committed by a batch of one
// record behind their content.

#include <algorithm>
#include <cerrno>

#include "spool/acceptance_log.h"
#include "spool/bytes.h"

namespace ringpost::spool {

namespace {

/// Kept free for the summary entries of uploads under way.
constexpr std::uint64_t kSummaryReserve = kPage;

}  // namespace

bool AcceptanceLog::start_stream(Writer& writer) {
  Stream* stream = nullptr;
  if (!free_streams_.empty()) {
    stream = free_streams_.back();
    free_streams_.pop_back();
  } else if (streams_.size() < options_.streams_max) {
    streams_.push_back(std::make_unique<Stream>());
    stream = streams_.back().get();
    stream->in_flight.attach(*chunks_);
    stream->write.stream = stream;
    stream->write.bind<&AcceptanceLog::on_stream_written>(this);
    stream->sync.stream = stream;
    stream->sync.bind<&AcceptanceLog::on_stream_synced>(this);
    stream->batch.bind<&AcceptanceLog::on_batch>(this);
  } else {
    return false;
  }
  const auto place = std::find_if(streams_.begin(), streams_.end(),
                                  [&](const auto& owned) { return owned.get() == stream; });
  writer.stream_ = static_cast<std::uint32_t>(place - streams_.begin());
  stream->writer = &writer;
  stream->segment = stream->old_segment = nullptr;
  stream->begin = stream->end = stream->written = 0;
  stream->error = 0;
  stream->synced = false;
  stream->waiter = nullptr;
  return true;
}

bool AcceptanceLog::has_room(Writer& writer, Completion& when_room) {
  if (writer.stream_ == kNone) {
    return true;
  }
  Stream& stream = *streams_[writer.stream_];
  if (stream.error != 0 || writer.content_.size() < options_.stream_gather) {
    return true;
  }
  RP_ASSERT(stream.waiter == nullptr);
  stream.waiter = &when_room;
  return false;
}

void AcceptanceLog::wake(Stream& stream) {
  const bool room = stream.writer->content_.size() < options_.stream_gather || stream.error != 0;
  if (stream.waiter != nullptr && room) {
    loop_.complete(*stream.waiter, 0);
    stream.waiter = nullptr;
  }
}

// One step at a time: each ends by starting an operation, by waiting for room, or by having
// nothing to do until more content comes.
void AcceptanceLog::advance(Stream& stream) {
  if (stream.busy()) {
    return;
  }
  Writer& writer = *stream.writer;
  const bool committing = writer.state_ == Writer::State::committing;
  if (stream.segment != nullptr && stream.segment->write_failed && stream.error == 0) {
    stream.error = -EIO;
  }
  if (writer.state_ == Writer::State::abandoned || (stream.error != 0 && committing)) {
    end_stream(stream);
    return;
  }
  const bool enough = writer.content_.size() >= options_.stream_write || committing;
  if (stream.error != 0 || !enough) {
    wake(stream);
    return;
  }
  if (!make_room(stream)) {
    if (stream.error != 0) {
      advance(stream);
    }
    return;
  }
  if (stream.busy()) {
    return;
  }
  if (writer.content_.size() > 0) {
    write_stream(stream);
  } else if (!stream.synced) {
    stream.synced = true;
    stream.sync.file = stream.segment->file;
    disk_.sync(stream.sync);
  } else {
    write_head(stream);
  }
}

// True when the extent holds all that is known to come; may have started a copy.
bool AcceptanceLog::make_room(Stream& stream) {
  Writer& writer = *stream.writer;
  const std::uint32_t block = options_.block_bytes;
  const std::uint64_t meta = std::max<std::uint64_t>(options_.head_room, writer.meta_.size());
  const std::uint64_t need =
      align_up(writer.content_bytes_, block) + align_up(kBatchHeaderBytes + meta + 8, block);
  if (stream.segment == nullptr) {
    const std::uint64_t hope = writer.declared_ > 0
                                   ? writer.declared_ + writer.declared_ / 8 + options_.head_room
                                   : options_.first_extent;
    const bool committing = writer.state_ == Writer::State::committing;
    const std::uint64_t most = options_.segment_bytes / 2;
    return place(stream, std::max(need, committing ? need : std::min(hope, most)));
  }
  if (stream.begin + need <= stream.end) {
    return true;
  }
  Segment& segment = *stream.segment;
  const std::uint64_t grown = stream.begin + align_up(need + need / 2, block);
  if (segment.append == stream.end && grown <= limit(segment, kSummaryReserve)) {
    segment.append = stream.end = grown;
    return true;
  }
  stream.old_segment = stream.segment;
  stream.old_begin = stream.begin;
  stream.old_end = stream.end;
  if (!place(stream, need + need / 2) && (stream.error == 0 || !place(stream, need))) {
    stream.segment = stream.old_segment;
    stream.begin = stream.old_begin;
    stream.end = stream.old_end;
    stream.old_segment = nullptr;
    return false;
  }
  stream.error = 0;
  copy_over(stream);
  return true;
}

bool AcceptanceLog::place(Stream& stream, std::uint64_t bytes) {
  const std::uint32_t block = options_.block_bytes;
  bytes = align_up(bytes, block);
  const std::uint64_t tail = align_up(kSummaryReserve, block) + block;
  if (options_.segment_bytes < block + bytes + tail) {
    stream.error = -EMSGSIZE;
    return false;
  }
  const auto start = [&] { return align_up(active_->append, block); };
  const bool fits = active_ != nullptr && start() + bytes <= limit(*active_, kSummaryReserve);
  if (!fits && !take_next()) {
    waiting_ = true;
    if (pool_.trouble() != 0 && pool_.spares() == 0 && next_ == nullptr) {
      stream.error = pool_.trouble();
    }
    return false;
  }
  stream.segment = active_;
  stream.begin = start();
  stream.end = stream.begin + bytes;
  active_->append = stream.end;
  ++active_->extents;
  return true;
}

void AcceptanceLog::copy_over(Stream& stream) {
  if (stream.written == 0) {
    leave_extent(*stream.old_segment, stream.old_begin, stream.old_begin, stream.old_end);
    stream.old_segment = nullptr;
    return;
  }
  stream.slice_list.clear();
  stream.slice_list.push_back(
      Slice::of(stream.old_segment->bytes.substr(stream.old_begin, stream.written)));
  stream.write_bytes = stream.written + fill_block(stream, stream.written);
  stream.write.file = stream.segment->file;
  stream.write.offset = stream.begin;
  stream.write.slices = stream.slice_list.data();
  stream.write.slice_count = static_cast<std::uint32_t>(stream.slice_list.size());
  stream.write.durable = false;
  disk_.write(stream.write);
}

// Lets the write that ends at `end` of the extent cover whole blocks: of a page that is not in
// memory the rest would have to be read from disk. What comes next is written over it.
std::uint64_t AcceptanceLog::fill_block(Stream& stream, std::uint64_t end) const {
  const std::uint64_t rest = align_up(end, options_.block_bytes) - end;
  if (rest > 0) {
    stream.slice_list.push_back({kZeroPage, rest});
  }
  return rest;
}

void AcceptanceLog::write_stream(Stream& stream) {
  Writer& writer = *stream.writer;
  writer.content_.move_to(stream.in_flight);
  stream.slice_list.clear();
  stream.in_flight.for_each(
      [&](std::string_view run) { stream.slice_list.push_back(Slice::of(run)); });
  const std::uint64_t end = stream.written + stream.in_flight.size();
  stream.write_bytes = stream.in_flight.size() + fill_block(stream, end);
  RP_ASSERT(stream.slice_list.size() <= kWriteSlicesMax);
  stream.write.file = stream.segment->file;
  stream.write.offset = stream.begin + stream.written;
  stream.write.slices = stream.slice_list.data();
  stream.write.slice_count = static_cast<std::uint32_t>(stream.slice_list.size());
  stream.write.durable = false;
  disk_.write(stream.write);
  wake(stream);
}

void AcceptanceLog::on_stream_written(Completion& done) {
  Stream& stream = *static_cast<Stream::Write&>(static_cast<WriteOp&>(done)).stream;
  const bool whole =
      done.result >= 0 && static_cast<std::uint64_t>(done.result) == stream.write_bytes;
  if (!whole) {
    stream.error = done.result < 0 ? done.result : -EIO;
  }
  if (stream.old_segment != nullptr) {
    leave_extent(*stream.old_segment, stream.old_begin, stream.old_begin, stream.old_end);
    stream.old_segment = nullptr;
  } else {
    stream.written += stream.in_flight.size();
    stream.in_flight.clear();
  }
  advance(stream);
}

void AcceptanceLog::on_stream_synced(Completion& done) {
  Stream& stream = *static_cast<Stream::Sync&>(static_cast<SyncOp&>(done)).stream;
  if (done.result != 0) {
    // What else of this file was on its way to the disk may be lost too.
    stream.error = done.result;
    stream.segment->write_failed = true;
    if (active_ == stream.segment) {
      drain(*active_);
    }
  }
  advance(stream);
}

void AcceptanceLog::write_head(Stream& stream) {
  Writer& writer = *stream.writer;
  CommitBatch& batch = stream.batch;
  batch.segment = stream.segment;
  batch.slice_list.clear();
  batch.slice_list.push_back({batch.head, kBatchHeaderBytes});
  batch.writers.push_back(writer);
  writer.head_.content_offset = stream.begin;
  const std::uint64_t offset = align_up(stream.begin + writer.content_bytes_, options_.block_bytes);
  const std::uint64_t record = add_record(batch, writer, offset + kBatchHeaderBytes);
  start_batch(batch, offset, kBatchHeaderBytes + record);
  RP_ASSERT(offset + batch.bytes <= stream.end);
}

void AcceptanceLog::end_stream(Stream& stream) {
  RP_ASSERT(!stream.busy());
  Writer& writer = *stream.writer;
  const bool accepted = writer.state_ == Writer::State::committing && stream.error == 0;
  if (stream.segment != nullptr) {
    const std::uint64_t used = accepted ? stream.batch.offset + stream.batch.bytes : stream.begin;
    leave_extent(*stream.segment, stream.begin, used, stream.end);
  }
  if (stream.waiter != nullptr) {
    loop_.complete(*stream.waiter, 0);
    stream.waiter = nullptr;
  }
  stream.in_flight.clear();
  stream.writer = nullptr;
  stream.segment = nullptr;
  writer.stream_ = kNone;
  free_streams_.push_back(&stream);
  finish(writer, stream.error);
}

void AcceptanceLog::leave_extent(Segment& segment, std::uint64_t begin, std::uint64_t used,
                                 std::uint64_t end) {
  RP_ASSERT(segment.extents > 0 && begin <= used && used <= end);
  --segment.extents;
  if (segment.append == end && !segment.write_failed) {
    segment.append = used;
  }
  look_ = true;
}

void AcceptanceLog::advance_waiting() {
  for (const auto& stream : streams_) {
    if (stream->writer != nullptr) {
      advance(*stream);
    }
  }
}

}  // namespace ringpost::spool
