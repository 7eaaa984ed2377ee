#pragma once

#include <cstdint>
#include <string>

#include "core/mail/envelope.h"
#include "core/schedule/queue_pattern.h"
#include "core/schedule/report.h"

namespace ringpost::schedule {

class Scheduler;

/// Mail that gets another priority by command.
struct PriorityOrder {
  QueuePattern queues;    ///< of these queues
  std::string job = "*";  ///< and of these jobs; "*": mail of no job too
  std::uint8_t priority = kNormalPriority;
};

/// Orders what the queues hold now anew; mail in transit keeps to it when it comes back, and what
/// comes later has its own priority. `dry_run`: only counts. Counts what waits.
Touched set_priorities(Scheduler& scheduler, const PriorityOrder& order, bool dry_run);

}  // namespace ringpost::schedule
