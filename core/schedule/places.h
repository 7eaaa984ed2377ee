#pragma once

#include <cstdint>

#include "core/schedule/entry.h"

namespace ringpost::schedule {

/// How much mail may be queued at this shard: so many entries, mail in delivery counted by
/// recipient, since it may need an entry for each when it comes back. New mail is refused when they
/// are used up. Mail that moves here from another queue is not, or full shards would wait for each
/// other, and a full one for itself: its place comes with it, lent by the shard that it leaves. So
/// the sum over all shards is bounded as that of their own places is, and what is under way. One
/// per shard.
class Places {
 public:
  /// `entries` outlives it.
  Places(const EntrySlab& entries, std::uint32_t max) : entries_(entries), max_(max) {}

  /// New mail is refused.
  bool full() const { return used() >= max_ || left() <= 0; }
  /// What may still be lent back or used by new mail.
  std::int64_t left() const { return max_ - used() - lent_; }
  /// Other shards use so many more of this one's places; negative: fewer, or this one uses theirs.
  void lend(std::int64_t places) { lent_ += places; }
  void begin_delivery(std::uint32_t recipients) { in_delivery_ += recipients; }
  void end_delivery(std::uint32_t recipients) { in_delivery_ -= recipients; }

 private:
  std::int64_t used() const { return in_delivery_ + entries_.used(); }

  const EntrySlab& entries_;
  std::int64_t max_;
  std::int64_t lent_ = 0;
  std::int64_t in_delivery_ = 0;
};

}  // namespace ringpost::schedule
