#pragma once

#include "core/schedule/scheduler.h"

namespace ringpost::schedule {

/// The scheduler's part about hosts that take one command at a time. RCPTs to them leave one by
/// one, each a reply later than the last, so the permits of such mail are taken as they leave and
/// not when its transaction begins. That begins up to RateBook::kLead before a permit comes; a
/// session that has come as far as a RCPT stands in line for it.
///
/// So that what waits in sessions is served soon, only so many transactions with recipients that
/// are not paid for go on at once as there are permits within that time.
struct LatePermits {
  /// Whether that holds for the queue's next mail. Not for mail that counts in rates of its sender,
  /// of source addresses or, beside a shared rate, in one of octets: its permits are taken as its
  /// transaction begins.
  static bool fit(Scheduler& all, Queue& queue);
  /// Recipients that a transaction may begin with under the queue's own rates. 0: the queue waits.
  static std::uint32_t own(Scheduler& all, Queue& queue, Now now);
  /// The same under the rates that it shares.
  static std::uint32_t shared(Scheduler& all, Queue& queue, Now now);
  /// A job was filled: all is paid for until then, or, if `slow`, no recipient is.
  static void begin(Queue& queue, PooledJob& job, const RateScope* scope, bool slow,
                    Instant good_until, Now now);
  /// WorkSource::permits().
  static Permits ask(Scheduler& all, PooledJob& job, std::uint32_t sent, std::uint32_t want,
                     Now now);
  /// No recipient of the job will be paid for any more.
  static void over(Scheduler& all, Queue& queue, PooledJob& job, Now now);
  /// The first in line for so many permits that have come are told; returns how many are.
  static std::uint32_t call(RateScope& scope, std::uint32_t units, Now now);
  static void call_due(Scheduler& all, Now now);
  /// Takes permits for so many RCPTs. Returns when they have to have left.
  static Instant charge(Queue& queue, std::uint32_t count, RateScope* scope, std::uint32_t octets,
                        Now now);

 private:
  static Permits pay(Scheduler& all, Queue& queue, PooledJob& job, std::uint32_t sent,
                     std::uint32_t want, Now now);
  static void leave_line(Scheduler& all, Queue& queue, PooledJob& job);
  static void arm_line(Scheduler& all, Queue& queue, Now now);
};

}  // namespace ringpost::schedule
