#pragma once

#include <cstdint>
#include <type_traits>

#include "core/schedule/queue.h"
#include "core/schedule/queue_pattern.h"
#include "core/schedule/queue_table.h"
#include "core/schedule/report.h"

namespace ringpost::schedule {

/// Recipients in the queue's lists; what is in transit or being ended is not.
inline std::uint64_t waiting_in(const Queue& queue) {
  return std::uint64_t{queue.ready.recipients()} + queue.ready.parked() +
         queue.deferred.recipients + queue.over_age.recipients;
}

/// Calls `act(queue)` for each queue that is there and fits, by its group's name too. Counts those,
/// or where `act` says whether it concerns the queue, those that it does.
template <class Act>
Touched for_matching(QueueTable& table, const QueuePattern& pattern, Act act) {
  Touched touched;
  const auto one = [&](Queue& queue) {
    const std::uint64_t recipients = waiting_in(queue);  // before anything moves
    bool counts = true;
    if constexpr (std::is_void_v<std::invoke_result_t<Act, Queue&>>) {
      act(queue);
    } else {
      counts = act(queue);
    }
    touched.queues += counts ? 1 : 0;
    touched.recipients += counts ? recipients : 0;
  };
  Queue* const named = pattern.literal() ? table.find(pattern.domain, pattern.vmta) : nullptr;
  // Where that is a group's name too, other queues of the group are meant as well.
  if (named != nullptr && !glob_matches(pattern.domain, named->policy->group)) {
    one(*named);
    return touched;
  }
  for (std::uint32_t slot = 0; slot < table.slots(); ++slot) {
    Queue& queue = table.at(slot);
    if (queue.live && pattern.matches(queue.name, queue.vmta->name, queue.policy->group)) {
      one(queue);
    }
  }
  return touched;
}

}  // namespace ringpost::schedule
