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
///
/// Not so mail that counts in rates of its sender, of source addresses or, beside a shared rate, in
/// one of octets: other mail would miss the sessions that wait for its permits. These are taken as
/// its transaction begins, and kept. Each is good for a time in which the RCPT has to leave, and
/// by which the rate's windows are longer; both grow with what receivers take
/// (RateGate::used_late(), RateBook::wants_late()). What leaves later yet pays once more, as it
/// leaves: to quick rates alone, for of slow ones no permit would be near, and these bear more.
struct LatePermits {
  /// Whether the queue's next mail is of the first kind.
  static bool fit(Scheduler& all, Queue& queue);
  /// Recipients that a transaction may begin with under the queue's own rates. 0: the queue waits.
  static std::uint32_t own(Scheduler& all, Queue& queue, Now now);
  /// The same under the rates that it shares.
  static std::uint32_t shared(Scheduler& all, Queue& queue, Now now);
  /// A job was filled: all is paid for until then, or, if `slow`, no recipient is.
  static void begin(Queue& queue, PooledJob& job, const IpAddress& source, RateScope* scope,
                    bool slow, UsedBy good, Now now);
  /// WorkSource::permits().
  static Permits ask(Scheduler& all, PooledJob& job, std::uint32_t sent, std::uint32_t want,
                     Now now);
  /// No recipient of the job will be paid for any more.
  static void over(Scheduler& all, Queue& queue, PooledJob& job, Now now);
  /// The first in line for so many permits that have come are told; returns how many are.
  static std::uint32_t call(RateScope& scope, std::uint32_t units, Now now);
  static void call_due(Scheduler& all, Now now);
  /// Permits have come to a RateBook::again(), or its line has changed.
  static void serve_again(Scheduler& all, RateScope& scope, Now now);
  /// Takes permits for so many RCPTs, `gate` that of their source address or nullptr. Returns until
  /// when those of `scope` are good.
  static UsedBy charge(Queue& queue, SourceGate* gate, std::uint32_t count, RateScope* scope,
                       std::uint32_t octets, Now now);

 private:
  static Permits pay(Scheduler& all, Queue& queue, PooledJob& job, std::uint32_t sent,
                     std::uint32_t want, Now now);
  static Permits use(Scheduler& all, Queue& queue, PooledJob& job, std::uint32_t want, Now now);
  static bool kept_for_long(Scheduler& all, Queue& queue, PooledJob& job, Now now);
  static void leave_line(Scheduler& all, Queue& queue, PooledJob& job);
  static void arm_line(Scheduler& all, Queue& queue, Now now);
};

}  // namespace ringpost::schedule
