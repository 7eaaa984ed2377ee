#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/mail/envelope.h"
#include "spool/bytes.h"
#include "spool/format.h"

namespace ringpost::spool {

/// A decoded acceptance record; views point into the segment's bytes. Reused: the vectors keep
/// their capacity.
struct OpenedRecord {
  RecordHead head;
  Envelope envelope;  ///< recipients is a view of the vector below
  std::string_view prefix;
  std::string_view content;
  std::vector<Recipient> recipients;
  std::vector<ByteRange> kept;
};

/// Decodes the record at `offset`; with `verify` all of its bytes are checked against their
/// hashes first. False: damaged.
bool read_record(std::string_view segment, std::uint64_t generation, std::uint64_t offset,
                 bool verify, OpenedRecord& out);

/// Walks the groups of an index section.
class IndexReader {
 public:
  explicit IndexReader(std::string_view index) noexcept;

  bool ok() const noexcept { return decode_.ok(); }
  std::string_view vmta() const noexcept { return vmta_; }
  std::string_view job() const noexcept { return job_; }
  /// The next group of neighbouring recipients; false at the end.
  bool next(std::string_view& domain, std::uint32_t& count) noexcept;

 private:
  Decoder decode_;
  std::string_view vmta_;
  std::string_view job_;
  std::uint64_t groups_;
};

}  // namespace ringpost::spool
