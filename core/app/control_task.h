#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/account/accountant.h"
#include "core/app/move_rules.h"
#include "core/app/search.h"
#include "core/app/shard_events.h"
#include "core/app/signing.h"
#include "core/base/time.h"
#include "core/base/tls_results.h"
#include "core/config/snapshot.h"
#include "core/loop/loop.h"
#include "core/mail/message_id.h"
#include "core/schedule/day_counts.h"
#include "core/schedule/decisions.h"
#include "core/schedule/queue_pattern.h"
#include "core/schedule/report.h"
#include "core/schedule/shares.h"
#include "core/schedule/warmup.h"
#include "net/deliver/report.h"
#include "net/deliver/source_book.h"
#include "net/ingest/config.h"

namespace ringpost::app {

enum class ControlKind : std::uint8_t {
  status,
  queues,
  sessions,
  hosts,
  find,    ///< the spool's facts on one message
  search,  ///< some messages of each spool, for `list`
  why,     ///< the queues' facts on it
  pause,
  resume,
  cancel,
  retry_now,
  reload,
  sources_checked,  ///< which source addresses this host lacks
  sources,          ///< which are out of use, and why
  mode,             ///< `pattern` into back-off mode or out of it (`use`: out)
  source,           ///< `address` for `pattern` in use or out of it
  decisions,        ///< what was decided about queues
  warmups,          ///< how queues warm up
  day_counts,       ///< what cold virtual MTAs were given today
  traces,           ///< `traces` are watched from now on
  stop_intake,      ///< no more mail is taken, what is there goes on
  undo,             ///< the decision named `decision` is taken back
  jobs,             ///< those with mail, for `show jobs`
  move,             ///< mail goes to another queue
  priority,         ///< mail gets another priority: `move`
  rolled_up,        ///< which queue has the mail of `pattern.domain` because of its mail hosts
};

/// What a spool knows of one message.
struct MessageFacts {
  bool found = false;
  SpoolHandle handle;
  WallTime received;
  std::uint32_t size_bytes = 0;
  std::string reverse_path;
  std::string vmta;
  std::string job;
  std::vector<std::string> recipients;  ///< in envelope order
  std::vector<bool> settled;            ///< likewise
};

/// Figures of one shard. All counters since its start.
struct ShardStatus {
  std::uint64_t sessions_in = 0;
  std::uint64_t sessions_out = 0;
  std::uint64_t accepted_messages = 0;
  std::uint64_t delivered = 0;
  std::uint64_t deferred = 0;
  std::uint64_t bounced = 0;
  std::uint64_t expired = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t ambiguous = 0;
  std::uint64_t queued_recipients = 0;
  std::uint64_t deferred_recipients = 0;  ///< of these: put off, or paused
  std::uint64_t quarantined = 0;          ///< messages found damaged on disk since the start
  std::uint64_t queues = 0;
  bool ends = false;                               ///< what commands end or move is not all done
  std::uint64_t kept_changes = ~std::uint64_t{0};  ///< of the scheduler, that are on disk
  std::uint64_t spool_messages = 0;
  std::uint64_t spool_segments = 0;
  std::uint64_t spool_live_bytes = 0;
  std::uint64_t compacted_segments = 0;
  std::uint64_t compacted_messages = 0;
  std::uint64_t compacted_bytes = 0;
  std::uint64_t commits = 0;
  std::uint64_t resolutions = 0;
  std::uint64_t resolutions_failed = 0;    ///< for the moment
  std::uint64_t sessions_handed_over = 0;  ///< idle ones, to another queue
  std::uint64_t chunks_sent = 0;           ///< contents by BDAT
  std::uint64_t zero_copy_sends = 0;
  std::uint64_t zero_copy_copied = 0;
  std::uint64_t authenticated = 0;      ///< users accepted
  std::uint64_t auth_failed = 0;        ///< attempts refused
  std::uint64_t proxy_refused = 0;      ///< connections of proxies without a good header
  std::uint64_t signatures = 0;         ///< DKIM signatures made
  std::uint64_t signatures_cached = 0;  ///< messages whose signatures were still known
  std::uint64_t not_signed = 0;         ///< messages of signing queues that no key fits
  std::uint64_t signing_failed = 0;     ///< messages deferred because signing failed
  std::uint64_t tls_handshakes = 0;     ///< that succeeded, in and out
  std::uint64_t tls_resumed = 0;        ///< of these
  std::uint64_t tls_by_kernel = 0;      ///< the kernel encrypts what is sent
  std::uint64_t tls_failed = 0;
  std::uint64_t sessions_out_clear = 0;    ///< that were ready for mail without encryption
  std::uint64_t tls_retried_in_clear = 0;  ///< sessions out
  std::uint64_t logins_refused = 0;        ///< likewise, ended by AUTH
  TlsResults tls;                          ///< of sessions out
  std::uint64_t queues_backoff = 0;
  std::uint64_t backoffs_begun = 0;
  std::uint64_t backoffs_ended = 0;
  std::uint64_t sources_disabled = 0;
  std::uint64_t sources_enabled = 0;
  std::uint64_t event_lines = 0;          ///< details told to the event log and to traces
  std::uint64_t event_lines_dropped = 0;  ///< for want of room
  std::uint64_t reports_made = 0;         ///< delivery status notifications spooled
  std::uint64_t reports_omitted = 0;      ///< owed, but the sender's domain gets none
  std::uint64_t notices_sent = 0;         ///< mails on modes of queues and source addresses
  std::uint64_t notices_lost = 0;         ///< changes of these that no mail could tell of
  std::uint64_t reports_suppressed = 0;   ///< owed, over max-report-rate
  std::uint64_t reports_refused = 0;      ///< attempts to spool one that found no room
  std::uint64_t reports_lost = 0;         ///< owed, and their outcome cannot be read any more
  std::vector<account::CategoryCount> categories;  ///< of bounces and failed attempts
  std::vector<std::string> alarms;
  LoopStats loop;
};

/// A command of the control thread on its way over the shards. Made by the control thread, which
/// frees it when all shards have answered; each shard writes only its own part.
struct ControlTask {
  struct Part {
    ShardStatus status;
    std::vector<schedule::QueueRow> queues;
    std::vector<deliver::SessionRow> sessions;
    std::vector<deliver::HostRow> hosts;
    std::vector<schedule::WhyRow> waiting;  ///< trace: the message's recipients in queues here
    SearchRound search;                     ///< list
    MessageFacts message;                   ///< trace: from the shard whose spool has it
    schedule::Touched touched;
    std::uint64_t changes = 0;  ///< of the scheduler so far: decisions and what else it keeps
    std::string pause_rules;    ///< pause, resume: the rules now in force, as to be kept
    std::vector<deliver::SourceOff> sources_off;
    std::string source_rules;  ///< source: likewise
    std::string job_rules;     ///< pause, resume by job: likewise
    std::vector<schedule::JobRow> jobs;
    std::vector<schedule::Decision> decisions;
    std::vector<schedule::WarmupRow> warmups;
    std::vector<schedule::DayCountRow> day_counts;
    std::vector<RolledUp> rolled;  ///< move: whose mail is in queues that it names
    bool undone = false;
    std::string error;
  };

  ControlKind kind = ControlKind::status;
  schedule::QueuePattern pattern;
  MessageId id;
  std::shared_ptr<const config::Snapshot> snapshot;  ///< reload: valid, for all shards alike
  ingest::IngestConfigRef ingest;                    ///< reload: the same, for new sessions
  std::shared_ptr<const KeyRing> keys;               ///< reload: its keys
  std::uint32_t version = 0;                         ///< reload: of the snapshot, growing
  SearchQuery query;                                 ///< list
  std::vector<spool::MessageCursor> cursors;         ///< list: where each shard goes on
  std::vector<bool> searched;                        ///< list: shards that have come to their end
  SpoolHandle handle;              ///< trace: second round, once a spool has found the message
  std::size_t rows_max = 100'000;  ///< of each shard
  std::vector<IpAddress> missing_sources;      ///< sources_checked
  std::shared_ptr<const TraceFilters> traces;  ///< traces; null: none
  bool dry_run = false;
  bool use = false;      ///< mode: back to normal; source: in use again
  IpAddress address;     ///< source
  std::string decision;  ///< undo
  std::string job;       ///< pause to retry_now, jobs: by job, a pattern; empty: by queue
  MoveRule move;         ///< move, priority; retry_now: to be remembered
  std::vector<std::string> takers;  ///< move: see schedule::LeaveOrder
  std::vector<Part> parts;          ///< one per shard
  unsigned answers = 0;             ///< counted by the control thread
};

}  // namespace ringpost::app
