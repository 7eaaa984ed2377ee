#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/schedule/placed_timers.h"
#include "core/schedule/queue.h"

namespace ringpost::schedule {

/// All queues and virtual MTAs of one shard, by name and by id.
class QueueTable {
 public:
  explicit QueueTable(std::uint32_t queues_max);

  /// nullptr when there is no such queue.
  Queue* find(std::string_view name, std::string_view vmta);
  /// nullptr when there is no queue of that id.
  Queue* find(QueueId id);
  Queue& at(std::uint32_t slot) { return queues_[slot]; }
  /// Requires: no queue of these names. nullptr at the maximum. The queue is blank but for names.
  Queue* make(std::string_view name, Vmta& vmta);
  /// Requires: it stands in no list and no timer.
  void drop(Queue& queue);

  /// Made when new; never dropped: their number is bounded by the configuration.
  Vmta& vmta(std::string_view name);

  std::uint32_t size() const { return queues_.used(); }
  /// Slots to look at for going over all queues; those not `live` are to be skipped.
  std::uint32_t slots() const { return queues_.made(); }

 private:
  std::size_t bucket_of(std::uint64_t hash) const { return hash & (buckets_.size() - 1); }
  void insert(Queue& queue);
  void erase(const Queue& queue);
  void grow();

  Slab<Queue, 256> queues_;
  std::vector<std::uint32_t> buckets_;  ///< open addressing, linear probing; kNil = free
  std::unordered_map<std::string, std::unique_ptr<Vmta>> vmtas_;  ///< by name in lower case
};

/// Timers of the queues of one shard, exact to the nanosecond.
using QueueTimers = PlacedTimers<Queue>;

}  // namespace ringpost::schedule
