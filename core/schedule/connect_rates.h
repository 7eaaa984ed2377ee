#pragma once

#include "core/schedule/scheduler.h"

namespace ringpost::schedule {

/// The scheduler's part about rates of connections: those of a queue, those it shares, and the
/// least time between two. One permit is one connection that is tried, to whatever address and
/// whatever comes of it. A session has one when it is opened and asks for each further one.
struct ConnectRates {
  /// The queue may make itself ready for a permit that it shares, or waits until it may.
  static bool may_prepare(Scheduler& all, Queue& queue, Now now);
  /// It has one, or waits for it.
  static bool has_permit(Scheduler& all, Queue& queue, Now now);
  /// A connection is made a little later than its permit was taken, once the route is known.
  static Duration slack_of(RateLimit limit);
  /// Until when a connection may be made under a permit that is taken now; never(): no rate counts.
  static Instant lapses(const Queue& queue, Now now);
  /// Takes one, for a session that was opened.
  static void pay(Scheduler& all, Queue& queue, Now now);
  /// Takes one for a session that connects again, if it is there at once.
  static bool again(Scheduler& all, Queue& queue, Now now);
};

}  // namespace ringpost::schedule
