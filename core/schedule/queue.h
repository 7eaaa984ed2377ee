#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "core/mail/job.h"
#include "core/mail/outcome.h"
#include "core/mail/policy.h"
#include "core/schedule/byte_gate.h"
#include "core/schedule/day_counts.h"
#include "core/schedule/entry.h"
#include "core/schedule/host_side.h"
#include "core/schedule/leases.h"
#include "core/schedule/limits.h"
#include "core/schedule/queue_state.h"
#include "core/schedule/rate_book.h"
#include "core/schedule/rate_gate.h"
#include "core/schedule/shares.h"
#include "core/schedule/source_gates.h"
#include "core/schedule/warmup.h"

namespace ringpost::schedule {

/// Why a session or a whole queue failed.
struct Failure {
  Outcome outcome;  ///< phase, code and status; its text reference is not used
  std::string text;
  WallTime at;
};

/// Mail of a queue on its way to other queues: how much of each list is still to be looked at.
struct Move {
  MoveOrder order;
  std::uint32_t ready = 0;
  std::uint32_t deferred = 0;
  std::uint32_t over_age = 0;
  bool listed = false;  ///< in the scheduler's list of moves

  bool left() const { return ready > 0 || deferred > 0 || over_age > 0; }
};

/// Limits that few queues have.
struct RareLimits {
  const DayCount* day_count = nullptr;  ///< where only so many are given to it on a day
  ByteGate octets;                      ///< of its messages
  SourceGates sources;
  std::uint32_t turn = 0;                   ///< of them, to be offered mail
  IpAddress waits_for;                      ///< the source address whose gate it waits at
  Instant source_opens = Instant::never();  ///< of one that a session found closed
  Scope* backoff_group = nullptr;  ///< connections of its group in back-off mode; nullptr: no limit
  Scope* next_backoff_group = nullptr;
  std::uint32_t in_line = 0;          ///< source addresses for whose permits it stands in line
  std::uint32_t in_connect_line = 0;  ///< the same for connections
  std::uint32_t sender_lines = 0;     ///< that its lanes stand in
  Duration mail_takes;                ///< of hosts that take one command at a time, of late
  SourceLine* pays = nullptr;         ///< of whose scope its next connection has a permit
  std::uint32_t unpaid = 0;           ///< transactions whose RCPTs ask for permits as they leave
  List<PooledJob, PayerTag> payers;   ///< of these, those that wait for the queue's own rates
  std::uint32_t timer_place = kNil;   ///< of the first permit for them
};

/// A virtual MTA as the queues of one shard see it.
struct Vmta {
  std::string name;
  Scope* connections = nullptr;
};

/// Recipients of one destination through one virtual MTA. Lives in the QueueTable of its home
/// shard; changed by the Scheduler only. 100,000 of them are normal.
struct Queue : Waiter {
  std::string name;  ///< lower case
  Vmta* vmta = nullptr;
  QueuePolicyRef policy;
  std::unique_ptr<Failure> last_failure;  ///< the latest one, for people
  std::unique_ptr<Failure> doom;          ///< while mail that was here is being ended: its outcome
  std::unique_ptr<Move> move;             ///< its mail goes elsewhere
  std::unique_ptr<HostSide> hosts;        ///< where connections to single hosts are limited
  RateGate messages;
  WarmupState* warmup = nullptr;
  RateGate connects;
  std::unique_ptr<RareLimits> rare;  ///< made when the first of them applies
  ReadyMail ready;
  EntryList deferred;
  EntryList over_age;                    ///< grew too old while paused
  Scope* group = nullptr;                ///< connections of its group, or a scope without limit
  Scope* next_group = nullptr;           ///< by newer settings: in force when its sessions are gone
  Scope* waiting_in = nullptr;           ///< whose waiting list it stands in
  RateScope* shared_messages = nullptr;  ///< rates beside its own, or nullptr
  RateScope* shared_connects = nullptr;
  SenderLane* lanes = nullptr;  ///< first one of its mail that waits for senders' rates

  Instant until;           ///< of the present state: when its gate opens
  Instant deferred_until;  ///< the queue's own clock
  Instant open_after;      ///< no new session before
  Instant grow_after;      ///< none beside those it has before
  Instant slice_until;     ///< no connection is asked back before
  Instant empty_since;
  Instant next_open;  ///< no new session before: the least time between two

  std::uint64_t hash = 0;
  std::uint32_t slot = 0;            ///< its QueueId: dense, used again once the queue is dropped
  std::uint32_t next = kNil;         ///< of the slab's free ones
  std::uint32_t timer_place = kNil;  ///< in the timer heap
  std::uint32_t in_flight = 0;       ///< recipients in jobs, settling included
  std::uint32_t ending = 0;          ///< recipients whose final outcome waits for a job
  std::uint32_t opening = 0;         ///< sessions not yet established
  std::uint32_t established = 0;
  std::uint32_t yielding = 0;         ///< sessions to be given up for others
  std::uint32_t closing : 20 = 0;     ///< of these, those that have been told so
  std::uint32_t turn : 4 = 0;         ///< RateScope::turn when it came near a shared rate
  std::uint32_t proven : 8 = 0;       ///< sessions at once that its host may be given, 255 at most
  std::uint32_t job_turns : 24 = 0;   ///< offers made to it as the head of those waiting for jobs
  std::uint32_t proven_at : 8 = 0;    ///< quarter_minutes_of() when `proven` was shown
  std::uint32_t aside = 0;            ///< recipients in them
  std::uint32_t rush_tail = kNil;     ///< last deferred entry that an operator wants tried now
  std::uint32_t reserved_stamp = 0;   ///< sum of `changed` of the scopes that `reserved` counts
  std::uint32_t connect_gap_ms = 0;   ///< the least time between two new connections
  std::uint16_t clock_step = 0;       ///< failures in a row on the queue's own clock
  std::uint16_t delivered_s = 0;      ///< low bits of the second of its last delivery
  std::uint16_t first_tenant = 0;     ///< whose mail of no job its plain share is; see ShareBook
  std::uint16_t asking = 0;           ///< sessions that got nothing while some did
  std::uint8_t weight : 7 = 1;        ///< 1 to 100
  bool in_vain : 1 = false;           ///< its sessions ended before its turn for a permit came
  std::uint8_t lost_streak : 3 = 0;   ///< broken sessions in a row without any progress
  std::uint8_t hosts_tried : 5 = 0;   ///< of those of one attempt, by sessions that are over
  std::uint8_t fault_streak : 3 = 0;  ///< faults of our own in a row
  std::uint8_t grow_streak : 3 = 0;   ///< further sessions in a row that failed
  bool had_turn : 1 = true;           ///< it has sent something since, or lost it once
  bool deferred_by_dns : 1 = false;   ///< its time is retry_after_dns_error
  std::uint8_t grew_to = 0;  ///< sessions that went on when the last of them did, 255 at most
  /// Counts endings of the whole queue. Entries of an earlier epoch were in it when the last one
  /// was decided and share it; later mail does not.
  std::uint8_t epoch = 0;
  QueueState state = QueueState::idle;
  Gate gate = Gate::none;
  Gate open_gate = Gate::none;  ///< why `open_after`
  Ending doom_kind : 3 = Ending::none;
  std::uint8_t era : 5 = 0;  ///< its mail was looked at under these rules; see GlobalLimits
  /// Scopes, in their fixed order, of which it holds a unit while it waits for the next one's.
  std::uint8_t reserved = 0;
  std::uint8_t rule_deferrals = 0;    ///< in a row, without a delivery between them
  bool approaching = false;           ///< on its way to a connect permit; counted in its scope
  bool invited : 1 = false;           ///< its turn for a shared permit has come
  bool deferred_by_rule : 1 = false;  ///< the queue's clock runs because a reply asked for it
  bool backoff : 1 = false;           ///< in back-off mode
  bool ends_on_delivery : 1 = false;  ///< one delivery ends that
  bool backoff_on_no_source : 1 = false;
  bool no_source : 1 = false;  ///< all its source addresses are disabled
  bool paused : 1 = false;
  bool expire_while_paused : 1 = false;
  bool live : 1 = false;
  bool leaving : 1 = false;     ///< its mail goes to another queue, by command
  std::uint8_t spared : 2 = 0;  ///< failures in a row that did not defer it
  bool shared : 1 = false;      ///< QueueSettings::shared
  bool slow : 1 = false;        ///< the host of a session takes, or took, one command at a time
  bool fresh : 1 = false;       ///< nothing was sent since its last session was opened
  bool offered : 1 = false;     ///< an idle session was told of mail and has not asked for it yet
  std::uint8_t priority = kNormalPriority;
  std::uint8_t standing = kNormalPriority;  ///< of its units; kUntouchable: nobody interrupts it

  QueueId id() const;
  /// Recipients that its own rates let start now.
  std::uint32_t permits(Instant now) const {
    const std::uint32_t paced = messages.available(now);
    return warmup == nullptr ? paced : std::min(paced, warmup->available(now));
  }
  std::uint32_t sessions() const { return opening + established; }
  /// Its connections count in other groups once those it has are gone.
  bool changes_group() const {
    return group != next_group ||
           (rare != nullptr && rare->backoff_group != rare->next_backoff_group);
  }
  ByteGate* octets() const {
    return rare != nullptr && rare->octets.limited() ? &rare->octets : nullptr;
  }
  /// nullptr: nothing is limited by source address.
  SourceGates* sources() const {
    return rare != nullptr && rare->sources.any() ? &rare->sources : nullptr;
  }
  /// It stands in line for permits of some source address.
  bool in_line() const { return rare != nullptr && rare->in_line + rare->in_connect_line > 0; }
  /// What it was given today is not on disk yet: none of it may leave.
  bool uncounted() const {
    return rare != nullptr && rare->day_count != nullptr && !rare->day_count->covered();
  }
  RareLimits& rare_limits() {
    rare = rare != nullptr ? std::move(rare) : std::make_unique<RareLimits>();
    return *rare;
  }
  /// No mail of any kind: it may be forgotten once its sessions and gates are at rest.
  bool empty() const {
    return ready.empty() && ready.parked() == 0 && !ready.shared() && deferred.empty() &&
           over_age.empty() && in_flight == 0 && ending == 0;
  }
  /// Mail in it is to be ended before anything else is done.
  bool must_end() const { return doom_kind != Ending::none || (!paused && !over_age.empty()); }
};
/// Enough of a second's number to tell what was lately; seldom wrong after 18 hours.
inline std::uint16_t whole_seconds_of(Now now) {
  return static_cast<std::uint16_t>((now.instant - Instant{}).whole_seconds());
}

/// What a queue keeps while it goes from one of the gates of a new connection to the next.
struct HeldPlace {
  std::uint64_t ticket = 0;
  std::uint32_t reserved_stamp = 0;
  std::uint8_t reserved = 0;
  bool approaching = false;
  bool host_units = false;
};
static_assert(sizeof(Queue) <= 512, "memory per queue is a promise");

inline QueueId Queue::id() const { return {slot}; }

/// Enough of a time's number to tell what was within half a minute; seldom wrong after an hour.
inline std::uint8_t quarter_minutes_of(Now now) {
  return static_cast<std::uint8_t>((now.instant - Instant{}).whole_seconds() / 15);
}

/// Sessions at once that the queue's host has just shown to take, or a few more; 0: nothing of
/// late. Sessions that carry few messages each are over soon after they have proved it to be there.
inline std::uint32_t proof(const Queue& queue, Now now) {
  const auto ago = static_cast<std::uint8_t>(quarter_minutes_of(now) - queue.proven_at);
  return ago <= 1 ? queue.proven : 0;
}

/// When the whole burst of its rates will have gathered, and a permit more for each session that is
/// being opened or waits for one: permits begin to be lost if nothing leaves; never: no rate.
Instant permits_lost(const Queue& queue);

/// Whether a queue that would wait for a permit of a shared rate is to let others come near first,
/// which wait until they may.
inline bool turn_is_over(const Queue& queue, RateScope& scope, Now now) {
  return !scope.hopeful.empty() && !queue.invited && queue.had_turn &&
         queue.turn != scope.turn_at(now.instant);
}

/// It may come near now.
inline void begin_turn(Queue& queue, RateScope& scope, Now now) {
  queue.turn = scope.turn_at(now.instant);
  queue.had_turn = false;
}

/// Why a queue whose policy is held starts nothing.
inline Gate held_gate(const Queue& queue) { return queue.no_source ? Gate::no_source : Gate::held; }

}  // namespace ringpost::schedule
