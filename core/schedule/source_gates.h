#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/mail/policy.h"
#include "core/schedule/byte_gate.h"
#include "core/schedule/limits.h"
#include "core/schedule/rate_gate.h"
#include "core/schedule/scope.h"

namespace ringpost::schedule {

struct Queue;
struct RateScope;

/// The place of a queue of a group in the line for permits of what leaves from one source address.
struct SourceLine : Waiter {
  Queue* queue = nullptr;
  IpAddress ip;
  RateScope* scope = nullptr;
  bool connects = false;  ///< the permits are for connections, else for messages

  bool stands() const { return place != nullptr; }
};

/// What may leave from one source address of a queue, and when.
struct SourceGate {
  IpAddress ip;
  std::uint32_t connections_max = 0;
  std::uint32_t connections = 0;  ///< that there are, or are being made
  std::uint32_t dialling = 0;     ///< of these, those that were not ready for mail yet
  std::uint32_t unused = 0;       ///< of these, those ready for mail since the last transaction
  std::uint32_t begun = 0;        ///< transactions
  std::uint32_t asked = 0;        ///< octets of the message that may want to leave from here
  std::uint32_t asking = 0;       ///< sessions from here that got nothing while some did
  Instant avoided_until;          ///< a connection from here has come to nothing
  Instant lagged;                 ///< permits were lost then, for which a session is being opened
  std::uint32_t unpaid = 0;       ///< transactions that have begun and want a permit of it
  std::uint32_t waiting = 0;      ///< of these, those whose RCPT did, when it was looked at last
  RateGate connects;
  RateGate messages;
  std::unique_ptr<ByteGate> octets;  ///< where they are limited
  std::unique_ptr<SourceLine> line;  ///< in a group where source addresses have message rates
  std::unique_ptr<SourceLine> connect_line;  ///< the same of connections
  /// Where the queue's next mail was of a rated sender when it was looked at last: of whose permits
  /// that leaves from here.
  const RateScope* of_sender = nullptr;

  bool rated() const {
    return connects.limited() || messages.limited() || octets != nullptr || line != nullptr ||
           connect_line != nullptr;
  }
  /// Recipients that may begin now; with a `lead`, that may before their permits are due, those
  /// that no other waits for.
  std::uint32_t units(Instant now, Duration lead) const {
    const std::uint32_t due = messages.due(now, lead);
    return lead == Duration{} ? messages.available(now) : due - std::min(due, unpaid);
  }
  /// Whether a message of that many octets may begin; or a connection for one, `way` earlier.
  bool open_for(std::uint32_t size, Instant now, Duration lead = {}, Duration way = {}) {
    asked = size;
    return units(now, lead) > 0 && (octets == nullptr || octets->open_for(size, now) ||
                                    octets->opens_for(size) <= now + way);
  }
  /// When one may; as of the last open_for().
  Instant opens_for(std::uint32_t size, Duration lead = {}, Duration way = {}) const {
    const Instant rate = messages.due_at(lead == Duration{} ? 0 : unpaid, lead);
    return octets == nullptr ? rate : std::max(rate, octets->opens_for(size) - way);
  }
  /// One of its sessions stands in line for permits of what the queue has to send next.
  bool in_line() const {
    return of_sender != nullptr ? asking > 0 : line != nullptr && line->stands();
  }
  /// The scope of these permits; nullptr: they are the queue's own.
  const RateScope* shared() const {
    return of_sender != nullptr || line == nullptr ? of_sender : line->scope;
  }
  /// When a further connection would have mail to send: never, while one stands in line.
  Instant useful_from() const;
  /// When its rate lets another connection begin, as far as is known.
  Instant connects_from() const;
  Instant rests_at() const;
  /// It could send now, or `way` later, but has no connection, and no reason is known why it should
  /// get none.
  bool lacks_connection(Instant now, Duration way = {}) const {
    return connections == 0 && avoided_until <= now && useful_from() <= now + way &&
           connects_from() <= now;
  }
  void transaction_begins() {
    ++begun;
    unused = 0;
  }
};

/// The gates of a queue's source addresses. Those that a new configuration has still go on.
class SourceGates {
 public:
  void configure(const SourceLimitsRef& limits, Instant now);
  /// Whether some source address is limited.
  bool any() const { return !gates_.empty(); }
  /// nullptr: no such source address.
  SourceGate* find(const IpAddress& ip);
  /// Recipients that may begin now from all addresses that the policy uses.
  std::uint32_t permits(const QueuePolicy& policy, Instant now, Duration lead);
  /// Connections from those of them that may send something by then, or wait for a permit.
  std::uint32_t useful_connections(const QueuePolicy& policy, Instant by);
  /// Connections from all addresses.
  std::uint32_t connections() const;
  /// Of these, those that are ready for mail and got none: there is none that may leave from there.
  /// So many sessions are established; as many others as ask for mail are ready too.
  std::uint32_t unused(std::uint32_t established) const;
  /// When the rate of one of them, that has connections, will have its whole burst, and a permit
  /// more for each of these that is being made; of `sessions` some may have none yet. Never: none
  /// has. `lagging`: that one.
  Instant permits_lost(const QueuePolicy& policy, std::uint32_t sessions, SourceGate*& lagging);
  const std::vector<SourceGate>& all() const { return gates_; }
  std::vector<SourceGate>& all() { return gates_; }
  Instant rests_at() const;

 private:
  SourceLimitsRef limits_;
  std::vector<SourceGate> gates_;
};

}  // namespace ringpost::schedule
