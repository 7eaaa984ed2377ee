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
  SigningFacts signing;
  MessageId born;  ///< of a copy
};

/// Decodes the record at `offset`; with `verify` all of its bytes are checked against their
/// hashes first. False: damaged.
bool read_record(std::string_view segment, std::uint64_t generation, std::uint64_t offset,
                 bool verify, OpenedRecord& out);

/// Neighbouring recipients that travel together.
struct IndexGroup {
  std::uint32_t count = 0;
  std::string_view domain;
  std::string_view vmta;  ///< their own virtual MTA or pool, or the message's
  std::uint64_t pool_key = 0;
  std::uint8_t priority = kNormalPriority;
};

/// Walks the groups of an index section.
class IndexReader {
 public:
  explicit IndexReader(std::string_view index) noexcept;

  bool ok() const noexcept { return decode_.ok(); }
  /// Of recipients that have none of their own.
  std::string_view vmta() const noexcept { return vmta_; }
  std::string_view job() const noexcept { return job_; }
  /// Whether groups say more than their domain.
  bool has_choices() const noexcept { return has_choices_; }
  /// No two recipients share a transaction.
  bool alone() const noexcept { return alone_; }
  /// tenant_of() its envelope.
  std::uint16_t tenant() const noexcept { return tenant_; }
  /// Key of the rule for the sender; 0: none.
  std::uint64_t sender_rule() const noexcept { return sender_rule_; }
  /// Whether each recipient's receipt is to be accounted.
  bool receipts() const noexcept { return receipts_; }
  /// The next group; false at the end.
  bool next(IndexGroup& group) noexcept;

 private:
  Decoder decode_;
  std::string_view vmta_;
  std::string_view job_;
  std::uint64_t groups_;
  Decoder choices_;  ///< stands at the choice of the next group
  bool has_choices_ = false;
  bool alone_ = false;
  std::uint16_t tenant_ = 0;
  std::uint64_t sender_rule_ = 0;
  bool receipts_ = false;
  Decoder priorities_;  ///< stands at the priority of the next group
  bool has_priorities_ = false;
};

}  // namespace ringpost::spool
