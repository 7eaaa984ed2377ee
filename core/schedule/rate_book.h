#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/schedule/byte_gate.h"
#include "core/schedule/doors.h"
#include "core/schedule/lease_message.h"
#include "core/schedule/leases.h"
#include "core/schedule/placed_timers.h"
#include "core/schedule/rate_account.h"
#include "core/schedule/rate_gate.h"
#include "core/schedule/rate_plan.h"
#include "core/schedule/rate_positions.h"
#include "core/schedule/rate_scope.h"
#include "core/schedule/warmup.h"

namespace ringpost::schedule {

/// Rates over all shards. Every permit is given by the scope's owner shard, from gates that count
/// it in all rates it belongs to at once, and only for mail that could leave now. It reaches the
/// asking shard by letter, is good for a fiftieth of the shortest period (one second at most) and
/// lapses then unused; gates count in windows longer by that, so that the limit holds at the time
/// of use. A grant is at most 20 ms of the limit, or one permit.
///
/// A transaction begins in that time; its RCPTs may leave later by what the owner says. Who sees
/// that its receivers take longer asks for it (wants_late()); the owner lets the gates count in
/// windows longer by that too before it gives such permits. What leaves later still takes another
/// permit of those rates that are quick to give one (again()). Rates of octets count beginnings.
///
/// Shards are served in turn, and so are scopes that have a rate in common. A scope's rates have
/// one owner: permits of several accounts, taken at different shards, would wait for each other and
/// lapse.
///
/// One per shard, on its thread; transport, policy source, warm-ups and positions outlive it.
class RateBook {
 public:
  /// A queue may begin to make itself ready so long before the next permit.
  static constexpr Duration kLead = Duration::seconds(2);
  static constexpr Duration kLifeMax = Duration::seconds(1);

  RateBook(unsigned shard, unsigned shards, PolicySource& policies, WarmupBook& warmups,
           const RatePositions& positions)
      : shard_(shard),
        shards_(shards),
        policies_(policies),
        warmups_(warmups),
        positions_(positions) {}
  RateBook(const RateBook&) = delete;
  RateBook& operator=(const RateBook&) = delete;

  /// The scope of a key, made when new, in a place of its own; it counts in the plan `base` and in
  /// `own`. Of mail of a rated sender the key is its queue's scope's (0: it has none) xor `sender`.
  RateScope& scope(std::uint64_t key, std::uint64_t base, RateLimit own, std::uint32_t version,
                   std::uint64_t sender = 0);
  /// The scope of what leaves from one source address of a group, with its `whole`'s version and
  /// sender. `base` holds all else that it counts in. SourceLines, or SenderLines, stand in line.
  RateScope& part(std::uint64_t key, std::uint64_t base, RateScope& whole);
  /// A new configuration is in force, of which rate_plan() tells.
  void refresh(std::uint32_t version, Instant now);
  /// What was granted then, under a configuration before, has lapsed.
  bool lapsed(Instant then, Instant now) const;
  /// A day has begun for warm-ups: their rates are others.
  void rates_changed();
  /// Lines of the positions of its gates. Nothing is granted from here on.
  void end(std::string& lines, Now now);
  /// Lines of what its gates of octets have let go and is not paid for within a period.
  void write_owed(std::string& lines, Now now) const;
  /// Counts what write_owed() has to tell.
  std::uint64_t debts() const { return debts_; }
  /// Whether it keeps the gate of that key, a number.
  bool has_gate(std::string_view key) const;

  /// Queues that may make ready for permits to come; of octets, for messages like the last one.
  static std::uint32_t places(const RateScope& scope);
  /// Permits that may be used now; of these, for a message of that many octets.
  static std::uint32_t available(const RateScope& scope, Instant now);
  static std::uint32_t available(const RateScope& scope, std::uint32_t octets, Instant now);
  /// How long a permit of a rate with that period may be on its way to its use.
  static Duration life_of(Duration period);
  /// When the first permit that may be used now lapses; never(): there is none.
  static Instant lapses(const RateScope& scope, Instant now);
  /// Requires: count <= available(scope, octets, now). Returns when they have to have been used.
  /// hand_back() is to follow.
  static UsedBy take(RateScope& scope, std::uint32_t count, std::uint32_t octets, Instant now,
                     RateScope::Lease* of = nullptr);
  /// What was taken and told by `of` has come to nothing.
  void give_back(RateScope& scope, RateScope::Lease taken);
  /// Octets of its grants that nobody will use go back to the owner: with `all`, those of grants
  /// that were not promised to a session too.
  void hand_back(RateScope& scope, bool all, Instant now);
  /// Permits that lapsed unused go back to their gates.
  void clear_lapsed(RateScope& scope, Instant now);
  /// A session will use what it has.
  static void promise(RateScope& scope);

  /// Something about the scope's waiters changed: next_stirred() will name it.
  void stir(RateScope& scope);
  void calm(RateScope& scope);
  RateScope* next_stirred() { return stirred_.pop_front(); }
  bool has_stirred() const { return !stirred_.empty(); }
  /// How many permits could be used now, beside those in hand; where the scope counts octets, by
  /// one message of that many. Tells the owner.
  void set_want(RateScope& scope, std::uint32_t units, std::uint32_t octets = 0);
  /// Permits of it should be good for RCPTs that leave so much after they lapse: of quick rates,
  /// and of slow ones; as far as they allow it.
  void wants_late(RateScope& scope, Duration quick, Duration slow);
  /// The scope of permits of its quick rates alone, for RCPTs that leave after its own have lapsed;
  /// `anew`: of all its rates of messages, for those that leave later than slow ones are ever good.
  RateScope& again(const RateScope& scope, bool anew = false);
  /// Stirs the scope at `when`.
  void stir_at(RateScope& scope, Instant when) { holder_timers_.set(scope, when); }

  void on_message(const LeaseMessage& message, unsigned from);
  /// Works off what time has made possible: at the owner grants, at holders stirred scopes.
  void run(Instant now);
  /// Sends what is to be said. False: some of it found no room and is kept.
  bool flush(LeaseTransport& transport);
  bool quiet() const { return tell_.empty() && fresh_.empty() && tell_peers_.empty(); }
  Instant next_wakeup() const { return std::min(holder_timers_.next(), owner_timers_.next()); }

 private:
  using Gate = SharedGate;
  using Peer = RatePeer;
  using Account = RateAccount;

  void place_scope(RateScope& scope);
  void on_want(const LeaseMessage& message, unsigned from);
  void on_answer(const LeaseMessage& message, unsigned from);
  void on_unused(const LeaseMessage& message);
  static void drop_spare(Account& account);
  static void put_back(RateScope& scope, RateScope::Lease unused);
  Account& account(std::uint64_t key);
  void build(Account& account, Instant now);
  static void let_late(Account& account);
  void add_gate(Account& account, const SharedRate& rate, std::uint32_t version, Instant now);
  static std::uint32_t available(const Account& account, std::uint32_t octets, Instant now);
  static bool has_spare(const Account& account, Instant now) {
    return account.spare > 0 && now < account.spare_until &&
           account.spare_turn == next_is_turn(account);
  }
  static bool next_is_turn(const Account& account) {
    return !account.turn.empty() && account.peers[account.turn.front()].turn;
  }
  static Instant opens_of(Gate& gate, std::uint32_t octets, bool turn);
  /// `closed_by`: the one that opens last, or nullptr.
  static Instant opens_at(const Account& account, const Gate*& closed_by);
  static void tell_later(Peer& peer, Instant later, const Gate* closed_by);
  bool serve(Account& account, Instant now);
  void claim_gate(Account& account, Instant now);
  void await_gates(Account& account, Instant now);
  void set_claim(Account& account, Gate* gate);
  static void stand_behind(Account& account, Gate* gate);
  void call(Gate& gate, std::uint32_t most = UINT32_MAX);
  void grant_due(Instant now);
  void answer_asks(Account& account);
  void recall(Account& account, Instant now);
  bool tell_owner(RateScope& scope, LeaseTransport& transport);
  bool answer(Account& account, LeaseTransport& transport);
  bool send(unsigned to, const LeaseMessage& message, LeaseTransport& transport);
  void freshen(Account& account);
  void tell(Account& account);

  unsigned shard_;
  unsigned shards_;
  PolicySource& policies_;
  WarmupBook& warmups_;
  const RatePositions& positions_;
  bool ended_ = false;
  std::uint32_t version_ = 1;
  Instant settled_{INT64_MIN}, old_{INT64_MIN};  ///< a moment after the last reload; the one before
  std::unordered_map<std::uint64_t, std::unique_ptr<RateScope>> scopes_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Account>> accounts_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Gate>> gates_;
  List<RateScope, RateStirTag> stirred_;
  List<RateScope, RateTellTag> tell_;
  List<Account, RateStirTag> fresh_;  ///< somebody's want has changed, or the rates have
  List<Account, RateTellTag> tell_peers_;
  PlacedTimers<RateScope> holder_timers_;
  PlacedTimers<Account> owner_timers_;
  std::vector<Account*> due_;
  std::uint64_t tickets_ = 0;
  std::uint64_t debts_ = 0;
};

}  // namespace ringpost::schedule
