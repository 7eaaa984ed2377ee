#pragma once

#include <cstdint>
#include <string_view>

#include "core/mail/connect_gate.h"
#include "core/schedule/host_side.h"
#include "core/schedule/queue.h"

namespace ringpost::schedule {

class Scheduler;

/// The limits on connections to single mail hosts. Which host it will be is known only once the
/// destination was looked up, so before its first session a queue sends a scout, which connects
/// nowhere and uses no permit, and remembers what it saw. From then on units of hosts come first in
/// the fixed order of scopes, then those of group, virtual MTA and process.
///
/// A queue waits for all its addresses at once and goes where there is room first. It keeps units
/// of one scope while it waits for the next; nobody holds a unit that comes later in the order
/// while waiting for an earlier one, so whoever is served at a scope goes on. Units that are held
/// for others' sake idle: after a time, which doubles with each time it happens to the queue, they
/// go back to those who want them.
///
/// Part of the Scheduler: same thread, same rules for calls.
class HostGates final : public ConnectGate {
 public:
  HostGates(Scheduler& scheduler, LeaseBook& leases) : scheduler_(scheduler), leases_(leases) {}

  // ---- hooks of the dispatcher ------------------------------------------------------------------
  /// The queue may connect somewhere, as far as hosts go, and holds units for it. False: it waits.
  bool ready(Queue& queue, Now now);
  /// A slot in the line of this scope is served.
  void serve(Scope& scope, Now now);
  /// A session is being opened: what the queue holds is lent to it.
  static void opening(Queue& queue);
  /// It was not opened, or has ended, or is there.
  void session_over(Queue& queue, SessionEnd end, Now now);
  /// The queue goes to another place and gives back what it holds for its next session.
  void leave(Queue& queue);
  /// The same without giving back, until take_up().
  static bool set_aside(Queue& queue);
  void take_up(Queue& queue, bool held);
  /// The timer of a waiting queue. Gives back what it has held long enough; true: it has to start
  /// anew.
  bool impatient(Queue& queue, Now now);
  /// Lets its idle sessions give way, if others want what they count in.
  void relieve(Queue& queue, Now now);
  /// The queue keeps units of a way from that source address for its next session, if it can.
  bool keep_from(Queue& queue, const IpAddress& source, Now now);
  /// Whether it can.
  bool can_keep_from(Queue& queue, const IpAddress& source, Now now);
  /// The source addresses of its ways, in turn.
  static std::vector<IpAddress> sources(const Queue& queue);
  static bool scouting(const Queue& queue) {
    return queue.hosts != nullptr && queue.hosts->scouting;
  }

  // ---- sessions ---------------------------------------------------------------------------------
  bool may_connect_again(QueueId queue, Now now) override;
  bool may_connect_to(QueueId queue, const ConnectWay& way, ConnectPermit& permit,
                      Now now) override;
  void disconnected(QueueId queue, ConnectPermit& permit, Now now) override;
  bool gives_way(ConnectPermit& permit, bool idle, Now now) override;
  void way_seen(QueueId queue, const ConnectWay& way) override;
  void scouted(QueueId queue, SessionEnd end, const Outcome& failure, std::string_view failure_text,
               Now now) override;

 private:
  Queue& queue_of(QueueId id);
  bool applies(const Queue& queue) const;
  HostWay way_of(const Queue& queue, const ConnectWay& way) const;
  Scope* scope_of(const HostWay& way, std::size_t rank);
  bool comes_near(const Queue& queue, const HostWay& way, Now now) const;
  bool own_room(const Queue& queue, const HostWay& way, Now now) const;
  const HostWay* way_with_room(Queue& queue, const IpAddress& source, Now now);
  static Instant source_opens(const Queue& queue, const HostWay& way);
  bool better_elsewhere(const Queue& queue, const HostWay& way, Now now) const;
  bool shared_room(const Queue& queue, const HostWay& way) const;
  void greeted(ConnectPermit& permit, Now now);
  static Instant first_opening(const Queue& queue, Now now);
  bool room_at_once(const Queue& queue, const HostWay& way, Now now);
  void send_scout(Queue& queue, Now now);
  void wait(Queue& queue, Now now);
  bool climb(Queue& queue, Now now);
  Scope* take_most(Queue& queue, const HostWay& way);
  void keep(Queue& queue, const HostWay& way, Now now);
  void drop_slots(HostSide& side);
  void drop_held(HostSide& side);
  Gate gate_of(const HostWay& way, const Scope* missing, bool rate) const;
  bool own_full(const HostWay& way, std::size_t kind) const;
  bool wanted(const HostSide& side);
  static void note_seen(HostSide& side, HostWay way);

  Scheduler& scheduler_;
  LeaseBook& leases_;
  KeyCounts own_;  ///< connections of single queues, by HostWay::own
  WaitList scouts_wait_;
  std::uint32_t scouts_ = 0;
};

}  // namespace ringpost::schedule
