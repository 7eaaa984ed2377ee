#include "spool/record_writer.h"

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/text.h"
#include "spool/bytes.h"
#include "spool/journal_record.h"

namespace ringpost::spool {

namespace {

/// Number of neighbours from `first` on that travel together.
std::size_t group_size(std::span<const Recipient> recipients, std::size_t first) {
  std::size_t last = first + 1;
  while (last < recipients.size() && recipients[last].travels_with(recipients[first])) {
    ++last;
  }
  return last - first;
}

void write_index(const Envelope& envelope, bool receipts, Encoder<ChunkChain>& encode) {
  encode.text(envelope.vmta);
  encode.text(envelope.job);
  std::size_t groups = 0;
  for (std::size_t i = 0; i < envelope.recipients.size();) {
    i += group_size(envelope.recipients, i);
    ++groups;
  }
  encode.varint(groups);
  for (std::size_t i = 0; i < envelope.recipients.size();) {
    const std::size_t count = group_size(envelope.recipients, i);
    encode.varint(count);
    encode.text(envelope.recipients[i].domain());
    i += count;
  }
  const bool alone = envelope.recipients.front().alone;
  const auto any = [&envelope](auto fits) {
    return std::any_of(envelope.recipients.begin(), envelope.recipients.end(), fits);
  };
  const bool priorities = any([](const Recipient& one) { return one.priority != kNormalPriority; });
  const std::uint64_t tenant = tenant_of(envelope);
  const bool rule = envelope.sender_rule != 0 || receipts || priorities;
  const bool choices = alone || tenant != 0 || rule || any([](const Recipient& one) {
                         return !one.vmta.empty() || one.pool_key != 0;
                       });
  for (std::size_t i = 0; choices && i < envelope.recipients.size();) {
    encode.text(envelope.recipients[i].vmta);
    encode.varint(envelope.recipients[i].pool_key);
    i += group_size(envelope.recipients, i);
  }
  if (alone || tenant != 0 || rule) {
    encode.varint(tenant << 1 | (alone ? 1 : 0));
  }
  if (rule) {
    encode.number(envelope.sender_rule);
  }
  if (receipts || priorities) {
    encode.varint(receipts ? 1 : 0);
  }
  for (std::size_t i = 0; priorities && i < envelope.recipients.size();) {
    encode.number(envelope.recipients[i].priority);
    i += group_size(envelope.recipients, i);
  }
}

void write_digest(const BodyDigest& digest, Encoder<ChunkChain>& encode) {
  encode.raw({reinterpret_cast<const char*>(digest.sha256.data()), digest.sha256.size()});
  encode.varint(digest.octets);
}

void write_signing(const SigningFacts& signing, Encoder<ChunkChain>& encode) {
  encode.number(signing.forms);
  if ((signing.forms & SigningFacts::kSimple) != 0) {
    write_digest(signing.simple, encode);
  }
  if ((signing.forms & SigningFacts::kRelaxed) != 0) {
    write_digest(signing.relaxed, encode);
  }
  encode.text(signing.options);
}

void write_envelope(const Submission& submission, bool receipts, Encoder<ChunkChain>& encode) {
  const Envelope& envelope = submission.envelope;
  encode.text(envelope.reverse_path);
  encode.text(envelope.envelope_id);
  encode.text(envelope.user);
  encode.text(envelope.helo);
  encode.varint(submission.edits.kept.size());
  for (const ByteRange& range : submission.edits.kept) {
    encode.varint(range.begin);
    encode.varint(range.size());
  }
  for (const Recipient& recipient : envelope.recipients) {
    encode.text(recipient.address);
    encode.text(recipient.original);
    encode.number(recipient.notify);
  }
  encode.text(submission.edits.prefix);
  const bool signing = submission.signing.any() || receipts;
  if (signing || !envelope.noted.empty()) {
    encode.text(envelope.noted);
  }
  if (signing) {
    write_signing(submission.signing, encode);
  }
  if (receipts) {
    write_address(encode, envelope.received_at);
  }
}

/// Adds to a string, as an Out of Encoder.
void append_entry_front(const RecordHead& head, std::uint64_t offset, std::string& summary) {
  StringOut out{summary};
  Encoder encode(out);
  const RecordSpan span = span_of(offset, head);
  encode.varint(head.copy ? head.local | kSummaryCopy : head.local);
  encode.number(static_cast<std::uint32_t>(offset));
  encode.number(static_cast<std::uint32_t>(span.begin));
  encode.number(static_cast<std::uint32_t>(span.end - span.begin));
  encode.varint(head.recipients);
  encode.number(head.content.size);
  encode.number(head.received_us);
  encode.varint(head.index_bytes);
}

}  // namespace

bool write_record_meta(const Submission& submission, bool receipts, ChunkChain& out,
                       RecordHead& head) {
  const Envelope& envelope = submission.envelope;
  RP_ASSERT(!envelope.recipients.empty() && submission.edits.kept.size() <= kKeptRangesMax);
  Encoder encode(out);
  encode.zeroes(kRecordHeadBytes);
  write_index(envelope, receipts, encode);
  head.index_bytes = static_cast<std::uint32_t>(out.size() - kRecordHeadBytes);
  write_envelope(submission, receipts, encode);
  if (out.full()) {
    return false;
  }
  head.envelope_bytes =
      static_cast<std::uint32_t>(out.size() - kRecordHeadBytes - head.index_bytes);
  head.recipients = static_cast<std::uint32_t>(envelope.recipients.size());
  head.received_us = envelope.received.us;
  head.content = submission.content;
  head.dsn_return = envelope.dsn_return;
  head.body = envelope.body;
  head.smtputf8 = envelope.smtputf8;
  head.origin = envelope.origin;
  head.reports = envelope.reports;
  head.verp = envelope.verp;
  Hasher64 hasher;
  std::size_t skip = kRecordHeadBytes;
  out.for_each([&](std::string_view run) {
    const std::size_t skipped = std::min(skip, run.size());
    skip -= skipped;
    hasher.update(run.substr(skipped));
  });
  head.meta_hash = hasher.digest();
  return true;
}

void append_summary_entry(const RecordHead& head, std::uint64_t offset, const ChunkChain& meta,
                          std::string& summary) {
  append_entry_front(head, offset, summary);
  std::size_t skip = kRecordHeadBytes;
  std::size_t left = head.index_bytes;
  meta.for_each([&](std::string_view run) {
    const std::size_t skipped = std::min(skip, run.size());
    skip -= skipped;
    run = run.substr(skipped, left);
    left -= run.size();
    summary.append(run);
  });
  RP_ASSERT(left == 0);
}

void append_summary_entry(const RecordHead& head, std::uint64_t offset, std::string_view segment,
                          std::string& summary) {
  append_entry_front(head, offset, summary);
  const std::uint64_t meta = offset + kRecordHeadBytes;
  summary.append(segment.substr(meta, head.index_bytes));
  if (head.copy) {
    const std::uint64_t end = meta + head.index_bytes + head.envelope_bytes;
    summary.append(segment.substr(end - kBornBytes, kBornBytes));
  }
}

}  // namespace ringpost::spool
