#pragma once

#include "core/schedule/scheduler.h"

namespace ringpost::schedule {

/// The scheduler's part about rates by source address in groups. Each source address of a virtual
/// MTA has a scope of its own in the group, whose permits count in the address' rates and in all
/// that the group's count in. A queue stands in line for each address from which an idle session
/// of it could send; while it does, it may grow from the others. The group's own scope only says
/// how many queues without a session make themselves ready; mail of rated senders asks for permits
/// that are for no single address, and count in those of all.
struct SourceTraffic {
  /// New limits are in force; apply() follows.
  static void leave(Scheduler& all, Queue& queue);
  static void apply(Scheduler& all, Queue& queue, const QueueLimits& limits);
  /// The queue's place for permits of this address; nullptr: they are asked for no single one.
  static SourceLine* line_of(const Queue& queue, const IpAddress& source);
  /// A session asks for mail. 0: it stands in line.
  static std::uint32_t permits(Scheduler& all, Queue& queue, SourceLine& line, Now now);
  /// A queue that has come to this state may use permits that come.
  static bool may_use(QueueState state, Gate gate);
  /// The queue has nothing to do but to wait in line; it has been put to wait.
  static bool waits(Scheduler& all, Queue& queue);
  /// A further connection would have mail to send before long; else it has been put to wait.
  static bool may_grow(Scheduler& all, Queue& queue, Now now);
  /// One of its connections from this address is gone.
  static void disconnected(Scheduler& all, Queue& queue, SourceGate& gate, Now now);
  /// Of the lines that it stands in, or else of all, the one where a permit comes first; nullptr:
  /// there is none.
  static const SourceLine* first_line(const Queue& queue);
  /// Permits have come to the scope of an address, or its line has changed.
  static void serve(Scheduler& all, RateScope& scope, Now now, std::uint32_t& budget);

  /// What the gates of its addresses had come to when the last run ended.
  static void begin(Scheduler& all, Queue& queue, Now now);
  /// `owed`: only what is not paid for within a period.
  static void write(Scheduler& all, std::string& lines, const Queue& queue, bool owed, Now now);

 private:
  static void leave_line(Scheduler& all, SourceLine& line);
  static std::uint32_t invite(Scheduler& all, SourceLine& line, Now now);
  static bool leads_to(const Queue& queue, const IpAddress& source);
};

}  // namespace ringpost::schedule
