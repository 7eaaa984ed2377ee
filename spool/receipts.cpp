#include "spool/receipts.h"

#include "core/mail/return_path.h"

namespace ringpost::spool {
namespace {

void describe(const Envelope& envelope, const Recipient& to, SettledRecord& record) {
  record.type = RecordType::received;
  record.received = record.settled = envelope.received;
  record.reverse_path = envelope.reverse_path;
  record.recipient = to.address;
  record.original_recipient = to.original;
  record.notify = to.notify;
  record.envelope_id = envelope.envelope_id;
  record.vmta = to.vmta.empty() ? envelope.vmta : to.vmta;
  record.job = envelope.job;
  record.user = envelope.user;
  record.helo = envelope.helo;
  record.noted = envelope.noted;
  record.origin = envelope.origin;
  record.received_at = envelope.received_at;
}

}  // namespace

bool Receipts::note(const Segment& segment, const MessageSlot& slot, std::uint32_t first,
                    bool verify) {
  if (!read_record(segment.bytes, segment.header.generation, slot.head, verify, record_) ||
      record_.recipients.size() != slot.recipients) {
    return false;
  }
  for (std::uint32_t i = first; i < slot.recipients; ++i) {
    OutcomeFields fields;
    fields.message = message_number(segment.ordinal(), slot.local);
    fields.record.id = segment.id_of(slot.local);
    fields.record.size_bytes = record_.head.content.size;
    fields.record.recipient_index = i;
    describe(record_.envelope, record_.recipients[i], fields.record);
    char path[kReturnPathBytesMax];
    TextBuilder own_path(path);
    if (record_.envelope.has_verp()) {
      write_return_path(record_.envelope, fields.record.recipient, own_path);
      fields.record.reverse_path = own_path.view();
    }
    journal_.add(JournalKind::dropped, [&](auto& encode) { write_account_note(encode, fields); });
  }
  return true;
}

}  // namespace ringpost::spool
