#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/mail/envelope.h"
#include "core/mail/job.h"
#include "core/schedule/queue_state.h"

namespace ringpost::schedule {

/// One queue as `show queues` shows it. A copy, for cold paths.
struct QueueRow {
  std::string name;
  std::string vmta;
  std::string group;  ///< of destinations with one budget; empty: none
  QueueState state = QueueState::idle;
  Gate gate = Gate::none;
  std::string gate_host;        ///< the mail host that it waits for; empty: for none
  IpAddress gate_address;       ///< of that host
  WallTime gate_opens;          ///< 0: not known, depends on others
  std::uint32_t ready = 0;      ///< recipients
  std::uint32_t deferred = 0;   ///< recipients
  std::uint32_t in_flight = 0;  ///< recipients
  std::uint32_t sessions = 0;   ///< those being opened included
  std::uint32_t connections_max = 0;
  bool paused = false;
  bool backoff = false;
  WallTime next_retry;     ///< of the queue's clock, else of its first deferred entry known;
                           ///< 0: none
  std::string last_error;  ///< empty: none
  WallTime last_error_at;
  /// Ready recipients by priority, the highest first; empty: all are of normal priority.
  std::vector<std::pair<std::uint8_t, std::uint32_t>> priorities;
};

/// Where some recipients of a message are and what they wait for.
struct WhyRow {
  QueueId queue;
  std::string name;
  std::string vmta;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint16_t attempts = 0;
  QueueState state = QueueState::idle;
  Gate gate = Gate::none;
  std::string gate_host;          ///< the mail host that it waits for; empty: for none
  IpAddress gate_address;         ///< of that host
  WallTime gate_opens;            ///< 0: not known, depends on others
  std::uint64_t sender_rule = 0;  ///< that is waited for
  std::uint64_t rate = 0;         ///< SharedRate::key of the one that is waited for; 0: none
  bool backoff = false;           ///< the queue is in back-off mode
  WallTime expires;
  std::string last_error;  ///< of the queue
  std::string job;         ///< empty: none
  std::uint8_t priority = kNormalPriority;
};

/// Sums over one shard.
struct Totals {
  std::uint64_t ready = 0;      ///< recipients
  std::uint64_t deferred = 0;   ///< recipients
  std::uint64_t in_flight = 0;  ///< recipients
  std::uint64_t ending = 0;     ///< recipients
  bool ends = false;            ///< what commands end or move is not all done
  std::uint64_t put_off = 0;    ///< recipients: deferred, or in queues that are or are paused
  std::uint32_t queues = 0;
  std::uint32_t queues_paused = 0;
  std::uint32_t queues_deferred = 0;
  std::uint32_t queues_waiting = 0;
  std::uint32_t queues_backoff = 0;
  std::uint32_t sessions = 0;
  std::uint32_t entries = 0;
  std::uint32_t jobs = 0;
};

/// What a command over a pattern of queues touched, or would touch.
struct Touched {
  std::uint32_t queues = 0;
  std::uint64_t recipients = 0;
};

}  // namespace ringpost::schedule
