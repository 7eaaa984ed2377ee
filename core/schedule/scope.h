#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/list.h"
#include "core/base/time.h"
#include "core/mail/envelope.h"

namespace ringpost::schedule {

/// Of queues and of mail, 0 to 100.
/// Stands above every priority: what no other may interrupt.
inline constexpr std::uint8_t kUntouchable = 255;

/// Something that stands in at most one of the scheduler's lists at a time.
struct Waiter : ListLink<Waiter> {
  List<Waiter, Waiter>* place = nullptr;
  std::uint64_t ticket = 0;  ///< when it began to wait; kept until it is served
};
using WaitList = List<Waiter, Waiter>;

/// Queues of one priority that wait for a connection, and connections that give way to higher ones.
struct Level {
  explicit Level(std::uint8_t of) : priority(of) {}

  std::uint8_t priority;
  std::uint32_t used = 0;
  WaitList waiting;  ///< queues without any connection
  WaitList growing;  ///< queues that have one and want more; served after the others
};

/// For whom a queue gives up a connection: the longer it had it, the more there are.
enum class Reach : std::uint8_t { nobody, higher, equal, everybody };

struct DirtyTag;
struct OpenTag;

/// One shard's side of a connection limit that several queues share: units it holds on lease from
/// the owner shard, those in use, and the local queues that wait for one, in order.
struct Scope : ListLink<DirtyTag>, ListLink<OpenTag> {
  std::uint64_t key = 0;
  std::uint32_t owner = 0;  ///< shard of the account
  std::uint32_t limit = 0;  ///< 0: unlimited; then only `used` counts
  std::uint32_t version = 0;
  std::uint32_t changed = 0;  ///< version that last changed the limit: older grants are void
  std::uint32_t held = 0;     ///< on lease, in use or not
  std::uint32_t used = 0;
  std::uint32_t requested = 0;   ///< asked for and not yet granted
  std::uint32_t debt = 0;        ///< to give back as units free up
  std::uint32_t surrender = 0;   ///< to give back too, but without haste: held under an older limit
  std::uint32_t to_request = 0;  ///< not yet sent
  std::uint32_t to_return = 0;   ///< not yet sent
  std::uint32_t to_adopt = 0;    ///< not yet sent: in use before there was a limit
  std::uint32_t yields = 0;      ///< connections on their way to be given up
  std::uint32_t alms = 0;       ///< units that go to whoever has waited longest, not to the highest
  std::uint32_t alms_away = 0;  ///< of those given up next: the same, over all shards
  std::uint32_t to_return_alms = 0;  ///< of `to_return`
  Instant since = Instant::never();  ///< somebody has been waiting without getting a unit
  std::uint32_t passed_over =
      0;  ///< units taken while lower ones had nothing, since their last one
  std::uint8_t debt_priority = 0;  ///< of those at other shards for whom units are called back
  std::uint8_t told_lowest = kNormalPriority;  ///< lowest() as the owner knows it
  std::uint8_t told_waiting = kUntouchable;    ///< lowest_waiting() as it was told with a request
  bool tell_limit = false;                     ///< not yet sent: a changed limit, or who waits
  bool leased = false;                         ///< unused units may be kept
  bool contended = false;                      ///< other shards want units: keep nothing unused
  bool urgent = false;                         ///< some of them have nothing at all
  bool pressed = false;                        ///< pressure() is not 0; counted in the book
  bool of_host = false;                        ///< of a mail host: forgotten when nothing uses it
  bool stale = false;  ///< settings have changed since: the owner has to be asked anew
  std::vector<std::unique_ptr<Level>> levels;  ///< the highest priority first

  bool unlimited() const { return limit == 0; }
  std::uint32_t spare() const { return held - used; }
  /// Made when new.
  Level& level(std::uint8_t priority);
  std::uint32_t waiters() const { return waiters_above(-1); }
  std::uint32_t waiters_above(int priority) const;
  /// Queues without any connection.
  std::uint32_t waiting() const;
  /// Who is served next, or nullptr.
  Waiter* head();
  /// Whether somebody of this priority is before all others. `growing`: it has a connection.
  bool is_first(std::uint8_t priority, bool growing) const;
  /// The highest priority that waits, 0 without any, and how many do.
  std::uint8_t top(std::uint32_t& count) const;
  /// The lowest priority that has connections others may interrupt, or kUntouchable.
  std::uint8_t lowest() const;
  /// The lowest priority of queues without any connection, or kUntouchable.
  std::uint8_t lowest_waiting() const;
  /// How many connections should be given up for others.
  std::uint32_t pressure() const;
  /// The same by queues of this priority; `standing`: kUntouchable where nothing interrupts them.
  std::uint32_t pressure_on(std::uint8_t priority, std::uint8_t standing, Reach reach) const;
  /// Whether somebody waits for so long that one of whatever priority has to give way; asked of
  /// those that have a unit, time after time.
  bool overdue(Instant now, Duration patience);

 private:
  std::uint32_t remote() const { return !leased && urgent && debt == 0 ? 1 : debt; }
};

}  // namespace ringpost::schedule
