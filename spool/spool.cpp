#include "spool/spool.h"

#include <algorithm>
#include <cerrno>

namespace ringpost::spool {

Status SpoolOptions::check() const {
  const auto bad = [](const char* what) { return Error::of(ErrorCode::out_of_range, what); };
  const bool block_known =
      block_bytes >= kSector && block_bytes <= kPage && (block_bytes & (block_bytes - 1)) == 0;
  if (!block_known || segment_bytes % block_bytes != 0 ||
      journal_segment_bytes % block_bytes != 0) {
    return bad("spool blocks are 512 to 4096 octets, segments a multiple of them");
  }
  if (segment_bytes > 0xffffffffU || journal_segment_bytes > 0xffffffffU) {
    return bad("a spool segment is smaller than 4 GiB");
  }
  if (journal_segment_bytes < 16ULL * block_bytes ||
      journal_batch_bytes + 2ULL * block_bytes > journal_segment_bytes / 2 ||
      journal_batch_bytes < 2048) {
    return bad("a journal segment holds at least two batches of at least 2048 octets");
  }
  if (segment_bytes < 8ULL * block_bytes + small_message_max + head_room ||
      segment_bytes < 8ULL * block_bytes + kPage + message_max + head_room) {
    return bad("a segment is larger than the largest message and its head");
  }
  if (chunk_bytes < 512 || chunks < 8 || small_message_max / chunk_bytes + 16 > kWriteSlicesMax) {
    return bad("gathering buffers");
  }
  if (stream_write / chunk_bytes + 1 > kWriteSlicesMax / 4 || stream_gather < stream_write ||
      first_extent == 0) {
    return bad("streaming of large messages");
  }
  if (compact_percent > 90 || compact_bytes < kSector || compact_look <= Duration{} ||
      compact_pause <= Duration{}) {
    return bad("compaction");
  }
  if (window_bytes < kPage || window_bytes % kPage != 0 || spare_segments == 0 ||
      journal_reserve_segments == 0 || checkpoint_bytes_per_turn < 64) {
    return bad("spool windows, spares or budgets");
  }
  return {};
}

Spool::Spool(SpoolOptions options, const Uuid& id, const std::vector<std::uint16_t>& logs,
             const LogPorts& ports)
    : options_(std::move(options)), chunks_(options_.chunk_bytes, options_.chunks), ports_(ports) {
  RP_ASSERT(!logs.empty());
  for (const std::uint16_t number : logs) {
    ChunkPool* chunks = number == logs.front() ? &chunks_ : nullptr;
    logs_.push_back(std::make_unique<Log>(options_, number, id, chunks, ports_));
  }
}

Spool::~Spool() = default;

Result<RecoveryReport> Spool::start() {
  if (const Status fits = options_.check(); !fits) {
    return fits.error();
  }
  RecoveryReport report;
  for (const auto& log : logs_) {
    const auto found = log->start();
    if (!found) {
      return found.error();
    }
    report.add(*found);
  }
  return report;
}

Log* Spool::log_of(std::uint16_t number) noexcept {
  for (const auto& log : logs_) {
    if (log->number() == number) {
      return log.get();
    }
  }
  return nullptr;
}

// The file system is looked at once a second; others may fill it.
Status Spool::may_accept() {
  if (options_.deliver_only) {
    return Error::of(ErrorCode::no_space, "this spool only delivers");
  }
  if (options_.min_free_bytes == 0) {
    return {};
  }
  const Instant now = ports_.loop.now().instant;
  if (now >= space_known_until_) {
    const auto free = ports_.disk.free_bytes(options_.folder);
    if (!free) {
      return free.error();
    }
    free_bytes_ = *free;
    space_known_until_ = now + Duration::seconds(1);
  }
  return free_bytes_ >= options_.min_free_bytes
             ? Status{}
             : Error::of(ErrorCode::no_space, "the file system has less than is to stay free");
}

Result<MessageWriter*> Spool::begin(std::uint64_t declared_bytes) {
  if (const Status may = may_accept(); !may) {
    return may.error();
  }
  return logs_.front()->begin(declared_bytes);
}

Result<MessageWriter*> Spool::begin_report(std::uint64_t declared_bytes) {
  return logs_.front()->begin_report(declared_bytes);
}

bool Spool::owes(const SpoolHandle& message, std::uint32_t recipient) noexcept {
  Log* log = log_of(message.log);
  return log != nullptr && log->owes(message, recipient);
}

void Spool::reported(const SpoolHandle& message, std::span<const std::uint32_t> recipients) {
  Log* log = log_of(message.log);
  RP_ASSERT(log != nullptr);
  log->reported(message, recipients);
}

void Spool::delay_reported(const SpoolHandle& message, std::span<const std::uint32_t> recipients,
                           std::uint8_t count) {
  Log* log = log_of(message.log);
  RP_ASSERT(log != nullptr);
  log->delay_reported(message, recipients, count);
}

void Spool::look_later(const SpoolHandle& message, std::uint32_t unix_seconds) noexcept {
  if (Log* log = log_of(message.log)) {
    log->look_later(message, unix_seconds);
  }
}

void Spool::open(Job& job) {
  Log* log = log_of(job.message.log);
  if (log == nullptr) {
    ports_.loop.complete(job.opened, -ENOENT);
  } else {
    log->open(job);
  }
}

void Spool::settle(Job& job) {
  Log* log = log_of(job.message.log);
  if (log == nullptr) {
    ports_.loop.complete(job.settled, -ENOENT);
  } else {
    log->settle(job);
  }
}

void Spool::inspect(InspectOp& op) {
  Log* log = log_of(op.message.log);
  if (log == nullptr) {
    ports_.loop.complete(op, -ENOENT);
  } else {
    log->inspect(op);
  }
}

void Spool::release(InspectOp& op) {
  Log* log = log_of(op.message.log);
  RP_ASSERT(log != nullptr);
  log->release(op);
}

bool Spool::end_of_turn(Now now) {
  bool more = false;
  bool stopped = true;
  for (const auto& log : logs_) {
    more = log->end_of_turn(now) || more;
    stopped = stopped && log->stopped();
  }
  if (stopped && stopped_ != nullptr) {
    ports_.loop.complete(*stopped_, 0);
    stopped_ = nullptr;
    more = true;
  }
  return more;
}

void Spool::stop(Completion& done) {
  RP_ASSERT(stopped_ == nullptr);
  stopped_ = &done;
  for (const auto& log : logs_) {
    log->stop();
  }
}

bool Spool::may_issue() const noexcept {
  return std::all_of(logs_.begin(), logs_.end(), [](const auto& log) { return log->may_issue(); });
}

SpoolStats Spool::stats() noexcept {
  SpoolStats sum;
  for (const auto& log : logs_) {
    sum.add(log->stats());
  }
  return sum;
}

bool Spool::find(const MessageId& id, SpoolHandle& handle) {
  return std::any_of(logs_.begin(), logs_.end(),
                     [&](const auto& log) { return log->find(id, handle); });
}

bool Spool::next_message(MessageCursor& cursor, std::uint32_t& budget, SpoolHandle& handle) {
  for (; cursor.log < logs_.size() && budget > 0; ++cursor.log, cursor.slot = 0) {
    if (logs_[cursor.log]->next_message(cursor.slot, budget, handle)) {
      return true;
    }
    if (budget == 0) {
      return false;  // more may be left in this log
    }
  }
  return false;
}

bool Spool::recipient(const SpoolHandle& message, std::uint32_t index, RecipientBrief& brief) {
  Log* log = log_of(message.log);
  return log != nullptr && log->recipient(message, index, brief);
}

}  // namespace ringpost::spool
