#pragma once

#include <cstdint>

#include "spool/journal.h"
#include "spool/record_reader.h"
#include "spool/segment.h"
#include "spool/slots.h"

namespace ringpost::spool {

/// Notes in the journal that recipients were accepted, one record each, for accounting. A message
/// is noted in the turn in which its commit is known durable, before anything else is said of it;
/// what a crash left without its notes a start gives them. So each accepted recipient is noted
/// once.
class Receipts {
 public:
  explicit Receipts(Journal& journal) : journal_(journal) {}

  /// Notes the recipients of the slot's message from `first` on. `verify`: the record's bytes are
  /// held against their checksums first. False: the record cannot be read, nothing was noted.
  bool note(const Segment& segment, const MessageSlot& slot, std::uint32_t first, bool verify);

 private:
  Journal& journal_;
  OpenedRecord record_;
};

}  // namespace ringpost::spool
