#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/list.h"
#include "core/loop/dns.h"
#include "core/loop/loop.h"
#include "net/resolve/answer_cache.h"
#include "net/resolve/options.h"

namespace ringpost::resolve {

/// Someone who waits for an answer; embedded in its owner, which outlives the wait or forgets it.
class Waiter : private ListLink<> {
 public:
  /// bind<&Task::on_answer>(this), once.
  template <auto Handler, class Owner>
  void bind(Owner* owner) noexcept {
    owner_ = owner;
    run_ = [](void* who, Waiter& self) { (static_cast<Owner*>(who)->*Handler)(self); };
  }
  bool waiting() const noexcept { return linked(); }

  AnswerRef answer;  ///< set before the handler runs

 private:
  friend class Lookups;
  friend class List<Waiter>;

  void* owner_ = nullptr;
  void (*run_)(void*, Waiter&) = nullptr;
  List<Waiter>* list_ = nullptr;  ///< the waiters of the look-up it waits for
};

struct LookupStats {
  std::uint64_t from_cache = 0;
  std::uint64_t joined = 0;       ///< shared a query that was under way
  std::uint64_t queries = 0;      ///< given to the Dns port
  std::uint64_t turned_away = 0;  ///< waiting_max was reached
};

/// Looks names up: first in the cache, then by a query that all who ask the same share; at most
/// queries_max at once, the rest in order of arrival. One per shard. Loop, port and options outlive
/// it; the port must not complete a query after this is gone.
class Lookups {
 public:
  Lookups(Loop& loop, Dns& dns, const ResolverOptions& options);
  Lookups(const Lookups&) = delete;
  Lookups& operator=(const Lookups&) = delete;
  ~Lookups();

  /// Asks for `type` of `name` (lower case, valid). True: `waiter.answer` is set already. False:
  /// the waiter's handler runs in a later turn.
  bool ask(std::string_view name, DnsType type, Waiter& waiter);
  /// The waiter no longer wants to be told. The query goes on, for the cache.
  void forget(Waiter& waiter);

  void clear_cache() { cache_.clear(); }
  const AnswerCache& cache() const noexcept { return cache_; }
  const LookupStats& stats() const noexcept { return stats_; }
  std::size_t in_flight() const noexcept { return in_flight_; }
  std::size_t waiting() const noexcept { return waiting_.size(); }

 private:
  /// One query under way or waiting; reused.
  struct Lookup : ListLink<Lookup> {
    Lookups* home = nullptr;
    DnsQueryOp op;
    std::string key;
    List<Waiter> waiters;
    unsigned queries = 0;   ///< made for this look-up: one, and one for each alias
    bool authentic = true;  ///< all aliases followed so far were
    bool has_ttl = false;   ///< lowest TTL of the aliases followed so far
    Duration ttl;

    void on_done(Completion& completion);
  };

  static void join(Lookup& lookup, Waiter& waiter);
  Lookup& new_lookup();
  void start(Lookup& lookup);
  void start_waiting();
  void finished(Lookup& lookup);
  bool follow(Lookup& lookup, const Answer& answer);
  void set_expiry(Answer& answer) const;
  void deliver(Lookup& lookup, AnswerRef answer);

  Loop& loop_;
  Dns& dns_;
  const ResolverOptions& options_;
  AnswerCache cache_;
  std::unordered_map<std::string, Lookup*, KeyHash, KeyEqual> by_key_;
  std::vector<std::unique_ptr<Lookup>> all_;
  List<Lookup, Lookup> free_;
  List<Lookup, Lookup> waiting_;
  std::size_t in_flight_ = 0;
  std::string key_;  ///< scratch
  LookupStats stats_;
};

}  // namespace ringpost::resolve
