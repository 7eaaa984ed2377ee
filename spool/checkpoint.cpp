#include "spool/checkpoint.h"

#include <algorithm>

namespace ringpost::spool {

Checkpoint::Checkpoint(const SpoolOptions& options, SlotTable& slots, AcceptanceLog& acceptance,
                       Journal& journal)
    : options_(options), slots_(slots), acceptance_(acceptance), journal_(journal) {}

bool Checkpoint::due(bool frees) const noexcept {
  const std::uint64_t written = journal_.written_bytes();
  const std::uint64_t segment = options_.journal_segment_bytes;
  const bool enough = written - written_at_begin_ >= std::max(segment, 2 * last_bytes_);
  // Room is worth more writing, as long as each time a segment is gained.
  const bool tight = journal_.used_bytes() + last_room_ + 2 * segment > options_.journal_max_bytes;
  const bool gains = durable_begin_ == end_begin_ && written - written_at_end_ >= segment;
  return !running_ && (enough || (frees && tight && gains));
}

void Checkpoint::start() {
  if (running_) {
    return;
  }
  running_ = true;
  next_segment_ = 0;
  next_local_ = 0;
  bytes_ = 0;
  written_at_begin_ = journal_.written_bytes();
  live_.clear();
  acceptance_.for_each_live(
      [&](const SegmentHeader& header) { live_.emplace_back(header.ordinal, header.generation); });
  begin_ = journal_.add(JournalKind::checkpoint_begin, [&](auto& encode) {
    encode.number(acceptance_.next_ordinal());
    encode.varint(live_.size());
    for (const auto& [ordinal, generation] : live_) {
      encode.number(ordinal);
      encode.number(generation);
    }
  });
}

bool Checkpoint::step() {
  if (!running_) {
    return false;
  }
  std::uint64_t budget = options_.checkpoint_bytes_per_turn;
  while (next_segment_ < live_.size() && budget > 0) {
    const auto [ordinal, generation] = live_[next_segment_];
    Segment* segment = acceptance_.find(ordinal);
    if (segment == nullptr) {
      // It may have gone after some of its parts were written.
      write_retired(ordinal);
      ++next_segment_;
      next_local_ = 0;
    } else if (next_local_ >= segment->slots.size()) {
      ++next_segment_;
      next_local_ = 0;
      continue;
    } else {
      write_part(*segment);
    }
    bytes_ += items_.size() + 16;
    budget -= std::min<std::uint64_t>(budget, items_.size() + 16);
  }
  if (next_segment_ == live_.size()) {
    end_ = journal_.add(JournalKind::checkpoint_end, [&](auto& encode) { encode.number(begin_); });
    end_begin_ = begin_;
    last_bytes_ = bytes_;
    running_ = false;
    ++completed_;
  }
  return true;
}

void Checkpoint::write_part(Segment& segment) {
  items_.clear();
  PartWriter part(items_);
  const std::uint32_t first = next_local_;
  const auto size = static_cast<std::uint32_t>(segment.slots.size());
  const std::size_t most =
      std::min<std::size_t>(options_.checkpoint_bytes_per_turn, options_.journal_batch_bytes / 2);
  while (next_local_ < size && items_.size() < most) {
    const std::uint32_t index = segment.slots[next_local_++];
    if (index == kNone) {
      part.settled();
    } else if (index == kPending) {
      part.unsaid();
    } else {
      const MessageSlot& slot = slots_[index];
      bool untouched = true;
      for (std::uint32_t i = 0; i < slot.recipients && untouched; ++i) {
        untouched = slot.state(i).untouched();
      }
      untouched ? part.untouched() : part.detail(slot);
    }
  }
  part.finish();
  journal_.add(JournalKind::checkpoint_part, [&](auto& encode) {
    encode.number(segment.ordinal());
    encode.varint(first);
    encode.raw(items_);
  });
}

void Checkpoint::write_retired(std::uint32_t ordinal) {
  items_.clear();
  PartWriter part(items_);
  part.settled(std::uint64_t{kLocalMax} + 1);  // every local number there can be
  part.finish();
  journal_.add(JournalKind::checkpoint_part, [&](auto& encode) {
    encode.number(ordinal);
    encode.varint(0);
    encode.raw(items_);
  });
}

std::uint64_t Checkpoint::durable_begin() noexcept {
  if (durable_begin_ != end_begin_ && end_ <= journal_.synced()) {
    durable_begin_ = end_begin_;
    written_at_end_ = journal_.written_bytes();
    last_room_ = written_at_end_ - written_at_begin_;
  }
  return durable_begin_;
}

}  // namespace ringpost::spool
