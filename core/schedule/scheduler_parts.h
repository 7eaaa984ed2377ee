#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/schedule/decisions.h"
#include "core/schedule/doors.h"
#include "core/schedule/due_wheel.h"
#include "core/schedule/host_gates.h"
#include "core/schedule/job_pool.h"
#include "core/schedule/leases.h"
#include "core/schedule/limits.h"
#include "core/schedule/places.h"
#include "core/schedule/queue_clocks.h"
#include "core/schedule/queue_pattern.h"
#include "core/schedule/queue_table.h"
#include "core/schedule/rate_book.h"
#include "core/schedule/rate_positions.h"
#include "core/schedule/report.h"
#include "core/schedule/sender_lanes.h"
#include "core/schedule/shares.h"
#include "core/schedule/source_rules.h"
#include "core/schedule/warmup.h"

namespace ringpost::schedule {

/// Mail that goes to another queue by an operator's command.
struct LeaveOrder {
  bool by_job = false;
  std::string job;      ///< pattern, where it goes by job
  QueuePattern queues;  ///< else
  MoveOrder to;
  WallTime before;           ///< what was received later stays
  std::uint32_t serial = 0;  ///< its number among operators' rules, see Admission::rules_seen
  /// Virtual MTAs, in lower case, whose queue of the name is where the mail goes: it stays there.
  std::vector<std::string> takers;
};

using LeaveOrderRef = std::shared_ptr<const LeaveOrder>;

/// A bounded piece a run over all entries, for commands.
struct EntrySweep {
  std::uint32_t cursor = kNil;  ///< kNil: at rest
  bool again = false;           ///< from the beginning, when it is through
  std::uint32_t round = 0;      ///< counts commands
  std::uint32_t done = 0;       ///< commands up to this one are carried out
};

/// An entry that came back from a transaction and is to leave its queue.
struct Straggler {
  std::uint32_t entry = 0;
  SpoolHandle message;
  std::uint32_t first = 0;
  LeaveOrderRef order;
};

class Scheduler;

/// What a scheduler is made of.
struct SchedulerParts {
  SchedulerParts(Scheduler& whole, const SchedulerOptions& options, const Doors& doors, Now now);

  SchedulerOptions options_;
  Doors doors_;
  EntrySlab entries_;
  Places places_;
  DueWheel wheel_;
  ShareBook shares_;
  QueueTable table_;
  QueueTimers timers_;
  LeaseBook leases_;
  HostGates hosts_;
  WarmupBook warmups_;
  RatePositions positions_;
  QueueClocks clocks_;
  RateBook rates_;
  SenderBook senders_;
  JobPool jobs_;
  PlacedTimers<RareLimits> payers_;  ///< of queues with transactions that wait for their rates
  PauseRules pauses_;
  DecisionBook decisions_;
  DayCounts day_counts_;
  SourceRules source_rules_;
  GlobalLimits global_;
  Scope* total_;
  Scope no_limit_;     ///< where a queue has no scope of a kind
  EntryList endings_;  ///< entries whose final outcome waits for a job
  WaitList ring_;      ///< ready queues, in turn
  WaitList resting_;   ///< idle queues that still have sessions
  WaitList yielders_;  ///< queues with a session to be closed for others
  WaitList job_waiters_;
  WaitList room_waiters_;
  WaitList ending_queues_;
  std::vector<QueueId> rush_;   ///< queues whose deferred mail is to be tried now
  std::deque<QueueId> moving_;  ///< queues whose mail goes elsewhere
  Instant move_retry_;          ///< the taker had no room: not before
  Instant room_retry_ = Instant::never();
  Instant owed_until_;           ///< what queues owe of octets is paid then
  std::uint64_t debts_ = 0;      ///< counts them
  std::uint32_t turns_out_ = 0;  ///< job turns offered and not yet taken up
  std::uint32_t sweep_queue_ = 0;
  std::uint32_t sweep_entry_ = 0;
  EntrySweep sweep_;
  LeaveOrderRef leaving_;  ///< the last one
  std::vector<QueueId> leaving_queues_;
  std::vector<std::uint32_t> leaving_shares_;  ///< in use by this list
  std::vector<Straggler> stragglers_;
  bool sweeping_ = false;
  bool held_ = false;
};

}  // namespace ringpost::schedule
