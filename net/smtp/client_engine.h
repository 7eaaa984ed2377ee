#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/fixed_vector.h"
#include "core/base/lender.h"
#include "core/mail/login.h"
#include "net/smtp/client_action.h"
#include "net/smtp/client_capabilities.h"
#include "net/smtp/client_state.h"
#include "net/smtp/client_transaction.h"
#include "net/smtp/expected_replies.h"
#include "net/smtp/reply_parser.h"

namespace ringpost::smtp {

/// What one input makes of a session; one list serves all sessions of a shard.
using ClientActions = FixedVector<ClientAction, 48>;

/// Whether a session is encrypted by STARTTLS (RFC 3207).
enum class TlsUse : std::uint8_t {
  never,
  offered,   ///< where the server offers it and takes it
  required,  ///< or there is no session
};

/// Fixed for one session. Views belong to the host and outlive the session.
struct ClientOptions {
  std::string_view helo;       ///< what we call ourselves in EHLO
  std::string_view own_name;   ///< a server that greets with it is ourselves; empty: not checked
  bool pipelining = true;      ///< use it where it is offered
  bool eight_bit_mime = true;  ///< likewise
  bool dsn = true;             ///< likewise
  bool eight_bit_needs_offer = false;  ///< octets above 127 go only where 8BITMIME is used
  bool group_next = true;              ///< send the next envelope behind a final dot
  /// With group_next and more than 1: whole transactions that leave by BDAT before their replies
  /// came, where CHUNKING is offered (RFC 3030 section 4.2).
  std::uint32_t window = 1;
  /// Of those, octets of content; what is larger waits for the replies to its RCPTs.
  std::uint64_t unanswered_max = 256 * 1024;
  TlsUse tls = TlsUse::never;
  const Login* login = nullptr;  ///< AUTH comes first, or there is no session; null: no AUTH
  /// Larger content waits for the replies to its RCPTs before DATA, octets.
  std::uint64_t wait_for_recipients_above = 1024 * 1024;
};

/// SMTP client (RFC 5321, 2920, 3030): bytes and events in, actions out. It has no clock, no socket
/// and allocates nothing. One per session, on the session's shard.
///
/// Every input fills `out` anew; the host carries the actions out in order before the next input,
/// which it must not give while it still walks them. With DATA at most two transactions are held:
/// one whose content is on its way or awaits its final reply, and the next, whose envelope then
/// travels behind that content. With BDAT as many as the window allows, sent back to back; RSET
/// stands between them, because what a refused BDAT leaves behind differs from server to server.
/// Each transaction that begin() took ends in exactly one transaction_over, at the latest together
/// with the close.
class ClientEngine {
 public:
  static constexpr std::size_t kTransactionsMax = 16;
  static constexpr std::size_t kCommandRoom = 4096;

  using Rooms = Lender<std::array<char, kCommandRoom>>;

  /// Commands are written into a room of `rooms`, from the first one until their bytes have left.
  explicit ClientEngine(Rooms& rooms) : rooms_(rooms) {}
  ClientEngine(const ClientEngine&) = delete;
  ClientEngine& operator=(const ClientEngine&) = delete;

  /// The connection stands: begin a session, whatever this engine did before.
  void start(const ClientOptions& options, ClientActions& out) noexcept;
  /// Reads at most one reply; returns the octets taken. Offer the rest again after the actions.
  /// 0 with octets given: they must wait for output_drained().
  std::size_t receive(std::string_view bytes, ClientActions& out) noexcept;
  /// All bytes of all send and send_body actions so far were taken by the kernel. With
  /// `room_free` unset (zero-copy sends are still held) the bytes of send actions keep their place
  /// until it is called again with it set.
  void output_drained(ClientActions& out, bool room_free = true) noexcept;
  /// No byte of any action is in use any more and none will be until the next start().
  void give_back_room() noexcept;
  /// The next `count` contents were taken by the kernel to their last octet, though not all that
  /// was given to send behind them. To be called before connection_lost() where it is so.
  void bodies_sent(std::size_t count) noexcept;
  /// A reply was held back until its content had left, which it has: resume() goes on with it.
  bool can_resume() const noexcept;
  void resume(ClientActions& out) noexcept;
  /// The handshake that start_tls asked for has succeeded: what the server said before is forgotten
  /// and EHLO is said again (RFC 3207 section 4.2).
  void tls_established(ClientActions& out) noexcept;
  /// It has not; `why` lives until the next input. Needs in_handshake.
  void tls_failed(std::string_view why, ClientActions& out) noexcept;
  /// Begins a transaction, or keeps it until the one in flight lets it go. Needs
  /// wants_transaction(). Returns its number, unique within the session.
  std::uint32_t begin(const ClientTransaction& transaction, ClientActions& out) noexcept;
  /// So many further RCPTs of the transaction that asked leave; what finds no room asks again.
  void allow(std::uint32_t number, std::uint32_t recipients, ClientActions& out) noexcept;
  /// It goes on with the recipients that were sent; without any it ends unattempted.
  void cut(std::uint32_t number, ClientActions& out) noexcept;
  /// RCPTs of a transaction that have left so far. Needs one that is not over.
  std::uint32_t recipients_sent(std::uint32_t number) noexcept { return slot_of(number).sent; }
  /// Ends an idle session with QUIT; any other state is aborted.
  void quit(ClientActions& out) noexcept;
  /// Ends the session at once: what is not past its final dot goes back unattempted.
  void abort(ClientActions& out) noexcept;
  void connection_lost(ClientActions& out) noexcept;
  /// The time of timeout_class() has passed.
  void timed_out(ClientActions& out) noexcept;

  ClientState state() const noexcept { return state_; }
  TimeoutClass timeout_class() const noexcept { return row_of(state_).timeout; }
  const Capabilities& capabilities() const noexcept { return capabilities_; }
  /// Groups are in use: offered by the server, allowed by the host.
  bool pipelining() const noexcept { return options_.pipelining && capabilities_.pipelining; }
  /// begin() would be accepted now. With one in flight it is worth calling once its content is
  /// about to leave: the next envelope then travels with it.
  bool wants_transaction() const noexcept {
    return ready_ && !ended() && slots_.size() < transactions_max();
  }
  /// What is known of the server by now: whether a second transaction would travel behind the
  /// first, and how many whole ones.
  void set_groups(bool next, std::uint32_t window) noexcept {
    options_.group_next = next;
    options_.window = window;
  }
  bool groups_next() const noexcept { return pipelining() && options_.group_next; }
  /// Contents that may go by BDAT do.
  bool sends_chunks() const noexcept {
    return groups_next() && options_.window > 1 && capabilities_.chunking;
  }
  /// A transaction that begins now would leave whole, whatever is in flight.
  bool window_open() const noexcept;
  /// Part of a reply has come.
  bool in_reply() const noexcept { return parser_.in_reply(); }
  bool ended() const noexcept {
    return state_ == ClientState::quitting || state_ == ClientState::closed;
  }
  std::size_t transactions() const noexcept { return slots_.size(); }
  /// The session is encrypted.
  bool secured() const noexcept { return secured_; }
  const TransitionRing& transitions() const noexcept { return transitions_; }

 private:
  /// A transaction and what its commands have met.
  struct Slot {
    const ClientTransaction* transaction = nullptr;  // null once over
    std::uint32_t number = 0;
    std::uint32_t total = 0;     // recipients
    std::uint32_t sent = 0;      // RCPTs sent
    std::uint32_t answered = 0;  // RCPTs answered
    std::uint32_t accepted = 0;
    std::uint32_t pending = 0;        // replies to come
    std::uint64_t content_bytes = 0;  // of the chunk while it is unanswered
    bool grouped = false;             // MAIL left behind an unanswered command
    bool mail_sent = false, mail_answered = false;
    bool data_sent = false;
    bool body_given = false;  // to the host, content or a lone dot
    bool chunked = false;     // it goes by BDAT
    bool body_drained = false;
    bool asked = false;  // for more RCPTs

    bool over() const noexcept { return transaction == nullptr; }
  };

  using Handler = void (ClientEngine::*)(const ExpectedReply&, const Reply&, ClientActions&);
  static const Handler kHandlers[];

  // Replies (client_replies.cpp).
  void on_line() noexcept;
  void on_reply(ClientActions& out) noexcept;
  bool on_early_reply(const Reply& reply, ClientActions& out) noexcept;
  void on_banner(const ExpectedReply&, const Reply&, ClientActions&);
  void on_ehlo(const ExpectedReply&, const Reply&, ClientActions&);
  void on_helo(const ExpectedReply&, const Reply&, ClientActions&);
  void on_starttls(const ExpectedReply&, const Reply&, ClientActions&);
  void on_mail(const ExpectedReply&, const Reply&, ClientActions&);
  void on_rcpt(const ExpectedReply&, const Reply&, ClientActions&);
  void on_data(const ExpectedReply&, const Reply&, ClientActions&);
  void on_go_ahead(Slot& slot, ClientActions& out);
  void on_content(const ExpectedReply&, const Reply&, ClientActions&);
  void on_chunk(const ExpectedReply&, const Reply&, ClientActions&);
  void on_lone_dot(const ExpectedReply&, const Reply&, ClientActions&);
  void on_rset(const ExpectedReply&, const Reply&, ClientActions&);
  void greeted(ClientActions& out) noexcept;
  void become_ready(ClientActions& out) noexcept;

  // Authentication (client_login.cpp).
  /// What the next 334 asks for.
  enum class LoginStep : std::uint8_t { plain, user, password, told };
  void log_in(ClientActions& out) noexcept;
  void begin_plain(ClientActions& out) noexcept;
  void begin_login(ClientActions& out) noexcept;
  void add_text(std::string_view text, ClientActions& out) noexcept;
  void send_answer(std::string_view octets, ClientActions& out) noexcept;
  void wipe_secret() noexcept;
  void on_auth(const ExpectedReply&, const Reply&, ClientActions&);

  // Sending.
  void pump(ClientActions& out) noexcept;
  bool pump_one(ClientActions& out) noexcept;
  bool pump_envelope(Slot& slot, ClientActions& out) noexcept;
  bool pump_chunk(Slot& slot, ClientActions& out) noexcept;
  std::size_t transactions_max() const noexcept;
  bool awaits_verdict(const ExpectedReply& front) noexcept;
  bool may_send() const noexcept;
  void send_command(ClientCommand command, std::string_view text, ClientActions& out) noexcept;
  std::span<char> free_room() noexcept;
  void commit_bytes(std::size_t size, ClientActions& out) noexcept;
  void send_hello(ClientCommand command, ClientActions& out) noexcept;

  // State and ends.
  void enter(ClientState next) noexcept;
  void settle(ClientActions& out) noexcept;
  ClientState derived_state() const noexcept;
  void end_slot(Slot& slot, TransactionEnd end, Phase phase, const Reply& reply,
                ClientActions& out) noexcept;
  static Phase phase_of(const Slot& slot) noexcept;
  static TransactionEnd fate_of(const Slot& slot, ClientClose reason) noexcept;
  void finish(ClientClose reason, const Reply& reply, std::string_view detail,
              ClientActions& out) noexcept;
  void downgrade(ClientActions& out) noexcept;
  Slot& slot_of(std::uint32_t number) noexcept;
  void drop_finished_slots() noexcept;

  ClientOptions options_;
  Capabilities capabilities_;
  ReplyParser parser_;
  ExpectedReplies expected_;
  FixedFifo<Slot, kTransactionsMax> slots_;
  Rooms& rooms_;
  std::array<char, kCommandRoom>* room_ = nullptr;
  std::size_t room_used_ = 0;
  TransitionRing transitions_;
  ClientState state_ = ClientState::closed;
  std::uint32_t next_number_ = 0;
  std::uint16_t last_code_ = 0;
  std::uint32_t allowed_ = 0;     // RCPTs that may leave now of the transaction that asked
  std::uint64_t unanswered_ = 0;  // octets of chunks without their replies
  bool ready_ = false;
  bool held_ = false;         // a reply to content that has not wholly left
  bool needs_reset_ = false;  // the server holds a MAIL that came to nothing
  bool names_us_ = false;
  bool secured_ = false;
  bool idle_told_ = false;
  bool secret_in_room_ = false;
  LoginStep login_step_ = LoginStep::told;
};

}  // namespace ringpost::smtp
