#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/random.h"
#include "core/schedule/scheduler.h"
#include "tests/unit/schedule/crowd_plan.h"
#include "tests/unit/schedule/crowd_session.h"
#include "tests/unit/schedule/rate_watch.h"

namespace ringpost::schedule::test {

/// Several schedulers in virtual time, with letters, sessions and journals that take their time.
/// Checks as it goes: connections never exceed a limit, no recipient ends twice, rates hold.
class Crowd {
 public:
  /// Recipients of one message that go into a transaction.
  static constexpr std::uint32_t kRecipientsMax = 3;
  /// Plans of a group with rates by source address, from this number on: of the group as a whole,
  /// of each address, and the same in back-off mode.
  static constexpr std::uint64_t kSplit = 20'000;
  static constexpr std::uint64_t kSplitBackoff = 50'000;
  static constexpr std::uint64_t kSplitConnects = 80'000;
  static constexpr std::uint64_t kSplitBackoffConnects = 110'000;

  Crowd(CrowdPlan plan, std::uint64_t seed);
  ~Crowd();

  /// `sender`: which of the plan's rules for senders it goes by, counted from 1; 0: none.
  void admit(std::size_t destination, std::size_t vmta, std::uint32_t count, std::size_t sender = 0,
             std::string_view job = {}, std::uint8_t priority = kNormalPriority);
  /// Of the message that was admitted last.
  std::uint32_t last_slot() const { return slots_ - 1; }
  std::uint32_t last_size() const { return sizes_.back(); }
  /// Runs until nothing is left to do or `limit` has passed. False: the latter.
  bool run(Duration limit);
  /// The same, and the clock goes on for so long though nothing may happen.
  void pass(Duration time) {
    const Now end{now.instant + time, now.wall + time};
    run(time);
    now = now.instant < end.instant ? end : now;
  }
  /// New limits are in force, on all shards at once.
  void reload(std::uint32_t total_max, std::vector<std::uint32_t> vmta_max,
              std::vector<std::uint32_t> queue_max);
  /// The same with other rates of virtual MTAs and pool.
  void reload_rates(const CrowdPlan& rates);
  /// The same with other limits of source addresses.
  void reload_sources(const std::vector<SourceLimit>& sources);
  /// The same with other limits of mail hosts.
  void reload_hosts(const CrowdPlan& hosts);
  /// A destination's queues go into back-off mode or out of it.
  void set_mode(std::size_t destination, bool backoff);
  /// Operators pause queues, or jobs, or have them go on: nothing more is taken of what is paused,
  /// and no session opened for it.
  void pause(const QueuePattern& pattern, bool paused);
  void pause_jobs(const std::string& job, bool paused);
  /// Writes down what outlives a run.
  void keep();
  /// The process ends and begins again: in order, or by a crash, after which only what keep() wrote
  /// is known. All mail is gone; what was sent still counts in the limits.
  void restart(unsigned shards, bool clean);
  /// Every shard's scheduler, for commands.
  template <class Act>
  void each(Act act) {
    for (unsigned i = 0; i < plan_.shards; ++i) {
      act(scheduler(i));
      drive(i);
    }
  }

  /// Every queue that still has something, for a failing seed.
  std::string report();

  Scheduler& home_of(std::size_t destination, std::size_t vmta);
  Scheduler& scheduler(unsigned shard);
  std::string domain(std::size_t destination) const {
    return "d" + std::to_string(destination) + ".example";
  }
  std::string vmta(std::size_t index) const { return "v" + std::to_string(index); }

  Now now;
  std::uint16_t tenant = 0;  ///< of what is admitted from here on
  std::uint64_t admitted = 0;
  std::uint64_t ended = 0;
  std::uint64_t opens = 0;
  std::uint32_t most_open = 0;
  std::uint64_t taken = 0;  ///< recipients in transactions
  std::uint64_t scouts = 0;
  std::uint64_t given_up = 0;   ///< transactions that no permit came for
  std::uint64_t cut_short = 0;  ///< that went on with the recipients sent so far, or with all
  std::uint64_t busy_ends = 0;  ///< sessions that might connect nowhere
  /// Connections of a limit, summed up over time so far, in ns.
  std::int64_t use_of(const std::string& limit) {
    return use_[limit] + open_[limit] * (now.instant.ns - use_since_[limit]);
  }
  /// First time a queue's job was taken, by queue name.
  std::map<std::string, Instant> first_take;
  std::map<std::string, std::uint64_t> delivered;
  std::map<std::string, std::uint64_t> octets_of;   ///< in transactions, by what limits them
  std::map<std::size_t, std::uint64_t> taken_from;  ///< the same, by source address
  std::map<std::size_t, std::uint64_t> taken_to;    ///< the same, by destination
  std::map<std::size_t, std::uint64_t> taken_of;    ///< recipients in transactions, by sender
  /// When some of a message was taken first, and what had been taken by then, by its slot.
  struct Start {
    Instant at;
    std::uint64_t taken = 0;
    std::uint64_t taken_there = 0;  ///< of mail to the same destination
  };
  std::map<std::uint32_t, Start> started;

 private:
  struct Shard;
  class Slow;
  using Session = CrowdSession;
  enum class What { letter, dial, opened, work, woken, idle_out, closed, rechecked, settled, step };
  struct Event {
    std::int64_t at = 0;
    std::uint64_t order = 0;
    What what = What::letter;
    unsigned shard = 0;
    unsigned from = 0;
    std::size_t session = 0;
    Job* job = nullptr;
    std::uint64_t round = 0;
    LeaseMessage letter;
    bool operator>(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  void post(Event event, Duration delay);
  void handle(const Event& event);
  void idle_out(const Event& event);
  void drive(unsigned shard);
  void next_job(std::size_t index);
  void start(std::size_t index, Job& job);
  Job* take(std::size_t index);
  void note_connect(const Session& session);
  void note_begin(const Session& session, const Job& job);
  void note_take(const Session& session, const Job& job, std::size_t count);
  void start_slow(std::size_t index, Job& job);
  void await_reply(std::size_t index, Duration after);
  void step_soon(std::size_t index);
  void step(std::size_t index, bool replied);
  void note_rate(const std::string& name, RateLimit limit, std::size_t count) {
    watch_.use(name, limit, count, now.instant);
  }
  void note_octets(const std::string& name, ByteLimit limit, std::uint32_t size);
  void note_warmup(const std::string& name, std::size_t count);
  void make_shards();
  void add_session(const Session& session);
  void gone(std::size_t index);
  const std::vector<std::size_t>& live(unsigned shard, QueueId queue) {
    return live_[{shard, queue}];
  }
  void set_group_backoff(QueueSettings& settings, const QueuePolicy& normal,
                         std::size_t vmta) const;
  /// The same for a queue outside the group.
  void set_backoff(QueueSettings& settings, const QueuePolicy& normal) const;
  /// Limits of its own are the twins.
  bool twinned(std::size_t destination) const {
    return plan_.twins && !in_group(destination) && in_backoff_.count(destination) != 0;
  }
  void note_mode(std::size_t destination);
  WarmupPlanRef warmup_of(const std::string& name, const std::string& vmta) const;
  void change();
  void settle_rates();
  void note_reload();
  bool in_group(std::size_t destination) const { return destination < plan_.grouped; }
  RateLimit rate_of(const std::vector<RateLimit>& rates, std::string_view vmta) const;
  void tell_established(Session& session);
  void work_done(std::size_t index, Job& job);
  void close(std::size_t index, SessionEnd end, OutcomeKind kind = OutcomeKind::deferred);
  void look_up(std::size_t index);
  void connect_out(std::size_t index);
  bool may_connect_again(Session& session);
  void fail_start(std::size_t index);
  void settle(unsigned shard, Job& job);
  void count(const std::string& key, std::uint32_t limit, int change);
  void count_open(const Session& session, int change);
  std::vector<unsigned> hosts_of(const Session& session);
  ConnectWay way_to(Session& session, unsigned host, std::size_t source);
  /// What limits what leaves from its source address; nullptr: nothing does.
  const SourceLimit* limit_of(const Session& session) const;
  /// The group has plans of its own.
  bool has_own_plans() const;
  /// Its source addresses have rates of messages or octets: permits are asked for each of them.
  bool rates_sources() const;
  bool splits_connects() const;
  void make_connect_plan(std::uint64_t plan, RatePlan& out) const;
  SourceLimit source_in_group(std::size_t source, std::size_t vmta, bool backoff) const;
  void make_split_plan(std::uint64_t plan, RatePlan& out) const;
  bool offer(unsigned shard, QueueId queue, const IpAddress* source);
  bool connect(std::size_t index);
  void count_host(const Session& session, int change);
  void let_go(Session& session);
  bool gives_way(Session& session, bool idle);
  void scout_done(std::size_t index);
  Duration random_delay(Duration most) {
    return Duration{random_.between(1'000, std::max<std::int64_t>(most.ns, 2'000))};
  }

  CrowdPlan plan_;
  Random random_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::deque<Session> sessions_;  ///< all that were ever opened
  /// Those that are not gone, by queue of a shard, in the order of their opening.
  std::map<std::pair<unsigned, QueueId>, std::vector<std::size_t>> live_;
  std::map<std::size_t, std::shared_ptr<Slow>> slow_;  ///< by session
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::map<std::pair<unsigned, unsigned>, std::int64_t> last_letter_;
  std::map<std::string, std::uint32_t> open_;  ///< by queue, virtual MTA, "total"
  std::map<std::string, std::int64_t> use_;    ///< up to use_since_
  std::map<std::string, std::int64_t> use_since_;
  RateWatch watch_;
  std::unordered_set<std::uint64_t> ends_;                   ///< slot and recipient
  std::map<std::string, std::set<std::int64_t>> warm_days_;  ///< on which something was sent
  std::map<std::uint32_t, std::size_t> senders_;             ///< by slot
  std::vector<std::uint32_t> sizes_;                         ///< by slot
  std::map<std::uint32_t, std::string> jobs_;                ///< by slot
  std::set<std::string> paused_;                             ///< queues
  std::set<std::string> paused_jobs_;
  std::set<std::size_t> in_backoff_;  ///< destinations
  std::string kept_;
  std::uint64_t order_ = 0;
  std::uint32_t slots_ = 0;
  std::uint32_t version_ = 1;
};

}  // namespace ringpost::schedule::test
