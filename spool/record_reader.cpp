#include "spool/record_reader.h"

#include <algorithm>
#include <cstring>

#include "spool/journal_record.h"

namespace ringpost::spool {

namespace {

void read_digest(Decoder& decode, BodyDigest& out) {
  const std::string_view octets = decode.raw(out.sha256.size());
  if (decode.ok()) {
    std::memcpy(out.sha256.data(), octets.data(), octets.size());
  }
  out.octets = decode.varint();
}

void read_signing(Decoder& decode, SigningFacts& out) {
  out.forms = decode.number<std::uint8_t>();
  if ((out.forms & SigningFacts::kSimple) != 0) {
    read_digest(decode, out.simple);
  }
  if ((out.forms & SigningFacts::kRelaxed) != 0) {
    read_digest(decode, out.relaxed);
  }
  out.options = decode.text();
}

bool read_envelope(Decoder& decode, OpenedRecord& out) {
  Envelope& envelope = out.envelope;
  envelope.reverse_path = decode.text();
  envelope.envelope_id = decode.text();
  envelope.user = decode.text();
  envelope.helo = decode.text();
  const std::uint64_t kept = decode.varint();
  if (!decode.ok() || kept > kKeptRangesMax) {
    return false;
  }
  for (std::uint64_t i = 0; i < kept; ++i) {
    const std::uint32_t begin = decode.varint32();
    const std::uint32_t size = decode.varint32();
    if (begin > out.content.size() || size > out.content.size() - begin) {
      return false;
    }
    out.kept.push_back({begin, begin + size});
  }
  for (std::uint32_t i = 0; i < out.head.recipients && decode.ok(); ++i) {
    Recipient recipient;
    recipient.address = decode.text();
    recipient.original = decode.text();
    recipient.notify = decode.number<std::uint8_t>();
    out.recipients.push_back(recipient);
  }
  out.prefix = decode.text();
  if (decode.ok() && !decode.at_end()) {
    envelope.noted = decode.text();
  }
  if (decode.ok() && !decode.at_end()) {
    read_signing(decode, out.signing);
  }
  envelope.received_at = decode.ok() && !decode.at_end() ? read_address(decode) : IpAddress{};
  return decode.ok();
}

}  // namespace

bool read_record(std::string_view segment, std::uint64_t generation, std::uint64_t offset,
                 bool verify, OpenedRecord& out) {
  out.recipients.clear();
  out.kept.clear();
  out.signing = {};
  const auto head = decode_record_head(segment, generation, offset);
  if (!head || (verify && !record_intact(segment, offset, *head))) {
    return false;
  }
  out.head = *head;
  out.content = segment.substr(head->content_offset, head->content.wire_bytes);
  const std::uint64_t meta = offset + kRecordHeadBytes;
  IndexReader index(segment.substr(meta, head->index_bytes));
  std::string_view envelope = segment.substr(meta + head->index_bytes, head->envelope_bytes);
  if (head->copy) {
    out.born = decode_born(envelope.substr(envelope.size() - kBornBytes));
    envelope.remove_suffix(kBornBytes);
  }
  Decoder decode(envelope);
  if (!index.ok() || !read_envelope(decode, out)) {
    return false;
  }
  std::size_t at = 0;
  for (IndexGroup group; index.has_choices() && index.next(group);) {
    for (std::uint32_t i = 0; i < group.count && at < out.recipients.size(); ++i, ++at) {
      out.recipients[at].vmta = group.vmta;
      out.recipients[at].pool_key = group.pool_key;
      out.recipients[at].priority = group.priority;
    }
  }
  out.envelope.recipients = out.recipients;
  out.envelope.vmta = index.vmta();
  out.envelope.job = index.job();
  out.envelope.sender_rule = index.sender_rule();
  out.envelope.origin = head->origin;
  out.envelope.received = {head->received_us};
  out.envelope.dsn_return = head->dsn_return;
  out.envelope.body = head->body;
  out.envelope.smtputf8 = head->smtputf8;
  out.envelope.reports = head->reports;
  out.envelope.verp = head->verp;
  return true;
}

IndexReader::IndexReader(std::string_view index) noexcept
    : decode_(index), choices_(""), priorities_("") {
  vmta_ = decode_.text();
  job_ = decode_.text();
  groups_ = decode_.varint();
  choices_ = decode_;
  for (std::uint64_t i = 0; i < groups_ && choices_.ok(); ++i) {
    choices_.varint();
    choices_.text();
  }
  has_choices_ = choices_.ok() && !choices_.at_end();
  Decoder rest = choices_;
  for (std::uint64_t i = 0; i < groups_ && has_choices_ && rest.ok(); ++i) {
    rest.text();
    rest.varint();
  }
  if (has_choices_ && rest.ok() && !rest.at_end()) {
    const std::uint32_t marks = rest.varint32();
    alone_ = (marks & 1) != 0;
    tenant_ = static_cast<std::uint16_t>(std::min<std::uint32_t>(marks >> 1, kTenantMax));
  }
  if (has_choices_ && rest.ok() && !rest.at_end()) {
    const auto key = rest.number<std::uint64_t>();
    sender_rule_ = rest.ok() ? key : 0;
    receipts_ = rest.ok() && !rest.at_end() && rest.varint() != 0;
    priorities_ = rest;
    has_priorities_ = rest.ok() && !rest.at_end();
  }
}

bool IndexReader::next(IndexGroup& group) noexcept {
  if (groups_ == 0) {
    return false;
  }
  --groups_;
  group.count = decode_.varint32();
  group.domain = decode_.text();
  group.vmta = vmta_;
  group.pool_key = 0;
  group.priority = kNormalPriority;
  if (has_choices_) {
    const std::string_view own = choices_.text();
    group.vmta = own.empty() ? vmta_ : own;
    group.pool_key = choices_.varint();
  }
  if (has_priorities_) {
    const auto own = priorities_.number<std::uint8_t>();
    group.priority = priorities_.ok() ? std::min(own, kPriorityMax) : kNormalPriority;
  }
  return decode_.ok() && choices_.ok() && group.count > 0;
}

}  // namespace ringpost::spool
