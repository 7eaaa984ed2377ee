#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/lender.h"
#include "net/smtp/server_events.h"

namespace ringpost::smtp {

/// What the engine awaits.
enum class ServerState : std::uint8_t {
  awaiting_hello,
  idle,              ///< MAIL may come
  in_envelope,       ///< MAIL was accepted
  in_data,           ///< content until CRLF.CRLF
  in_chunk,          ///< the octets of a BDAT
  between_chunks,    ///< BDAT or RSET
  skipping_chunk,    ///< octets of a BDAT that is refused
  chunks_refused,    ///< further chunks of a refused message get the same reply
  awaiting_tls,      ///< once output() is sent: the handshake, then tls_established()
  awaiting_verdict,  ///< complete_message() must be called
  in_auth,           ///< the client's next answer within AUTH
  awaiting_auth,     ///< complete_auth() must be called
  closed,            ///< send what is in output(), then close the connection
};

std::string_view name_of(ServerState state) noexcept;

/// The server's side of an SMTP session (RFC 5321 with PIPELINING, SIZE, 8BITMIME, CHUNKING,
/// SMTPUTF8, DSN, ENHANCEDSTATUSCODES) without sockets, clock or allocation: octets in, replies
/// and events out. Owned by a session of one shard; `events` and `output` outlive it. Reused by
/// start(). Command lines end with CRLF only; so do lines of content (SMTP smuggling).
///
/// The host feeds what it received, sends output() once per feed so that a pipelined group is
/// answered by one segment, and keeps what feed() did not consume.
class ServerEngine {
 public:
  static constexpr std::size_t kCommandBytesMax = 2048;
  /// Room a reply may take; feed() does nothing while less is free.
  static constexpr std::size_t kReplyRoom = 768;
  static constexpr std::size_t kOutputBytesMin = 2 * kReplyRoom;

  using Lines = Lender<std::array<char, kCommandBytesMax>>;

  /// `output`: at least kOutputBytesMin octets, where replies gather. The limits are copied. A
  /// command line that comes in pieces lies in one of `lines` until it is whole.
  ServerEngine(const ServerLimits& limits, ServerEvents& events, std::span<char> output,
               Lines& lines);
  ServerEngine(const ServerEngine&) = delete;
  ServerEngine& operator=(const ServerEngine&) = delete;

  /// Other limits from here on. Requires that no session is under way.
  void use_limits(const ServerLimits& limits);
  /// Begins a session with the 220 greeting. `profile` is used until the next start().
  /// `secured`: the connection is encrypted from its first octet.
  void start(const ServerProfile& profile, bool secured = false);
  /// Begins a session that only gets this reply (421 or 554) and is closed.
  void turn_away(const ServerProfile& profile, const ServerReply& reply);

  /// Reads on and returns the octets consumed. Fewer than given: output() must be sent first
  /// (output_blocked()), the host asked for a pause, or a verdict is awaited.
  std::size_t feed(std::string_view input);
  /// From inside an event: feed() returns after the piece at hand. It goes on with the next feed().
  void pause() { paused_ = true; }

  /// The handshake that STARTTLS asked for has succeeded: what the client said before is forgotten
  /// (RFC 3207 section 4.2). Requires awaiting_tls and that no output is left. Octets fed in
  /// awaiting_tls came in clear behind STARTTLS and end the session (section 6).
  void tls_established();
  /// The verdict on the message that on_content_end() announced. Requires awaiting_verdict.
  void complete_message(const ServerReply& reply);
  /// The verdict on what on_auth() announced; replies::kAuthenticated makes the client the user.
  /// Requires awaiting_auth.
  void complete_auth(const ServerReply& reply);
  /// Other limits for the transactions to come. Requires that none is open.
  void change_limits(const ServerLimits& limits);
  /// Also from inside on_content(). The host cannot take the content that is being transferred:
  /// `reply` answers its end, nothing more of it is handed on, and on_abort() follows at once.
  void refuse_content(const ServerReply& reply);
  /// Ends the session, not from inside an event other than on_content(): sends `last` (421) if
  /// there is room, and aborts an open transaction.
  void close(const ServerReply& last);
  /// The connection is gone: aborts an open transaction, says nothing.
  void connection_lost();

  ServerState state() const { return state_; }
  /// MAIL was accepted and the message is not yet complete or aborted.
  bool in_transaction() const { return transaction_open_; }
  /// Between transactions with no command begun: the polite moment to say 421.
  bool at_rest() const {
    return (state_ == ServerState::idle || state_ == ServerState::awaiting_hello) &&
           line_size_ == 0 && !line_overlong_;
  }
  /// Within a command line whose end has not come.
  bool in_line() const { return line_size_ > 0 || line_overlong_; }
  bool output_blocked() const { return output_.size() - output_end_ < kReplyRoom; }
  std::string_view output() const {
    return {output_.data() + output_begin_, output_end_ - output_begin_};
  }
  /// The first `octets` of output() were sent. No send may be using output() meanwhile.
  void output_sent(std::size_t octets);

  std::uint32_t recipients() const { return recipients_; }
  std::uint32_t errors() const { return errors_; }
  bool extended() const { return extended_; }
  /// The session is encrypted.
  bool secured() const { return secured_; }
  /// A user was accepted in this session.
  bool authenticated() const { return authenticated_; }
  /// A command line may be one of AUTH.
  bool expects_secrets() const { return profile_->auth.any() && !authenticated_; }

 private:
  /// Who refused the content; a scanner's reason may still change to a weightier one.
  enum class Refusal : std::uint8_t { none, scanner, host };
  /// Hands runs on as long as the message is wanted.
  class Gate : public ContentRuns {
   public:
    explicit Gate(ServerEngine& engine) : engine_(engine) {}
    void on_content(std::string_view run) override {
      if (engine_.refused_ == Refusal::none && engine_.state_ != ServerState::closed) {
        engine_.events_.on_content(run);
      }
    }

   private:
    ServerEngine& engine_;
  };

  bool in_content() const {
    return state_ == ServerState::in_data || state_ == ServerState::in_chunk;
  }
  void begin_session(const ServerProfile& profile, bool secured);

  // Commands (server_engine_commands.cpp).
  std::size_t feed_command(std::string_view input);
  void keep_piece(std::string_view piece);
  void drop_line();
  void command_line(std::string_view line);
  void tell_line(std::string_view line);
  void run(const Command& command);
  void run_simple(const Command& command);
  void hello(std::string_view argument, bool extended);
  void mail(std::string_view argument);
  void rcpt(std::string_view argument);
  void data(std::string_view argument);
  void bdat(std::string_view argument);
  void rset(std::string_view argument);
  void starttls(std::string_view argument);
  void vrfy(std::string_view argument);
  void help();
  bool takes_no_argument(std::string_view argument);

  // Authentication (server_engine_auth.cpp).
  void auth(std::string_view argument);
  bool has_mechanism(std::string_view name, AuthMechanism& out) const;
  bool is_in_clear(AuthMechanism mechanism) const;
  bool may_offer(AuthMechanism mechanism) const;
  void write_auth_offer();
  void challenge(std::string_view text);
  void auth_line(std::string_view line);
  void auth_answer(std::string_view text);
  void end_auth(const ServerReply& reply);
  void attempt(std::string_view user, std::string_view secret);
  bool take_plain(std::size_t size);
  bool take_cram(std::size_t size);
  bool take_external(std::size_t size);
  bool count_idle_command(Verb verb);
  std::string_view completed(std::string_view argument, std::span<char> room) const;
  bool begin_content(Transfer transfer, ServerReply& refusal);

  // Content (server_engine_content.cpp).
  std::size_t feed_data(std::string_view input);
  std::size_t feed_chunk(std::string_view input);
  void chunk_ended();
  void end_of_content();
  void note_fault();
  ServerReply final_refusal() const;
  void skip_chunk(const ServerReply& refusal, bool of_message);

  void reply(const ServerReply& reply);
  void reply_error(const ServerReply& reply);
  void write_line(const ServerReply& reply, char separator);
  void write(std::string_view text);
  void write_hello();
  void abort_transaction(AbortReason reason);
  void end_transaction();
  void shut(AbortReason reason);
  CommandFeatures features() const;

  ServerLimits limits_;
  ServerEvents& events_;
  const ServerProfile* profile_ = nullptr;
  std::span<char> output_;
  std::size_t output_begin_ = 0;
  std::size_t output_end_ = 0;
  ServerState state_ = ServerState::closed;
  bool extended_ = false;  ///< EHLO, not HELO
  bool secured_ = false;
  bool transaction_open_ = false;
  bool smtputf8_ = false;  ///< of the open transaction
  bool paused_ = false;
  bool authenticated_ = false;
  bool auth_has_user_ = false;
  std::size_t auth_user_ = 0;  ///< LOGIN: octets of the user's name in scratch_
  std::string_view auth_challenge_;
  Refusal refused_ = Refusal::none;  ///< of the message whose content is under way
  bool chunk_last_ = false;
  bool line_overlong_ = false;  ///< dropping the rest of a command line
  AuthMechanism mechanism_ = AuthMechanism::plain;
  std::uint32_t recipients_ = 0;
  std::uint32_t errors_ = 0;
  std::uint32_t idle_commands_ = 0;
  std::uint64_t chunk_left_ = 0;
  ServerReply refusal_;  ///< where refused_ is host, and of a chunk that is skipped
  ServerState after_chunk_ = ServerState::idle;  ///< the state behind a chunk that is skipped
  bool skip_is_error_ = false;
  bool excess_ = false;        ///< of recipients, for ServerProfile::excess_fails_message
  std::uint32_t dropped_ = 0;  ///< octets of a command line that is too long
  Gate gate_{*this};
  /// Of a command line that is too long: what may come before the session ends.
  static constexpr std::size_t kDroppedBytesMax = 64 * 1024;
  std::size_t line_size_ = 0;  ///< octets of it
  Lines& lines_;
  std::array<char, kCommandBytesMax>* line_ = nullptr;  ///< a command line that came in pieces
  std::array<char, ContentScanner::kHeaderLookBytes> scratch_;
  ContentScanner scanner_;
};

}  // namespace ringpost::smtp
