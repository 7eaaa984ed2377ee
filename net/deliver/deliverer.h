#pragma once

#include <cstddef>
#include <deque>
#include <string_view>
#include <vector>

#include "net/deliver/local_session.h"
#include "net/deliver/session.h"

namespace ringpost::deliver {

/// The sessions of one shard towards receiving hosts. Made with its shard and used by its thread
/// only; the doors outlive it. Sessions come from a pool that grows to `sessions_max` and is kept.
class Deliverer final : public SessionHost, private SessionKeeper {
 public:
  Deliverer(Loop& loop, Net& net, Tls& tls, RouteSource& routes, BodySource& bodies,
            const DeliverOptions& options);
  /// No session may be open.
  ~Deliverer() override;
  Deliverer(const Deliverer&) = delete;
  Deliverer& operator=(const Deliverer&) = delete;

  /// Where jobs come from; before the first session is opened.
  void set_work_source(WorkSource& work) { context_.work = &work; }
  /// Who limits connections to single hosts; before the first session is opened. Without, nobody.
  void set_connect_gate(ConnectGate& gate) { context_.gate = &gate; }

  /// Where mail goes that is stored in files or handed to commands; outlives this.
  void set_store(MailStore& store) { context_.store = &store; }

  /// Where sessions tell what happens; before the first one is opened, and outlives them.
  void set_events(EventSink& events) { context_.events = &events; }

  /// The session looks for work after this returns, in the same turn.
  bool offer(QueueId queue) override;
  bool offer_from(QueueId queue, const IpAddress& source) override;
  void recheck(QueueId queue) override;
  bool open_session(QueueId queue, std::string_view destination, const QueuePolicyRef& policy,
                    Instant leave_until) override;
  bool scout(QueueId queue, std::string_view destination, const QueuePolicyRef& policy) override;

  /// Idle sessions say QUIT: the settings that they were opened under are no longer in force.
  void end_idle();
  /// Graceful end: no more jobs are taken, idle sessions say QUIT, transactions in hand are
  /// finished, no new session opens. Done when sessions_open() is 0.
  void drain();
  /// The end of patience: sessions break off; what waits for its final reply is ambiguous, all
  /// else goes back unattempted. Still takes some turns until sessions_open() is 0.
  void abort();

  /// All open sessions, at most `max`.
  void rows(std::size_t max, std::vector<SessionRow>& out) const;
  std::size_t sessions_open() const noexcept { return open_; }
  std::size_t sessions_pooled() const noexcept { return sessions_.size(); }
  const DeliverStats& stats() const noexcept { return context_.stats; }
  const HostMemory& hosts() const noexcept { return context_.hosts; }
  /// Which local addresses new connections may leave from.
  SourceBook& sources() noexcept { return context_.sources; }

 private:
  bool begin(QueueId queue, std::string_view destination, const QueuePolicyRef& policy,
             Instant leave_until, bool scout);
  void session_idle(DeliverySession& session) override;
  void session_busy(DeliverySession& session) override;
  DeliverySession* idle_on(const Way& way, QueueId queue) override {
    return ways_.find(way, queue);
  }
  std::uint32_t source_turn(QueueId queue) override { return turns_[queue.value]++; }
  void session_free(DeliverySession& session) override;
  void session_free(LocalSession& session) override;

  DeliverOptions options_;
  SessionContext context_;
  std::deque<DeliverySession> sessions_;
  std::vector<DeliverySession*> free_;
  std::deque<LocalSession> locals_;
  std::vector<LocalSession*> free_locals_;
  std::vector<DeliverySession*> idle_;  // by queue number: its idle sessions, latest first
  std::vector<std::uint16_t> turns_;    // likewise: connections made
  IdleWays ways_;                       // those that other queues may take over
  std::size_t open_ = 0;
  bool draining_ = false;
};

}  // namespace ringpost::deliver
