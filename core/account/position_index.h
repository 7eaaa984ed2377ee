#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/account/log_table.h"

// The index beside an accounting file says up to which byte the file is whole and which records it
// holds. Layout, all numbers little-endian:
//
//   header   magic "RPACCIX1", spool id 16, device 8, inode 8, checksum 8      48 octets
//   block    magic 4, count 4, data offset 8, synced offset 8, hash from 8, data hash 8,
//            count x {sequence 8, log 2, zero 6}, checksum 8
//
// A block is written after the data it speaks of. Its positions are complete, so the last valid
// block is all that recovery needs. Checksums are xxh3: the header's seeded with 0, a block's with
// the header's checksum plus the block's own place, so that nothing passes in another place.

namespace ringpost::account {

using SpoolId = std::array<std::uint8_t, 16>;

/// The data file an index belongs to.
struct IndexHeader {
  SpoolId spool{};
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  bool operator==(const IndexHeader&) const = default;
};

struct LogPosition {
  std::uint64_t sequence = 0;
  std::uint16_t log = 0;

  bool operator==(const LogPosition&) const = default;
};
std::vector<LogPosition> positions_of(const LogTable& table);
LogTable table_of(const std::vector<LogPosition>& positions);

struct IndexBlock {
  std::uint64_t data_offset = 0;    ///< the file is whole up to here
  std::uint64_t synced_offset = 0;  ///< and was on stable storage up to here
  std::uint64_t hash_from = 0;      ///< data_hash covers [hash_from, data_offset)
  std::uint64_t data_hash = 0;
  std::vector<LogPosition> positions;
};

struct IndexScan {
  std::optional<IndexHeader> header;  ///< none: not an index, or damaged
  std::vector<IndexBlock> blocks;     ///< valid ones, up to the first that is not
};

/// Largest index that is read; a writer starts anew long before.
inline constexpr std::size_t kIndexBytesMax = std::size_t{16} << 20;

void append_header(std::string& out, const IndexHeader& header);
/// `place` is where in the index file the block will stand.
void append_block(std::string& out, const IndexBlock& block, const IndexHeader& header,
                  std::uint64_t place);
IndexScan scan_index(std::string_view bytes);

}  // namespace ringpost::account
