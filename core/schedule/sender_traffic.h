#pragma once

#include "core/schedule/scheduler.h"

namespace ringpost::schedule {

/// The scheduler's part about rates of senders. Mail of a rated sender whose permit is not there
/// stands aside, among the deferred entries of its queue, so that what stands behind it is not held
/// up, and comes back in front of the queue when a permit has come. A permit counts in the sender's
/// rate and in all that mail of the queue counts in, and is asked for when a session has nothing
/// else to send.
struct SenderTraffic {
  /// Permits, for what leaves from `source`, for the first mail of the queue that has any, and the
  /// scope they are of; what has none
  /// is put aside. 0: the queue waits.
  static std::uint32_t permits(Scheduler& all, Queue& queue, const IpAddress& source,
                               RateScope*& scope, Now now);
  /// Whether the queue's next mail is a rated sender's: its lane has seen to its turn.
  static bool leads(Scheduler& all, Queue& queue);
  /// A session has nothing to send but what stands aside.
  static void ask(Scheduler& all, Queue& queue, Now now);
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
  /// The scope whose permit an entry waits for; nullptr: it does not stand aside.
  static const RateScope* waits_for(Scheduler& all, std::uint32_t index);

 private:
  static RateScope* scope_of(Scheduler& all, const Queue& queue, std::uint32_t index);
  static void put_aside(Scheduler& all, Queue& queue, std::uint32_t index, RateScope& scope);
  static void bring_back(Scheduler& all, Queue& queue, std::uint32_t index);
  static bool may_send(Scheduler& all, Queue& queue, const SenderLane& lane, Now now,
                       Instant& again);
  static std::uint32_t demand(Scheduler& all, const Queue& queue, const SenderLane& lane);
  static std::uint32_t send(Scheduler& all, Queue& queue, SenderLane& lane, std::uint32_t units,
                            Now now);
  static bool keeps_session(Scheduler& all, Queue& queue, Now now);
  static void line_up(SenderLane& lane, bool asks);
  static bool gives_way(const SenderLane& lane, Now now);
  static void serve_asking(Scheduler& all, RateScope& scope, Now now, Instant& again);
  static void grow(Scheduler& all, Queue& queue, const SenderLane& lane, Now now, Instant& again);
  static void let_approach(Scheduler& all, RateScope& scope, Now now, Instant& again);
  static bool holds(Scheduler& all, RateScope& scope, Now now);
};

}  // namespace ringpost::schedule
