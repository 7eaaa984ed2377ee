#include "spool/journal.h"

#include <algorithm>
#include <cerrno>

#include "core/base/hash.h"

namespace ringpost::spool {

namespace {

/// Between two syncs that only jobs to be opened wait for: several share one.
constexpr Duration kOpenSyncSpacing = Duration::milliseconds(1);

}  // namespace

Journal::Journal(const SpoolOptions& options, SegmentPool::Config config, Loop& loop, Disk& disk,
                 Entropy& entropy)
    : options_(options),
      loop_(loop),
      disk_(disk),
      pool_(std::move(config), loop, disk, entropy, *this),
      last_sync_(loop.now().instant) {
  write_.bind<&Journal::on_written>(this);
  sync_.bind<&Journal::on_synced>(this);
  sync_timer_.bind<&Journal::on_sync_due>(this);
  slices_.reserve(3 * kBatchesPerWrite + 1);
}

Journal::~Journal() { loop_.timers().disarm(sync_timer_); }

void Journal::adopt(std::unique_ptr<Segment> segment) {
  segment->state = SegmentState::sealed;
  segments_.push_back(pool_.adopt(std::move(segment)));
}

void Journal::resume(std::uint64_t next_sequence) noexcept {
  RP_ASSERT(state_ == State::unused && next_sequence > 0);
  next_sequence_ = next_sequence;
  resumed_after_ = next_sequence - 1;
}

void Journal::begin() {
  RP_ASSERT(state_ == State::unused);
  state_ = State::need_segment;
  synced_ = resumed_after_;
  open_next();
}

Journal::Batch& Journal::room_for(std::size_t bytes) {
  if (filling_ != nullptr && filling_->records > 0 &&
      filling_->body.size() + bytes > options_.journal_batch_bytes) {
    queue_filling();
  }
  if (filling_ == nullptr) {
    filling_ = spare_batches_.pop_front();
    if (filling_ == nullptr) {
      batches_.push_back(std::make_unique<Batch>());
      filling_ = batches_.back().get();
      filling_->body.reserve(options_.journal_batch_bytes);
    }
    filling_->first = next_sequence_;
  }
  return *filling_;
}

void Journal::queue_filling() {
  if (filling_ != nullptr && filling_->records > 0) {
    queue_.push_back(*filling_);
    filling_ = nullptr;
  }
}

Journal::Batch* Journal::last_unwritten() noexcept {
  if (filling_ != nullptr && filling_->records > 0) {
    return filling_;
  }
  return queue_.empty() ? writing_.back() : queue_.back();
}

void Journal::notify_durable(Job& job) {
  Batch* batch = last_unwritten();
  RP_ASSERT_NOTE(batch != nullptr, "a record that was just added is not written yet");
  batch->opens.push_back(job);
  ++opens_waiting_;
}

void Journal::notify_written(Job& job) {
  Batch* batch = last_unwritten();
  if (batch == nullptr) {
    loop_.complete(job.settled, 0);
  } else {
    batch->jobs.push_back(job);
  }
}

void Journal::end_of_turn(Now now) {
  flush();
  if (!hurry_ || unsynced_.empty()) {
    return;
  }
  last_sync_ = now.instant;
  start_sync();
}

void Journal::flush() {
  queue_filling();
  if (state_ == State::need_segment) {
    open_next();
  }
  if (state_ == State::ready && write_.idle() && !queue_.empty()) {
    start_write();
  }
}

void Journal::start_write() {
  slices_.clear();
  write_bytes_ = 0;
  if (page_break_) {
    const std::uint64_t page = align_up(active_->append, options_.block_bytes);
    written_bytes_ += page - active_->append;
    active_->append = page;
    page_break_ = false;
  }
  const std::uint64_t start = active_->append;
  while (writing_.size() < kBatchesPerWrite) {
    Batch* batch = queue_.front();
    if (batch == nullptr) {
      break;
    }
    const std::uint64_t offset = start + write_bytes_;
    const std::uint64_t bytes = align_up(kBatchHeaderBytes + batch->body.size(), kSector);
    if (bytes > active_->header.size - offset) {
      break;
    }
    queue_.remove(*batch);
    writing_.push_back(*batch);
    batch->index = active_->next_batch++;
    BatchHeader header;
    header.bytes = static_cast<std::uint32_t>(bytes);
    header.body_bytes = static_cast<std::uint32_t>(batch->body.size());
    header.records = batch->records;
    header.first = batch->first;
    header.last = batch->first + batch->records - 1;
    header.index = batch->index;
    header.confirmed = active_->confirmed;
    const std::uint64_t generation = active_->header.generation;
    header.body_hash = hash64(batch->body, place_seed(generation, offset));
    encode_batch_header(header, generation, offset, batch->head);
    slices_.push_back({batch->head, kBatchHeaderBytes});
    slices_.push_back(Slice::of(batch->body));
    const std::uint64_t pad = bytes - kBatchHeaderBytes - batch->body.size();
    if (pad > 0) {
      slices_.push_back({kZeroPage, pad});
    }
    write_bytes_ += bytes;
  }
  if (writing_.empty()) {
    move_on();
    return;
  }
  active_->append += write_bytes_;
  // Whole pages: of one that is not in memory the rest would have to be read from disk.
  const std::uint64_t rest = align_up(active_->append, options_.block_bytes) - active_->append;
  if (rest > 0) {
    slices_.push_back({kZeroPage, rest});
  }
  written_bytes_ += write_bytes_;
  write_bytes_ += rest;
  write_.file = active_->file;
  write_.offset = start;
  write_.slices = slices_.data();
  write_.slice_count = static_cast<std::uint32_t>(slices_.size());
  write_.durable = false;
  disk_.write(write_);
}

void Journal::on_written(Completion& done) {
  if (done.result < 0 || static_cast<std::uint64_t>(done.result) != write_bytes_) {
    fail();
    return;
  }
  while (Batch* batch = writing_.pop_front()) {
    unsynced_.push_back(*batch);
    active_->last_sequence = batch->first + batch->records - 1;
    while (Job* job = batch->jobs.pop_front()) {
      loop_.complete(job->settled, 0);
    }
  }
  if (state_ == State::failing) {
    fail();
    return;
  }
  if (!healthy()) {
    start_sync();
  } else if (opens_waiting_ > 0) {
    sync_for_opens();
  } else if (!sync_timer_.armed()) {
    loop_.timers().arm(sync_timer_, loop_.now().instant + options_.settle_sync_interval);
  }
  flush();
}

void Journal::sync_for_opens() {
  const Instant due = last_sync_ + kOpenSyncSpacing;
  const Instant now = loop_.now().instant;
  if (now >= due) {
    last_sync_ = now;
    start_sync();
  } else {
    loop_.timers().arm(sync_timer_, due);
  }
}

void Journal::on_sync_due(Now now) {
  last_sync_ = now.instant;
  start_sync();
}

void Journal::sync_along(Now now) {
  if (now.instant - last_sync_ >= options_.settle_sync_interval / 4 && !unsynced_.empty()) {
    last_sync_ = now.instant;
    start_sync();
  }
}

void Journal::start_sync() {
  const bool may = state_ == State::ready || state_ == State::closing;
  if (!may || !sync_.idle() || unsynced_.empty()) {
    return;
  }
  const Batch& last = *unsynced_.back();
  sync_mark_ = last.first + last.records - 1;
  // A page that will hold synced bytes is not written again.
  page_break_ = true;
  sync_.file = active_->file;
  disk_.sync(sync_);
}

void Journal::on_synced(Completion& done) {
  if (done.result != 0 || state_ == State::failing) {
    fail();
    return;
  }
  while (Batch* batch = unsynced_.front()) {
    if (batch->first > sync_mark_) {
      break;
    }
    unsynced_.remove(*batch);
    active_->confirm(batch->index);
    unsynced_outcomes_ -= batch->outcomes;
    while (Job* job = batch->opens.pop_front()) {
      --opens_waiting_;
      loop_.complete(job->opened, 0);
    }
    recycle(*batch);
  }
  synced_ = sync_mark_;
  if (opens_waiting_ > 0) {
    sync_for_opens();
  } else if (!unsynced_.empty() && !sync_timer_.armed()) {
    loop_.timers().arm(sync_timer_, loop_.now().instant + options_.settle_sync_interval);
  }
  if (state_ == State::closing) {
    move_on();
  } else {
    flush();
  }
}

void Journal::recycle(Batch& batch) {
  RP_ASSERT(batch.jobs.empty() && batch.opens.empty());
  batch.body.clear();
  batch.records = batch.outcomes = 0;
  spare_batches_.push_back(batch);
}

void Journal::move_on() {
  state_ = State::closing;
  if (!unsynced_.empty()) {
    start_sync();
    return;
  }
  if (sync_.idle()) {
    active_->state = SegmentState::sealed;
    written_bytes_ += active_->header.size - active_->append;
    state_ = State::need_segment;
    open_next();
  }
}

void Journal::open_next() {
  pool_.pump(loop_.now());
  std::uint64_t first = next_sequence_;
  if (!queue_.empty()) {
    first = queue_.front()->first;
  } else if (filling_ != nullptr) {
    first = filling_->first;
  }
  if (Segment* segment = pool_.open(first)) {
    state_ = State::opening;
    opening_ = segment;
    pool_.pump(loop_.now());
  }
}

void Journal::segment_opened(Segment& segment, std::int32_t result) {
  RP_ASSERT(state_ == State::opening && &segment == opening_);
  opening_ = nullptr;
  if (result != 0) {
    ++errors_;
    state_ = State::need_segment;
    return;
  }
  segments_.push_back(segment);
  active_ = &segment;
  page_break_ = false;
  state_ = State::ready;
  flush();
}

void Journal::fail() {
  if (state_ != State::failing) {
    ++errors_;
    state_ = State::failing;
    active_->write_failed = true;
  }
  if (!write_.idle() || !sync_.idle()) {
    return;
  }
  requeue_unsynced();
  active_->state = SegmentState::sealed;
  active_->last_sequence = queue_.front()->first - 1;
  // Until all of it is durable again no new transaction begins.
  const Batch& last = *queue_.back();
  repaired_at_ = std::max(repaired_at_, last.first + last.records - 1);
  state_ = State::need_segment;
  open_next();
}

void Journal::requeue_unsynced() {
  while (Batch* batch = writing_.back()) {
    writing_.remove(*batch);
    queue_.push_front(*batch);
  }
  while (Batch* batch = unsynced_.back()) {
    unsynced_.remove(*batch);
    queue_.push_front(*batch);
  }
  RP_ASSERT(!queue_.empty());
}

void Journal::drop_through(std::uint64_t sequence) {
  while (Segment* segment = segments_.front()) {
    if (segment == active_ || segment->last_sequence > sequence) {
      return;
    }
    segments_.remove(*segment);
    pool_.release(*segment);
  }
}

std::uint64_t Journal::used_bytes() const noexcept {
  return segments_.size() * options_.journal_segment_bytes;
}

bool Journal::idle() const noexcept {
  return write_.idle() && sync_.idle() && queue_.empty() && unsynced_.empty() && writing_.empty() &&
         (filling_ == nullptr || filling_->records == 0) && pool_.idle();
}

}  // namespace ringpost::spool
