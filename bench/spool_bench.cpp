// What the spool costs the processor, without a disk: making a message's record, reading it back,
// scanning a segment as a start after a crash does, and an outcome's record in the journal. Run:
// spool_bench --benchmark_min_time=1

#include <string>
#include <vector>

#include "bench/counting.h"
#include "core/base/hash.h"
#include "spool/chunks.h"
#include "spool/journal_record.h"
#include "spool/record_reader.h"
#include "spool/record_writer.h"
#include "spool/segment_scan.h"

namespace ringpost::spool {
namespace {

constexpr std::uint64_t kGeneration = 0x1234567887654321ULL;

/// A message of one recipient and `bytes` of content.
struct Mail {
  explicit Mail(std::size_t bytes) : content(bytes - 5, 'x') {
    content += "\r\n.\r\n";
    recipients.push_back({"recipient@example.net", {}, notify::kUnspecified});
    submission.envelope.reverse_path = "sender@example.com";
    submission.envelope.recipients = recipients;
    submission.envelope.vmta = "vmta1";
    submission.envelope.job = "job-42";
    submission.envelope.helo = "client.example";
    submission.content.wire_bytes = static_cast<std::uint32_t>(content.size());
    submission.content.size = submission.content.wire_bytes - 3;
    submission.edits.prefix = "Received: from client.example by mta.example; now\r\n";
    kept[0] = {0, submission.content.wire_bytes};
    submission.edits.kept = kept;
  }
  std::string content;
  std::vector<Recipient> recipients;
  ByteRange kept[1];
  Submission submission;
};

/// A segment full of such messages, each in a batch of its own.
std::string segment_of(const Mail& mail, std::uint64_t size, std::uint32_t& records) {
  ChunkPool pool(8 << 10, 64);
  ChunkChain meta;
  meta.attach(pool);
  RecordHead head;
  write_record_meta(mail.submission, false, meta, head);
  head.content_hash = hash64(mail.content);
  std::string bytes(size, '\0');
  records = 0;
  for (std::uint64_t at = kPage;; ++records) {
    const std::uint64_t offset = at + kBatchHeaderBytes;
    const std::uint64_t body = align_up(meta.size() + mail.content.size(), kRecordAlign);
    const std::uint64_t batch = align_up(kBatchHeaderBytes + body, kPage);
    if (at + batch > size) {
      return bytes;
    }
    head.local = records;
    head.content_offset = offset + meta.size();
    std::uint64_t to = offset;
    meta.for_each([&](std::string_view run) {
      bytes.replace(to, run.size(), run);
      to += run.size();
    });
    bytes.replace(to, mail.content.size(), mail.content);
    encode_record_head(head, kGeneration, offset, bytes.data() + offset);
    BatchHeader header;
    header.bytes = static_cast<std::uint32_t>(batch);
    header.body_bytes = static_cast<std::uint32_t>(body);
    header.records = 1;
    header.first = header.last = records;
    header.index = header.confirmed = records;
    encode_batch_header(header, kGeneration, at, bytes.data() + at);
    at += batch;
  }
}

void BM_MakeRecord(benchmark::State& state) {
  const Mail mail(static_cast<std::size_t>(state.range(0)));
  ChunkPool pool(8 << 10, 1024);
  ChunkChain meta;
  ChunkChain content;
  meta.attach(pool);
  content.attach(pool);
  bench::Allocations counted(state);
  for (auto _ : state) {
    Hasher64 hasher;
    content.put(mail.content.data(), mail.content.size());
    hasher.update(mail.content);
    RecordHead head;
    write_record_meta(mail.submission, false, meta, head);
    head.content_hash = hasher.digest();
    encode_record_head(head, kGeneration, kPage, meta.front());
    meta.clear();
    content.clear();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_MakeRecord)->Arg(4 << 10)->Arg(64 << 10);

void BM_ReadRecord(benchmark::State& state) {
  std::uint32_t records = 0;
  const std::string segment = segment_of(Mail(4 << 10), 1 << 20, records);
  OpenedRecord record;
  bench::Allocations counted(state);
  for (auto _ : state) {
    if (!read_record(segment, kGeneration, kPage + kBatchHeaderBytes, state.range(0) != 0,
                     record)) {
      state.SkipWithError("the record is not read");
      break;
    }
  }
  state.SetLabel(state.range(0) != 0 ? "verified" : "trusted");
}
BENCHMARK(BM_ReadRecord)->Arg(0)->Arg(1);

void BM_ScanSegment(benchmark::State& state) {
  std::uint32_t records = 0;
  const std::string segment =
      segment_of(Mail(static_cast<std::size_t>(state.range(0))), 16 << 20, records);
  SegmentHeader header;
  header.kind = SegmentKind::acceptance;
  header.generation = kGeneration;
  header.size = segment.size();
  for (auto _ : state) {
    SegmentScan scan;
    scan_bytes(segment, header, scan);
    if (scan.locals != records) {
      state.SkipWithError("messages are missing");
      break;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(segment.size()));
  state.SetItemsProcessed(state.iterations() * records);
}
BENCHMARK(BM_ScanSegment)->Arg(4 << 10)->Arg(64 << 10);

void BM_JournalOutcome(benchmark::State& state) {
  OutcomeFields fields;
  fields.message = message_number(7, 42);
  fields.record.kind = OutcomeKind::delivered;
  fields.record.reverse_path = "sender@example.com";
  fields.record.recipient = "recipient@example.net";
  fields.record.vmta = "vmta1";
  fields.record.queue = "example.net";
  fields.record.host = "mx1.example.net";
  fields.record.text = "250 2.0.0 Ok: queued as 4F2D1C0B";
  std::string body;
  body.reserve(4096);
  bench::Allocations counted(state);
  for (auto _ : state) {
    body.clear();
    StringOut out{body};
    write_journal_record(out, JournalKind::outcome,
                         [&](auto& encode) { write_outcome_fields(encode, fields); });
    Decoder decode(body);
    const auto record = next_journal_record(decode);
    OutcomeFields back;
    if (!record || !read_outcome(record->fields, back)) {
      state.SkipWithError("the record is not read");
      break;
    }
    benchmark::DoNotOptimize(back.message);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(body.size()));
}
BENCHMARK(BM_JournalOutcome);

}  // namespace
}  // namespace ringpost::spool

BENCHMARK_MAIN();
