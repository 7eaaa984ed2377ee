#include "spool/journal_record.h"

#include <string>

#include "core/base/hash.h"

namespace ringpost::spool {

namespace {

void read_state(Decoder& decode, OutcomeFields& out) {
  SettledRecord& record = out.record;
  out.message = decode.number<std::uint64_t>();
  record.recipient_index = decode.varint32();
  record.kind = static_cast<OutcomeKind>(decode.number<std::uint8_t>());
  const auto flags = decode.number<std::uint8_t>();
  record.ambiguous = (flags & 1) != 0;
  record.report_owed = (flags & 2) != 0;
  out.elsewhere = (flags & 4) != 0;
  record.phase = static_cast<Phase>(decode.number<std::uint8_t>());
  record.attempts = decode.number<std::uint16_t>();
  out.next_attempt.us = decode.number<std::int64_t>();
}

bool state_known(const SettledRecord& record) {
  return record.kind <= OutcomeKind::cancelled && record.phase <= Phase::queue;
}

/// False: an addition is cut off.
bool read_additions(Decoder& decode, SettledRecord& record) {
  while (decode.ok() && !decode.at_end()) {
    const auto tag = static_cast<OutcomeTag>(decode.number<std::uint8_t>());
    const std::string_view value = decode.text();
    Decoder number(value);
    switch (tag) {
      case OutcomeTag::queue: record.queue = value; break;
      case OutcomeTag::vmta:
        record.submitted = record.vmta;
        record.vmta = value;
        break;
      case OutcomeTag::helo: record.helo = value; break;
      case OutcomeTag::noted: record.noted = value; break;
      case OutcomeTag::tls_protocol: record.tls_protocol = value; break;
      case OutcomeTag::tls_cipher: record.tls_cipher = value; break;
      case OutcomeTag::offered: record.offered = number.number<std::uint16_t>(); break;
      case OutcomeTag::hidden: record.hidden_records = number.number<std::uint8_t>(); break;
      case OutcomeTag::way:
        record.way = static_cast<DeliveryWay>(number.number<std::uint8_t>());
        break;
      case OutcomeTag::id: record.id.low = number.number<std::uint64_t>(); break;
      case OutcomeTag::first_attempt:
        record.first_attempt.us = std::int64_t{number.number<std::uint32_t>()} * 1'000'000;
        break;
      case OutcomeTag::received_at: record.received_at = read_address(number); break;
    }
  }
  return decode.ok();
}

}  // namespace

IpAddress read_address(Decoder& decode) {
  IpAddress address;
  const auto family = decode.number<std::uint8_t>();
  if (family == 1 || family == 2) {
    address.family = static_cast<IpAddress::Family>(family);
    const std::string_view octets = decode.raw(family == 1 ? 4 : 16);
    for (std::size_t i = 0; i < octets.size(); ++i) {
      address.octets[i] = static_cast<std::uint8_t>(octets[i]);
    }
  }
  return address;
}

std::optional<JournalRecord> next_journal_record(Decoder& decode) {
  if (decode.at_end()) {
    return std::nullopt;
  }
  JournalRecord record;
  const auto kind = decode.number<std::uint8_t>();
  record.fields = decode.text();
  if (!decode.ok() || kind < 1 || kind > 8) {
    return std::nullopt;
  }
  record.kind = static_cast<JournalKind>(kind);
  return record;
}

bool read_outcome_state(std::string_view fields, OutcomeFields& out) {
  Decoder decode(fields);
  read_state(decode, out);
  return decode.ok() && state_known(out.record);
}

bool read_outcome(std::string_view fields, OutcomeFields& out) {
  Decoder decode(fields);
  read_state(decode, out);
  SettledRecord& record = out.record;
  record.reply_code = decode.number<std::uint16_t>();
  record.status.klass = decode.number<std::uint8_t>();
  record.status.subject = decode.number<std::uint16_t>();
  record.status.detail = decode.number<std::uint16_t>();
  record.received.us = decode.number<std::int64_t>();
  record.settled.us = decode.number<std::int64_t>();
  record.size_bytes = decode.number<std::uint32_t>();
  record.notify = decode.number<std::uint8_t>();
  record.origin = read_address(decode);
  record.local = read_address(decode);
  record.remote.ip = read_address(decode);
  record.remote.port = decode.number<std::uint16_t>();
  record.id.high = decode.number<std::uint64_t>();
  record.id.low = out.message;
  record.reverse_path = decode.text();
  record.recipient = decode.text();
  record.original_recipient = decode.text();
  record.envelope_id = decode.text();
  record.vmta = decode.text();
  record.job = decode.text();
  record.user = decode.text();
  record.host = decode.text();
  record.text = decode.text();
  return read_additions(decode, record) && state_known(record);
}

void read_recipient(Decoder& decode, RecipientState& state) {
  state.flags = decode.number<std::uint8_t>();
  const std::uint64_t attempts = decode.varint();
  state.attempts = static_cast<std::uint16_t>(attempts);
  state.first_s = static_cast<std::uint32_t>(attempts >> 16);
  state.next_s = decode.varint32();
}

bool read_account_note(std::string_view rest, OutcomeFields& out) {
  Decoder decode(rest);
  const auto type = decode.number<std::uint8_t>();
  if (!decode.ok() || type > static_cast<std::uint8_t>(kLastRecordType)) {
    return false;
  }
  out.record.type = static_cast<RecordType>(type);
  return read_outcome(decode.rest(), out);
}

AccountRead read_for_accounting(const JournalRecord& record, OutcomeFields& out) {
  bool good = false;
  if (record.kind == JournalKind::outcome) {
    good = read_outcome(record.fields, out);
  } else if (record.kind == JournalKind::dropped) {
    Decoder decode(record.fields);
    decode.number<std::uint64_t>();
    const bool note = decode.varint() == 0 && decode.ok() && !decode.at_end() &&
                      decode.number<std::uint8_t>() == static_cast<std::uint8_t>(NoteTag::account);
    if (!note) {
      return AccountRead::nothing;
    }
    good = read_account_note(decode.rest(), out);
  } else {
    return AccountRead::nothing;
  }
  return good ? AccountRead::record : AccountRead::damaged;
}

std::optional<JournalBatchView> next_journal_batch(std::string_view segment,
                                                   std::uint64_t generation,
                                                   std::uint64_t& offset) {
  for (; offset + kBatchHeaderBytes <= segment.size(); offset += kSector) {
    const auto header = decode_batch_header(segment, generation, offset);
    if (!header) {
      continue;
    }
    const std::string_view body = segment.substr(offset + kBatchHeaderBytes, header->body_bytes);
    if (hash64(body, place_seed(generation, offset)) != header->body_hash) {
      continue;
    }
    JournalBatchView batch{offset, *header, body};
    offset += header->bytes;
    return batch;
  }
  return std::nullopt;
}

void PartWriter::unsaid() {
  flush();
  StringOut out{out_};
  Encoder encode(out);
  encode.number(std::uint8_t{3});
  encode.varint(0);
}

void PartWriter::detail(const MessageSlot& slot) {
  flush();
  StringOut out{out_};
  Encoder encode(out);
  encode.number(std::uint8_t{3});
  encode.varint(slot.recipients);
  for (std::uint32_t i = 0; i < slot.recipients; ++i) {
    const RecipientState& state = slot.state(i);
    write_recipient(encode, state);
  }
}

void PartWriter::flush() {
  if (count_ > 0) {
    StringOut out{out_};
    Encoder encode(out);
    encode.number(kind_);
    encode.varint(count_);
  }
  kind_ = 0;
  count_ = 0;
}

}  // namespace ringpost::spool
