#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/completion.h"
#include "core/base/list.h"
#include "core/base/slice.h"
#include "core/base/time.h"
#include "core/base/tls.h"
#include "core/mail/envelope.h"
#include "core/mail/message_id.h"
#include "core/mail/outcome.h"
#include "core/mail/policy.h"

namespace ringpost {

/// Number of a queue at its home shard; dense, reused only after the queue was dropped.
struct QueueId {
  std::uint32_t value = 0;
  auto operator<=>(const QueueId&) const = default;
};

/// One recipient inside a job.
struct JobRecipient {
  std::uint32_t index = 0;        ///< position in the message's envelope
  std::uint16_t attempts = 0;     ///< attempts before this one
  bool ambiguous_before = false;  ///< an earlier attempt may have delivered
  Outcome outcome;
  /// Set by schedule when the outcome is deferred: when it is tried next.
  WallTime next_attempt;
};

/// What spool lends while a job is in delivery: envelope and content where they lie in the
/// read-only mapping. Valid from open() to release().
struct MessageView {
  MessageId id;
  Envelope envelope;  ///< all recipients of the message; index with JobRecipient
  ContentInfo content;
  std::string_view prefix;          ///< header fields added, wire form
  std::string_view body;            ///< all content in wire form
  std::span<const ByteRange> kept;  ///< ranges of `body` to send after `prefix`
  SigningFacts signing;

  /// Octets that leave, with prefix and final dot line, without signatures.
  std::uint64_t sent_bytes() const {
    std::uint64_t sum = prefix.size();
    for (const ByteRange& range : kept) {
      sum += range.size();
    }
    return sum;
  }
};

/// Extensions of the receiving server (RFC 1869), as a set of bits.
namespace offered {
inline constexpr std::uint16_t kPipelining = 1;
inline constexpr std::uint16_t kSize = 2;
inline constexpr std::uint16_t kEightBitMime = 4;
inline constexpr std::uint16_t kSmtpUtf8 = 8;
inline constexpr std::uint16_t kDsn = 16;
inline constexpr std::uint16_t kChunking = 32;
inline constexpr std::uint16_t kEnhancedStatusCodes = 64;
inline constexpr std::uint16_t kStartTls = 128;
inline constexpr std::uint16_t kAuth = 256;
}  // namespace offered

/// Facts about the session that made the attempt, for accounting.
struct AttemptFacts {
  WallTime started;
  WallTime ended;
  std::string host;  ///< MX host name, or empty when none was reached
  SocketAddress remote;
  IpAddress local;
  std::uint16_t offered = 0;  ///< set of offered bits
  bool zero_copy = false;
  DeliveryWay way = DeliveryWay::smtp;
  TlsFacts tls;
};

struct Job;

/// Who has a job in delivery and asks WorkSource::permits() before its RCPTs leave.
class JobHolder {
 public:
  virtual ~JobHolder() = default;
  /// It is worth asking again. Comes from the scheduler's run(): ask later in the turn.
  virtual void permits_due() = 0;
};

/// Whether other sessions of a queue are idle: any, and any from the same source address.
struct IdleOthers {
  bool any = false;
  bool there = false;
};

/// How many RCPTs of a job may leave now.
struct Permits {
  std::uint32_t count = 0;
  bool soon = false;  ///< none now; JobHolder::permits_due() tells when it is worth asking again
};

/// A completion that knows its job, for whoever carries jobs between shards.
struct JobCompletion : Completion {
  explicit JobCompletion(Job& owner) : job(owner) {}
  Job& job;
  /// The user's handler while a carrier has put its own in place.
  Binding users_binding;
};

/// A batch of recipients of one message of one queue, on its way through one transaction. Made by
/// schedule at the queue's home shard from a pool, lent to deliver, then to the spool of the
/// message's log for settling, and back to schedule. Exactly one holder at a time; passing it on
/// passes the ownership, over mailboxes too. Keeps its buffers when reused, so that a warm pool
/// does not allocate.
struct Job : ListLink<Job> {
  SpoolHandle message;
  QueueId queue;
  std::uint16_t home_shard = 0;     ///< where schedule made it and gets it back
  std::string queue_name;           ///< destination after roll-up, for accounting
  std::string vmta;                 ///< the queue's virtual MTA, for accounting
  std::uint8_t hidden_records = 0;  ///< kinds of accounting records the queue's policy omits
  WallTime message_received;
  WallTime message_expires;

  std::vector<JobRecipient> recipients;
  AttemptFacts facts;
  MessageView view;

  /// Settings of the attempt; set by who takes the job, valid until it is finished.
  const QueuePolicy* policy = nullptr;
  JobHolder* holder = nullptr;  ///< likewise
  bool metered = false;         ///< its RCPTs leave only as WorkSource::permits() says, to any host
  /// Signature fields in wire form, sent before everything else of the message; made while the
  /// message is opened.
  std::string signature;
  std::string dated_prefix;  ///< view.prefix lies here where its date is that of the attempt

  /// Octets that leave in this attempt, with final dot line.
  std::uint64_t sent_bytes() const { return signature.size() + view.sent_bytes(); }

  /// Completed by the spool when `view` may be read (result 0) or cannot (negative errno).
  JobCompletion opened{*this};
  /// Completed by the spool when all outcomes are in the journal and the job may be reused.
  JobCompletion settled{*this};

  /// Room for outcome texts; refs are offsets into it.
  std::string texts;

  /// Copies `text` (cut to kOutcomeTextMax, control characters replaced) into the arena; equal
  /// to the previous text gives the same ref.
  TextRef keep_text(std::string_view text);
  std::string_view text_of(TextRef ref) const {
    return std::string_view(texts).substr(ref.offset, ref.size);
  }
  /// Where the message's Date field says when it is sent: writes it, into a prefix of our own.
  void set_date(WallTime now);
  /// Back to empty, keeping capacity.
  void clear();

 private:
  TextRef last_text_;
};

}  // namespace ringpost
