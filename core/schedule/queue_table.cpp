#include "core/schedule/queue_table.h"

#include <algorithm>
#include <new>
#include <utility>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/schedule/queue_pattern.h"

namespace ringpost::schedule {

namespace {

constexpr std::size_t kFirstBuckets = 1024;

}  // namespace

QueueTable::QueueTable(std::uint32_t queues_max)
    : queues_(queues_max), buckets_(kFirstBuckets, kNil) {}

Queue* QueueTable::find(std::string_view name, std::string_view vmta) {
  const std::uint64_t hash = queue_hash(name, vmta);
  for (std::size_t i = bucket_of(hash); buckets_[i] != kNil; i = bucket_of(i + 1)) {
    Queue& queue = queues_[buckets_[i]];
    if (queue.hash == hash && equals_ignoring_case(queue.name, name) &&
        equals_ignoring_case(queue.vmta->name, vmta)) {
      return &queue;
    }
  }
  return nullptr;
}

Queue* QueueTable::find(QueueId id) {
  if (id.value >= queues_.made()) {
    return nullptr;
  }
  Queue& queue = queues_[id.value];
  return queue.live ? &queue : nullptr;
}

Queue* QueueTable::make(std::string_view name, Vmta& vmta) {
  const std::uint32_t slot = queues_.take();
  if (slot == kNil) {
    return nullptr;
  }
  Queue& queue = queues_[slot];
  RP_ASSERT(!queue.live && queue.place == nullptr);
  queue.slot = slot;
  queue.name = to_lower(name);
  queue.vmta = &vmta;
  queue.hash = queue_hash(name, vmta.name);
  queue.live = true;
  if (queues_.used() * 2 > buckets_.size()) {
    grow();
  }
  insert(queue);
  return &queue;
}

void QueueTable::drop(Queue& queue) {
  RP_ASSERT(queue.live && queue.place == nullptr && queue.timer_place == kNil && queue.empty());
  erase(queue);
  const std::uint32_t slot = queue.slot;
  queue.~Queue();
  new (&queue) Queue();
  queues_.give_back(slot);
}

Vmta& QueueTable::vmta(std::string_view name) {
  std::unique_ptr<Vmta>& place = vmtas_[to_lower(name)];
  if (!place) {
    place = std::make_unique<Vmta>();
    place->name = std::string(name);
  }
  return *place;
}

void QueueTable::insert(Queue& queue) {
  std::size_t i = bucket_of(queue.hash);
  while (buckets_[i] != kNil) {
    i = bucket_of(i + 1);
  }
  buckets_[i] = queue.slot;
}

void QueueTable::erase(const Queue& queue) {
  std::size_t hole = bucket_of(queue.hash);
  while (buckets_[hole] != queue.slot) {
    RP_ASSERT(buckets_[hole] != kNil);
    hole = bucket_of(hole + 1);
  }
  // Close the gap: whatever could have stood in the hole moves back into it.
  for (std::size_t i = bucket_of(hole + 1); buckets_[i] != kNil; i = bucket_of(i + 1)) {
    const std::size_t home = bucket_of(queues_[buckets_[i]].hash);
    const bool may_move =
        ((i - home) & (buckets_.size() - 1)) >= ((i - hole) & (buckets_.size() - 1));
    if (may_move) {
      buckets_[hole] = buckets_[i];
      hole = i;
    }
  }
  buckets_[hole] = kNil;
}

void QueueTable::grow() {
  std::vector<std::uint32_t> old(buckets_.size() * 2, kNil);
  old.swap(buckets_);
  for (const std::uint32_t slot : old) {
    if (slot != kNil) {
      insert(queues_[slot]);
    }
  }
}

}  // namespace ringpost::schedule
