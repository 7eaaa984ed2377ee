#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/loop/disk.h"
#include "spool/format.h"

namespace ringpost::spool {

/// What reading an acceptance segment without summary found.
struct SegmentScan {
  std::string summary;       ///< entries of all intact records, by place
  std::uint32_t locals = 0;  ///< one above the highest local number seen
  std::uint32_t batches = 0;
  std::uint32_t vouched = kNone;  ///< all local numbers below are confirmed by a later batch
  std::uint64_t end = 0;          ///< behind the last thing found
  std::uint64_t unconfirmed = 0;  ///< intact records that no later batch confirms
  std::uint64_t torn = 0;         ///< broken records and batches that no later one confirms
  std::uint64_t damaged_records = 0;
  std::uint64_t damaged_batches = 0;
  std::vector<std::string> places;  ///< of the damage
};

/// Reads the whole segment through the Disk (not a mapping: the medium may fail).
void scan_segment(Disk& disk, FileId file, const SegmentHeader& header, SegmentScan& out);
/// The same over bytes in memory.
void scan_bytes(std::string_view segment, const SegmentHeader& header, SegmentScan& out);

/// Reads a file's bytes; runs that cannot be read become zeroes. Returns how many such runs.
std::uint32_t read_all(Disk& disk, FileId file, std::uint64_t size, std::string& out);

}  // namespace ringpost::spool
