#pragma once

#include <string>

#include "core/mail/envelope.h"
#include "spool/chunks.h"
#include "spool/format.h"

namespace ringpost::spool {

/// Writes room for the head, then index and envelope of an acceptance record into `out`, and
/// fills `head` but for what depends on the place (local, content_offset) and the content's hash.
/// `receipts`: accounting is to have a record of each recipient. False when the chain ran out of
/// chunks.
bool write_record_meta(const Submission& submission, bool receipts, ChunkChain& out,
                       RecordHead& head);

/// Appends the summary entry of a record whose index bytes lie in `meta` behind the head.
void append_summary_entry(const RecordHead& head, std::uint64_t offset, const ChunkChain& meta,
                          std::string& summary);
/// The same from the record as it lies in its segment.
void append_summary_entry(const RecordHead& head, std::uint64_t offset, std::string_view segment,
                          std::string& summary);
/// Upper bound of what an entry takes besides its index bytes.
inline constexpr std::uint64_t kSummaryEntryMax = 64;

}  // namespace ringpost::spool
