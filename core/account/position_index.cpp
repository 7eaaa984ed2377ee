#include "core/account/position_index.h"

#include <cstring>

#include "core/base/hash.h"

namespace ringpost::account {
namespace {

constexpr std::string_view kHeaderMagic = "RPACCIX1";
constexpr std::uint32_t kBlockMagic = 0x4b425052;  // "RPBK"
constexpr std::size_t kHeaderBytes = 48;
constexpr std::size_t kBlockFixedBytes = 40;
constexpr std::size_t kPositionBytes = 16;
constexpr std::size_t kChecksumBytes = 8;

template <class Number>
void put(std::string& out, Number value) {
  for (std::size_t i = 0; i < sizeof value; ++i) {
    out += static_cast<char>(value >> (8 * i) & 0xff);
  }
}

template <class Number>
Number get(std::string_view bytes, std::size_t at) {
  Number value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) {
    value |= static_cast<Number>(static_cast<Number>(static_cast<std::uint8_t>(bytes[at + i]))
                                 << (8 * i));
  }
  return value;
}

std::string header_fields(const IndexHeader& header) {
  std::string text(kHeaderMagic);
  text.append(reinterpret_cast<const char*>(header.spool.data()), header.spool.size());
  put(text, header.device);
  put(text, header.inode);
  return text;
}

std::uint64_t block_seed(const IndexHeader& header, std::uint64_t place) {
  return hash64(header_fields(header)) + place;
}

std::optional<IndexHeader> read_header(std::string_view bytes) {
  constexpr std::size_t kCoveredBytes = kHeaderBytes - kChecksumBytes;
  if (bytes.size() < kHeaderBytes || !bytes.starts_with(kHeaderMagic) ||
      get<std::uint64_t>(bytes, kCoveredBytes) != hash64(bytes.substr(0, kCoveredBytes))) {
    return std::nullopt;
  }
  IndexHeader header;
  std::memcpy(header.spool.data(), bytes.data() + kHeaderMagic.size(), header.spool.size());
  header.device = get<std::uint64_t>(bytes, 24);
  header.inode = get<std::uint64_t>(bytes, 32);
  return header;
}

/// Reads the block at the beginning of `bytes`; its size, or 0 when it is not valid.
std::size_t read_block(std::string_view bytes, const IndexHeader& header, std::uint64_t place,
                       IndexBlock& block) {
  if (bytes.size() < kBlockFixedBytes || get<std::uint32_t>(bytes, 0) != kBlockMagic) {
    return 0;
  }
  const std::size_t count = get<std::uint32_t>(bytes, 4);
  const std::size_t size = kBlockFixedBytes + count * kPositionBytes + kChecksumBytes;
  if (count > kLogsMax || bytes.size() < size) {
    return 0;
  }
  const std::string_view sealed = bytes.substr(0, size - kChecksumBytes);
  if (get<std::uint64_t>(bytes, sealed.size()) != hash64(sealed, block_seed(header, place))) {
    return 0;
  }
  block.data_offset = get<std::uint64_t>(bytes, 8);
  block.synced_offset = get<std::uint64_t>(bytes, 16);
  block.hash_from = get<std::uint64_t>(bytes, 24);
  block.data_hash = get<std::uint64_t>(bytes, 32);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = kBlockFixedBytes + i * kPositionBytes;
    const std::size_t log = get<std::uint16_t>(bytes, at + 8);
    if (log >= kLogsMax) {
      return 0;
    }
    block.positions.push_back({get<std::uint64_t>(bytes, at), static_cast<std::uint16_t>(log)});
  }
  return size;
}

}  // namespace

std::vector<LogPosition> positions_of(const LogTable& table) {
  std::vector<LogPosition> positions;
  for (std::size_t log = 0; log < table.used(); ++log) {
    if (table[log] != 0) {
      positions.push_back({table[log], static_cast<std::uint16_t>(log)});
    }
  }
  return positions;
}

LogTable table_of(const std::vector<LogPosition>& positions) {
  LogTable table;
  for (const LogPosition& position : positions) {
    table.set(position.log, position.sequence);
  }
  return table;
}

void append_header(std::string& out, const IndexHeader& header) {
  const std::string fields = header_fields(header);
  out += fields;
  put(out, hash64(fields));
}

void append_block(std::string& out, const IndexBlock& block, const IndexHeader& header,
                  std::uint64_t place) {
  const std::size_t begin = out.size();
  put(out, kBlockMagic);
  put(out, static_cast<std::uint32_t>(block.positions.size()));
  put(out, block.data_offset);
  put(out, block.synced_offset);
  put(out, block.hash_from);
  put(out, block.data_hash);
  for (const LogPosition& position : block.positions) {
    put(out, position.sequence);
    put(out, position.log);
    out.append(6, '\0');
  }
  put(out, hash64(std::string_view(out).substr(begin), block_seed(header, place)));
}

IndexScan scan_index(std::string_view bytes) {
  IndexScan scan;
  scan.header = read_header(bytes);
  if (!scan.header) {
    return scan;
  }
  std::size_t at = kHeaderBytes;
  IndexBlock block;
  while (const std::size_t size = read_block(bytes.substr(at), *scan.header, at, block)) {
    scan.blocks.push_back(block);
    block = {};
    at += size;
  }
  return scan;
}

}  // namespace ringpost::account
