#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/list.h"
#include "core/schedule/entry.h"
#include "core/schedule/job_rules.h"
#include "core/schedule/queue_pattern.h"
#include "core/schedule/scope.h"

namespace ringpost::schedule {

struct JobRecord;
struct Queue;

struct TurnTag;
struct InQueueTag;
struct InJobTag;

/// The mail of one job, or of one tenant's mail of no job, and of one priority in one queue.
struct Share : ListLink<TurnTag>, ListLink<InQueueTag>, ListLink<InJobTag> {
  EntryList ready;
  JobRecord* job = nullptr;      ///< nullptr: mail of no job, or of a deleted one
  std::uint32_t queue = 0;       ///< slot
  std::uint32_t index = 0;       ///< in the slab; 0: mail of no job, mostly of normal priority
  std::uint32_t next = kNil;     ///< of the slab's free ones
  std::uint32_t serial = 0;      ///< of its job; kTenants | tenant; 0: of the queue's first tenant
  std::uint32_t waiting = 0;     ///< recipients in all lists of the queue
  std::uint32_t in_flight = 0;   ///< recipients in jobs
  std::uint32_t users = 0;       ///< entries and jobs that name it
  std::uint32_t unlooked = 0;    ///< of `ready`, still to be looked at by a move
  std::uint32_t rush_round = 0;  ///< of the sweep that tries its deferred mail
  std::int32_t credit = 0;       ///< recipients until the others' turn
  std::uint8_t priority = kNormalPriority;
  bool paused = false;   ///< its job is
  bool doomed = false;   ///< what is in it is to be cancelled
  bool leaving = false;  ///< what is in it goes to another queue
  bool twin = false;     ///< others may have the same job and priority, since a command

  bool parked() const { return paused || doomed || leaving; }
};

/// A job with mail on this shard.
struct JobRecord {
  std::string name;
  std::uint32_t serial = 0;
  bool paused = false;
  List<Share, InJobTag> shares;
};

/// Turns of the shares of one queue: within a priority each as many recipients as the others; of
/// higher priorities first, but for one transaction in kLowerEvery.
struct Turns {
  struct Level {
    explicit Level(std::uint8_t of) : priority(of) {}
    std::uint8_t priority;
    List<Share, TurnTag> ring;
  };

  Share plain;                                 ///< mail of no job, of its priority
  List<Share, InQueueTag> all;                 ///< `plain` included
  std::vector<std::unique_ptr<Level>> levels;  ///< the highest priority first
  std::uint32_t parked = 0;                    ///< recipients that are ready but held
  std::int32_t quantum = 1;  ///< the largest transaction since there was one share only
  std::uint32_t picks = 0;   ///< transactions from the highest level while lower ones waited
  std::uint32_t twins = 0;   ///< shares with `twin`
};

/// A queue's mail that is ready. Without jobs and priorities one list.
struct ReadyMail {
  EntryList plain;               ///< with `turns` only counts, of what may go out
  std::unique_ptr<Turns> turns;  ///< once there was mail of a job, or of another priority

  bool empty() const { return plain.entries == 0; }
  std::uint32_t entries() const { return plain.entries; }        ///< that may go out
  std::uint32_t recipients() const { return plain.recipients; }  ///< likewise
  /// Some share beside the plain one is in use, if only by a command.
  bool shared() const { return turns != nullptr && turns->all.size() > 1; }
  std::uint32_t parked() const { return turns == nullptr ? 0 : turns->parked; }
};

/// One job as `show jobs` shows it.
struct JobRow {
  std::string name;
  std::uint32_t queues = 0;
  std::uint64_t ready = 0;      ///< recipients
  std::uint64_t deferred = 0;   ///< recipients
  std::uint64_t in_flight = 0;  ///< recipients
  std::uint8_t lowest = kPriorityMax;
  std::uint8_t highest = 0;  ///< priority of some of its mail
  bool paused = false;
};

/// The shares of one shard: whose mail goes next in a queue, and which jobs are paused.
class ShareBook {
 public:
  static constexpr std::uint32_t kMax = (1u << 24) - 1;
  static constexpr std::uint32_t kLowerEvery = 16;
  /// Serials from here on are those of tenants.
  static constexpr std::uint32_t kTenants = 0x80000000;

  explicit ShareBook(EntrySlab& entries);
  ~ShareBook();

  /// Index of the share for Entry::share, made when new; 0 for mail of no job and normal priority,
  /// and where there is no room for another one. The share lives until its last user is gone.
  /// Mail of no job is shared between tenants (see Admission::tenant); the first of them has what
  /// is 0, so that one alone costs nothing.
  std::uint32_t share_for(Queue& queue, std::string_view job, std::uint8_t priority,
                          std::uint16_t tenant = 0);
  /// Whose mail of no job is in the share.
  std::uint16_t tenant_of(const Queue& queue, std::uint32_t index) const;
  /// nullptr for 0.
  Share* find(std::uint32_t index) { return index == 0 ? nullptr : &shares_[index]; }
  Share& of(Queue& queue, std::uint32_t index);
  std::uint8_t priority_of(const Queue& queue, std::uint32_t index) const;
  /// As QueueRow::priorities.
  static std::vector<std::pair<std::uint8_t, std::uint32_t>> priorities(const Queue& queue);
  /// Gives what is in the share another priority; what comes later keeps its own.
  void set_priority(Queue& queue, Share& share, std::uint8_t priority);
  /// Once a queue has them its mail is told apart by job and priority.
  Turns& turns_of(Queue& queue);
  /// An entry, or a job, names the share from now on, or no longer.
  void use(std::uint32_t share, std::uint32_t recipients);
  void leave(Queue& queue, std::uint32_t share, std::uint32_t recipients);
  void leave_entry(Queue& queue, Entry& entry);

  // ---- a queue's ready mail
  void push(Queue& queue, std::uint32_t entry, bool front);
  void remove(Queue& queue, std::uint32_t entry);
  /// `count` recipients of the entry were taken off it; the rest stays.
  void shorten(Queue& queue, std::uint32_t entry, std::uint32_t count);
  /// The entry that goes next; kNil: none may.
  std::uint32_t next(const Queue& queue) const;
  /// Its turn is the next one of its priority.
  void put_first(Queue& queue, std::uint32_t share);
  /// A transaction of so many recipients was made of the share's mail.
  void charge(Queue& queue, std::uint32_t share, std::uint32_t count);
  /// Of the first entries of all its shares one of which `fits(entry, held)` is true, or kNil.
  template <class Fits>
  std::uint32_t head_where(ReadyMail& mail, Fits fits) {
    const auto head_of = [&](const EntryList& list, bool held) {
      return !list.empty() && fits(entries_[list.head], held) ? list.head : kNil;
    };
    if (mail.turns == nullptr) {
      return head_of(mail.plain, false);
    }
    List<Share, InQueueTag>& all = mail.turns->all;
    for (std::size_t n = all.size(); n > 0; --n) {
      Share& share = *all.front();
      if (const std::uint32_t head = head_of(share.ready, share.parked()); head != kNil) {
        return head;
      }
      all.push_back(*all.pop_front());
    }
    return kNil;
  }
  /// Goes once over what is ready now, held or not: begin, then one after the other; `stay`: it is
  /// kept, at the end of its list.
  std::uint32_t begin_walk(Queue& queue);
  std::uint32_t walk(Queue& queue);
  void stay(Queue& queue, std::uint32_t entry);
  void gone(Queue& queue, std::uint32_t entry);

  // ---- jobs
  JobRules& rules() { return rules_; }
  /// Recomputes `paused` of all jobs; `changed(share)` for those that are held or freed by it.
  template <class Changed>
  void apply_rules(Changed changed) {
    for (auto& [name, job] : jobs_) {
      const bool paused = rules_.paused(name);
      if (paused != job->paused) {
        job->paused = paused;
        for (Share* one = job->shares.front(); one != nullptr; one = job->shares.after(*one)) {
          changed(*one, paused);
        }
      }
    }
  }
  /// `act(share)` for each share of jobs that fit; it may unlink that share.
  template <class Act>
  void for_matching(std::string_view pattern, Act act) {
    for (auto& [name, job] : jobs_) {
      if (!glob_matches(pattern, name)) {
        continue;
      }
      for (Share* one = job->shares.front(); one != nullptr;) {
        Share* following = job->shares.after(*one);
        act(*one);
        one = following;
      }
    }
    drop_empty();
  }
  /// Sets one of the reasons why a share's mail is held.
  void hold(Queue& queue, Share& share, bool Share::*reason, bool on);
  /// What is in it is to be cancelled; mail of its job that comes later gets a share of its own.
  void doom(Queue& queue, Share& share);
  void rows(std::string_view pattern, std::size_t max, std::vector<JobRow>& out) const;
  std::string_view job_of(std::uint32_t share) const;
  /// How many recipients of others go before the entry's share has its turn, at most.
  std::uint32_t shares_ready(Queue& queue) const;

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept;
  };
  using Jobs =
      std::unordered_map<std::string, std::unique_ptr<JobRecord>, TextHash, std::equal_to<>>;

  JobRecord& job_named(std::string_view name);
  std::uint32_t indexed(std::uint32_t queue, std::uint32_t serial, std::uint8_t priority) const;
  static Turns::Level& level_of(Turns& turns, std::uint8_t priority);
  static std::size_t hash_of(std::uint32_t queue, std::uint32_t serial, std::uint8_t priority);
  void insert(std::uint32_t index);
  void erase(const Share& share);
  void grow();
  void drop(Queue& queue, Share& share);
  void drop_empty();
  void link(Turns& turns, Share& share);
  void unlink(Turns& turns, Share& share);
  static bool akin(const Share& one, const Share& other);
  void park(Queue& queue, Share& share, bool parked);

  EntrySlab& entries_;
  Slab<Share, 1024> shares_;
  std::vector<std::uint32_t> buckets_;  ///< of shares; open addressing, kNil = free
  std::uint32_t indexed_ = 0;
  Jobs jobs_;
  JobRecord* last_ = nullptr;  ///< whose mail came last
  JobRules rules_;
  std::uint32_t serials_ = 0;
};

}  // namespace ringpost::schedule
