#pragma once

#include <span>
#include <string_view>

#include "core/mail/doors.h"
#include "core/mail/job.h"
#include "core/schedule/decisions.h"
#include "core/schedule/lease_message.h"
#include "core/schedule/limits.h"
#include "core/schedule/rate_plan.h"

// What the scheduler asks of those who compose it. All calls stay on the scheduler's shard; what
// must cross shards is carried by the implementer.

namespace ringpost::schedule {

/// Takes finished jobs to the journal of the message's log.
class SettleSink {
 public:
  virtual ~SettleSink() = default;
  /// Every recipient has an outcome, and a next attempt where it is deferred. When the journal has
  /// them the job comes back by Scheduler::retire(), at some later time, never from inside this
  /// call. Jobs whose outcome was decided in the queue (phase queue or route) come here without
  /// ever having been opened.
  virtual void settle(Job& job) = 0;
};

/// Effective settings from the configuration snapshot that is in force on this shard.
class PolicySource {
 public:
  virtual ~PolicySource() = default;
  virtual QueueSettings settings_of(std::string_view domain, std::string_view vmta) = 0;
  virtual GlobalLimits global_limits() = 0;
  virtual HostLimits host_limits(std::string_view host, const IpAddress& address) {
    static_cast<void>(host), static_cast<void>(address);
    return {};
  }
  /// The rates of a SharedRates::plan, or nullptr: it has none. Stays good until the next snapshot.
  virtual const RatePlan* rate_plan(std::uint64_t /*plan*/) { return nullptr; }
  /// The rates of mail that goes by the sender rule of this key, or nullptr: it has none. They have
  /// the home of all plans that they are counted with.
  virtual const RatePlan* sender_rates(std::uint64_t /*rule*/) { return nullptr; }
  /// How many recipients a day the virtual MTA takes for the queue, on successive days, the last
  /// repeats; empty: any number. `overflow`: see Admission. Stays good until the next snapshot.
  virtual std::span<const std::uint32_t> day_caps(std::string_view queue, std::string_view vmta,
                                                  std::string_view overflow) {
    static_cast<void>(queue), static_cast<void>(vmta), static_cast<void>(overflow);
    return {};
  }
  /// The name of the queue that takes the mail of the destination `queue`, whose best mail hosts
  /// these are until `expires`; empty: its own.
  virtual std::string_view rolled_up(std::string_view queue, std::string_view vmta,
                                     std::span<const std::string_view> hosts, Instant expires) {
    static_cast<void>(queue), static_cast<void>(vmta);
    static_cast<void>(hosts), static_cast<void>(expires);
    return {};
  }
};

/// Carries lease messages to other shards, in order for each pair of shards.
class LeaseTransport {
 public:
  virtual ~LeaseTransport() = default;
  /// False: no room now; the scheduler keeps it, merged with what follows, and tries again.
  virtual bool send(unsigned shard, const LeaseMessage& message) = 0;
};

/// Closes sessions that only idle, so that others get their connections before the idle time-out.
class SessionCloser {
 public:
  virtual ~SessionCloser() = default;
  /// Begins to close one idle session of the queue; it ends through session_ended() as usual.
  /// False: the queue has no idle session.
  virtual bool close_idle(QueueId queue) = 0;
};

/// What a queue took of an admission.
enum class Taken : std::uint8_t {
  none,  ///< no room: offer it again later
  some,  ///< what falls to it today; the rest is for another one
  all,
};

/// Hears of what is decided about queues, for logs, counters and notices.
class DecisionSink {
 public:
  virtual ~DecisionSink() = default;
  virtual void decided(const Decision& decision) = 0;
  /// It holds no longer; `why` says by what.
  virtual void ended(const Decision& decision, std::string_view why) = 0;
};

/// A queue was put off: no host was reached, or one said something about the whole queue. Views
/// hold during the call.
struct QueueDeferral {
  std::string_view name;
  std::string_view vmta;
  std::uint8_t hidden_records = 0;  ///< kinds of accounting records the queue's policy omits
  const Outcome& failure;
  const SessionFailure& at;
};

/// Hears of it, for accounting.
class DeferralSink {
 public:
  virtual ~DeferralSink() = default;
  virtual void queue_deferred(const QueueDeferral& deferral) = 0;
};

/// What a scheduler talks to. All outlive it and live on its shard.
struct Doors {
  SessionHost& sessions;
  SettleSink& settle;
  PolicySource& policies;
  LeaseTransport& leases;
  SessionCloser* closer = nullptr;  ///< without it connections change hands by idle time-outs
  AdmissionSink* mover = nullptr;   ///< takes what leaves its queue; without it mail stays
  DecisionSink* decisions = nullptr;
  DeferralSink* deferrals = nullptr;
};

}  // namespace ringpost::schedule
