#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "core/base/list.h"
#include "core/base/time.h"
#include "core/schedule/doors.h"
#include "core/schedule/late_use.h"
#include "core/schedule/leases.h"
#include "core/schedule/limits.h"
#include "core/schedule/rate_plan.h"
#include "core/schedule/slab.h"

namespace ringpost::schedule {

struct RateStirTag;
struct RateTellTag;
struct SenderLaneTag;
struct PayerTag;
struct PooledJob;
struct SenderLane;

/// One shard's side of the rates that a permit of its queues counts in: permits it holds for a
/// short time, and the local queues that wait for one, in order.
struct RateScope : ListLink<RateStirTag>, ListLink<RateTellTag> {
  struct Lease {
    std::uint32_t units = 0;
    std::uint32_t octets = 0;
    Instant expires;          ///< a transaction has to begin with them before
    std::uint32_t from = 0;   ///< shard that granted
    std::uint32_t build = 0;  ///< of its gates, and when octets were taken: the owner is to be told
    Instant taken;            ///< when some comes back
    bool promised = false;    ///< a session is about to use it
    UsedBy used_by;           ///< and its RCPTs have to have left
    bool turn = false;        ///< see RateScope::turns
    bool taken_up = false;    ///< coming back: it had been used, for nothing
  };
  /// What no message used of a grant of octets, on its way back.
  using Unused = Lease;

  /// Queues that are near keep their places so long at most if others wait to come near.
  static constexpr Duration kTurn = Duration::seconds(5);

  std::uint64_t key = 0;
  std::uint64_t base = 0;         ///< of its RatePlan; 0: none
  std::uint64_t sender = 0;       ///< the rule for a sender whose rates count too; 0: none
  RateLimit own;                  ///< beside the plan's: of a group of destinations
  RateScope* whole = nullptr;     ///< of one source address of a group: the group's
  std::vector<RateScope*> parts;  ///< of a group whose source addresses have rates: theirs
  std::uint32_t parts_ahead = 0;  ///< their `ahead_max` together
  std::uint32_t part_of = 0;      ///< version in which it is one of the whole's parts
  std::uint32_t in_line = 0;      ///< of the whole: places in the lines of its parts
  std::uint64_t tickets = 0;      ///< given to lanes of senders as they came into its line
  Duration interval;              ///< about the time between two permits of its slowest rate
  std::uint32_t owner = 0;        ///< shard that grants
  std::uint32_t version = 0;
  std::array<Lease, 4> leases;
  std::vector<Unused> unused;
  Instant opens;                  ///< as the owner said last: no permit before
  Instant used;                   ///< when its last permit was
  Instant paid;                   ///< when its last that was no turn was
  Instant begun;                  ///< and its last turn
  std::uint32_t used_octets = 0;  ///< of that message, where octets are limited
  double octet_ns = 0;            ///< what an octet takes of the slowest rate of octets
  Duration pace;                  ///< between two permits of the slowest rate of messages
  std::uint32_t want = 0;         ///< permits that would be used now
  std::uint32_t told = 0;         ///< of these, what the owner knows and has not granted
  std::uint32_t want_octets = 0;  ///< of the first message that waits, where octets are limited
  std::uint32_t told_octets = 0;
  std::uint32_t received = 0;   ///< in all, modulo 2^32
  std::uint32_t ahead_max = 1;  ///< queues that may make themselves ready for permits to come
  std::uint32_t approaching = 0;
  std::uint32_t unpaid = 0;  ///< transactions whose RCPTs ask for permits as they leave
  LateUse late;              ///< asked for: so long after their expiry permits are to be used
  LateUse late_max;          ///< that its rates allow
  std::uint32_t timer_place = kNil;
  bool connects = false;  ///< permits of a part are for connections
  bool octets = false;    ///< one of its rates is of octets
  bool again = false;     ///< see RateBook::again()
  bool anew = false;      ///< the same
  /// What is asked for and may be taken now is turns: permits to begin, which do not count in quick
  /// rates. Each RCPT takes a permit of RateBook::again() as it leaves.
  bool turns = false;
  bool want_turns = false;  ///< `want` is
  bool told_turns = false;
  bool tell = false;                 ///< the owner is to hear of `want` though it is the same
  bool payers_first = false;         ///< the odd permit is theirs this time
  std::uint8_t turn = 0;             ///< of 16, where others wait to come near
  Instant turn_ends;                 ///< the next one begins then
  bool crowded = false;              ///< of a sender: lanes wait until they may come near
  RateOf closed_by = RateOf::vmta;   ///< which rate makes it wait
  std::uint64_t closed_key = 0;      ///< SharedRate::key of that one; 0: not told yet
  List<PooledJob, PayerTag> payers;  ///< transactions whose next RCPT waits for a permit
  WaitList waiting;                  ///< queues, or their lines, that could use a permit now
  WaitList hopeful;                  ///< queues that have to make ready first, and hold nothing
  List<SenderLane, SenderLaneTag> lanes;   ///< of a sender: mail that waits, by queue
  List<SenderLane, SenderLaneTag> asking;  ///< of them those that could send now

  /// `turn` now.
  std::uint8_t turn_at(Instant now) {
    turn = now < turn_ends ? turn : (turn + 1) % 16;
    turn_ends = now < turn_ends ? turn_ends : now + kTurn;
    return turn;
  }

  /// Nothing was asked for since permits were last used. When enough may have come meanwhile, as
  /// far as is known here, for so many sessions that are being opened, and one more; never: it
  /// is not known how often they come.
  Instant lost(std::uint32_t opening) const {
    const Duration each = takes();
    return each == Duration{} ? Instant::never() : std::max(opens, used) + each * (opening + 1);
  }
  /// What the last message took of its slowest rate.
  Duration takes() const {
    constexpr double kMost = 1e15;  // days; the clock counts to more
    const Duration octets_take{static_cast<std::int64_t>(std::min(octet_ns * used_octets, kMost))};
    return std::max(pace, octets_take);
  }
};

}  // namespace ringpost::schedule
