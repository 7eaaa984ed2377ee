#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/list.h"
#include "net/ingest/edits.h"
#include "net/ingest/session.h"

namespace ringpost::ingest {

/// SMTP ingest of one shard: listens, accepts, and runs sessions. Lives on the shard's thread;
/// loop, net and sink outlive it. Before it is destroyed it must be stopped().
class IngestService : private SessionOwner {
 public:
  /// Takes all memory the shard's ingest will ever use. Without `desk` AUTH is not offered.
  IngestService(Loop& loop, Net& net, Tls& tls, MessageSink& sink, Entropy& entropy,
                const IngestMemory& memory, IngestConfigRef config, auth::Desk* desk = nullptr);
  IngestService(const IngestService&) = delete;
  IngestService& operator=(const IngestService&) = delete;
  ~IngestService() override;

  /// Where sessions tell what happens; before start(), and outlives them.
  void set_events(EventSink& events) { shard_.events = &events; }
  /// Listens on the configured addresses and begins to accept. On an error nothing listens.
  Status start();
  /// Addresses listened on, with the ports the system chose where 0 was asked for.
  std::vector<SocketAddress> bound_addresses() const;
  /// For new sessions; those under way keep theirs. Listeners stay as they are.
  void use(IngestConfigRef config) { config_ = std::move(config); }
  /// Begins a session on a socket that was accepted here or on another shard, at a listener of
  /// that (configured) address.
  void serve(const RawSocket& socket, const SocketAddress& listener);

  /// Stops listening and ends each session with 421 when its transaction is over. `done` (bound,
  /// idle) is completed when none is left.
  void stop(Completion& done);
  /// Drops all connections; after stop(), when time is up. Commits under way still finish.
  void abandon_sessions();
  bool stopped() const { return shard_.stopping && sessions_.empty() && accepting_ == 0; }

  std::size_t sessions() const { return sessions_.size(); }
  const IngestStats& stats() const { return stats_; }

 private:
  struct Listener {
    ListenerId id;
    SocketAddress address;  ///< as configured
    AcceptOp accept;
    Timer retry;  ///< after an accept that failed
    IngestService* service = nullptr;
    void on_accepted(Completion&) { service->accepted(*this); }
    void on_retry(Now) { service->accept_next(*this); }
  };
  struct FreeArray {
    void operator()(void* memory) const;
  };

  void session_ended(IngestSession& session) override;
  bool changes_group(IngestSession& session, std::uint32_t group) override;
  void accepted(Listener& listener);
  void accept_next(Listener& listener);
  void close_listeners();
  IngestSession* take_session();
  Welcome welcome_for(const IpAddress& client, const SourcePolicy& policy);
  void report_if_stopped();

  IngestConfigRef config_;
  IngestMemory memory_;
  IngestStats stats_;
  BlockPool blocks_;
  RecipientTable recipients_;
  EditPlan edits_;
  AddressCounts by_address_;
  IngestShard shard_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::uint32_t accepting_ = 0;  ///< accepts in flight
  std::unique_ptr<void, FreeArray> session_memory_;
  std::uint32_t sessions_made_ = 0;  ///< places of the pool that hold an object
  List<IngestSession> free_;
  List<IngestSession> sessions_;
  std::uint32_t served_ = 0;  ///< sessions that were not turned away
  Completion* stop_done_ = nullptr;
};

}  // namespace ringpost::ingest
