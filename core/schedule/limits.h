#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/mail/policy.h"

namespace ringpost::schedule {

/// At most `count` in any window of length `period`. A count of 0 means no limit.
struct RateLimit {
  std::uint32_t count = 0;
  Duration period = Duration::seconds(1);
  bool burst = false;  ///< all of it may be used early in the period, instead of evenly

  constexpr bool limited() const { return count != 0 && period.ns > 0; }
  constexpr bool operator==(const RateLimit&) const = default;
};

/// At most `count` octets of messages in any window of length `period`. A count of 0 means no
/// limit.
struct ByteLimit {
  std::uint64_t count = 0;
  Duration period = Duration::seconds(1);

  constexpr bool limited() const { return count != 0 && period.ns > 0; }
  /// Nanoseconds that an octet takes.
  constexpr double octet_ns() const {
    return limited() ? static_cast<double>(period.ns) / static_cast<double>(count) : 0;
  }
  constexpr bool operator==(const ByteLimit&) const = default;
};

/// A rate that grows from `start` to `end` by the day. Immutable, shared.
struct WarmupPlan {
  std::string name;  ///< of what warms up as one: "*group", or "*": a virtual MTA as a whole;
                     ///< empty: each queue by itself
  std::string vmta;
  std::string source;  ///< its addresses, as in_order() of warmup.h has them
  Duration period{};
  RateLimit start;
  RateLimit end;
  bool linear = false;           ///< else by the same factor each day
  bool idle_days_count = false;  ///< a day counts though little was sent
  std::int64_t start_day = 0;    ///< days since 1970-01-01; 0: the first one on which mail is sent
  std::string place;             ///< where it was written
};
using WarmupPlanRef = std::shared_ptr<const WarmupPlan>;

/// Rates that a queue shares with others: the scope its permits are asked for in, and what that
/// scope counts in. Keys are Scheduler::scope_key()s.
struct SharedRates {
  std::uint64_t scope = 0;  ///< 0: no rate is shared
  std::uint64_t plan = 0;   ///< of PolicySource::rate_plan(): the rates of the virtual MTA
  RateLimit own;            ///< of the scope itself: a group of destinations
};

/// Limits of one queue for what leaves from one of its source addresses.
struct SourceLimit {
  IpAddress ip;                       ///< invalid: the one that the system chooses
  std::uint32_t connections_max = 0;  ///< 0 = unlimited
  RateLimit connects;
  RateLimit messages;
  ByteLimit octets;
  /// In a group: where permits for what leaves from this address are asked for. The plan holds all
  /// that they count in, that of QueueLimits::shared_messages included.
  SharedRates shared_messages;
  SharedRates shared_connects;  ///< the same for connections

  bool rated() const { return connects.limited() || messages.limited() || octets.limited(); }
};
/// Of all source addresses, limited or not. Immutable, shared; nullptr: none is limited.
using SourceLimitsRef = std::shared_ptr<const std::vector<SourceLimit>>;

/// Limits and shares of one queue beside its QueuePolicy. Values, copied into the queue.
struct QueueLimits {
  RateLimit messages;       ///< recipients sent (RCPT), whatever the answer
  ByteLimit octets;         ///< of messages, each counted once for a transaction
  RateLimit connects;       ///< new connections
  Duration connect_gap;     ///< least time from one new connection to the next
  WarmupPlanRef warmup;     ///< nullptr: none; else the slower one of both rates holds
  std::uint64_t group = 0;  ///< scope of connections of its group; 0: none
  std::uint32_t group_connections_max = 0;
  std::uint64_t backoff_group = 0;  ///< the same of those in back-off mode, beside `group`
  std::uint32_t backoff_group_connections_max = 0;
  std::uint32_t vmta_connections_max = 0;  ///< of the whole virtual MTA; 0 = unlimited
  SharedRates shared_messages;
  SharedRates shared_connects;
  SourceLimitsRef by_source;
  std::uint8_t priority = 50;        ///< in the turn for connections; 0 to 100
  bool interruptible = true;         ///< its connections, by queues of higher priority
  std::uint16_t weight = 1;          ///< steps per round of the dispatcher, 1 to 100
  bool expire_while_paused = false;  ///< whether a paused queue's mail grows over age
};

/// Where the mail of a queue goes instead of out.
struct MoveOrder {
  std::string vmta;          ///< virtual MTA or pool that takes it; empty: the mail stays
  bool pooled_only = false;  ///< only what a pool sent here
  std::string name{};        ///< of the queue that takes it; empty: of the same name
  bool once = false;         ///< what comes later stays until it is told anew
  bool anew = false;         ///< each by its own domain, if it was placed by rules of another era

  bool wanted() const { return !vmta.empty(); }
  bool operator==(const MoveOrder&) const = default;
};

/// What replaces a queue's settings in back-off mode, and what ends it. Immutable, shared.
struct BackoffTwin {
  QueuePolicyRef policy;  ///< never null
  QueueLimits limits;
  Duration to_normal_after = Duration::forever();
  bool ends_on_delivery = false;
  bool upon_no_source = false;  ///< entered when no source address of the queue may be used
  Duration reenable_source_after = Duration::forever();
};

/// Effective settings of one queue, from one configuration snapshot.
struct QueueSettings {
  QueuePolicyRef policy;  ///< never null
  QueueLimits limits;
  MoveOrder move{};
  bool shared = false;  ///< its name is, or was, no destination but what several share
  std::shared_ptr<const BackoffTwin> backoff = nullptr;  ///< nullptr: the mode changes nothing
  MoveOrder backoff_move{};  ///< of its mail in back-off mode, if wanted
};

/// Limits of the whole process.
struct GlobalLimits {
  std::uint32_t connections_max = 0;  ///< outgoing, over all shards; 0 = unlimited
  /// Number of the configuration snapshot: of two limits told for a scope, the one with the higher
  /// version holds. Grows with every reload.
  std::uint32_t version = 1;
  bool of_hosts = false;  ///< PolicySource::host_limits() may limit something
  /// Numbers the rules that put several domains into one queue, modulo kEras.
  std::uint8_t era = 0;
  static constexpr unsigned kEras = 32;
};

/// Most connections to one mail host over all queues and shards; 0 = unlimited.
struct HostLimits {
  std::uint32_t by_name = 0;     ///< to the host of that name
  std::uint32_t by_address = 0;  ///< to the address
};

/// Sizes of one shard's scheduler, fixed at start.
struct SchedulerOptions {
  unsigned shard = 0;
  unsigned shards = 1;
  std::uint32_t jobs_max = 4096;           ///< jobs between take() and the end of settling
  std::uint32_t entries_max = 16'000'000;  ///< places for queued runs of recipients
  std::uint32_t queues_max = 1'000'000;
  std::uint32_t backlog_per_session = 4;  ///< ready messages that justify one more session
  Duration queue_idle_drop = Duration::minutes(10);  ///< an empty queue is forgotten after this
};

}  // namespace ringpost::schedule
