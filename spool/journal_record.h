#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/mail/doors.h"
#include "spool/bytes.h"
#include "spool/format.h"
#include "spool/slots.h"

namespace ringpost::spool {

enum class JournalKind : std::uint8_t {
  issued = 1,
  returned = 2,
  outcome = 3,
  dropped = 4,  ///< `void` in the grammar: a refused commit
  checkpoint_begin = 5,
  checkpoint_part = 6,
  checkpoint_end = 7,
  clean = 8,
};

/// One journal record as it lies in a batch: kind and fields.
struct JournalRecord {
  JournalKind kind = JournalKind::clean;
  std::string_view fields;
};
/// Reads the record at the decoder's place; nullopt at the end or on nonsense.
std::optional<JournalRecord> next_journal_record(Decoder& decode);

/// Writes kind, size and what `fields(Encoder)` writes. `Out` must have put().
template <class Out, class Fields>
void write_journal_record(Out& out, JournalKind kind, Fields fields) {
  CountingOut counting;
  Encoder count(counting);
  fields(count);
  Encoder encode(out);
  encode.number(static_cast<std::uint8_t>(kind));
  encode.varint(counting.size);
  fields(encode);
}

/// State of a recipient, in checkpoints and where a message is moved.
template <class Out>
void write_recipient(Encoder<Out>& encode, const RecipientState& state) {
  encode.number(state.flags);
  encode.varint(state.attempts | std::uint64_t{state.first_s} << 16);
  encode.varint(state.next_s);
}
void read_recipient(Decoder& decode, RecipientState& state);

/// Fields of an outcome record: what accounting gets, and the state it leaves behind.
struct OutcomeFields {
  SettledRecord record;       ///< log and sequence are not stored
  std::uint64_t message = 0;  ///< message number
  WallTime next_attempt;      ///< deferred only
  bool elsewhere = false;     ///< accounted by the host that the message was imported from
};

template <class Out>
void write_address(Encoder<Out>& encode, const IpAddress& address) {
  encode.number(static_cast<std::uint8_t>(address.family));
  const std::size_t size = address.family == IpAddress::Family::none ? 0 : address.is_v4() ? 4 : 16;
  encode.raw({reinterpret_cast<const char*>(address.octets.data()), size});
}

/// Additions to an outcome record, each with its tag (docs/spool-format.md, section 3). Readers
/// pass over tags they do not know.
enum class OutcomeTag : std::uint8_t {
  queue = 1,
  vmta = 2,  ///< of the queue, where the message came in for another
  helo = 3,
  noted = 4,
  offered = 5,
  hidden = 6,
  tls_protocol = 7,
  tls_cipher = 8,
  way = 9,
  id = 10,  ///< low half, where the message lies as a copy under another number
  first_attempt = 11,
  received_at = 12,
};

/// What a record of kind `dropped` that drops nothing says besides.
enum class NoteTag : std::uint8_t {
  reported = 1,  ///< reports on the endings of these recipients are durable
  delayed = 2,   ///< reports on their delay are; their number follows
  moved = 3,     ///< this copy counts from now on, another message number does not
  account = 4,   ///< something besides outcomes that accounting shows
};

template <class Out>
void write_outcome_additions(Encoder<Out>& encode, const SettledRecord& record) {
  const auto add = [&encode](OutcomeTag tag, std::string_view value) {
    if (!value.empty()) {
      encode.number(static_cast<std::uint8_t>(tag));
      encode.text(value);
    }
  };
  add(OutcomeTag::queue, record.queue);
  if (!record.submitted.empty()) {
    add(OutcomeTag::vmta, record.vmta);
  }
  add(OutcomeTag::helo, record.helo);
  add(OutcomeTag::noted, record.noted);
  add(OutcomeTag::tls_protocol, record.tls_protocol);
  add(OutcomeTag::tls_cipher, record.tls_cipher);
  if (record.offered != 0) {
    encode.number(static_cast<std::uint8_t>(OutcomeTag::offered));
    encode.varint(sizeof record.offered);
    encode.number(record.offered);
  }
  if (record.hidden_records != 0) {
    encode.number(static_cast<std::uint8_t>(OutcomeTag::hidden));
    encode.varint(sizeof record.hidden_records);
    encode.number(record.hidden_records);
  }
  if (record.way != DeliveryWay::smtp) {
    encode.number(static_cast<std::uint8_t>(OutcomeTag::way));
    encode.varint(sizeof record.way);
    encode.number(static_cast<std::uint8_t>(record.way));
  }
  if (record.first_attempt.us > 0) {
    encode.number(static_cast<std::uint8_t>(OutcomeTag::first_attempt));
    encode.varint(sizeof(std::uint32_t));
    encode.number(static_cast<std::uint32_t>(record.first_attempt.unix_seconds()));
  }
  if (record.received_at.valid()) {
    encode.number(static_cast<std::uint8_t>(OutcomeTag::received_at));
    encode.varint(record.received_at.is_v4() ? 5 : 17);
    write_address(encode, record.received_at);
  }
}

template <class Out>
void write_outcome_fields(Encoder<Out>& encode, const OutcomeFields& fields) {
  const SettledRecord& record = fields.record;
  encode.number(fields.message);
  encode.varint(record.recipient_index);
  encode.number(static_cast<std::uint8_t>(record.kind));
  encode.number(static_cast<std::uint8_t>(
      (record.ambiguous ? 1 : 0) | (record.report_owed ? 2 : 0) | (fields.elsewhere ? 4 : 0)));
  encode.number(static_cast<std::uint8_t>(record.phase));
  encode.number(record.attempts);
  encode.number(fields.next_attempt.us);
  encode.number(record.reply_code);
  encode.number(record.status.klass);
  encode.number(record.status.subject);
  encode.number(record.status.detail);
  encode.number(record.received.us);
  encode.number(record.settled.us);
  encode.number(record.size_bytes);
  encode.number(record.notify);
  write_address(encode, record.origin);
  write_address(encode, record.local);
  write_address(encode, record.remote.ip);
  encode.number(record.remote.port);
  encode.number(record.id.high);
  encode.text(record.reverse_path);
  encode.text(record.recipient);
  encode.text(record.original_recipient);
  encode.text(record.envelope_id);
  encode.text(record.submitted.empty() ? record.vmta : record.submitted);
  encode.text(record.job);
  encode.text(record.user);
  encode.text(record.host);
  encode.text(record.text);
  write_outcome_additions(encode, record);
  if (record.id.low != fields.message && record.id.low != 0) {
    encode.number(static_cast<std::uint8_t>(OutcomeTag::id));
    encode.varint(sizeof record.id.low);
    encode.number(record.id.low);
  }
}
/// Fields of a `dropped` record that drops nothing and tells accounting of `fields.record.type`.
template <class Out>
void write_account_note(Encoder<Out>& encode, const OutcomeFields& fields) {
  encode.number(fields.message);
  encode.varint(0);
  encode.number(static_cast<std::uint8_t>(NoteTag::account));
  encode.number(static_cast<std::uint8_t>(fields.record.type));
  write_outcome_fields(encode, fields);
}
/// What follows the tag of such a note.
bool read_account_note(std::string_view rest, OutcomeFields& out);

IpAddress read_address(Decoder& decode);
bool read_outcome(std::string_view fields, OutcomeFields& out);
/// Only what changes state: message, recipient, kind, ambiguity, attempts, next attempt.
bool read_outcome_state(std::string_view fields, OutcomeFields& out);

/// What a journal record means to accounting.
enum class AccountRead : std::uint8_t { nothing, record, damaged };
/// Reads outcomes and notes for accounting; of others it takes no more than a look.
AccountRead read_for_accounting(const JournalRecord& record, OutcomeFields& out);

/// The batches of a journal segment, in order of place.
struct JournalBatchView {
  std::uint64_t offset = 0;
  BatchHeader header;
  std::string_view body;
};
/// The next intact batch at or behind `offset`; moves `offset` behind it. `first_sequence` and
/// above `limit` do not matter here.
std::optional<JournalBatchView> next_journal_batch(std::string_view segment,
                                                   std::uint64_t generation, std::uint64_t& offset);

/// Items of a checkpoint part.
class PartWriter {
 public:
  /// `out` must outlive it; call finish() at the end.
  explicit PartWriter(std::string& out) : out_(out) {}

  void settled(std::uint64_t count = 1) { run(1, count); }
  void untouched() { run(2, 1); }
  /// Nothing is said of the next message: its commit is under way.
  void unsaid();
  void detail(const MessageSlot& slot);
  void finish() { flush(); }

 private:
  void run(std::uint8_t kind, std::uint64_t count) {
    if (kind != kind_) {
      flush();
      kind_ = kind;
    }
    count_ += count;
  }
  void flush();

  std::string& out_;
  std::uint8_t kind_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace ringpost::spool
