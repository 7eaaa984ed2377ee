#pragma once

#include "core/schedule/scheduler.h"

namespace ringpost::schedule {

/// The scheduler's part about hosts that take one command at a time. RCPTs to them leave one by
/// one, each a reply later than the last, so the permits of such mail are taken as they leave and
/// not when its transaction begins. That begins as long before a permit comes as hosts of the queue
/// take to answer MAIL, RateBook::kLead at least; a session that has come as far as a RCPT stands
/// in line for it.
///
/// So that what waits in sessions is served soon, only so many transactions with recipients that
/// are not paid for go on at once as there are permits within that time.
///
/// Mail that counts in rates of its sender, of source addresses in a group or, beside a shared
/// rate, in one of octets begins with a turn (RateScope::turns) instead: other mail would miss the
/// sessions that wait for its permits. Turns count in octets and in slow rates, for of these no
/// permit would be near when a RCPT leaves; each is good for a time in which that has to be, and by
/// which the rate's windows are longer. It grows with what receivers take (RateGate::used_late(),
/// RateBook::wants_late()). Permits of quick rates are taken as RCPTs leave, from
/// RateBook::again(), and turns wait while many do. A RCPT that leaves later than slow permits are
/// ever good takes all of them then, and those of the turn go back.
///
/// A queue that has a session of this kind treats all of them so: which of them takes its next mail
/// is not known when it gets leave.
///
/// To other hosts such mail takes all its permits as its transaction begins. What leaves later than
/// these are good pays once more, as it leaves, to quick rates alone.
struct LatePermits {
  /// Whether the queue's next mail is of the first kind.
  static bool fit(Scheduler& all, Queue& queue);
  /// A transaction of the queue may begin so long before the permits of its RCPTs are due; a queue
  /// without a session begins to connect that much earlier yet.
  static Duration lead(const Queue& queue) {
    return way(queue) + (queue.slow ? mail_takes(queue) : Duration{});
  }
  /// The time that its hosts take to answer MAIL, RateBook::kLead at least.
  static Duration mail_takes(const Queue& queue);
  /// The time that a queue without a session has to connect.
  static Duration way(const Queue& queue) {
    return queue.sessions() == 0 ? RateBook::kLead : Duration{};
  }
  /// Sessions that the queue would use, where its hosts take long: those whose RCPTs wait for
  /// permits, and one for each that comes until they have answered.
  static std::uint32_t sessions_for(const Queue& queue, Now now);
  /// Recipients that the queue's own rates let begin now, and when they will let one.
  static std::uint32_t due(const Queue& queue, Now now);
  static Instant due_at(const Queue& queue);
  /// When they, its limits of octets and those of that source address let a RCPT of a message of
  /// that many octets leave, as of the last time that they were asked; in the past: they do.
  static Instant opens_from(Queue& queue, const IpAddress& source, std::uint32_t octets);
  /// Whether mail of the queue begins with turns of the scope.
  static bool turns(const Queue& queue, const RateScope& scope);
  /// Enough transactions wait for what they do not cover.
  static bool full(Scheduler& all, const RateScope& scope);
  /// Permits, or turns, of the scope for a message of that many octets of the queue.
  static std::uint32_t there(Scheduler& all, const Queue& queue, RateScope& scope,
                             std::uint32_t octets, Now now);
  /// Recipients that a transaction may begin with under the queue's own rates, of either kind. 0:
  /// the queue waits.
  static std::uint32_t own(Scheduler& all, Queue& queue, Now now);
  /// The same under the rates that it shares.
  static std::uint32_t shared(Scheduler& all, Queue& queue, Now now);
  /// A job was filled: all is paid for until then; to a `slow` host what was taken of `scope`, and
  /// if it `lapses` nothing.
  static void begin(Queue& queue, PooledJob& job, const IpAddress& source, RateScope* scope,
                    bool lapses, UsedBy good, Now now);
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
  /// Takes permits of its own rates for so many RCPTs, `gate` that of their source address or
  /// nullptr.
  static void charge_own(Queue& queue, SourceGate* gate, std::uint32_t count, Now now);

 private:
  static Permits pay(Scheduler& all, Queue& queue, PooledJob& job, std::uint32_t sent,
                     std::uint32_t want, Now now);
  static Permits use(Scheduler& all, Queue& queue, PooledJob& job, std::uint32_t sent,
                     std::uint32_t want, Now now);
  static bool kept_for_long(Scheduler& all, Queue& queue, PooledJob& job, Now now);
  static void count_unpaid(Queue& queue, PooledJob& job);
  static void leave_line(Scheduler& all, Queue& queue, PooledJob& job);
  static void arm_line(Scheduler& all, Queue& queue, Now now);
};

}  // namespace ringpost::schedule
