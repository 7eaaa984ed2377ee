#pragma once

#include <cstdint>

#include "core/base/time.h"
#include "core/mail/message_id.h"
#include "core/schedule/slab.h"

namespace ringpost::schedule {

/// Where an entry is. Exactly one list of its queue, or the shard's list of endings, holds it.
enum class EntryState : std::uint8_t {
  free,
  ready,     ///< may be sent as soon as its queue may
  deferred,  ///< waits for its own next attempt
  over_age,  ///< grew too old while its queue was paused
  ending,    ///< its final outcome is decided and waits for a job to carry it
};

/// Which final outcome an ending entry gets.
enum class Ending : std::uint8_t { none, expired, cancelled, queue_failed, no_exchanger };

/// Queued recipients [first, first + count) of one message, equal in attempts and next time. One
/// cache line; 5,000,000 of them are normal. Addresses stay in the spool.
struct Entry {
  std::int64_t received_us = 0;  ///< WallTime of the message
  std::int64_t due_ns = 0;       ///< Instant of its timer: next attempt or end of life
  std::uint32_t slot = 0;        ///< SpoolHandle, spread out to waste no padding
  std::uint32_t generation = 0;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t queue = 0;    ///< slot of its queue
  std::uint32_t next = kNil;  ///< list of the queue, the shard's endings, or free ones
  std::uint32_t prev = kNil;
  std::uint32_t due_next = kNil;  ///< list of one slot of the due wheel
  std::uint32_t due_prev = kNil;
  std::uint16_t log = 0;
  std::uint16_t attempts = 0;
  std::uint16_t wheel_slot = 0;  ///< 1 + slot of the due wheel, 0 when it has no timer
  std::uint8_t epoch = 0;        ///< of its queue when it came; see Queue::epoch
  bool pooled : 1 = false;       ///< its virtual MTA was chosen out of a pool
  bool alone : 1 = false;        ///< its recipient shares no transaction
  std::uint8_t era : 5 = 0;      ///< Admission::era
  std::uint32_t share : 24 = 0;  ///< of its queue; see ShareBook
  EntryState state : 3 = EntryState::free;
  Ending ending : 3 = Ending::none;
  bool ambiguous : 1 = false;      ///< an earlier attempt may have delivered
  bool due_is_expiry : 1 = false;  ///< the timer ends its life, not its deferral

  SpoolHandle message() const { return {log, slot, generation}; }
  WallTime received() const { return {received_us}; }
};
static_assert(sizeof(Entry) <= 64, "a queued recipient costs at most one cache line here");

using EntrySlab = Slab<Entry, 16384>;

/// Doubly linked list of entries, threaded through `next` and `prev`, which also counts the
/// recipients in it. A value without a destructor: entries belong to the slab.
struct EntryList {
  std::uint32_t head = kNil;
  std::uint32_t tail = kNil;
  std::uint32_t entries = 0;
  std::uint32_t recipients = 0;

  bool empty() const { return head == kNil; }

  void push_back(EntrySlab& slab, std::uint32_t index) {
    Entry& entry = slab[index];
    entry.prev = tail;
    entry.next = kNil;
    (tail == kNil ? head : slab[tail].next) = index;
    tail = index;
    ++entries;
    recipients += entry.count;
  }
  void push_front(EntrySlab& slab, std::uint32_t index) {
    Entry& entry = slab[index];
    entry.next = head;
    entry.prev = kNil;
    (head == kNil ? tail : slab[head].prev) = index;
    head = index;
    ++entries;
    recipients += entry.count;
  }
  void remove(EntrySlab& slab, std::uint32_t index) {
    Entry& entry = slab[index];
    RP_ASSERT(entries > 0 && recipients >= entry.count);
    (entry.prev == kNil ? head : slab[entry.prev].next) = entry.next;
    (entry.next == kNil ? tail : slab[entry.next].prev) = entry.prev;
    entry.next = entry.prev = kNil;
    --entries;
    recipients -= entry.count;
  }
};

}  // namespace ringpost::schedule
