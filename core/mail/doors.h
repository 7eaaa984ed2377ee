#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/completion.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/mail/envelope.h"
#include "core/mail/job.h"
#include "core/mail/message_id.h"
#include "core/mail/outcome.h"
#include "core/mail/policy.h"
#include "core/mail/session_failure.h"

// Doors through which sibling rooms meet. Each is implemented by one room, used by another, all on
// one shard; what crosses shards is carried by core/app over mailboxes.

namespace ringpost {

struct Route;

/// Commit of one message. Owned by the ingest session. result 0: durable, answer 250; negative
/// errno: not accepted (-ENOSPC: 452, else 451).
struct CommitOp : Completion {
  MessageId id;  ///< set when durable
};

/// One message on its way into the spool. Lent by MessageSink::begin() until commit's completion
/// has run or abandon() was called.
class MessageWriter {
 public:
  virtual ~MessageWriter() = default;
  /// Copies a run of content in wire form: the one copy a message suffers. no_capacity or no_space:
  /// the message cannot be taken, only abandon() may follow (452). io_failed: 451.
  virtual Status append(std::string_view run) = 0;
  /// False when buffers wait for the disk: stop appending until `when_room` completes. At most one
  /// wait at a time.
  virtual bool has_room(Completion& when_room) = 0;
  /// Seals the message. Views in `submission` are copied before this returns.
  virtual void commit(const Submission& submission, CommitOp& op) = 0;
  /// Forgets the message; never fails. Must not be called once commit() was.
  virtual void abandon() = 0;
};

/// Door ingest -> spool. One per shard.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  /// Begins a message. `declared_bytes` is the SIZE parameter or 0 and reserves room.
  /// no_capacity, no_space: answer 452 and let the sender come back.
  virtual Result<MessageWriter*> begin(std::uint64_t declared_bytes) = 0;
};

/// Recipients [first, first+count) of a durable message that now need scheduling: all of one
/// destination domain, virtual MTA or pool, and priority, equal in attempts and next time. Views
/// point into the spool and hold until admit() returns.
struct Admission {
  SpoolHandle message;
  MessageId id;
  std::string_view domain;  ///< destination, case as given
  std::string_view vmta;
  std::string_view job;
  std::uint16_t tenant = 0;  ///< tenant_of() its envelope
  std::uint32_t first = 0, count = 0;
  std::uint32_t size_bytes = 0;
  std::uint16_t attempts = 0;
  std::uint64_t pool_key = 0;     ///< what a pool that goes by recipients goes by; 0: the message
  bool pooled = false;            ///< its virtual MTA was chosen out of a pool
  std::uint64_t sender_rule = 0;  ///< key of the rule for its sender; 0: none
  bool alone = false;             ///< no other recipient may share its transactions
  std::uint8_t priority = kNormalPriority;
  bool rolled_up = false;         ///< its queue was found by its mail hosts, after it was placed
  std::uint32_t rules_seen = 0;   ///< operators' rules below this number are heeded in it
  std::uint8_t era = 0;           ///< numbers the rules on shared queues that it was placed by
  bool anew = false;              ///< leaves its queue, and is to be placed by its own domain
  bool moved = false;             ///< leaves its queue and has a place (schedule::Places)
  bool ambiguous_before = false;  ///< issued before an unclean stop and never settled
  WallTime received;
  WallTime next_attempt;  ///< 0: at once
  // Where a virtual MTA takes only so many of the destination on a day (PolicySource::day_caps).
  bool counted = false;       ///< that holds for this one
  std::uint8_t choice = 0;    ///< which of several it was given to
  std::uint64_t tried = 0;    ///< choices that take no more today, as bits of choice % 64
  std::string_view overflow;  ///< virtual MTA or pool that takes what they do not; empty: nobody
};

/// Door spool -> schedule (through core/app to the queue's home shard).
class AdmissionSink {
 public:
  virtual ~AdmissionSink() = default;
  /// False: no room on the way; the spool keeps the recipients and offers them again next turn.
  virtual bool admit(const Admission& admission) = 0;
};

/// Door deliver -> spool (through core/app to the message's home shard).
class BodySource {
 public:
  virtual ~BodySource() = default;
  /// Notes in the journal that the job's recipients are issued, pins the message and fills
  /// job.view; then job.opened completes.
  virtual void open(Job& job) = 0;
  /// Ends the use of job.view (after the last zero-copy notification) and journals the outcomes:
  /// final ones and deferrals with their next time. `returned` recipients are only un-issued.
  /// job.settled completes when that is written (not necessarily synced).
  virtual void settle(Job& job) = 0;
};

/// Why a session ended, for the queue's own clock (deferral of the whole queue).
enum class SessionEnd : std::uint8_t {
  normal,         ///< done, idle time-out, limits
  lost,           ///< established and then broken or 421: reconnect under the connect rate
  unreachable,    ///< no host could be connected or greeted us: the queue is deferred
  no_route,       ///< resolution failed; the failure says deferred or bounced
  no_exchanger,   ///< the domain names none and its mail waits for one, QueuePolicy::no_mx_wait
  host_busy,      ///< where it might have connected there are as many connections as may be
  next_host,      ///< a host failed, others were not tried: a rate of connections has to open first
  local_failure,  ///< our own fault (no port, no address): queue waits, host is not blamed
};

/// Door deliver -> schedule, at the queue's home shard.
class WorkSource {
 public:
  virtual ~WorkSource() = default;
  /// The next job of the queue with all its permits taken, or nullptr when none may start now.
  virtual Job* take(QueueId queue, Now now) = 0;
  /// The same for a session that sends from that source address of the queue's policy (invalid: the
  /// system's choice), whose own permits count too.
  virtual Job* take_from(QueueId queue, const IpAddress& source, Now now) {
    static_cast<void>(source);
    return take(queue, now);
  }
  /// The same where the host takes one command at a time: each RCPT is asked for by permits().
  /// Other sessions of the queue may be given such jobs too (Job::metered).
  virtual Job* take_slow(QueueId id, const IpAddress& ip, Now now) {
    return take_from(id, ip, now);
  }
  /// Takes permits for up to `want` RCPTs of a job of which `sent` have left; they leave at
  /// once. Those of take_from() are good for a while. `want` 0: none will be asked for any more.
  virtual Permits permits(Job&, std::uint32_t /*sent*/, std::uint32_t want, Now) { return {want}; }
  /// All recipients have an outcome, and the kernel does not use the view any more; schedule
  /// decides next times and hands the job on to settle.
  virtual void finished(Job& job, Now now) = 0;
  /// The session's connection permit comes back. `failure`, `at`: given unless `end` is normal,
  /// `at.established` always.
  virtual void session_ended(QueueId queue, SessionEnd end, const Outcome& failure,
                             const SessionFailure& at, Now now) = 0;
  /// The hosts that DNS names for the queue's destination are known, before any is connected.
  /// False: the mail goes to another queue because of them; the session ends without having tried.
  virtual bool route_found(QueueId, const Route&, Now) { return true; }
  /// A session of the queue has been established, once: the queue's own clock is reset.
  virtual void session_established(QueueId queue, Now now) = 0;
  /// A rule fits a host's reply and says something about the whole queue. Not from inside take().
  virtual void reply_judged(QueueId, const JudgedReply&, Now) {}
  /// Asked by a session from that address that found nothing to take, and closes after `idle`: how
  /// long it is kept at least, for a permit that could not wait until another is opened.
  virtual Duration keeps(QueueId, const IpAddress&, Duration /*idle*/, Now) { return {}; }
  /// Asked when that time is over. More than zero: the permit that comes next is the session's; it
  /// is kept for so long, and asks anew.
  virtual Duration expects(QueueId, const IpAddress&, IdleOthers, Now) { return {}; }
  /// Asked by a session before it takes work and when it has none. True: it was opened under
  /// other terms than its queue has now, or its source address is no longer used; it takes no more
  /// and ends.
  virtual bool surplus(QueueId, const QueuePolicy&, const IpAddress&) { return false; }
};

/// Door schedule -> deliver, at the queue's home shard.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  /// Work of the queue became available: an idle session of that queue takes it. False: none idle.
  virtual bool offer(QueueId queue) = 0;
  /// The same to a session that sends from that source address.
  virtual bool offer_from(QueueId queue, const IpAddress& source) {
    static_cast<void>(source);
    return offer(queue);
  }
  /// Idle sessions of the queue ask WorkSource::surplus() anew.
  virtual void recheck(QueueId queue) { static_cast<void>(queue); }
  /// Opens a session under a connection permit that schedule already took. False: no capacity;
  /// the permit was not used. `destination` is copied. The session may connect once, until
  /// `leave_until`; see ConnectGate::may_connect_again().
  virtual bool open_session(QueueId queue, std::string_view destination,
                            const QueuePolicyRef& policy, Instant leave_until) = 0;
  /// Begins a session that only finds out where it would connect to: it tells ConnectGate of each
  /// address, connects nowhere, needs no permit and ends by scouted(). False: no capacity.
  virtual bool scout(QueueId queue, std::string_view destination, const QueuePolicyRef& policy) {
    static_cast<void>(queue), static_cast<void>(destination), static_cast<void>(policy);
    return false;
  }
};

/// One settled outcome, or another event that accounting shows, with every field, as read back from
/// the journal below the synced watermark. Views hold until the call that hands it over returns.
struct SettledRecord {
  /// received: nothing on outcome and attempt; queue: nothing on message and recipient.
  RecordType type = RecordType::outcome;
  std::uint16_t log = 0;
  std::uint64_t sequence = 0;  ///< position in that log's journal; strictly increasing
  MessageId id;
  OutcomeKind kind = OutcomeKind::pending;  ///< final kinds, and deferred (transient records)
  bool ambiguous = false;
  Phase phase = Phase::none;
  std::uint16_t reply_code = 0;
  EnhancedStatus status;
  std::string_view text;
  WallTime received;
  WallTime settled;
  std::string_view reverse_path;
  std::string_view recipient;
  std::string_view original_recipient;
  std::uint8_t notify = notify::kUnspecified;
  std::string_view envelope_id;
  std::string_view vmta;       ///< virtual MTA of the queue
  std::string_view submitted;  ///< virtual MTA or pool the message came in for, where another
  std::string_view queue;      ///< destination after roll-up; empty in records of older versions
  std::string_view job;
  std::string_view user;
  std::string_view helo;          ///< what the injector called itself
  std::string_view noted;         ///< header fields, as in Envelope
  std::uint16_t offered = 0;      ///< extensions of the receiver, a set of offered bits
  std::string_view tls_protocol;  ///< of the session of the attempt; empty: in the clear
  std::string_view tls_cipher;
  std::uint8_t hidden_records = 0;  ///< kinds of records that the queue's policy omits
  DeliveryWay way = DeliveryWay::smtp;
  WallTime first_attempt;  ///< of this recipient, whole seconds; 0: none was made
  IpAddress origin;
  IpAddress received_at;  ///< our address that the injector connected to; noted for `received`
  IpAddress local;        ///< source address of the attempt
  SocketAddress remote;   ///< host address of the attempt
  std::string_view host;  ///< host name of the attempt
  std::uint32_t size_bytes = 0;
  std::uint32_t recipient_index = 0;
  std::uint16_t attempts = 0;  ///< attempts made, this one included
  bool report_owed = false;    ///< the sender is to be told of it (RFC 3461)
};

/// Door spool -> account. Called on the shard that owns the log, in sequence order.
class OutcomeSink {
 public:
  virtual ~OutcomeSink() = default;
  /// False: no room; the same record is offered again later. Delivery does not wait for it.
  virtual bool account(const SettledRecord& record) = 0;
  /// Sequence of the log up to which (inclusive) records are safely archived; the journal keeps
  /// what lies above.
  virtual std::uint64_t archived(std::uint16_t log) const = 0;
};

}  // namespace ringpost
