#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/mail/doors.h"
#include "core/mail/outcome.h"

namespace ringpost {

/// Where a session is about to connect to, and from.
struct ConnectWay {
  std::string_view host;  ///< name of the mail host, lower case
  IpAddress remote;
  IpAddress local;  ///< invalid: the system chooses
};

/// What one connection counts in while it lasts. Kept by its session, read by the gate only.
struct ConnectPermit {
  std::array<std::uint64_t, 4> shared{};  ///< keys of counts over all shards; 0: none
  std::array<std::uint64_t, 2> own{};     ///< keys of counts of the queue
  IpAddress local;                        ///< where it leaves from, as in ConnectWay
  Instant since;
  std::uint8_t priority = 0;  ///< of its queue
  std::uint8_t standing = 0;  ///< the priority that others must exceed to interrupt it
  bool yields = false;        ///< it ends for others who wait
  QueueId queue;              ///< whose connection it is
  bool greeted = false;       ///< its session has been ready for mail
  std::uint32_t begun = 0;    ///< transactions from its source address, when it was
};

/// Door deliver -> schedule beside WorkSource, at the queue's home shard: limits on connections
/// that depend on where they go and where they come from, and how often a session connects, which
/// only it knows.
class ConnectGate {
 public:
  virtual ~ConnectGate() = default;
  /// A session whose leave to connect is used, or has lapsed while the route was looked up, is
  /// about to connect: takes a permit of each rate of connections that the queue counts in. False:
  /// there is none now; the session ends as next_host, and the queue opens another one in its time.
  virtual bool may_connect_again(QueueId queue, Now now) = 0;
  /// A session that has no connection is about to make one. False: it may not now. Then it may ask
  /// for other addresses of the same preference, and ends as host_busy when it may use none.
  virtual bool may_connect_to(QueueId queue, const ConnectWay& way, ConnectPermit& permit,
                              Now now) = 0;
  /// The connection is closed for certain, or did not come about. Clears the permit.
  virtual void disconnected(QueueId queue, ConnectPermit& permit, Now now) = 0;
  /// Asked where WorkSource::surplus() is asked. True: others have waited long enough for what the
  /// connection counts in. `idle`: it has no work.
  virtual bool gives_way(ConnectPermit& permit, bool idle, Now now) = 0;
  /// A scout (SessionHost::scout()) would connect there.
  virtual void way_seen(QueueId queue, const ConnectWay& way) = 0;
  /// A scout has ended: host_busy if it has told what it has seen, else as a session would.
  virtual void scouted(QueueId queue, SessionEnd end, const Outcome& failure,
                       std::string_view failure_text, Now now) = 0;
};

}  // namespace ringpost
