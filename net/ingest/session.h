#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <variant>

#include "core/base/list.h"
#include "core/loop/loop.h"
#include "core/loop/net.h"
#include "core/loop/tls.h"
#include "core/mail/doors.h"
#include "core/mail/events.h"
#include "net/auth/desk.h"
#include "net/ingest/config.h"
#include "net/ingest/stats.h"
#include "net/ingest/transaction.h"
#include "net/smtp/proxy_header.h"
#include "net/smtp/server_engine.h"

namespace ringpost::ingest {

class IngestSession;
class EditPlan;

/// What sessions share: the shard's ports, doors and pools. Implemented by the service.
struct IngestShard {
  Loop& loop;
  Net& net;
  Tls& tls;  ///< for the streams of `net`
  MessageSink& sink;
  BlockPool& blocks;
  RecipientTable& recipients;
  EditPlan& edits;
  IngestStats& stats;
  Entropy& entropy;
  auth::Desk* desk = nullptr;
  EventSink* events = nullptr;   ///< null: nobody wants to know
  std::uint64_t token_high = 0;  ///< random at start; the tokens of Message-ID fields
  std::uint64_t token_low = 0;
  bool stopping = false;
  smtp::ServerEngine::Lines lines{};
};

/// Told when a session has ended and can be used again.
class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  virtual void session_ended(IngestSession& session) = 0;
  /// Its client turned out to be of another group of sources. False: that has no room for it.
  virtual bool changes_group(IngestSession& session, std::uint32_t group) = 0;
};

/// How a session begins.
enum class Welcome : std::uint8_t {
  serve,
  too_many,     ///< 421, then closed
  not_for_you,  ///< 554, then closed
  stopping,     ///< 421, then closed
};

/// One accepted connection: feeds the engine what arrives, sends its replies, hands content to the
/// spool and answers 250 when the spool says durable. Lives in the service's pool on one shard and
/// is reused. Holds at most one received chunk at a time. When it cannot go on (a commit, a full
/// spool buffer, replies not read) and more comes than that chunk, it reads nothing, so that the
/// client feels back-pressure; the next envelope, sent along with a message, alone is no more.
/// It ends when its stream is closed and no commit is outstanding.
class IngestSession : public ListLink<>, private smtp::ServerEvents {
 public:
  IngestSession(IngestShard& shard, SessionOwner& owner);
  IngestSession(const IngestSession&) = delete;
  IngestSession& operator=(const IngestSession&) = delete;
  ~IngestSession() override = default;

  /// Requires: ended or never begun. `listener` is of the configuration, or null: none of ours;
  /// `policy` is that of the peer there.
  void begin(StreamId stream, const SocketAddress& peer, IngestConfigRef config,
             const SourcePolicy& policy, const ListenAddress* listener, Welcome welcome);
  /// The shard is stopping: says 421 now if no transaction is under way, else when it is over.
  void stop_when_at_rest();
  /// Drops the connection now; a commit under way still finishes.
  void abandon();

  /// The client, by the header of a proxy where there is one.
  const SocketAddress& peer() const { return peer_; }
  /// The other end of the connection.
  const SocketAddress& connected_from() const { return connected_from_; }
  /// The address of ours that the client connected to, before begin().
  void set_local(const IpAddress& local) { local_ = local; }
  bool counted() const { return counted_; }
  void set_counted(bool counted) { counted_ = counted; }
  /// In whose quota of SessionSlots it counts.
  std::uint32_t slot_group() const { return slot_group_; }
  void set_slot_group(std::uint32_t group) { slot_group_ = group; }

 private:
  enum class State : std::uint8_t {
    ended,
    proxied,    ///< a PROXY header must come first
    securing,   ///< a TLS handshake is going on
    open,       ///< the engine is in session
    flushing,   ///< the engine has closed; its last replies are being sent
    lingering,  ///< FIN was sent; the client may still be reading
    closing,    ///< the port closes the stream
    settling,   ///< closed; a commit, or a wait that is just ending, is outstanding
  };

  // smtp::ServerEvents (session_events.cpp).
  void on_hello(std::string_view name, bool extended) override;
  smtp::ServerReply on_mail(const smtp::MailArguments& mail) override;
  smtp::ServerReply on_rcpt(const smtp::RcptArguments& rcpt) override;
  void choose_return_path(Envelope& envelope);
  smtp::ServerReply add_postmasters(const smtp::RcptArguments& rcpt);
  smtp::ServerReply on_content_begin() override;
  void on_content(std::string_view run) override;
  void on_content_end(const smtp::ContentSummary& summary) override;
  void on_abort(smtp::AbortReason reason) override;
  void on_command_line(std::string_view line) override;  // session_log.cpp

  // Who the client is (session_auth.cpp).
  std::string_view on_auth_challenge() override;
  void on_auth(const smtp::AuthAttempt& attempt) override;
  void on_checked(Completion&);
  smtp::ServerReply verdict_of(auth::Verdict verdict);
  bool become_user();
  void use_policy(const SourcePolicy& policy);
  smtp::AuthOffer auth_offer() const;
  smtp::ServerLimits limits_of(const SourcePolicy& policy) const;
  void read_proxy_header();
  Welcome proxied_welcome();
  sign::BodyHasher& body() { return *std::get_if<sign::BodyHasher>(&reader_); }

  // Telling those who want to know (session_log.cpp).
  EventSubject subject() const;
  void begin_events();
  void look_for_watchers();
  bool told(EventKind kind);
  void tell(EventKind kind, EventSpeaker speaker, std::string_view line);
  void tell_connected();
  void tell_replies();
  void tell_content(std::string_view run);
  void tell_content_end();
  void tell_tls();
  void tell_closed();

  void on_received(Completion&);
  void on_sent(Completion&);
  void on_room(Completion&);
  void on_committed(Completion&);
  void on_closed(Completion&);
  void on_secured(Completion&);  // this and the next: session_tls.cpp
  void begin_handshake();
  /// What the listener encrypts with; nullptr: nothing.
  const TlsContextRef* tls() const {
    return listener_ != nullptr && listener_->tls != nullptr ? &listener_->tls : nullptr;
  }
  std::uint32_t rules() const { return listener_ != nullptr ? listener_->rules : 0; }
  void on_deadline(Now now);

  void open(Welcome welcome);
  void greet(Welcome welcome, bool secured);
  void pump();
  bool next_chunk();
  bool may_feed();
  bool engine_waits() const;
  bool should_leave() const;
  void feed_chunk();
  void flush();
  void end_of_stream();
  void drop_chunk();
  void discard_input();
  void set_paused(bool paused);
  void after_engine();
  void linger();
  void close();
  void settle();
  bool waiting_for_us() const;
  bool in_content() const;
  void begin_content_clock();
  bool is_too_slow(Instant now) const;
  Duration patience() const;
  bool count_sender(std::string_view reverse_path);
  const smtp::ServerReply* choose_vmtas(Envelope& envelope, const smtp::ContentSummary& summary);
  void drop_writer();
  void note_body(SigningFacts& signing);
  smtp::ServerReply storage_reply(ErrorCode code);
  void write_queued(const MessageId& id);

  IngestShard& shard_;
  SessionOwner& owner_;
  IngestConfigRef config_;
  const SourcePolicy* policy_ = nullptr;
  smtp::ServerProfile profile_;
  State state_ = State::ended;
  std::uint32_t slot_group_ = SessionSlots::kNoGroup;
  bool counted_ = false;  ///< in the per-address count
  bool paused_ = false;
  bool crowded_ = false;  ///< more came while a chunk was at hand that cannot be fed yet
  bool have_chunk_ = false;
  bool chunk_secret_ = false;  // an AUTH line may lie in it
  bool committing_ = false;
  bool storage_refused_ = false;
  bool waiting_for_room_ = false;  ///< writer_ will complete room_op_
  bool checking_ = false;          ///< check_op_ is under way
  bool secured_ = false;           ///< secure_op_ tells how
  std::uint8_t auth_failures_ = 0;
  const ListenAddress* listener_ = nullptr;  ///< kept by config_
  StreamId stream_;
  SocketAddress peer_;
  SocketAddress connected_from_;
  IpAddress local_;
  SharedCount* sender_sessions_ = nullptr;  ///< a unit of it is ours
  Instant active_;                          ///< when something last moved
  std::uint64_t bytes_in_ = 0;              ///< octets read
  std::uint64_t content_from_ = 0;          ///< of these, when the content under way began
  Instant content_since_;                   ///< that time
  EventInterest interest_;
  std::uint32_t output_told_ = 0;   ///< octets of the output at hand
  std::uint64_t content_told_ = 0;  ///< octets of the message under way
  ReceivedChunk chunk_;
  std::uint32_t chunk_used_ = 0;
  std::uint32_t message_bytes_ = 0;  ///< of the message being committed
  std::uint32_t message_recipients_ = 0;
  Transaction transaction_;
  /// First the header of a proxy, then the bodies of messages (where policy_->body_forms asks).
  std::variant<sign::BodyHasher, smtp::ProxyHeader> reader_;
  MessageWriter* writer_ = nullptr;
  std::uint8_t helo_bytes_ = 0;
  std::array<char, 255> helo_{};
  auth::CheckOp check_op_;  ///< keeps the name of the user accepted
  std::array<char, 64> queued_text_{};
  std::array<char, smtp::ServerEngine::kOutputBytesMin> output_{};
  smtp::ServerEngine engine_;
  Timer timer_;
  ReceiveOp receive_op_;
  std::unique_ptr<SecureOp> secure_op_;  ///< made with a session's first handshake
  SendOp send_op_;
  Slice send_slice_;
  CloseOp close_op_;
  Completion room_op_;
  CommitOp commit_op_;
};

}  // namespace ringpost::ingest
