// The log towards whoever tells senders what became of their mail: a recipient whose ending is to
// be reported keeps its message until the report is durable.

#include <algorithm>

#include "spool/log.h"

namespace ringpost::spool {
namespace {

template <class Encode>
void write_note(Encode& encode, std::uint64_t message, NoteTag tag,
                std::span<const std::uint32_t> recipients) {
  encode.number(message);
  encode.varint(0);  // drops nothing
  encode.number(static_cast<std::uint8_t>(tag));
  encode.varint(recipients.size());
  for (const std::uint32_t recipient : recipients) {
    encode.varint(recipient);
  }
}

}  // namespace

void Log::note_owed() {
  if (reports_ == nullptr) {
    return;
  }
  for (std::uint32_t index = 0; index < slots_.size(); ++index) {
    const MessageSlot& slot = slots_[index];
    for (std::uint32_t r = 0; r < slot.recipients; ++r) {
      if (slot.state(r).has(RecipientState::kOwed)) {
        owed_at_start_.push_back({{number_, index, slot.generation}, r});
      }
    }
  }
}

// A report that is owed by an earlier run is made from its outcome's record. Where that was lost
// there is nothing to report, and the message must not stay for ever.
void Log::forgive_reports() {
  if (owed_at_start_.empty() || reports_->next() < start_end_ ||
      ports_.reports->archived(number_) < start_end_) {
    return;
  }
  for (const auto& [message, recipient] : owed_at_start_) {
    if (owes(message, recipient)) {
      ++reports_lost_;
      reported(message, {&recipient, 1});
    }
  }
  owed_at_start_.clear();
  owed_at_start_.shrink_to_fit();
}

// One piece of a walk over all messages that never ends; only what is due costs more than a look.
void Log::look_for_delays(Now now) {
  constexpr std::uint32_t kSlotsPerLook = 50'000;
  constexpr unsigned kMessagesPerLook = 200;  // each may have to be read from the disk
  unsigned looks = 0;
  if (ports_.reports == nullptr || !begun_ || stop_ != Stop::running) {
    return;
  }
  const auto second = static_cast<std::uint32_t>(now.wall.unix_seconds());
  for (std::uint32_t n = std::min(kSlotsPerLook, slots_.size()); n > 0; --n) {
    delay_cursor_ = delay_cursor_ < slots_.size() ? delay_cursor_ : 0;
    MessageSlot& slot = slots_[delay_cursor_];
    if (slot.recipients > 0 && slot.delay_look_s != 0 && slot.delay_look_s <= second) {
      if (++looks > kMessagesPerLook ||
          !ports_.reports->look_at({number_, delay_cursor_, slot.generation})) {
        return;
      }
      slot.delay_look_s = 0;  // until look_later()
    }
    ++delay_cursor_;
  }
}

void Log::look_later(const SpoolHandle& message, std::uint32_t unix_seconds) noexcept {
  if (MessageSlot* slot = slots_.find(message.slot, message.generation)) {
    slot->delay_look_s = unix_seconds;
  }
}

void Log::delay_reported(const SpoolHandle& message, std::span<const std::uint32_t> recipients,
                         std::uint8_t count) {
  MessageSlot* slot = slots_.find(message.slot, message.generation);
  if (slot == nullptr) {
    return;  // it ended meanwhile
  }
  journal_.add(JournalKind::dropped, [&](auto& encode) {
    write_note(encode, number_of(*slot), NoteTag::delayed, recipients);
    encode.number(count);
  });
  for (const std::uint32_t recipient : recipients) {
    slot->state(recipient).set_delays(count);
  }
}

bool Log::restore(const SpoolHandle& message, std::uint32_t recipient, RecipientState state,
                  std::string_view owed) {
  MessageSlot* slot = slots_.find(message.slot, message.generation);
  RP_ASSERT(slot != nullptr);
  if (!owed.empty()) {
    OutcomeFields fields;
    if (!read_outcome(owed, fields) || !is_final(fields.record.kind)) {
      return false;
    }
    fields.message = number_of(*slot);
    fields.record.id = brief(message.slot).id;
    fields.record.recipient_index = recipient;
    fields.record.report_owed = true;
    fields.elsewhere = true;
    journal_.add(JournalKind::outcome, [&](auto& encode) { write_outcome_fields(encode, fields); });
    state.set(RecipientState::kSettled);
    state.set(RecipientState::kOwed);
  }
  slot->state(recipient) = state;
  return true;
}

bool Log::owes(const SpoolHandle& message, std::uint32_t recipient) noexcept {
  const MessageSlot* slot = slots_.find(message.slot, message.generation);
  return slot != nullptr && recipient < slot->recipients &&
         slot->state(recipient).has(RecipientState::kOwed);
}

void Log::reported(const SpoolHandle& message, std::span<const std::uint32_t> recipients) {
  MessageSlot* slot = slots_.find(message.slot, message.generation);
  RP_ASSERT(slot != nullptr);
  const std::uint64_t sequence = journal_.add(JournalKind::dropped, [&](auto& encode) {
    write_note(encode, number_of(*slot), NoteTag::reported, recipients);
  });
  for (const std::uint32_t recipient : recipients) {
    RecipientState& state = slot->state(recipient);
    if (state.has(RecipientState::kOwed)) {
      state.unset(RecipientState::kOwed);
      close_recipient(*slot, sequence);
    }
  }
  if (slot->open == 0 && slot->view == kNone) {
    slots_.give(message.slot);
  }
}

}  // namespace ringpost::spool
