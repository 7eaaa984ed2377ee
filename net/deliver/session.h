#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/mail/connect_gate.h"
#include "core/mail/events.h"
#include "core/mail/reply_rules.h"
#include "net/deliver/address_plan.h"
#include "net/deliver/idle_ways.h"
#include "net/deliver/outcomes.h"
#include "net/deliver/report.h"
#include "net/deliver/session_context.h"
#include "net/deliver/transmitter.h"

namespace ringpost::deliver {

/// One permitted connection of one queue: finds a host that answers, then sends the queue's jobs
/// until none is left for a while. Drives a ClientEngine: actions become operations of the ports,
/// completions become the engine's inputs. Pooled by the Deliverer; on its shard's thread.
///
///   resolving -> connecting -> talking -> closing -+-> connecting (the next address)
///                                                  +-> ending -> free
class DeliverySession final : private TransmitOwner, private JobHolder {
 public:
  enum class Stage : std::uint8_t { free, resolving, connecting, talking, closing, ending };

  explicit DeliverySession(SessionContext& context);
  DeliverySession(const DeliverySession&) = delete;
  DeliverySession& operator=(const DeliverySession&) = delete;

  /// From free. `destination` is copied.
  /// A scout connects nowhere (SessionHost::scout()).
  void open(QueueId queue, std::string_view destination, const QueuePolicyRef& policy,
            Instant leave_until, bool scout = false);
  /// There may be work; looks for it later in this turn.
  void wake();
  /// Takes no more jobs and ends as soon as those in hand are done.
  void drain();
  /// Ends now: what is not past its final dot goes back unattempted.
  void abort();

  Stage stage() const noexcept { return stage_; }
  QueueId queue() const noexcept { return queue_; }
  const IpAddress& source() const;
  SessionRow row() const;
  const smtp::ClientEngine& engine() const noexcept { return engine_; }

  // For the keeper: its list of idle sessions of one queue.
  DeliverySession *idle_next = nullptr, *idle_previous = nullptr;
  // And among those that other queues may take over.
  DeliverySession *way_next = nullptr, *way_previous = nullptr;
  bool idle_listed = false, way_listed = false;

  /// Requires a connection.
  Way way() const;
  /// An idle connection that another queue with the same settings could use as it is.
  bool may_change_hands() const;

 private:
  /// A job in hand, from take() to finished().
  struct Work {
    enum class Stage : std::uint8_t { free, opening, waiting, begun, over };
    static constexpr std::size_t kStages = 5;

    DeliverySession* session = nullptr;
    Job* job = nullptr;
    smtp::ClientTransaction transaction;
    std::uint32_t number = 0;  // in the order of taking; once begun the engine's
    Stage stage = Stage::free;

    void on_opened(Completion& completion);
  };
  /// How a broken session is to be told to its engine once its stream is closed.
  enum class Break : std::uint8_t { none, lost, timed_out, aborted };
  // Those ahead, those in the engine, some held by zero-copy sends.
  static constexpr std::size_t kAheadMax = 8;
  static constexpr std::size_t kWorks = kAheadMax + smtp::ClientEngine::kTransactionsMax + 2;
  static_assert(kWorks <= Transmitter::kBodiesMax && kWorks <= 32);

  // Reaching a host (session.cpp).
  void on_route(Completion& completion);
  void connect_next();
  void connect_candidate();
  void on_connected(Completion& completion);
  void connect_failed(std::int32_t result);
  bool has_backup() const noexcept;
  void take_backup();
  void start_talking();
  std::uint32_t window_for(const HostView& host) const;
  void note_failure(Phase phase, const smtp::Reply& reply, std::string_view words);
  FailureText& failure_text();
  void forget_failure();
  void note_local_failure(std::string_view words);

  // Limits on connections to single hosts (session_hosts.cpp).
  const Candidate* next_permitted();
  bool permitted_from_some(Candidate& candidate);
  void let_go();
  bool gives_way();
  bool may_connect();
  void note_preferred(std::uint32_t preference);
  // Connections that change hands (session_handover.cpp).
  bool use_idle_connection();
  void serve(DeliverySession& wanting);

  // Talking (session_talk.cpp).
  void on_received(Completion& completion);
  void feed_engine();
  bool feed_chunk();
  void on_transmitted(std::int32_t result, std::size_t bodies_left) override;
  void on_released(Job& job, bool copied) override;
  void perform();
  void perform_one(const smtp::ClientAction& action, std::string_view words);
  void send_content(const smtp::ClientAction& action);
  void on_ready();
  void on_over(const smtp::ClientAction& action, std::string_view words);

  // What the queue's rules make of replies (session_replies.cpp).
  ReplyVerdict heed(const smtp::Reply& reply, Phase phase);
  void heed_close();
  void on_recipient_reply(const smtp::ClientAction& action);
  void judge_over(const smtp::ClientAction& action);
  void follow(const ReplyVerdict& verdict, Outcome& outcome) const;
  bool go_on_to_next_host();
  void check_surplus();
  void decide_doubt(const smtp::ClientAction& action);

  void progress();
  void go_idle();
  void on_deadline(Now now);
  void arm_timer();
  void on_wake(Completion& completion);

  // Encryption (session_tls.cpp).
  const HostTls* host_tls() const;
  TlsDemand tls_demand() const;
  TlsPolicyKind tls_policy() const;
  smtp::TlsUse tls_use() const;
  void begin_handshake();
  void on_secured(Completion& completion);
  void handshake_late();
  void on_tls_close(const smtp::ClientAction& action);

  // Telling those who want to know (session_events.cpp).
  EventSubject subject() const;
  void begin_events();
  void look_for_watchers() noexcept;
  bool told(EventKind kind) noexcept;
  void tell(EventKind kind, EventSpeaker speaker, std::string_view line);
  void tell_route();
  void tell_connection(std::string_view words, std::string_view detail = {}, bool bad = false);
  void tell_commands(std::string_view bytes);
  void tell_reply(std::string_view bytes, bool secret);
  void tell_content(const Job& job);
  void tell_tls();
  void tell_failures(const Job& job);
  void tell_end();

  // Work (session_work.cpp).
  void prefetch();
  bool may_take() const;
  bool may_begin() const;
  bool worn_out() const;
  void begin_waiting();
  void permits_due() override { wake(); }
  void on_ask(Work& work);
  void ask_permits();
  void return_unsent(Work& work);
  void prepare(Work& work);
  void finish(Work& work);
  void finish_over();
  void return_waiting();
  Work* work_at(Work::Stage stage) noexcept;
  /// Works of a stage are found by a set of bits: it is asked for several times a message.
  void enter(Work& work, Work::Stage stage) noexcept;
  std::uint32_t all_at(Work::Stage stage) const noexcept {
    return at_[static_cast<std::size_t>(stage)];
  }
  Work& work_of(std::uint32_t number) noexcept;
  bool has_work() const noexcept;

  // Closing (session.cpp).
  void on_close_action(const smtp::ClientAction& action);
  void break_off(Break why);
  void close_stream();
  void on_closed(Completion& completion);
  void conclude(SessionEnd end);
  void conclude_by_close();
  void maybe_end();
  void leave_idle();

  SessionContext& context_;
  Stage stage_ = Stage::free;
  WallTime opened_;
  QueueId queue_;
  std::string destination_;
  QueuePolicyRef policy_;
  RouteQuery query_;
  RouteRef route_;
  AddressPlan plan_;
  const Candidate* candidate_ = nullptr;
  SocketAddress preferred_;  // could not be reached; not valid: no host is preferred to this one
  ConnectOp connect_;
  ConnectPermit permit_;
  StreamId stream_;
  ReceiveOp receive_;
  SecureOp secure_;
  CloseOp close_;
  Completion wake_;
  Timer timer_;
  Transmitter transmitter_;
  smtp::ClientEngine engine_;
  ReceivedChunk chunk_;
  std::uint32_t chunk_used_ = 0, asked_after_ = 0;  // octets; RCPTs sent of `asking_`
  bool has_chunk_ = false;
  std::array<Work, kWorks> works_;
  std::array<std::uint32_t, Work::kStages> at_{};  // bit k of a stage: works_[k] is there
  smtp::ClientClose close_reason_ = smtp::ClientClose::none;
  Break break_ = Break::none;
  SessionEnd end_ = SessionEnd::normal;
  Outcome failure_;
  EventInterest interest_;
  FailureText* failure_text_ = nullptr;  ///< lent while there is a failure to tell of
  SessionFailure failed_at_;             ///< its views lie in failure_text_
  std::uint64_t progress_seen_ = 0;
  Instant idle_deadline_, handshake_deadline_, permits_late_, envelope_sent_, leave_until_;
  Work* asking_ = nullptr;                  // the transaction whose next RCPTs need a permit
  Instant reply_begun_;                     // of the reply that is not whole yet
  std::size_t ahead_ = 1;                   // jobs taken before the engine can begin them, at most
  std::uint32_t taken_ = 0, answered_ = 0;  // jobs, on this connection; those the host answered
  std::uint32_t errors_ = 0;                // recipients refused, on this connection
  bool on_backup_ = false;  // the smart hosts are tried: the route's own could not be reached
  std::uint16_t busy_preference_ = 0;
  bool host_busy_ = false;  // some address of that preference may have no further connection
  bool draining_ = false, idle_ = false, was_ready_ = false, scout_ = false, closed_ = false;
  bool interrupted_ = false;             // mail was in hand when the session ended
  bool host_failed_ = false;             // some address failed that is not our own fault
  bool tls_wanted_ = false;              // once nothing is on its way in clear any more
  bool again_in_clear_ = false;          // the same address, once closed
  bool leaving_ = false, skip_ = false;  // takes no more and ends; then on to the next host
  bool told_established_ = false, connect_late_ = false;
  bool handed_over_ = false;    // its permits went with its mail to a connection that was there
  bool refusals_only_ = true;   // every host that failed refused us by a 5xx greeting
  ReplyVerdict close_verdict_;  // on the reply that ends the session
};

}  // namespace ringpost::deliver
