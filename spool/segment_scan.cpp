#include "spool/segment_scan.h"

#include <algorithm>

#include "spool/bytes.h"
#include "spool/record_writer.h"

namespace ringpost::spool {

namespace {

struct FoundBatch {
  std::uint64_t offset;
  BatchHeader header;
};

std::string at(std::string_view what, std::uint64_t offset) {
  return std::string(what) + " at offset " + std::to_string(offset);
}

void scan_batch(std::string_view segment, const SegmentHeader& header, const FoundBatch& batch,
                bool confirmed, SegmentScan& out) {
  std::uint64_t offset = batch.offset + kBatchHeaderBytes;
  const std::uint64_t end = offset + batch.header.body_bytes;
  std::uint32_t seen = 0;
  const auto broken = [&](std::uint32_t count, std::string_view what) {
    (confirmed ? out.damaged_records : out.torn) += count;
    if (confirmed) {
      out.places.push_back(at(what, offset));
    }
  };
  out.end = std::max(out.end, batch.offset + batch.header.bytes);
  while (seen < batch.header.records && offset < end) {
    const auto head = decode_record_head(segment, header.generation, offset);
    if (!head) {
      break;
    }
    ++seen;
    const RecordSpan span = span_of(offset, *head);
    out.locals = std::max(out.locals, head->local + 1);
    out.end = std::max(out.end, span.end);
    if (record_intact(segment, offset, *head)) {
      append_summary_entry(*head, offset, segment, out.summary);
      // Of a copy nobody was told: it counts only where the journal says so.
      out.unconfirmed += confirmed || head->copy ? 0 : 1;
    } else {
      broken(1, "record " + std::to_string(head->local) + " is damaged");
    }
    std::uint64_t bytes =
        kRecordHeadBytes + std::uint64_t{head->index_bytes} + head->envelope_bytes;
    if (head->content_offset == offset + bytes) {
      bytes += head->content.wire_bytes;
    }
    offset += align_up(bytes, kRecordAlign);
  }
  if (seen < batch.header.records) {
    broken(batch.header.records - seen,
           std::to_string(batch.header.records - seen) + " records are unreadable");
  }
  const std::uint64_t last = std::min<std::uint64_t>(batch.header.last, kLocalMax - 1);
  out.locals = std::max(out.locals, static_cast<std::uint32_t>(last) + 1);
}

}  // namespace

void scan_bytes(std::string_view segment, const SegmentHeader& header, SegmentScan& out) {
  std::vector<FoundBatch> found;
  std::uint32_t confirmed = 0;
  const std::uint32_t block = header.block_bytes;
  out.end = block;
  for (std::uint64_t offset = block; offset + kBatchHeaderBytes <= segment.size();) {
    const auto batch = decode_batch_header(segment, header.generation, offset);
    if (!batch) {
      offset += block;
      continue;
    }
    found.push_back({offset, *batch});
    confirmed = std::max(confirmed, batch->confirmed);
    out.batches = std::max(out.batches, batch->index + 1);
    offset += align_up(batch->bytes, block);
  }
  std::vector<std::uint32_t> indices;
  for (const FoundBatch& batch : found) {
    const bool vouched = batch.header.index < confirmed;
    scan_batch(segment, header, batch, vouched, out);
    if (!vouched) {
      const auto first =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(batch.header.first, kLocalMax));
      out.vouched = std::min(out.vouched, first);
    }
    indices.push_back(batch.header.index);
  }
  // Batches that a later one vouches for and that are not here.
  std::sort(indices.begin(), indices.end());
  std::uint32_t expected = 0;
  for (const std::uint32_t index : indices) {
    const std::uint32_t gap_end = std::min(index, confirmed);
    if (gap_end > expected) {
      out.damaged_batches += gap_end - expected;
      out.places.push_back("batches " + std::to_string(expected) + " to " +
                           std::to_string(gap_end - 1) + " are missing");
    }
    if (index > std::max(expected, confirmed)) {
      out.torn += index - std::max(expected, confirmed);
    }
    expected = index + 1;
  }
}

std::uint32_t read_all(Disk& disk, FileId file, std::uint64_t size, std::string& out) {
  constexpr std::uint64_t kRun = 256 << 10;
  std::uint32_t failed = 0;
  out.assign(size, '\0');
  for (std::uint64_t offset = 0; offset < size; offset += kRun) {
    const std::uint64_t run = std::min(kRun, size - offset);
    if (disk.read(file, offset, {out.data() + offset, run})) {
      continue;
    }
    // Around the fault, page by page.
    for (std::uint64_t page = offset; page < offset + run; page += kPage) {
      const std::uint64_t bytes = std::min<std::uint64_t>(kPage, size - page);
      if (!disk.read(file, page, {out.data() + page, bytes})) {
        std::fill_n(out.data() + page, bytes, '\0');
        ++failed;
      }
    }
  }
  return failed;
}

void scan_segment(Disk& disk, FileId file, const SegmentHeader& header, SegmentScan& out) {
  std::string bytes;
  const std::uint32_t failed = read_all(disk, file, header.size, bytes);
  if (failed > 0) {
    out.places.push_back(std::to_string(failed) + " pages cannot be read");
  }
  scan_bytes(bytes, header, out);
}

}  // namespace ringpost::spool
