#include "spool/format.h"

#include <algorithm>

#include "core/base/hash.h"
#include "spool/bytes.h"

namespace ringpost::spool {

namespace {

constexpr std::uint64_t kSegmentMagic = 0x31544d4745535052ULL;   // "RPSEGMT1"
constexpr std::uint64_t kIdentityMagic = 0x314c4f4f50535052ULL;  // "RPSPOOL1"
constexpr std::uint32_t kBatchMagic = 0x54425052U;               // "RPBT"
constexpr std::uint32_t kRecordMagic = 0x524d5052U;              // "RPMR"
constexpr std::uint32_t kFooterMagic = 0x46535052U;              // "RPSF"
constexpr std::uint64_t kHeaderSeed = 0x5a17c0de5a17c0deULL;

constexpr std::uint16_t kFlagDotLines = 1;
constexpr std::uint16_t kFlagEightBit = 2;
constexpr std::uint16_t kFlagSmtpUtf8 = 4;
constexpr std::uint16_t kFlagDatedLate = 8;  // revision 4
constexpr std::uint16_t kFlagCopy = 16;      // revision 6, in segments of version 2

bool all_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

std::uint64_t stored_u64(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// Appends the checksum of what the buffer holds so far.
void seal(BufferOut& out, std::uint64_t seed) {
  const std::uint64_t sum = hash64({out.begin, out.size}, seed);
  out.put(&sum, sizeof sum);
}

bool sealed(std::string_view bytes, std::uint64_t seed) {
  const std::size_t body = bytes.size() - sizeof(std::uint64_t);
  return hash64(bytes.substr(0, body), seed) == stored_u64(bytes, body);
}

}  // namespace

void encode_segment_header(const SegmentHeader& header, char* out) {
  BufferOut buffer{out, kSegmentHeaderBytes};
  Encoder encode(buffer);
  encode.number(kSegmentMagic);
  encode.number(header.copies ? kCopiesVersion : kFormatVersion);
  encode.number(static_cast<std::uint8_t>(header.kind));
  encode.number(std::uint8_t{0});
  encode.number(header.log);
  encode.number(header.block_bytes);
  encode.number(header.ordinal);
  encode.number(header.size);
  encode.number(header.generation);
  encode.number(header.id_high);
  encode.number(header.first_sequence);
  encode.raw({reinterpret_cast<const char*>(header.spool.data()), header.spool.size()});
  encode.number(header.created_us);
  seal(buffer, kHeaderSeed);
  RP_ASSERT(buffer.size == kSegmentHeaderBytes);
}

Result<SegmentHeader> decode_segment_header(std::string_view sector) {
  if (sector.size() < kSegmentHeaderBytes) {
    return Error::of(ErrorCode::damaged, "shorter than a segment header");
  }
  sector = sector.substr(0, kSegmentHeaderBytes);
  if (all_zero(sector)) {
    return Error::of(ErrorCode::not_found, "never used");
  }
  Decoder decode(sector);
  if (decode.number<std::uint64_t>() != kSegmentMagic) {
    return Error::of(ErrorCode::damaged, "no segment header");
  }
  const auto version = decode.number<std::uint32_t>();
  if (version > kCopiesVersion) {
    return Error::of(ErrorCode::unknown_version, "segment format " + std::to_string(version) +
                                                     ", this program knows " +
                                                     std::to_string(kCopiesVersion));
  }
  if (!sealed(sector, kHeaderSeed)) {
    return Error::of(ErrorCode::damaged, "segment header does not match its checksum");
  }
  SegmentHeader header;
  header.copies = version == kCopiesVersion;
  const auto kind = decode.number<std::uint8_t>();
  decode.number<std::uint8_t>();
  header.log = decode.number<std::uint16_t>();
  header.block_bytes = decode.number<std::uint32_t>();
  header.ordinal = decode.number<std::uint32_t>();
  header.size = decode.number<std::uint64_t>();
  header.generation = decode.number<std::uint64_t>();
  header.id_high = decode.number<std::uint64_t>();
  header.first_sequence = decode.number<std::uint64_t>();
  const std::string_view uuid = decode.raw(header.spool.size());
  std::copy(uuid.begin(), uuid.end(), header.spool.begin());
  header.created_us = decode.number<std::int64_t>();
  const bool known = kind >= 1 && kind <= 3 && header.block_bytes >= kSector &&
                     header.block_bytes <= kPage && header.block_bytes % kSector == 0 &&
                     header.size >= std::uint64_t{4} * header.block_bytes &&
                     header.size <= 0xffffffffU;
  if (!known) {
    return Error::of(ErrorCode::damaged, "segment header names impossible values");
  }
  header.kind = static_cast<SegmentKind>(kind);
  return header;
}

void encode_batch_header(const BatchHeader& header, std::uint64_t generation, std::uint64_t offset,
                         char* out) {
  BufferOut buffer{out, kBatchHeaderBytes};
  Encoder encode(buffer);
  encode.number(kBatchMagic);
  encode.number(header.bytes);
  encode.number(header.body_bytes);
  encode.number(header.records);
  encode.number(header.first);
  encode.number(header.last);
  encode.number(header.index);
  encode.number(header.confirmed);
  encode.number(header.body_hash);
  encode.number(std::uint64_t{0});
  seal(buffer, place_seed(generation, offset));
  RP_ASSERT(buffer.size == kBatchHeaderBytes);
}

std::optional<BatchHeader> decode_batch_header(std::string_view segment, std::uint64_t generation,
                                               std::uint64_t offset) {
  if (offset > segment.size() || segment.size() - offset < kBatchHeaderBytes) {
    return std::nullopt;
  }
  const std::string_view bytes = segment.substr(offset, kBatchHeaderBytes);
  Decoder decode(bytes);
  if (decode.number<std::uint32_t>() != kBatchMagic ||
      !sealed(bytes, place_seed(generation, offset))) {
    return std::nullopt;
  }
  BatchHeader header;
  header.bytes = decode.number<std::uint32_t>();
  header.body_bytes = decode.number<std::uint32_t>();
  header.records = decode.number<std::uint32_t>();
  header.first = decode.number<std::uint64_t>();
  header.last = decode.number<std::uint64_t>();
  header.index = decode.number<std::uint32_t>();
  header.confirmed = decode.number<std::uint32_t>();
  header.body_hash = decode.number<std::uint64_t>();
  if (header.bytes < kBatchHeaderBytes || header.bytes % kSector != 0 ||
      header.bytes > segment.size() - offset ||
      header.body_bytes > header.bytes - kBatchHeaderBytes) {
    return std::nullopt;
  }
  return header;
}

void encode_record_head(const RecordHead& head, std::uint64_t generation, std::uint64_t offset,
                        char* out) {
  BufferOut buffer{out, kRecordHeadBytes};
  Encoder encode(buffer);
  encode.number(kRecordMagic);
  encode.number(head.local);
  encode.number(head.index_bytes);
  encode.number(head.envelope_bytes);
  encode.number(head.content_offset);
  encode.number(head.content.wire_bytes);
  encode.number(head.content.size);
  encode.number(head.content.header_bytes);
  encode.number(head.recipients);
  encode.number(head.received_us);
  std::uint16_t flags = head.content.dot_lines ? kFlagDotLines : 0;
  flags = static_cast<std::uint16_t>(
      flags | (head.content.eight_bit ? kFlagEightBit : 0) | (head.smtputf8 ? kFlagSmtpUtf8 : 0) |
      (head.content.dated_late ? kFlagDatedLate : 0) | (head.copy ? kFlagCopy : 0));
  encode.number(flags);
  encode.number(static_cast<std::uint8_t>(head.dsn_return));
  encode.number(static_cast<std::uint8_t>(head.body));
  encode.number(static_cast<std::uint8_t>(head.origin.family));
  encode.raw({reinterpret_cast<const char*>(head.origin.octets.data()), 16});
  encode.number(head.reports);
  encode.raw({head.verp.data(), head.verp.size()});
  encode.zeroes(kRecordHeadBytes - 3 * sizeof(std::uint64_t) - buffer.size);
  encode.number(head.meta_hash);
  encode.number(head.content_hash);
  seal(buffer, place_seed(generation, offset));
  RP_ASSERT(buffer.size == kRecordHeadBytes);
}

std::optional<RecordHead> decode_record_head(std::string_view segment, std::uint64_t generation,
                                             std::uint64_t offset) {
  if (offset > segment.size() || segment.size() - offset < kRecordHeadBytes) {
    return std::nullopt;
  }
  const std::string_view bytes = segment.substr(offset, kRecordHeadBytes);
  Decoder decode(bytes);
  if (decode.number<std::uint32_t>() != kRecordMagic ||
      !sealed(bytes, place_seed(generation, offset))) {
    return std::nullopt;
  }
  RecordHead head;
  head.local = decode.number<std::uint32_t>();
  head.index_bytes = decode.number<std::uint32_t>();
  head.envelope_bytes = decode.number<std::uint32_t>();
  head.content_offset = decode.number<std::uint64_t>();
  head.content.wire_bytes = decode.number<std::uint32_t>();
  head.content.size = decode.number<std::uint32_t>();
  head.content.header_bytes = decode.number<std::uint32_t>();
  head.recipients = decode.number<std::uint32_t>();
  head.received_us = decode.number<std::int64_t>();
  const auto flags = decode.number<std::uint16_t>();
  head.content.dot_lines = (flags & kFlagDotLines) != 0;
  head.content.eight_bit = (flags & kFlagEightBit) != 0;
  head.smtputf8 = (flags & kFlagSmtpUtf8) != 0;
  head.content.dated_late = (flags & kFlagDatedLate) != 0;
  head.copy = (flags & kFlagCopy) != 0;
  const auto dsn = decode.number<std::uint8_t>();
  const auto body = decode.number<std::uint8_t>();
  const auto family = decode.number<std::uint8_t>();
  const std::string_view octets = decode.raw(16);
  std::copy(octets.begin(), octets.end(), head.origin.octets.begin());
  head.reports = decode.number<std::uint8_t>();
  const std::string_view verp = decode.raw(head.verp.size());
  std::copy(verp.begin(), verp.end(), head.verp.begin());
  head.meta_hash = stored_u64(bytes, kRecordHeadBytes - 24);
  head.content_hash = stored_u64(bytes, kRecordHeadBytes - 16);
  const std::uint64_t meta = std::uint64_t{head.index_bytes} + head.envelope_bytes;
  if (dsn > 2 || body > 3 || family > 2 || head.local > kLocalMax || head.recipients == 0 ||
      meta > segment.size() - offset - kRecordHeadBytes || head.content_offset > segment.size() ||
      head.content.wire_bytes > segment.size() - head.content_offset ||
      head.recipients > head.envelope_bytes || (head.copy && head.envelope_bytes < kBornBytes)) {
    return std::nullopt;
  }
  head.dsn_return = static_cast<DsnReturn>(dsn);
  head.body = static_cast<BodyType>(body);
  head.origin.family = static_cast<IpAddress::Family>(family);
  return head;
}

void encode_born(const MessageId& id, char* out) {
  BufferOut buffer{out, kBornBytes};
  Encoder encode(buffer);
  encode.number(id.high);
  encode.number(id.low);
}

MessageId decode_born(std::string_view bytes) {
  Decoder decode(bytes);
  MessageId id;
  id.high = decode.number<std::uint64_t>();
  id.low = decode.number<std::uint64_t>();
  return id;
}

bool record_intact(std::string_view segment, std::uint64_t offset, const RecordHead& head) {
  const std::string_view meta =
      segment.substr(offset + kRecordHeadBytes, head.index_bytes + head.envelope_bytes);
  const std::string_view content = segment.substr(head.content_offset, head.content.wire_bytes);
  return hash64(meta) == head.meta_hash && hash64(content) == head.content_hash;
}

RecordSpan span_of(std::uint64_t offset, const RecordHead& head) {
  const std::uint64_t meta_end = offset + kRecordHeadBytes + head.index_bytes + head.envelope_bytes;
  return {std::min(offset, head.content_offset),
          std::max(meta_end, head.content_offset + head.content.wire_bytes)};
}

void encode_summary_footer(const SummaryFooter& footer, std::uint64_t generation, char* out) {
  BufferOut buffer{out, kSummaryFooterBytes};
  Encoder encode(buffer);
  encode.number(kFooterMagic);
  encode.number(footer.entries);
  encode.number(footer.summary_offset);
  encode.number(footer.summary_bytes);
  encode.number(footer.locals);
  encode.number(footer.batches);
  encode.number(footer.vouched);
  encode.number(std::uint32_t{0});
  encode.number(footer.hash);
  seal(buffer, place_seed(generation, footer.summary_offset));
  RP_ASSERT(buffer.size == kSummaryFooterBytes);
}

std::optional<SummaryFooter> decode_summary_footer(std::string_view block, std::uint64_t generation,
                                                   std::uint64_t segment_bytes) {
  if (block.size() < kSummaryFooterBytes) {
    return std::nullopt;
  }
  block = block.substr(0, kSummaryFooterBytes);
  Decoder decode(block);
  if (decode.number<std::uint32_t>() != kFooterMagic) {
    return std::nullopt;
  }
  SummaryFooter footer;
  footer.entries = decode.number<std::uint32_t>();
  footer.summary_offset = decode.number<std::uint64_t>();
  footer.summary_bytes = decode.number<std::uint64_t>();
  footer.locals = decode.number<std::uint32_t>();
  footer.batches = decode.number<std::uint32_t>();
  footer.vouched = decode.number<std::uint32_t>();
  decode.number<std::uint32_t>();
  footer.hash = decode.number<std::uint64_t>();
  if (!sealed(block, place_seed(generation, footer.summary_offset)) ||
      footer.summary_offset > segment_bytes ||
      footer.summary_bytes > segment_bytes - footer.summary_offset) {
    return std::nullopt;
  }
  return footer;
}

std::optional<SummaryEntry> next_summary_entry(std::string_view summary, std::size_t& position) {
  Decoder decode(summary.substr(position));
  SummaryEntry entry;
  const std::uint32_t local = decode.varint32();
  entry.copy = (local & kSummaryCopy) != 0;
  entry.local = local & ~kSummaryCopy;
  entry.head = decode.number<std::uint32_t>();
  entry.begin = decode.number<std::uint32_t>();
  entry.bytes = decode.number<std::uint32_t>();
  entry.recipients = decode.varint32();
  entry.size_bytes = decode.number<std::uint32_t>();
  entry.received_us = decode.number<std::int64_t>();
  entry.index = decode.text();
  if (entry.copy) {
    entry.born = decode_born(decode.raw(kBornBytes));
  }
  if (!decode.ok() || entry.recipients == 0 || entry.local > kLocalMax) {
    return std::nullopt;
  }
  position += decode.position();
  return entry;
}

void encode_identity(const Uuid& spool, char* out) {
  std::memset(out, 0, kIdentityBytes);
  BufferOut buffer{out, kIdentityBytes};
  Encoder encode(buffer);
  encode.number(kIdentityMagic);
  encode.number(kFormatVersion);
  encode.number(std::uint32_t{0});
  encode.raw({reinterpret_cast<const char*>(spool.data()), spool.size()});
  seal(buffer, kHeaderSeed);
}

Result<Uuid> decode_identity(std::string_view bytes) {
  constexpr std::size_t kUsed = 8 + 4 + 4 + 16 + 8;
  if (bytes.size() < kUsed) {
    return Error::of(ErrorCode::damaged, "shorter than a spool identity");
  }
  bytes = bytes.substr(0, kUsed);
  Decoder decode(bytes);
  if (decode.number<std::uint64_t>() != kIdentityMagic) {
    return Error::of(ErrorCode::damaged, "not a spool identity");
  }
  const auto version = decode.number<std::uint32_t>();
  if (version > kFormatVersion) {
    return Error::of(ErrorCode::unknown_version,
                     "spool format " + std::to_string(version) + ", this program knows " +
                         std::to_string(kFormatVersion) + "; export with the newer program");
  }
  if (!sealed(bytes, kHeaderSeed)) {
    return Error::of(ErrorCode::damaged, "spool identity does not match its checksum");
  }
  decode.number<std::uint32_t>();
  Uuid spool{};
  const std::string_view uuid = decode.raw(spool.size());
  std::copy(uuid.begin(), uuid.end(), spool.begin());
  return spool;
}

}  // namespace ringpost::spool
