#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/result.h"
#include "core/mail/envelope.h"
#include "core/mail/message_id.h"

// The numbers of docs/spool-format.md: what both writer and reader must agree on.

namespace ringpost::spool {

inline constexpr std::uint32_t kFormatVersion = 1;
/// Of acceptance segments that hold copies: who does not know them must not start.
inline constexpr std::uint32_t kCopiesVersion = 2;
inline constexpr std::uint32_t kSector = 512;
inline constexpr std::uint32_t kPage = 4096;
/// What batches are padded with.
inline constexpr char kZeroPage[kPage] = {};
inline constexpr std::uint32_t kNone = ~0U;
/// In a segment's slots: a message whose commit is under way.
inline constexpr std::uint32_t kPending = kNone - 1;

/// Local numbers have 24 bits of a message number.
inline constexpr std::uint32_t kLocalBits = 24;
inline constexpr std::uint32_t kLocalMax = (1U << kLocalBits) - 1;

constexpr std::uint64_t message_number(std::uint32_t ordinal, std::uint32_t local) {
  return (std::uint64_t{ordinal} << kLocalBits) | local;
}
constexpr std::uint32_t ordinal_of(std::uint64_t number) {
  return static_cast<std::uint32_t>(number >> kLocalBits);
}
constexpr std::uint32_t local_of(std::uint64_t number) {
  return static_cast<std::uint32_t>(number) & kLocalMax;
}

/// Binds a checksum to its place: stale bytes of another life or another offset do not match.
constexpr std::uint64_t place_seed(std::uint64_t generation, std::uint64_t offset) {
  return generation ^ ((offset + 1) * 0x9e3779b97f4a7c15ULL);
}

using Uuid = std::array<unsigned char, 16>;

enum class SegmentKind : std::uint8_t { acceptance = 1, journal = 2, free = 3 };

struct SegmentHeader {
  SegmentKind kind = SegmentKind::free;
  std::uint16_t log = 0;
  std::uint32_t block_bytes = kPage;
  std::uint32_t ordinal = 0;
  std::uint64_t size = 0;
  std::uint64_t generation = 0;
  std::uint64_t id_high = 0;
  std::uint64_t first_sequence = 0;  ///< journals: of the first record
  Uuid spool{};
  std::int64_t created_us = 0;
  bool copies = false;  ///< all its records are copies
};
inline constexpr std::size_t kSegmentHeaderBytes = 88;

/// Writes kSegmentHeaderBytes.
void encode_segment_header(const SegmentHeader& header, char* out);
/// not_found: all zero, a file never used. unknown_version: a newer format. damaged else.
Result<SegmentHeader> decode_segment_header(std::string_view sector);

struct BatchHeader {
  std::uint32_t bytes = 0;  ///< with header and padding, a multiple of the block
  std::uint32_t body_bytes = 0;
  std::uint32_t records = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint32_t index = 0;
  std::uint32_t confirmed = 0;
  std::uint64_t body_hash = 0;  ///< journals only
};
inline constexpr std::uint32_t kBatchHeaderBytes = 64;

/// Writes kBatchHeaderBytes for a batch at `offset`.
void encode_batch_header(const BatchHeader& header, std::uint64_t generation, std::uint64_t offset,
                         char* out);
/// The batch that begins at `offset` of the segment's bytes, if there is one.
std::optional<BatchHeader> decode_batch_header(std::string_view segment, std::uint64_t generation,
                                               std::uint64_t offset);

struct RecordHead {
  std::uint32_t local = 0;
  std::uint32_t index_bytes = 0;
  std::uint32_t envelope_bytes = 0;
  std::uint64_t content_offset = 0;
  std::uint32_t recipients = 0;
  std::int64_t received_us = 0;
  ContentInfo content;
  DsnReturn dsn_return = DsnReturn::unspecified;
  BodyType body = BodyType::unspecified;
  bool smtputf8 = false;
  IpAddress origin;
  std::uint8_t reports = 0;
  std::array<char, 2> verp{};
  bool copy = false;  ///< its envelope ends with the id it was accepted under
  std::uint64_t meta_hash = 0;
  std::uint64_t content_hash = 0;
};
inline constexpr std::uint32_t kRecordHeadBytes = 96;
inline constexpr std::uint32_t kRecordAlign = 8;
/// The id at the end of a copy's envelope, and of its entry in a summary.
inline constexpr std::uint32_t kBornBytes = 16;
void encode_born(const MessageId& id, char* out);
MessageId decode_born(std::string_view bytes);

/// Writes kRecordHeadBytes for a record at `offset`.
void encode_record_head(const RecordHead& head, std::uint64_t generation, std::uint64_t offset,
                        char* out);
/// The head of the record at `offset`; only its own bytes are looked at. All sizes it names lie
/// inside the segment.
std::optional<RecordHead> decode_record_head(std::string_view segment, std::uint64_t generation,
                                             std::uint64_t offset);
/// Whether index, envelope and content match the head's hashes. Touches all of them.
bool record_intact(std::string_view segment, std::uint64_t offset, const RecordHead& head);

/// Where record and content lie: [begin, end).
struct RecordSpan {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};
RecordSpan span_of(std::uint64_t offset, const RecordHead& head);

struct SummaryFooter {
  std::uint32_t entries = 0;
  std::uint64_t summary_offset = 0;
  std::uint64_t summary_bytes = 0;
  std::uint32_t locals = 0;
  std::uint32_t batches = 0;
  std::uint32_t vouched = 0;  ///< messages with this local number or above may be torn
  std::uint64_t hash = 0;
};
inline constexpr std::size_t kSummaryFooterBytes = 56;

void encode_summary_footer(const SummaryFooter& footer, std::uint64_t generation, char* out);
std::optional<SummaryFooter> decode_summary_footer(std::string_view block, std::uint64_t generation,
                                                   std::uint64_t segment_bytes);

/// In a summary, added to the local number of a copy.
inline constexpr std::uint32_t kSummaryCopy = kLocalMax + 1;
/// One message in a summary.
struct SummaryEntry {
  std::uint32_t local = 0;
  std::uint32_t head = 0;   ///< offset of the record
  std::uint32_t begin = 0;  ///< of record and content
  std::uint32_t bytes = 0;
  std::uint32_t recipients = 0;
  std::uint32_t size_bytes = 0;
  std::int64_t received_us = 0;
  std::string_view index;  ///< vmta, job and groups as in the record
  bool copy = false;
  MessageId born;  ///< of a copy
};
/// Reads the entry at `position` and moves it behind; nullopt at the end or on nonsense.
std::optional<SummaryEntry> next_summary_entry(std::string_view summary, std::size_t& position);

/// The identity file.
inline constexpr std::size_t kIdentityBytes = kSector;
void encode_identity(const Uuid& spool, char* out);
Result<Uuid> decode_identity(std::string_view bytes);

}  // namespace ringpost::spool
