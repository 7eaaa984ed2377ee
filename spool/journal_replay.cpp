#include "spool/journal_replay.h"

#include <algorithm>

#include "spool/segment_scan.h"

namespace ringpost::spool {

namespace {

void prove(MessageSlot& slot) {
  slot.flags = static_cast<std::uint8_t>(slot.flags & ~MessageSlot::kUnproven);
}

}  // namespace

void JournalReplay::read(const std::vector<std::unique_ptr<Segment>>& segments) {
  if (segments.empty()) {
    clean_ = true;
    complete_ = false;
    return;
  }
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    segments[i]->last_sequence = segments[i + 1]->header.first_sequence - 1;
  }
  // Backwards until the last complete checkpoint lies wholly in what is loaded.
  for (std::size_t i = segments.size(); i-- > 0;) {
    Segment& segment = *segments[i];
    load(segment, i + 1 < segments.size() ? segments[i + 1].get() : nullptr);
    if (i + 1 == segments.size()) {
      next_sequence_ = segment.last_sequence + 1;
    }
    if (checkpoint_ == 0) {
      find_checkpoint(loaded_[segment.ordinal()]);
    }
    if (checkpoint_ != 0 && segment.header.first_sequence <= checkpoint_) {
      break;
    }
  }
  bool found = false;
  for (const auto& [ordinal, loaded] : loaded_) {
    for (const JournalBatchView& batch : loaded.batches) {
      std::uint64_t sequence = batch.header.first;
      Decoder decode(batch.body);
      while (const auto record = next_journal_record(decode)) {
        if (sequence++ == checkpoint_ && record->kind == JournalKind::checkpoint_begin) {
          read_begin(record->fields);
          found = true;
        }
        clean_ = record->kind == JournalKind::clean;
      }
    }
  }
  if (!found) {
    checkpoint_ = 0;
    complete_ = complete_ && segments.front()->header.first_sequence <= 1;
    if (segments.front()->header.first_sequence > 1) {
      report_.notes.push_back(segments.front()->path +
                              ": no complete checkpoint was found; settled mail may come back");
      ++report_.damaged_segments;
    }
  }
}

void JournalReplay::load(Segment& segment, const Segment* after) {
  Loaded& loaded = loaded_[segment.ordinal()];
  const std::uint32_t failed = read_all(disk_, segment.file, segment.header.size, loaded.bytes);
  if (failed > 0) {
    report_.notes.push_back(segment.path + ": " + std::to_string(failed) + " pages cannot be read");
  }
  std::vector<JournalBatchView> found;
  std::uint64_t offset = segment.header.block_bytes;
  std::uint32_t confirmed = 0;
  while (const auto batch = next_journal_batch(loaded.bytes, segment.header.generation, offset)) {
    found.push_back(*batch);
    confirmed = std::max(confirmed, batch->header.confirmed);
  }
  std::uint64_t expected = segment.header.first_sequence;
  std::uint32_t index = 0;
  const auto lost = [&](std::uint64_t count) {
    complete_ = false;
    report_.lost_outcomes += count;
    report_.notes.push_back(segment.path + ": " + std::to_string(count) +
                            " records from sequence " + std::to_string(expected) +
                            " cannot be read");
  };
  for (const JournalBatchView& batch : found) {
    if (after != nullptr && batch.header.first >= after->header.first_sequence) {
      break;
    }
    if (batch.header.first > expected) {
      if (after == nullptr && index >= confirmed) {
        ++report_.tail_cuts;  // nothing vouches for what is missing: the tail ends here
        break;
      }
      lost(batch.header.first - expected);
    }
    loaded.batches.push_back(batch);
    expected = batch.header.last + 1;
    index = batch.header.index + 1;
  }
  if (after == nullptr) {
    segment.last_sequence = expected - 1;
    const auto first = std::find_if(
        loaded.batches.begin(), loaded.batches.end(),
        [&](const JournalBatchView& batch) { return batch.header.index >= confirmed; });
    if (first != loaded.batches.end()) {
      const JournalBatchView& last = loaded.batches.back();
      tail_offset_ = first->offset;
      tail_ = std::string_view(loaded.bytes)
                  .substr(tail_offset_, last.offset + last.header.bytes - tail_offset_);
    }
  } else if (expected <= segment.last_sequence && after->ordinal() == segment.ordinal() + 1) {
    lost(segment.last_sequence + 1 - expected);
  }
}

bool JournalReplay::find_checkpoint(const Loaded& loaded) {
  for (const JournalBatchView& batch : loaded.batches) {
    Decoder decode(batch.body);
    while (const auto record = next_journal_record(decode)) {
      if (record->kind == JournalKind::checkpoint_end) {
        Decoder fields(record->fields);
        checkpoint_ = fields.number<std::uint64_t>();
      }
    }
  }
  return checkpoint_ != 0;
}

void JournalReplay::read_begin(std::string_view fields) {
  Decoder decode(fields);
  checkpoint_next_ordinal_ = decode.number<std::uint32_t>();
  const std::uint64_t count = decode.varint();
  for (std::uint64_t i = 0; i < count && decode.ok(); ++i) {
    const auto ordinal = decode.number<std::uint32_t>();
    checkpoint_live_[ordinal] = decode.number<std::uint64_t>();
  }
  if (checkpoint_next_ordinal_ > 0) {
    highest_ordinal_ = std::max(highest_ordinal_, checkpoint_next_ordinal_ - 1);
  }
}

bool JournalReplay::retired(const SegmentHeader& header) const {
  if (checkpoint_ == 0 || header.ordinal >= checkpoint_next_ordinal_) {
    return false;
  }
  const auto live = checkpoint_live_.find(header.ordinal);
  return live == checkpoint_live_.end() || live->second != header.generation;
}

void JournalReplay::apply(const std::vector<std::unique_ptr<Segment>>& acceptance,
                          SlotTable& slots) {
  slots_ = &slots;
  for (const auto& segment : acceptance) {
    segments_[segment->ordinal()] = segment.get();
  }
  for (const auto& [ordinal, loaded] : loaded_) {
    for (const JournalBatchView& batch : loaded.batches) {
      std::uint64_t sequence = batch.header.first;
      Decoder decode(batch.body);
      while (const auto record = next_journal_record(decode)) {
        if (sequence++ >= checkpoint_) {
          apply_record(*record);
        }
      }
    }
  }
}

MessageSlot* JournalReplay::message(std::uint64_t number) {
  const auto segment = segments_.find(ordinal_of(number));
  if (segment == segments_.end() || local_of(number) >= segment->second->slots.size()) {
    return nullptr;
  }
  const std::uint32_t index = segment->second->slots[local_of(number)];
  return index == kNone ? nullptr : &(*slots_)[index];
}

void JournalReplay::apply_record(const JournalRecord& record) {
  switch (record.kind) {
    case JournalKind::issued:
    case JournalKind::returned: apply_runs(record); break;
    case JournalKind::outcome: apply_outcome(record.fields); break;
    case JournalKind::dropped: apply_dropped(record.fields); break;
    case JournalKind::checkpoint_part: apply_part(record.fields); break;
    case JournalKind::checkpoint_begin:
    case JournalKind::checkpoint_end:
    case JournalKind::clean: break;
  }
}

void JournalReplay::apply_runs(const JournalRecord& record) {
  Decoder decode(record.fields);
  MessageSlot* slot = message(decode.number<std::uint64_t>());
  const std::uint64_t runs = decode.varint();
  for (std::uint64_t i = 0; i < runs && slot != nullptr; ++i) {
    const std::uint64_t first = decode.varint();
    const std::uint64_t count = decode.varint();
    if (!decode.ok() || first > slot->recipients || count > slot->recipients - first) {
      return;
    }
    for (std::uint64_t r = first; r < first + count; ++r) {
      RecipientState& state = slot->state(static_cast<std::uint32_t>(r));
      if (record.kind == JournalKind::issued) {
        state.set(RecipientState::kIssued);
      } else {
        state.unset(RecipientState::kIssued);
      }
    }
  }
}

void JournalReplay::apply_outcome(std::string_view fields) {
  OutcomeFields outcome;
  if (!read_outcome_state(fields, outcome)) {
    return;
  }
  MessageSlot* slot = message(outcome.message);
  if (slot == nullptr || outcome.record.recipient_index >= slot->recipients) {
    return;
  }
  RecipientState& state = slot->state(outcome.record.recipient_index);
  state.unset(RecipientState::kIssued);
  state.attempts = outcome.record.attempts;
  if (outcome.record.ambiguous) {
    state.set(RecipientState::kAmbiguous);
  }
  if (is_final(outcome.record.kind)) {
    state.set(RecipientState::kSettled);
    if (outcome.record.report_owed) {
      state.set(RecipientState::kOwed);
    }
  } else {
    state.next_s = seconds_up(outcome.next_attempt);
    if (read_outcome(fields, outcome)) {
      state.first_s = static_cast<std::uint32_t>(outcome.record.first_attempt.unix_seconds());
    }
  }
}

void JournalReplay::apply_dropped(std::string_view fields) {
  Decoder decode(fields);
  const auto first = decode.number<std::uint64_t>();
  const auto segment = segments_.find(ordinal_of(first));
  const std::uint64_t known = segment == segments_.end() ? 0 : segment->second->slots.size();
  const std::uint64_t left = known - std::min<std::uint64_t>(known, local_of(first));
  const std::uint64_t dropped = decode.varint();
  if (dropped == 0) {
    return apply_note(first, decode);
  }
  const std::uint64_t count = std::min(dropped, left);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (MessageSlot* slot = message(first + i)) {
      ++report_.refused_dropped;
      for (std::uint32_t r = 0; r < slot->recipients; ++r) {
        slot->state(r).set(RecipientState::kSettled);
      }
    }
  }
}

void JournalReplay::apply_note(std::uint64_t number, Decoder decode) {
  MessageSlot* slot = message(number);
  const auto tag = static_cast<NoteTag>(decode.number<std::uint8_t>());
  if (tag == NoteTag::moved) {
    return apply_moved(number, decode);
  }
  if (tag == NoteTag::account) {
    return apply_receipt(slot, decode.rest());
  }
  const std::uint64_t count = decode.varint();
  Decoder recipients = decode;
  for (std::uint64_t i = 0; i < count && decode.ok(); ++i) {
    decode.varint32();
  }
  const std::uint8_t delays = tag == NoteTag::delayed ? decode.number<std::uint8_t>() : 0;
  for (std::uint64_t i = 0; i < count && decode.ok() && slot != nullptr; ++i) {
    const std::uint32_t recipient = recipients.varint32();
    if (recipient >= slot->recipients) {
      continue;
    }
    if (tag == NoteTag::reported) {
      slot->state(recipient).unset(RecipientState::kOwed);
    } else if (tag == NoteTag::delayed) {
      slot->state(recipient).set_delays(delays);
    }
  }
}

// From here on the message is its copy, in the state that the note says. A copy that cannot be read
// leaves its source what it was; one whose segment is gone has ended since, though the source's
// own end may not have reached the disk.
void JournalReplay::apply_moved(std::uint64_t number, Decoder& decode) {
  MessageSlot* copy = message(number);
  MessageSlot* source = message(decode.number<std::uint64_t>());
  const std::uint64_t count = decode.varint();
  const bool gone = segments_.count(ordinal_of(number)) == 0;
  if (!gone && (copy == nullptr || count != copy->recipients)) {
    return;
  }
  for (std::uint32_t i = 0; !gone && i < copy->recipients && decode.ok(); ++i) {
    RecipientState state;
    read_recipient(decode, state);
    copy->state(i) = state;
  }
  if (!gone) {
    prove(*copy);
  }
  for (std::uint32_t i = 0; source != nullptr && i < source->recipients; ++i) {
    source->state(i) = RecipientState{};
    source->state(i).set(RecipientState::kSettled);
  }
}

void JournalReplay::apply_receipt(MessageSlot* slot, std::string_view rest) {
  OutcomeFields fields;
  if (slot != nullptr && read_account_note(rest, fields) &&
      fields.record.type == RecordType::received) {
    slot->receipted = std::max(slot->receipted, fields.record.recipient_index + 1);
  }
}

void JournalReplay::apply_part(std::string_view fields) {
  Decoder decode(fields);
  const auto ordinal = decode.number<std::uint32_t>();
  std::uint64_t local = decode.varint();
  while (!decode.at_end() && decode.ok()) {
    const auto kind = decode.number<std::uint8_t>();
    const std::uint64_t count = decode.varint();
    if (kind == 3) {
      MessageSlot* slot = local <= kLocalMax
                              ? message(message_number(ordinal, static_cast<std::uint32_t>(local)))
                              : nullptr;
      if (slot != nullptr) {
        prove(*slot);
      }
      for (std::uint64_t i = 0; i < count && decode.ok(); ++i) {
        RecipientState state;
        read_recipient(decode, state);
        if (slot != nullptr && i < slot->recipients) {
          slot->receipted = slot->recipients;
          slot->state(static_cast<std::uint32_t>(i)) = state;
        }
      }
      ++local;
      continue;
    }
    const auto segment = segments_.find(ordinal);
    const std::uint64_t known = segment == segments_.end() ? 0 : segment->second->slots.size();
    for (std::uint64_t l = local; l < std::min(local + count, known); ++l) {
      MessageSlot* slot = message(message_number(ordinal, static_cast<std::uint32_t>(l)));
      if (slot != nullptr) {
        prove(*slot);
        slot->receipted = slot->recipients;
      }
      for (std::uint32_t r = 0; slot != nullptr && r < slot->recipients; ++r) {
        slot->state(r) = RecipientState{};
        if (kind == 1) {
          slot->state(r).set(RecipientState::kSettled);
        }
      }
    }
    local += std::min<std::uint64_t>(count, kLocalMax + 1ULL);
  }
}

}  // namespace ringpost::spool
