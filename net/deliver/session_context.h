#pragma once

#include <array>
#include <string>

#include "core/base/random.h"
#include "core/base/tls_results.h"
#include "core/loop/loop.h"
#include "core/loop/net.h"
#include "core/loop/tls.h"
#include "core/mail/connect_gate.h"
#include "core/mail/doors.h"
#include "core/mail/events.h"
#include "core/mail/route.h"
#include "net/deliver/host_memory.h"
#include "net/deliver/source_book.h"
#include "net/deliver/transmitter.h"
#include "net/smtp/client_engine.h"

namespace ringpost::deliver {

class DeliverySession;
class LocalSession;
class MailStore;
struct Way;

/// What configuration and composition decide for all sessions of a shard.
struct DeliverOptions {
  std::size_t sessions_max = 1000;
  /// Our own host name: a server that answers EHLO with it is ourselves. Empty: not checked.
  std::string own_name;
  /// Content above this waits for the replies to its RCPTs, octets.
  std::uint64_t wait_for_recipients_above = 1024 * 1024;
  Duration quit_within = Duration::seconds(5);  ///< for QUIT to leave before the close
  HostMemoryOptions hosts;
  std::uint64_t random_seed = 1;  ///< for the order of equal hosts
};

/// Counters of a shard's deliveries, read on its thread.
struct DeliverStats {
  std::uint64_t connects = 0;
  std::uint64_t connects_failed = 0;
  std::uint64_t sessions = 0;          ///< reached the point where mail can be sent
  std::uint64_t handed_over = 0;       ///< idle ones that went on for another queue
  std::uint64_t transactions = 0;      ///< begun
  std::uint64_t zero_copy = 0;         ///< contents sent by zero copy, truly
  std::uint64_t zero_copy_copied = 0;  ///< the kernel copied after all
  std::uint64_t chunks = 0;            ///< contents sent by BDAT
  std::uint64_t downgrades = 0;
  std::uint64_t clear_sessions = 0;  ///< of `sessions`: not encrypted
  std::uint64_t tls_retried_in_clear = 0;
  std::uint64_t logins_refused = 0;  ///< sessions that AUTH at a smart host ended
  TlsResults tls;
};

/// What a session tells the deliverer that holds it.
class SessionKeeper {
 public:
  virtual ~SessionKeeper() = default;
  virtual void session_idle(DeliverySession& session) = 0;
  virtual void session_busy(DeliverySession& session) = 0;
  /// An idle session of another queue that leads this way; nullptr: none.
  virtual DeliverySession* idle_on(const Way& way, QueueId queue) = 0;
  /// Which of its source addresses the queue's next connection is to leave from, of any number.
  virtual std::uint32_t source_turn(QueueId queue) = 0;
  /// Its permit went back, nothing of it is in use: it may serve anew.
  virtual void session_free(DeliverySession& session) = 0;
  virtual void session_free(LocalSession& session) = 0;
};

/// Room for what is told of a failure.
using FailureText = std::array<char, kOutcomeTextMax>;

/// Everything around the sessions of one shard. Outlives them.
struct SessionContext {
  Loop& loop;
  Net& net;
  Tls& tls;  ///< for the streams of `net`
  RouteSource& routes;
  BodySource& bodies;
  WorkSource* work = nullptr;
  SessionKeeper& keeper;
  const DeliverOptions& options;
  HostMemory hosts;
  Random random;
  SourceBook sources;
  DeliverStats stats;
  smtp::ClientActions actions;
  MailStore* store = nullptr;   ///< for files and commands; none: such mail waits
  EventSink* events = nullptr;  ///< null: nobody wants to know
  ConnectGate* gate = nullptr;  ///< nullptr: connections to single hosts are not limited
  smtp::ClientEngine::Rooms rooms{};
  Transmitter::Flights flights{};
  Lender<FailureText> failure_texts{};
  Transmitter::Waiting pieces{};
};

}  // namespace ringpost::deliver
