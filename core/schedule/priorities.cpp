#include "core/schedule/priorities.h"

#include <unordered_set>

#include "core/schedule/matching.h"
#include "core/schedule/scheduler.h"

namespace ringpost::schedule {
namespace {

bool fits(const PriorityOrder& order, const Queue& queue) {
  return queue.live && order.queues.matches(queue.name, queue.vmta->name, queue.policy->group);
}

Touched set_of_queues(Scheduler& scheduler, const PriorityOrder& order, bool dry_run) {
  Touched touched;
  ShareBook& book = scheduler.shares();
  QueueTable& table = scheduler.queues();
  for (std::uint32_t slot = 0; slot < table.slots(); ++slot) {
    Queue& queue = table.at(slot);
    if (!fits(order, queue) || queue.empty()) {
      continue;
    }
    ++touched.queues;
    touched.recipients += waiting_in(queue);
    if (dry_run || (queue.ready.turns == nullptr && order.priority == kNormalPriority)) {
      continue;
    }
    Turns& turns = book.turns_of(queue);
    for (Share* one = turns.all.front(); one != nullptr; one = turns.all.after(*one)) {
      book.set_priority(queue, *one, order.priority);
    }
  }
  return touched;
}

}  // namespace

Touched set_priorities(Scheduler& scheduler, const PriorityOrder& order, bool dry_run) {
  if (order.job == "*") {
    return set_of_queues(scheduler, order, dry_run);
  }
  Touched touched;
  ShareBook& book = scheduler.shares();
  std::unordered_set<std::uint32_t> queues;
  book.for_matching(order.job, [&](Share& share) {
    Queue& queue = scheduler.queues().at(share.queue);
    if (!fits(order, queue)) {
      return;
    }
    queues.insert(share.queue);
    touched.recipients += share.waiting;
    if (!dry_run) {
      book.set_priority(queue, share, order.priority);
    }
  });
  touched.queues = static_cast<std::uint32_t>(queues.size());
  return touched;
}

}  // namespace ringpost::schedule
