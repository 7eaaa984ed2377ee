#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/schedule/scheduler_constants.h"
#include "core/schedule/scheduler_parts.h"

namespace ringpost::schedule {

/// Who may send what next: all queues whose home is this shard. One per shard, on its thread.
/// Pure: time comes in as an argument, nothing is read, written or slept.
///
/// The caller calls run() at the end of each turn in which anything was handed in, again at once
/// while it returns true, and otherwise no later than next_wakeup(). Doors may be called from
/// run(), take(), finished() and retire(); the session host may call back take() from inside
/// offer(), and session_ended() from inside open_session().
///
/// Bounds. A ready queue is visited within R / kVisitsPerRun + 1 runs, R being the ready queues,
/// and takes no more steps a visit than its weight. Connections come by turns; one under pressure
/// changes hands within kSlice, a transaction and, without a SessionCloser, the idle time-out.
class Scheduler final : public WorkSource, public SchedulerConstants, private SchedulerParts {
 public:
  Scheduler(const SchedulerOptions& options, const Doors& doors, Now now);
  /// `queue_name`: after roll-up rules, and its home is this shard. False: no room, offer it again.
  bool admit(const Admission& admission, std::string_view queue_name, Now now);
  /// Where a day takes only so many, the rest stays in `admission`, addressed to who gets it.
  Taken admit_some(Admission& admission, std::string_view queue_name, Now now);
  Job* take(QueueId queue, Now now) override;
  Job* take_from(QueueId queue, const IpAddress& source, Now now) override;
  Job* take_slow(QueueId queue, const IpAddress& source, Now now) override;
  Permits permits(Job& job, std::uint32_t sent, std::uint32_t want, Now now) override;
  void finished(Job& job, Now now) override;
  void session_ended(QueueId queue, SessionEnd end, const Outcome& failure,
                     const SessionFailure& at, Now now) override;
  bool route_found(QueueId queue, const Route& route, Now now) override;
  void session_established(QueueId queue, Now now) override;
  void reply_judged(QueueId queue, const JudgedReply& reply, Now now) override;
  bool surplus(QueueId queue, const QueuePolicy& policy, const IpAddress& source) override;
  Duration keeps(QueueId queue, const IpAddress& source, Duration idle, Now now) override;
  Duration expects(QueueId queue, const IpAddress& source, IdleOthers others, Now now) override;
  ConnectGate& connect_gate() { return hosts_; }
  Places& places() { return places_; }
  /// The job that went to SettleSink::settle() is in the journal. The job is ours again.
  void retire(Job& job, Now now);
  /// Works off what has become possible, a bounded amount. True: there is more to do at once.
  bool run(Now now);
  /// The next instant at which something opens by itself; `now` when there is work at once.
  Instant next_wakeup(Now now) const;
  void on_lease(const LeaseMessage& message, unsigned from);
  void hold(bool held) { held_ = held; }  ///< nothing starts: no outcome could be written
  /// The policy source answers from a new configuration; queues take it up bit by bit.
  void refresh(Now now);
  bool refreshing() const { return sweeping_; }
  /// Pauses or resumes queues, those to come too. Rules survive as pause_rules().serialized().
  /// This and what follows answer what changes; `dry_run`: nothing does.
  Result<Touched> pause(const QueuePattern&, bool pause, Now now, bool dry_run = false);
  const PauseRules& pause_rules() const { return pauses_; }
  Status restore_pauses(std::string_view serialized, Now now);
  /// What is in the queues now is cancelled, mail in transit excepted.
  Touched cancel(const QueuePattern& pattern, Now now);
  /// Cancels a message's waiting recipients; goes over `budget` entries from `cursor`. True: done.
  bool cancel_message(SpoolHandle, std::uint32_t& cursor, std::uint32_t budget, Touched&, Now now);
  /// Everything deferred in the queues, and the queues themselves, are tried at once.
  Touched schedule_now(const QueuePattern& pattern, Now now);
  /// Into back-off mode or out of it; a queue that is named, not by a group, may be yet to come.
  Touched set_mode(const QueuePattern& pattern, bool backoff, Now now, bool dry_run = false);
  /// No queue that fits uses the source address any more, or all do again; those to come too.
  Result<Touched> use_source(const IpAddress& source, const QueuePattern& which, bool use, Now now,
                             bool dry_run = false);
  SourceRules& source_rules() { return source_rules_; }
  /// Addresses that are not on this host, in place of those told before.
  void set_missing_sources(std::vector<IpAddress> missing, Now now);
  const DecisionBook& decisions() const { return decisions_; }
  /// Takes it back; false: no such decision here.
  bool cancel_decision(std::string_view id, Now now);
  const WarmupBook& warmups() const { return warmups_; }
  /// Counts changes of what is to be kept; what warm-ups have sent is apart.
  std::uint64_t changes() const;
  /// What the last run's shards wrote, before any mail. `clean`: it all ended in order.
  void restore(std::string_view lines, bool clean, Now now);
  /// What is to be kept, one a line. `last`: with all positions; nothing starts any more.
  void write_kept(std::string& lines, bool last, Now now);
  /// That is on disk, or could not be written.
  void kept(bool durable, Now now);
  DayCounts& day_counts() { return day_counts_; }
  /// What cancel() and schedule_now() would touch: queues with mail that waits.
  Touched count(const QueuePattern& pattern);
  /// The same for mail of jobs that fit a pattern; jobs that are yet to come are paused too.
  Result<Touched> pause_jobs(std::string_view pattern, bool pause, Now now, bool dry_run = false);
  Touched cancel_jobs(std::string_view pattern, Now now);
  Touched schedule_jobs(std::string_view pattern, Now now);
  Touched count_jobs(std::string_view pattern);
  ShareBook& shares() { return shares_; }
  QueueTable& queues() { return table_; }
  /// What waits, or comes back, goes to another queue. no_capacity: an earlier move goes on.
  Result<Touched> move_away(const LeaveOrder& order, Now now);
  Touched count_leaving(const LeaveOrder& order);
  bool moving_away() const { return leaving_ != nullptr && sweep_.cursor != kNil; }
  void rows(const QueuePattern& pattern, std::size_t max, std::vector<QueueRow>& out, Now now);
  /// Where the message's recipients of this shard are; cursor and budget as cancel_message().
  bool why(SpoolHandle, std::uint32_t& cursor, std::uint32_t budget, std::vector<WhyRow>&, Now now);
  Totals totals();
  const LeaseBook& leases() const { return leases_; }
  /// Key of a limit scope in the lease book.
  static std::uint64_t scope_key(std::string_view kind, std::string_view name) noexcept;

 private:
  friend struct SenderTraffic;  // scheduler_senders.cpp: rates of senders
  friend struct SourceTraffic;  // scheduler_lines.cpp: rates by source address in groups
  friend class HostGates;
  friend struct ConnectRates;  // scheduler_connects.cpp: rates of connections
  friend struct LatePermits;   // scheduler_permits.cpp: permits as RCPTs leave
  void add(Queue& queue, const Admission& admission, Now now);
  Taken admit_counted(Queue& queue, Admission& admission, Now now);
  Queue* queue_for(std::string_view name, std::string_view vmta, Now now);
  void apply(Queue& queue, const QueueSettings& settings, Now now);
  std::uint32_t add_entry(Queue& queue, const Entry& model, WallTime next_attempt, Now now);
  void arm(std::uint32_t index, Queue& queue, WallTime next_attempt, Now now);
  WallTime expires(const Queue& queue, WallTime received) const;
  void promote(std::uint32_t index, Queue& queue, Now now);
  void end_entry(std::uint32_t index, Queue& queue, Ending ending);
  void remove_from_list(std::uint32_t index, Queue& queue);
  void on_due(std::uint32_t index, Now now);
  void on_new_ready(Queue& queue, Now now);
  void place(Queue& queue, QueueState state, Gate gate, Instant until, WaitList* list);
  void leave(Queue& queue);
  void evaluate(Queue& queue, Now now);
  void wait_until(Queue& queue, Gate gate, Instant until);
  void wait_in(Queue& queue, Scope& scope, Gate gate);
  void on_timer(Queue& queue, Now now);
  void visit(Queue& queue, Now now);
  bool may_start(Queue& queue, Now now);
  bool may_open(Queue& queue, Now now);
  bool open_step(Queue& queue, Now now, const Scope* served);
  bool wants_session(const Queue& queue, Now now) const;
  void serve_scopes(Now now, std::uint32_t& budget);
  void serve_job_waiters(Now now, std::uint32_t& budget);
  void serve_room(Now now);
  void relieve(Now now);
  bool must_yield(Queue& queue, Now now);
  void note_yield(Queue& queue);
  void forget_yield(Queue& queue);
  void session_gone(Queue& queue, bool was_established);
  void clear_turns(Queue& queue);
  void release_units(Queue& queue);
  bool has_pressure(Queue& queue, Reach reach);
  void set_priority(Queue& queue, const QueueLimits& limits);
  void drop_reserved(Queue& queue);
  void apply_group(Queue& queue, const QueueLimits& limits);
  bool leaves_group(Queue& queue);
  Scope& scope_of(Queue& queue, unsigned rank);
  HeldPlace set_aside(Queue& queue);
  void take_up(Queue& queue, const HeldPlace& held);
  void go_on(Queue& queue);
  void serve_now(Queue& queue, Scope* served, Now now);
  void wait_for_room(Queue& queue, Now now);
  void follow_end(Queue&, SessionEnd end, const Outcome&, const SessionFailure& at, Now now);
  void tell_deferral(const Queue& queue, const Outcome& failure, const SessionFailure& at);
  bool defer(Queue& queue, Duration instead, Now now);
  // scheduler_rates.cpp: rates that queues share
  void apply_shared(Queue& queue, const QueueLimits& limits);
  std::uint32_t own_permits(Queue& queue, Now now, Duration lead);
  std::uint32_t next_octets(const Queue& queue);
  bool octets_open(Queue& queue, Now now);
  bool needs_more(const Queue& queue, const EntryFacts& facts);
  void note_debt(const ByteGate& octets, Now now);
  void write_owed(std::string& lines, Now now);
  void warm_up(Now now);
  static RateScope* rate_waited_for(const Queue& queue);
  void leave_rate(Queue& queue, const WaitList* next);
  void wait_for_permit(Queue& queue, RateScope& scope, Gate gate, bool first);
  bool may_approach(Queue& queue, Now now);
  std::uint32_t shared_permits(Queue& queue, const IpAddress& source, RateScope*& of, Now now);
  void note_opening(Queue& queue, int change);
  bool drive_rates(Now now, std::uint32_t& budget);
  void serve_rate(RateScope& scope, Now now, std::uint32_t& budget);
  void serve_messages(RateScope& scope, std::uint32_t& promised, Now now, std::uint32_t& budget);
  void serve_connects(RateScope& scope, Now now, std::uint32_t& budget);
  void let_approach(RateScope& scope, bool connects, Now now, std::uint32_t& budget);
  void send_back(RateScope& scope);
  std::uint32_t demand(const Waiter& waiter) const;
  // scheduler_jobs.cpp: jobs and outcomes
  bool may_take(Queue& queue, Now now);
  enum class Asks : std::uint8_t { never, with_others, always };  ///< for permits of RCPTs
  Job* take(QueueId queue, const IpAddress& source, Asks asks, Now now);
  void fill(PooledJob& job, Queue& queue, std::uint32_t room, Now now);
  UsedBy spend(Queue&, PooledJob&, std::uint32_t count, SourceGate*, RateScope*, Now now);
  void decide(PooledJob& job, Queue& queue, JobRecipient& recipient, Now now);
  void requeue(PooledJob& job, Queue& queue, Now now);
  bool make_ending_job(Now now);
  void set_ending(PooledJob& job, const Queue& queue, Ending ending, Now now);
  // scheduler_sources.cpp: limits by source address
  void arm(Queue& queue, Instant when);
  bool sources_open(Queue& queue, Now now);
  bool may_leave_from(Queue& queue, const IpAddress& source, Now now);
  bool offer_session(Queue& queue, Now now);
  void offer_opened(Queue& queue, Now now);
  // scheduler_move.cpp: mail that leaves its queue for another one
  bool moves_away(const Queue& queue) const;
  bool moves_away(const Queue& queue, const Entry& entry) const;
  void set_move(Queue& queue, const MoveOrder& order, Now now);
  bool place_anew(Queue& queue);
  void leave_soon(Queue& queue, std::uint32_t index, Now now);
  void gone(Queue& queue, std::uint32_t index);
  void begin_move(Queue& queue);
  bool hand_on(const MoveOrder&, const Queue&, std::uint32_t index, Now now, unsigned seen = 0);
  bool move_ready(Queue& queue, std::uint32_t& left, std::uint32_t& budget, Now now);
  bool move_from(Queue&, EntryList& list, std::uint32_t& left, std::uint32_t& budget, Now now);
  bool move_some(Queue& queue, std::uint32_t& budget, Now now);
  void drain_moves(std::uint32_t& budget, Now now);
  // scheduler_shares.cpp: jobs, moves by command
  void hold_share(Share& share, bool Share::*reason, bool on, Now now);
  void settle_ready(Queue& queue, Now now);
  void wake(Queue& queue, Now now);
  static bool takes(const LeaveOrder& order, const Queue& queue);
  template <class OfQueue, class OfShare>
  void for_leaving(const LeaveOrder& order, OfQueue of_queue, OfShare of_share);
  bool leaves(const Queue& queue, const Entry& entry);
  bool send_away(const LeaveOrder& order, std::uint32_t index, Queue& queue, Now now);
  bool drain_stragglers(std::uint32_t& budget, Now now);
  void end_leaving(Now now);
  std::uint32_t begin_sweep();
  bool sweep_entry(std::uint32_t index, Now now);
  void sweep_entries(std::uint32_t& budget, Now now);
  bool sweep_waits(Now now) const;
  void come_back(const PooledJob& job, Queue& queue, std::uint32_t index);
  void end_share(PooledJob& job, Queue& queue, std::uint32_t count);
  // scheduler_modes.cpp: modes, sources, and what replies say about queues
  QueueSettings effective(Queue& queue, QueueSettings settings, Now now);
  void apply_settings(Queue& queue, Now now);
  void decide_backoff(Queue& queue, Decision decision, Now now);
  void disable_source(Queue& queue, const JudgedReply& reply, Now now);
  bool source_disabled(const Queue&, const IpAddress& source, std::string_view group) const;
  void check_sources(Queue& queue, Now now);
  void defer_by_rule(Queue& queue, const JudgedReply& reply, Now now);
  void end_decision(const Decision& decision, std::string_view why, Now now);
  void end_backoff(Queue& queue, std::string_view why, Now now);
  void end_decisions_due(Now now);
  void doom(Queue& queue, Ending kind, const Outcome& outcome, std::string_view text, Now now);
  void drain_ending(std::uint32_t& budget, Now now);
  void drain_rush(std::uint32_t& budget, Now now);
  void sweep(std::uint32_t& budget, Now now);
  Gate shown_gate(const Queue& queue) const;
  void tell_share(Queue& queue, const Entry& entry, WhyRow& row);
  WallTime gate_opens(const Queue& queue, Now now);
};

}  // namespace ringpost::schedule
