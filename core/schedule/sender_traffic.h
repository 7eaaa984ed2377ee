#pragma once

#include "core/schedule/scheduler.h"

namespace ringpost::schedule {

/// The scheduler's part about rates of senders. Mail of a rated sender whose permit is not there
/// stands aside, among the deferred entries of its queue, so that what stands behind it is not held
/// up, and comes back in front of the queue when a permit has come. A permit counts in the sender's
/// rate and in all that mail of the queue counts in, and is asked for when a session has nothing
/// else to send.
///
/// In a group whose source addresses have rates they are asked for each address: a lane stands in
/// line for those from which the queue has a session that could send, as SourceTraffic has it.
struct SenderTraffic {
  /// Permits, for what leaves from `source`, for the first mail of the queue that has any, and the
  /// scope they are of; what has none is put aside. 0: the queue waits.
  static std::uint32_t permits(Scheduler& all, Queue& queue, const IpAddress& source,
                               RateScope*& scope, Now now);
  /// Whether the queue's next mail is a rated sender's: its lane has seen to its turn.
  static bool leads(Scheduler& all, Queue& queue);
  /// A session, from that address, has nothing to send but what stands aside.
  static void ask(Scheduler& all, Queue& queue, const IpAddress& source, Now now);
  /// SessionHost::offer() to the queue. A session may wait for its first mail: it counts as
  /// established only when that got an answer.
  static bool offer(Scheduler& all, Queue& queue, Now now);
  /// One of the queue's sessions has ended.
  static void session_gone(Scheduler& all, Queue& queue);
  /// The entry is no deferred one any more.
  static void leave(Scheduler& all, Queue& queue, std::uint32_t index);
  /// Permits have come to a scope of a sender, or something has changed that it waits for.
  static void serve(Scheduler& all, RateScope& scope, Now now, std::uint32_t& budget);
  /// A new configuration is in force.
  static void stir_all(Scheduler& all);
  /// Some of its mail that stands aside waits for a permit that comes soon.
  static bool permit_near(const Queue& queue, Now now);
  /// Recipients of it that stand aside, as far as permits are near.
  static std::uint32_t aside(const Queue& queue);
  /// The queue's first mail may go by a session from that address now; where the queue is slow, as
  /// good as now.
  static bool permit_there(Scheduler& all, Queue& queue, const IpAddress& source, Now now);
  /// The scope whose permit an entry waits for; nullptr: it does not stand aside. `source`: the
  /// address that it is for, or an invalid one.
  static const RateScope* waits_for(Scheduler& all, std::uint32_t index, IpAddress& source);

  // scheduler_sender_lines.cpp: rates by source address in groups

  /// What the gates of the queue's addresses tell, they tell of its next mail from here on.
  static void aim(Scheduler& all, Queue& queue);
  /// Its mail of rated senders needs permits for single addresses.
  static bool splits(const Queue& queue);
  /// Its first mail is of a rated sender, and came back for a permit that is no longer near: it
  /// stands aside again, so that others' mail goes on.
  static bool stands_back(Scheduler& all, Queue& queue, Now now);
  /// Idle sessions from there wait for permits of the rated sender of the queue's next mail.
  static bool waits_at(Scheduler& all, Queue& queue, const SourceGate& gate, Now now);
  /// SessionHost::offer_from().
  static bool offer_from(Scheduler& all, Queue& queue, SourceGate& gate);
  /// A connection from there is gone.
  static void disconnected(Scheduler& all, Queue& queue, SourceGate& gate);
  /// A transaction has begun: where octets are limited, its lines ask for the next message.
  static void began(Scheduler& all, const Queue& queue);
  /// The queue's limits change: its mail stands in line anew.
  static void leave_lines(Scheduler& all, Queue& queue);

 private:
  static RateScope* scope_of(Scheduler& all, const Queue& queue, std::uint32_t index);
  static void put_aside(Scheduler& all, Queue& queue, std::uint32_t index, RateScope& scope);
  static void bring_back(Scheduler& all, Queue& queue, std::uint32_t index);
  static bool may_send(Scheduler& all, Queue& queue, const SenderLane& lane, Now now,
                       Instant& again);
  static std::uint32_t demand(Scheduler& all, const Queue& queue, const SenderLane& lane,
                              std::uint32_t sessions);
  static std::uint32_t send(Scheduler& all, Queue& queue, SenderLane& lane, std::uint32_t units,
                            Now now);
  static bool keeps_session(Scheduler& all, Queue& queue, const IpAddress& source, Now now);
  static void line_up(SenderLane& lane, bool asks);
  static bool gives_way(const SenderLane& lane, Now now);
  static void serve_asking(Scheduler& all, RateScope& scope, Now now, Instant& again);
  static void grow(Scheduler& all, Queue& queue, SenderLane& lane, Now now, Instant& again);
  static void let_approach(Scheduler& all, RateScope& scope, Now now, Instant& again);
  static bool holds(Scheduler& all, RateScope& scope, Now now);

  static bool waits_in_line(const Queue& queue);
  static RateScope* part_of(Scheduler& all, RateScope& whole, const SourceGate& gate);
  static RateScope* at(Scheduler& all, Queue& queue, RateScope& whole, const IpAddress& source);
  static void ask_from(Scheduler& all, Queue& queue, const IpAddress& source);
  static void line_up(Scheduler& all, Queue& queue, SenderLane& lane);
  static void join(Scheduler& all, Queue& queue, SenderLine& line);
  static void leave_line(Scheduler& all, Queue& queue, SenderLine& line);
  static void leave_lines(Scheduler& all, Queue& queue, SenderLane& lane);
  static void leave_last(Scheduler& all, Queue& queue, std::uint32_t index);
  static void leave_from(Scheduler& all, Queue& queue, const SourceGate& gate);
  static bool serve_whole(Scheduler& all, RateScope& scope, Now now, Instant& again);
  static void grow_from(Scheduler& all, Queue& queue, SenderLane& lane, Now now, Instant& again);
  static void serve_part(Scheduler& all, RateScope& scope, Now now);
  static std::uint32_t invite(Scheduler& all, SenderLine& line, std::uint32_t units, Now now);
  static void ask_for(Scheduler& all, RateScope& scope, std::uint32_t told, Now now,
                      Instant& again);
  static void tell_whole(Scheduler& all, const RateScope& part);
};

}  // namespace ringpost::schedule
