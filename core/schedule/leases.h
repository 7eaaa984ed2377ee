#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/list.h"
#include "core/schedule/doors.h"
#include "core/schedule/key_counts.h"
#include "core/schedule/lease_message.h"
#include "core/schedule/scope.h"

namespace ringpost::schedule {

struct AccountTag;

/// Connection limits over all shards. Each limit is an account with one owner shard, hash(key) %
/// shards; every shard holds leases on it. A permit is then a local check. The sum of all leases
/// never exceeds the limit, so neither do the connections. Limits with fewer than
/// kLeasedUnitsPerShard units a shard are not kept on lease: every unit is asked for and goes back.
///
/// Waiting is fair at two levels: shards wait at the owner in turn, queues wait at their shard in
/// turn. When units run short the owner recalls what others hold unused, and from those above their
/// share what they give up next.
///
/// Higher priorities go first at both: in the queues' turn, in the shards' turn, and in what is
/// recalled, which shards then take from queues below that priority. One unit in kAlmsEvery, and
/// each that give_alms() announces, goes to whoever has waited longest without having any; of
/// several shards to the one whose last such unit is the oldest, those first where somebody waits
/// below the highest priority that does: the others get their units in turn.
///
/// Reload: a lowered limit takes back everything not in use; what is in use goes back as it closes
/// and is granted anew only below the new limit. The owner grants from a new snapshot's limit only
/// when every shard has said what it has open: there may have been no limit before.
///
/// One per shard, on its thread; the transport outlives it.
class LeaseBook {
 public:
  static constexpr std::uint32_t kLeasedUnitsPerShard = 4;
  static constexpr std::uint32_t kAlmsEvery = 16;
  static constexpr std::size_t kPruneFirst = 4096;

  LeaseBook(unsigned shard, unsigned shards) : shard_(shard), shards_(shards) {}
  LeaseBook(const LeaseBook&) = delete;
  LeaseBook& operator=(const LeaseBook&) = delete;

  /// The scope of a key, made when it is new. The reference stays good. A limit of a newer
  /// version replaces the one before.
  Scope& scope(std::uint64_t key, std::uint32_t limit, std::uint32_t version);

  /// The same for connections to mail hosts, which count whether there is a limit or not: what
  /// opened() and not closed() says is in use when the limit begins. The reference stays good until
  /// prune() unless something waits in it or is in use. nullptr: it is new and has no limit.
  Scope* host_scope(std::uint64_t key, std::uint32_t limit, std::uint32_t version);
  /// nullptr: there is none.
  Scope* find(std::uint64_t key);
  /// A connection that counts in the host's scope, if there is one: its unit was taken.
  void opened(std::uint64_t host) { connections_.add(host); }
  /// It is closed for certain.
  void closed(std::uint64_t host);
  /// New settings are in force. What they say of a host is known when it is next asked for; there
  /// may have been others between that had no limit for it, so nothing granted before counts.
  void distrust_hosts(std::uint32_t version);
  /// Forgets scopes of hosts that nothing uses, once they have become many.
  void prune();

  /// Whether a unit can be had at once by somebody who jumps no queue. `growing`: it has one.
  static bool has_room(const Scope& scope, bool growing, std::uint8_t priority = kNormalPriority) {
    return scope.unlimited() || (scope.spare() > 0 && scope.is_first(priority, growing));
  }
  /// Whether a unit can be had by whoever is served as the head of the scope's queue.
  static bool has_unit(const Scope& scope) { return scope.unlimited() || scope.spare() > 0; }
  /// Requires: has_unit(scope). `standing`: the priority that others must exceed to interrupt it.
  void take(Scope& scope, std::uint8_t standing = kNormalPriority);
  /// The connection is closed for certain.
  void release(Scope& scope, std::uint8_t standing = kNormalPriority);
  /// The unit that is given up next is for whoever has waited longest: else a higher one would have
  /// it back at once.
  static void give_alms(Scope& scope);
  /// So many units in use stand elsewhere from now on.
  void restand(Scope& scope, std::uint8_t from, std::uint8_t to, std::uint32_t units);

  /// Puts `waiter` in the scope's queue and asks the owner for a unit: at the end, or before the
  /// head when it has waited longer (elsewhere). `growing`: it has a connection and wants more.
  void wait(Scope& scope, Waiter& waiter, bool growing, std::uint8_t priority = kNormalPriority);
  /// The scope has lost a waiter that no longer wants a unit.
  void waiter_left(Scope& scope);

  /// A scope that has both a unit to spare and somebody waiting; nullptr when there is none.
  Scope* next_open();
  bool has_open() const noexcept { return !open_.empty(); }
  /// In some scope connections should be given up for others who wait.
  bool pressed() const { return pressed_ > 0; }

  void on_message(const LeaseMessage& message, unsigned from);
  /// Sends what is to be said. False: some of it found no room and is kept.
  bool flush(LeaseTransport& transport);
  bool quiet() const noexcept { return dirty_scopes_.empty() && dirty_accounts_.empty(); }

  /// Units of a scope in use on this shard (0 for an unknown key).
  std::uint32_t used(std::uint64_t key) const;
  /// At the owner: units given out over all shards.
  std::uint32_t granted(std::uint64_t key) const;

 private:
  struct Peer {
    std::uint32_t granted = 0;
    std::uint32_t wanted = 0;
    std::uint32_t owed = 0;   ///< recalled and not yet back
    std::uint32_t heard = 0;  ///< version of its latest request
    std::uint32_t to_grant = 0;
    std::uint32_t to_recall = 0;
    std::uint32_t alms = 0;                 ///< of `to_grant`
    std::uint32_t alms_at = 0;              ///< Account::alms_given when it last got one
    std::uint32_t at_top = 0;               ///< of `wanted`: by its highest priority
    std::uint8_t priority = 0;              ///< the highest that wants some
    std::uint8_t lowest = kNormalPriority;  ///< Scope::lowest() there
    std::uint8_t waiting = kUntouchable;    ///< Scope::lowest_waiting() there
    std::uint8_t told_priority = 0;
    bool urgent = false;  ///< some of what it wants is for queues that have nothing
    bool told = false;    ///< knows that others wait
    bool told_urgent = false;
    bool tell = false;  ///< a recall is to be sent even if of no units
    bool ask = false;   ///< a census is to be sent
  };
  struct Account : ListLink<AccountTag> {
    std::uint64_t key = 0;
    std::uint32_t limit = 0;
    std::uint32_t version = 0;
    std::uint32_t census = 0;  ///< version from which all shards must have been heard
    std::uint64_t granted = 0;
    std::uint32_t turns = 0;
    std::uint32_t alms = 0;  ///< free units that are for whoever has waited longest
    std::uint32_t alms_given = 0;
    std::vector<Peer> peers;
    std::vector<std::uint16_t> turn;  ///< shards that want units, in order
    bool of_host = false;
  };

  void give_up(Scope& scope, std::uint32_t units);
  Scope& make(std::uint64_t key, std::uint32_t limit, std::uint32_t version, bool of_host);
  bool forgettable(Scope& scope);
  static bool forgettable(const Account& account);
  void set_limit(Scope& scope, std::uint32_t limit, std::uint32_t version);
  std::uint32_t chunk(const Scope& scope) const;
  void demand(Scope& scope);
  void return_spare(Scope& scope);
  void mark(Scope& scope);
  void update(Scope& scope);
  bool flush_scope(Scope& scope, LeaseTransport& transport);
  bool flush_account(Account& account, LeaseTransport& transport);
  bool send(unsigned to, const LeaseMessage& message, LeaseTransport& transport);

  void on_holder_message(const LeaseMessage& message);
  void on_request(const LeaseMessage& message, unsigned from);
  void on_give_back(const LeaseMessage& message, unsigned from);
  Account& account(std::uint64_t key);
  void begin_census(Account& account, std::uint32_t version);
  void withdraw_unsent(Account& account);
  static bool complete(const Account& account);
  static std::size_t whose_turn(Account& account, bool& alms);
  static std::uint8_t wanted_priority(const Account& account, std::uint32_t& units);
  void tell_lowest(Scope& scope);
  void tell_waiting(Scope& scope);
  void mark(Account& account);
  void pump(Account& account);
  bool urgent_beside(const Account& account, unsigned shard) const;
  std::uint8_t priority_beside(const Account& account, unsigned shard) const;
  void recall(Account& account);

  unsigned shard_;
  unsigned shards_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Scope>> scopes_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Account>> accounts_;
  List<Scope, DirtyTag> dirty_scopes_;
  List<Scope, OpenTag> open_;
  List<Account, AccountTag> dirty_accounts_;
  std::uint64_t tickets_ = 0;
  std::uint32_t pressed_ = 0;
  KeyCounts connections_;  ///< to mail hosts
  std::size_t prune_at_ = kPruneFirst;
};

}  // namespace ringpost::schedule
