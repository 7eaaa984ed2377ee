#pragma once

#include "core/schedule/scheduler.h"

namespace ringpost::schedule {

/// The scheduler's part about rates by source address in groups. Each source address of a virtual
/// MTA has a scope of its own in the group, whose permits count in the address' rates and in all
/// that the group's count in. A queue stands in line for each address from which an idle session
/// of it could send; while it does, it may grow from the others. The group's own scope only says
/// how many queues without a session make themselves ready. Mail of rated senders stands in lines
/// of its own (SenderLine).
///
/// Connections have scopes of their own alike. Who holds all units for one stands in line for each
/// address that it could connect from, and leaves all lines when one has a permit for it.
struct SourceTraffic {
  /// New limits are in force; apply() follows.
  static void leave(Scheduler& all, Queue& queue);
  static void apply(Scheduler& all, Queue& queue, const QueueLimits& limits);
  /// The queue's place for permits of this address, for messages or for connections; nullptr: they
  /// are asked for no single one.
  static SourceLine* line_of(const Queue& queue, const IpAddress& source, bool connects = false);
  /// A session asks for mail. 0: it stands in line.
  static std::uint32_t permits(Scheduler& all, Queue& queue, SourceLine& line, Now now);
  /// A transaction has begun: where octets are limited, its lines ask for the next message.
  static void began(Scheduler& all, const Queue& queue);
  /// The queue comes to this state: it leaves the lines whose permits it cannot use there.
  static void placed(Scheduler& all, Queue& queue, QueueState state, Gate gate);
  /// The queue has nothing to do but to wait in line; it has been put to wait.
  static bool waits(Scheduler& all, Queue& queue);
  /// A further connection would have mail to send before long; else it has been put to wait.
  static bool may_grow(Scheduler& all, Queue& queue, Now now);
  /// As far as its ways are known, its sessions may connect from there.
  static bool leads_to(const Queue& queue, const IpAddress& source);
  /// Source addresses without a connection that so many of its ready recipients need, beside those
  /// that have one.
  static std::uint32_t lacking(const Queue& queue, std::uint32_t ready, Now now);
  /// One of its connections from this address is gone.
  static void disconnected(Scheduler& all, Queue& queue, SourceGate& gate, Now now);
  /// Of the lines that it stands in, or else of all, the one where a permit comes first; nullptr:
  /// there is none.
  static const SourceLine* first_line(const Queue& queue, bool connects);
  /// Permits for its connections are asked for each address.
  static bool splits_connects(const Queue& queue);
  /// The queue holds all units for a connection, and for one of its ways there is a permit; else it
  /// stands in line for those of all its ways that are open.
  static bool has_connect_permit(Scheduler& all, Queue& queue, Now now);
  /// A connection is being made: it takes the permit that there is for it.
  static void pay(Queue& queue, Now now);
  /// A session is being opened: perhaps for an address whose permits are lost.
  static void opening(Queue& queue, Now now);
  /// Permits have come to the scope of an address, or its line has changed.
  static void serve(Scheduler& all, RateScope& scope, Now now, std::uint32_t& budget);

  /// What the gates of its addresses had come to when the last run ended.
  static void begin(Scheduler& all, Queue& queue, Now now);
  /// `owed`: only what is not paid for within a period.
  static void write(Scheduler& all, std::string& lines, const Queue& queue, bool owed, Now now);

 private:
  static bool may_use(QueueState state, Gate gate);
  static void set(Scheduler& all, Queue& queue, const SourceGate& gate, const SharedRates& shared,
                  RateScope* whole, std::unique_ptr<SourceLine>& line);
  static void join(Scheduler& all, SourceLine& line);
  static void leave_connects(Scheduler& all, Queue& queue);
  static void serve_connects(Scheduler& all, RateScope& scope, Now now, std::uint32_t& budget);
  static void rest(Scheduler& all, Queue& queue, Now now);
  static void tell_whole(Scheduler& all, RateScope& part);
  static void leave_line(Scheduler& all, SourceLine& line);
  static std::uint32_t invite(Scheduler& all, SourceLine& line, Now now);
};

}  // namespace ringpost::schedule
