#pragma once

#include <cstdint>
#include <vector>

#include "core/base/list.h"
#include "core/base/time.h"
#include "core/schedule/byte_gate.h"
#include "core/schedule/late_use.h"
#include "core/schedule/limits.h"
#include "core/schedule/rate_gate.h"
#include "core/schedule/rate_plan.h"
#include "core/schedule/rate_scope.h"
#include "core/schedule/slab.h"
#include "core/schedule/warmup.h"

// What a RateBook keeps as owner: the gates of its rates, and who waits for their permits.

namespace ringpost::schedule {

struct RateBehindTag;
struct RateAccount;

/// One rate at its owner shard: every scope that counts in it takes its permits here.
struct SharedGate {
  RateGate own;
  ByteGate octets;                ///< if limited, this is the gate
  WarmupState* warmup = nullptr;  ///< the rate is this one's
  std::uint64_t key = 0;
  RateOf of = RateOf::vmta;
  bool quick = false;                       ///< RateGate::quick()
  RateGate turns;                           ///< of quick ones: transactions that begin unpaid
  std::uint32_t version = 0;                ///< of the settings its limit is of
  RateAccount* claimed_by = nullptr;        ///< that was passed over; nobody takes octets before it
  List<RateAccount, RateBehindTag> behind;  ///< who waits for that, or for it

  bool claimed_by_other(const RateAccount& account) const {
    return claimed_by != nullptr && claimed_by != &account;
  }
  RateGate& rate() { return warmup != nullptr ? warmup->gate() : own; }
  RateGate& pace(bool turn) { return turn && quick ? turns : rate(); }
  void give_back(std::uint32_t count, bool turn, Instant taken) {
    if (!octets.limited() && (warmup == nullptr || (turn && quick))) {
      pace(turn).give_back(count, taken);
    }
  }
  void take(std::uint32_t count, std::uint32_t size, bool turn, Instant now) {
    if (octets.limited()) {
      octets.take(size, now);
      return;
    }
    warmup != nullptr && !(turn && quick) ? warmup->take(count, now) : pace(turn).take(count, now);
  }
};

/// One shard that holds a scope, as its owner sees it.
struct RatePeer {
  std::uint32_t want = 0;
  std::uint32_t granted = 0;  ///< in all, modulo 2^32
  std::uint32_t to_grant = 0;
  std::uint32_t octets = 0;  ///< that the next grant has to be for
  std::uint32_t octets_to_grant = 0;
  Instant expires;                           ///< of `to_grant`
  Instant taken;                             ///< `octets_to_grant`, from the gates
  bool turn = false, turn_to_grant = false;  ///< it wants turns; `to_grant` are
  bool ask = false;                          ///< wants to hear when its turn may come
  Instant later;                             ///< the answer, while `ask`
  Instant told;                              ///< the last that it got
  bool recalled = false;                     ///< it is to have another
  RateOf closed_by = RateOf::vmta;           ///< which rate `later` is of
  std::uint64_t closed_key = 0;              ///< its key
};

/// The owner's side of a scope.
struct RateAccount : ListLink<RateStirTag>, ListLink<RateTellTag>, ListLink<RateBehindTag> {
  std::uint64_t key = 0;
  std::uint64_t base = 0;
  std::uint64_t sender = 0;
  RateLimit own;
  std::uint32_t own_version = 0;
  std::uint32_t built = 0;   ///< version its gates are of
  std::uint32_t builds = 0;  ///< how often they were set up
  std::uint32_t needed = 0;  ///< version a holder asked under
  std::uint32_t timer_place = kNil;
  std::uint64_t ticket = 0;  ///< when it was served last
  std::uint32_t grant_max = 1;
  bool octets = false;    ///< it grants for one message at a time
  bool connects = false;  ///< its permits are for connections from one address
  Duration life;
  std::uint32_t spare = 0;  ///< permits that came back; they are good for until `spare_until`
  Instant spare_until;
  bool spare_turn = false;  ///< they are turns
  Instant spare_taken;      ///< from the gates
  bool again = false;       ///< its permits are of the quick ones of its rates alone
  bool anew = false;        ///< of these and the slow ones
  LateUse late;             ///< so long after their expiry its permits may be used
  LateUse late_max;         ///< that its rates allow
  LateShares late_wanted;   ///< of that, the most that a holder asked for
  Instant due;  ///< when its next message would go if no other account did before; or nothing
  SharedGate* claim = nullptr;
  SharedGate* behind = nullptr;  ///< it waits for
  std::vector<SharedGate*> gates;
  std::vector<RatePeer> peers;
  std::vector<std::uint16_t> turn;  ///< shards that want permits, in order
};

}  // namespace ringpost::schedule
