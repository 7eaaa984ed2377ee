// room: spool
// Decoders of the spool format over arbitrary bytes: alone, and behind valid checksums, so that
// what a checksum cannot vouch for is reached too.

#include <algorithm>
#include <cstdint>
#include <string>

#include "core/base/hash.h"
#include "spool/bytes.h"
#include "spool/format.h"
#include "spool/journal_record.h"
#include "spool/record_reader.h"
#include "spool/segment_scan.h"

namespace {

using namespace ringpost::spool;  // NOLINT: a fuzz target is one file
using ringpost::hash64;

constexpr std::uint64_t kGeneration = 0x1122334455667788ULL;
constexpr std::uint64_t kOffset = 2 * kSector + kBatchHeaderBytes;

void decode_alone(std::string_view bytes) {
  (void)decode_segment_header(bytes);
  (void)decode_identity(bytes);
  (void)decode_batch_header(bytes, kGeneration, 0);
  (void)decode_record_head(bytes, kGeneration, 0);
  (void)decode_summary_footer(bytes, kGeneration, 1 << 20);
  std::size_t position = 0;
  while (const auto entry = next_summary_entry(bytes, position)) {
    IndexReader index(entry->index);
    IndexGroup group;
    while (index.next(group)) {
    }
  }
  Decoder decode(bytes);
  while (const auto record = next_journal_record(decode)) {
    OutcomeFields fields;
    (void)read_outcome(record->fields, fields);
    (void)read_outcome_state(record->fields, fields);
  }
}

/// A segment with one batch of one record whose sections are the input.
void decode_record(std::string_view bytes) {
  if (bytes.size() < 4) {
    return;
  }
  const std::size_t cut = static_cast<unsigned char>(bytes[0]) % (bytes.size() - 3);
  RecordHead head;
  head.recipients = static_cast<unsigned char>(bytes[1]) + 1U;
  bytes.remove_prefix(2);
  head.index_bytes = static_cast<std::uint32_t>(cut);
  head.envelope_bytes = static_cast<std::uint32_t>(bytes.size() - cut);
  head.content_offset = kOffset + kRecordHeadBytes + bytes.size();
  head.content.wire_bytes = 100;
  head.meta_hash = hash64(bytes);
  head.content_hash = hash64(std::string(100, '\0'));
  const std::uint64_t body = align_up(kRecordHeadBytes + bytes.size() + 100, kRecordAlign);
  std::string segment(align_up(kOffset + body, kSector) + 2 * kSector, '\0');
  encode_record_head(head, kGeneration, kOffset, segment.data() + kOffset);
  std::copy(bytes.begin(), bytes.end(), segment.begin() + kOffset + kRecordHeadBytes);
  BatchHeader batch;
  batch.bytes = static_cast<std::uint32_t>(align_up(kBatchHeaderBytes + body, kSector));
  batch.body_bytes = static_cast<std::uint32_t>(body);
  batch.records = 1;
  encode_batch_header(batch, kGeneration, 2 * kSector, segment.data() + 2 * kSector);
  OpenedRecord record;
  (void)read_record(segment, kGeneration, kOffset, true, record);
  SegmentHeader header;
  header.block_bytes = kSector;
  header.generation = kGeneration;
  header.size = segment.size();
  SegmentScan scan;
  scan_bytes(segment, header, scan);
  std::size_t position = 0;
  while (next_summary_entry(scan.summary, position)) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  decode_alone(bytes);
  decode_record(bytes);
  return 0;
}
