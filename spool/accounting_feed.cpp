#include "spool/accounting_feed.h"

#include <algorithm>

namespace ringpost::spool {

namespace {

constexpr std::uint64_t kPopulateBytes = 1 << 20;

}  // namespace

AccountingFeed::AccountingFeed(const SpoolOptions& options, Loop& loop, Disk& disk,
                               Journal& journal, std::uint16_t log, OutcomeSink& sink, FeedOf what)
    : options_(options),
      loop_(loop),
      disk_(disk),
      journal_(journal),
      log_(log),
      sink_(sink),
      what_(what) {
  populate_.bind<&AccountingFeed::on_populated>(this);
}

void AccountingFeed::begin(std::uint64_t after) {
  last_outcome_ = after;
  next_ = last_outcome_ + 1;
  begun_ = true;
  // What an earlier run wrote counts as cold.
  caught_up_ = Instant{loop_.now().instant.ns - 2 * options_.warm_time.ns};
}

Segment* AccountingFeed::current() {
  Segment* segment = journal_.segments().front();
  while (segment != nullptr) {
    Segment* after = journal_.segments().after(*segment);
    if (after == nullptr || next_ < after->header.first_sequence) {
      break;
    }
    segment = after;
  }
  if (segment != nullptr && segment->ordinal() != ordinal_) {
    ordinal_ = segment->ordinal();
    offset_ = segment->header.block_bytes;
    batch_end_ = 0;
    // What lay before the oldest segment was let go: it held no outcome that is still wanted.
    next_ = std::max(next_, segment->header.first_sequence);
  }
  return segment;
}

bool AccountingFeed::readable(const Segment& segment, Now now) {
  if (now.instant - caught_up_ < options_.warm_time) {
    return true;
  }
  const bool covered = populated_ordinal_ == segment.ordinal() &&
                       now.instant - populated_at_ < options_.warm_time &&
                       (offset_ + options_.journal_batch_bytes * 2ULL <= populated_end_ ||
                        populated_end_ == segment.bytes.size());
  if (covered) {
    return true;
  }
  if (populate_.idle()) {
    const std::uint64_t begin = offset_ / kPage * kPage;
    const std::uint64_t most =
        std::max<std::uint64_t>(kPopulateBytes, options_.journal_batch_bytes * 4ULL);
    populated_ordinal_ = segment.ordinal();
    populated_end_ = std::min<std::uint64_t>(begin + most, segment.bytes.size());
    populate_.address = segment.bytes.data() + begin;
    populate_.size = populated_end_ - begin;
    // Not covered before it has completed.
    populated_at_ = Instant{now.instant.ns - 2 * options_.warm_time.ns};
    disk_.populate(populate_);
  }
  return false;
}

void AccountingFeed::on_populated(Completion& done) {
  populated_at_ = loop_.now().instant;
  if (done.result == 0) {
    return;
  }
  // The medium failed under a window: what lies in it is given up, and counted by the gap.
  if (ordinal_ == populated_ordinal_) {
    offset_ = std::max(offset_, populated_end_ / kSector * kSector);
    batch_end_ = 0;
  }
}

AccountingFeed::Step AccountingFeed::read_batch(Segment& segment, Now now) {
  if (!readable(segment, now)) {
    return Step::wait;
  }
  const bool last = journal_.segments().after(segment) == nullptr;
  std::uint64_t offset = offset_;
  const auto batch = next_journal_batch(segment.bytes, segment.header.generation, offset);
  if (!batch) {
    // Nothing more can be read here although there should be: go on behind it. A segment whose
    // successor is missing was let go, and came back because its free mark was not yet synced.
    const Segment* after = journal_.segments().after(segment);
    const bool let_go = after != nullptr && after->ordinal() != segment.ordinal() + 1;
    const std::uint64_t end = last ? journal_.synced() : segment.last_sequence;
    lost_ += end + 1 > next_ && !let_go ? end + 1 - next_ : 0;
    next_ = std::max(next_, end + 1);
    return Step::go_on;
  }
  if (last && batch->header.last > journal_.synced()) {
    return Step::wait;
  }
  offset_ = offset;
  if (batch->header.last < next_) {
    return Step::go_on;
  }
  if (batch->header.first > next_) {
    lost_ += batch->header.first - next_;
    next_ = batch->header.first;
  }
  body_ = batch->body;
  sequence_ = batch->header.first;
  batch_end_ = batch->header.last + 1;
  batch_offset_ = batch->offset;
  batch_read_at_ = now.instant;
  return Step::go_on;
}

// Few outcomes are reported: the others cost no more than a look at their state.
bool AccountingFeed::wanted(std::string_view fields) const {
  OutcomeFields state;
  return what_ == FeedOf::all_outcomes ||
         (read_outcome_state(fields, state) && state.record.report_owed);
}

AccountingFeed::Step AccountingFeed::hand_over(std::uint64_t limit, std::uint32_t& budget) {
  while (next_ < batch_end_ && next_ <= limit && budget > 0) {
    Decoder decode(body_);
    const auto record = next_journal_record(decode);
    if (!record) {
      lost_ += batch_end_ - next_;
      next_ = batch_end_;
      break;
    }
    OutcomeFields fields;
    if (sequence_ >= next_ && record->kind == JournalKind::outcome && !wanted(record->fields)) {
      --budget;
    } else if (sequence_ >= next_ && shows(record->kind)) {
      const AccountRead read = read_for_accounting(*record, fields);
      fields.record.log = log_;
      fields.record.sequence = sequence_;
      const bool ours = what_ != FeedOf::all_outcomes || !fields.elsewhere;
      if (read == AccountRead::record && ours && !sink_.account(fields.record)) {
        return Step::wait;
      }
      if (read == AccountRead::record) {
        --budget;
        delivered_ += ours ? 1 : 0;
        last_outcome_ = ours ? sequence_ : last_outcome_;
      }
      lost_ += read == AccountRead::damaged ? 1 : 0;
    }
    body_ = body_.substr(decode.position());
    next_ = std::max(next_, ++sequence_);
  }
  return Step::go_on;
}

bool AccountingFeed::pump(Now now) {
  if (!begun_ || !populate_.idle()) {
    return false;
  }
  std::uint32_t budget = options_.accounting_per_turn;
  while (next_ <= journal_.synced()) {
    if (budget == 0) {
      return true;
    }
    Segment* segment = current();
    if (segment == nullptr) {
      next_ = journal_.synced() + 1;
      break;
    }
    const bool last = journal_.segments().after(*segment) == nullptr;
    const std::uint64_t limit =
        last ? journal_.synced() : std::min(journal_.synced(), segment->last_sequence);
    if (next_ > limit) {
      // The rest of this segment is void; its successor begins at the next sequence.
      Segment* after = journal_.segments().after(*segment);
      next_ = after == nullptr ? next_ : after->header.first_sequence;
      continue;
    }
    bool in_batch = next_ < batch_end_ && !body_.empty();
    if (in_batch && now.instant - batch_read_at_ >= options_.warm_time) {
      // Refused for long: its bytes may have left memory.
      in_batch = false;
      batch_end_ = 0;
      offset_ = batch_offset_;
    }
    const Step step = in_batch ? hand_over(limit, budget) : read_batch(*segment, now);
    if (step == Step::wait) {
      return false;
    }
  }
  caught_up_ = now.instant;
  return false;
}

}  // namespace ringpost::spool
