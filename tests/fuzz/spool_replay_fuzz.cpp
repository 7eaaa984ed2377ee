// room: spool
// A whole recovery whose journal body is arbitrary, behind valid checksums: whatever a journal
// says, the start neither crashes nor hangs, and the report stands.

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "core/base/hash.h"
#include "spool/bytes.h"
#include "spool/recovery.h"

namespace {

using namespace ringpost;         // NOLINT: a fuzz target is one file
using namespace ringpost::spool;  // NOLINT

constexpr std::uint64_t kGeneration = 42;
constexpr std::uint64_t kSegment = 16 * kSector;

class MemoryMapping : public Mapping {
 public:
  explicit MemoryMapping(std::string_view bytes) : bytes_(bytes) {}
  std::string_view bytes() const override { return bytes_; }

 private:
  std::string_view bytes_;
};

/// Two files to read, nothing else.
class MemoryDisk : public Disk {
 public:
  std::map<std::string, std::string> files;

  Result<FileId> open(const std::string& path, bool) override {
    std::uint32_t id = 0;
    for (const auto& [name, bytes] : files) {
      if (name == path) {
        return FileId{id};
      }
      ++id;
    }
    return Error::of(ErrorCode::not_found);
  }
  Result<FileId> create(const std::string&) override { return Error::of(ErrorCode::denied); }
  void close(FileId) override {}
  Result<std::uint64_t> size(FileId file) override { return std::uint64_t{of(file).size()}; }
  Result<std::size_t> read(FileId file, std::uint64_t offset, std::span<char> out) override {
    const std::string_view bytes = of(file);
    const std::size_t size =
        offset >= bytes.size() ? 0 : std::min<std::size_t>(out.size(), bytes.size() - offset);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), size, out.begin());
    return size;
  }
  Status write_now(FileId, std::uint64_t, std::string_view, bool) override {
    return Error::of(ErrorCode::denied);
  }
  Result<MappingRef> map(FileId file) override {
    return MappingRef(std::make_shared<MemoryMapping>(of(file)));
  }
  Result<std::vector<std::string>> list(const std::string&) override {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : files) {
      names.push_back(name.substr(name.rfind('/') + 1));
    }
    return names;
  }
  Status make_folder(const std::string&) override { return {}; }
  Status rename(const std::string&, const std::string&) override { return {}; }
  Status unlink(const std::string&) override { return {}; }
  Status sync_folder(const std::string&) override { return {}; }
  Result<std::uint64_t> free_bytes(const std::string&) override { return std::uint64_t{0}; }
  Result<std::unique_ptr<FileLock>> lock(const std::string&, std::string_view) override {
    return Error::of(ErrorCode::denied);
  }
  void write(WriteOp&) override {}
  void sync(SyncOp&) override {}
  void prepare(PrepareOp&) override {}
  void populate(PopulateOp&) override {}

 private:
  std::string_view of(FileId file) {
    auto at = files.begin();
    std::advance(at, file.value);
    return at->second;
  }
};

std::string segment(SegmentKind kind) {
  std::string bytes(kSegment, '\0');
  SegmentHeader header;
  header.kind = kind;
  header.block_bytes = kSector;
  header.ordinal = 1;
  header.size = kSegment;
  header.generation = kGeneration;
  header.first_sequence = 1;
  encode_segment_header(header, bytes.data());
  return bytes;
}

/// A sealed segment with three messages of one, two and three recipients; their records do not
/// matter to a start.
std::string acceptance() {
  std::string bytes = segment(SegmentKind::acceptance);
  std::string summary;
  for (std::uint32_t local = 0; local < 3; ++local) {
    std::string entry(40, '\0');
    BufferOut out{entry.data(), entry.size()};
    Encoder encode(out);
    encode.varint(local);
    encode.number(std::uint32_t{kSector});
    encode.number(std::uint32_t{kSector});
    encode.number(std::uint32_t{100});
    encode.varint(local + 1);
    encode.number(std::uint32_t{100});
    encode.number(std::int64_t{1});
    encode.varint(0);
    summary += entry.substr(0, out.size);
  }
  SummaryFooter footer;
  footer.entries = footer.locals = footer.vouched = 3;
  footer.summary_bytes = summary.size();
  footer.summary_offset = kSegment - kSector - summary.size();
  footer.hash = hash64(summary, kGeneration);
  bytes.replace(footer.summary_offset, summary.size(), summary);
  encode_summary_footer(footer, kGeneration, bytes.data() + kSegment - kSector);
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string body(reinterpret_cast<const char*>(data), std::min<std::size_t>(size, 6000));
  std::string journal = segment(SegmentKind::journal);
  BatchHeader batch;
  batch.body_bytes = static_cast<std::uint32_t>(body.size());
  batch.bytes = static_cast<std::uint32_t>(align_up(kBatchHeaderBytes + body.size(), kSector));
  batch.first = 1;
  batch.last = 40;
  batch.body_hash = hash64(body, place_seed(kGeneration, kSector));
  encode_batch_header(batch, kGeneration, kSector, journal.data() + kSector);
  journal.replace(kSector + kBatchHeaderBytes, body.size(), body);
  MemoryDisk disk;
  disk.files["/s/log-0000/a-00000001"] = acceptance();
  disk.files["/s/log-0000/j-00000001"] = journal;
  SlotTable slots(100);
  RecoveryReport report;
  const RecoverySource source{disk, "/s/log-0000", 0, {}, kSegment, kSegment, false};
  const auto image = read_log(source, slots, report);
  // Of some messages only reports are left to make.
  RP_ASSERT(image.ok() && report.messages <= slots.in_use() && slots.in_use() <= 3 &&
            slots.in_use() <= report.messages + report.reports_owed &&
            report.recipients + report.reports_owed <= 6);
  return 0;
}
