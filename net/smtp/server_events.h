#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "net/smtp/command.h"
#include "net/smtp/content_scanner.h"
#include "net/smtp/server_reply.h"

namespace ringpost::smtp {

/// Limits of one session; all are bounds that a sender can meet, each with its reply.
struct ServerLimits {
  std::uint32_t command_bytes_max = 2048;  ///< CRLF included; 500 beyond (at most the buffer's)
  std::uint32_t recipients_max = 10'000;   ///< per transaction; 452 4.5.3 beyond
  std::uint32_t errors_max = 20;           ///< protocol errors per session; then 421
  std::uint32_t idle_commands_max = 1000;  ///< commands since the last message other than MAIL,
                                           ///< RCPT, DATA, BDAT; then 421
  ContentLimits content;
};

enum class AuthMechanism : std::uint8_t { plain, login, cram_md5, external };

/// Which mechanisms of AUTH a session has (RFC 4954).
struct AuthOffer {
  bool plain = false;
  bool login = false;
  bool cram_md5 = false;        ///< RFC 2195
  bool clear_text_ok = false;   ///< PLAIN and LOGIN without encryption too
  bool encrypted_only = false;  ///< nothing without encryption
  bool external = false;        ///< by the certificate that this client has shown (RFC 4422)

  bool any() const { return plain || login || cram_md5 || external; }
};

/// What a client says of itself. Views into the engine's buffers, wiped after the call.
struct AuthAttempt {
  AuthMechanism mechanism = AuthMechanism::plain;
  std::string_view user;       ///< may be empty with EXTERNAL: whoever the certificate stands for
  std::string_view secret;     ///< the password; of CRAM-MD5 the digest in hex
  std::string_view challenge;  ///< of CRAM-MD5: what the digest is made of
};

/// What a listener says and offers. Shared by its sessions; outlives them.
struct ServerProfile {
  std::string_view hostname;                ///< in banner, EHLO and closing replies
  std::string_view banner = "ESMTP ready";  ///< after the name in the 220 line
  bool size = true;                         ///< RFC 1870
  bool eight_bit_mime = true;               ///< RFC 6152
  bool chunking = true;                     ///< RFC 3030
  bool smtputf8 = true;                     ///< RFC 6531
  bool dsn = true;                          ///< RFC 3461
  bool verp = false;                        ///< return paths for each recipient
  bool starttls = false;                    ///< RFC 3207; while the session is in clear
  bool excess_fails_message = false;  ///< recipients beyond the limit get 250, the message 554
  std::string_view domain_suffix;     ///< completes addresses without a domain; empty: refused
  AuthOffer auth;
  BareLineEnds bare_line_ends = BareLineEnds::refuse;
  bool told = false;  ///< on_command_line() is wanted
  /// Header fields whose values are wanted, lower case, at most 255.
  std::span<const std::string_view> controls;
  std::size_t watched_controls = ~std::size_t{0};  ///< those from there on are only looked at
  /// Names, in lower case, of header fields whose values ContentSummary::noted gives; at most 64.
  std::span<const std::string_view> notes;
};

/// Why a transaction ended without a message.
enum class AbortReason : std::uint8_t {
  reset,            ///< RSET, or MAIL while a transaction was open
  hello,            ///< EHLO or HELO began anew
  content_refused,  ///< a limit, a line end, or the host's refuse_content()
  closed,           ///< QUIT, a closing reply, or the connection is gone
};

/// What the engine tells its host and asks of it. Called from inside feed(); views hold during the
/// call. A reply that is not accepted() is sent and the command has no effect; one that closes()
/// ends the session.
///
/// An accepted MAIL opens a transaction. It ends with exactly one of: on_content_end() followed by
/// the host's complete_message(), or on_abort().
class ServerEvents : public ContentRuns {
 public:
  /// EHLO (extended) or HELO with a domain; never refused.
  virtual void on_hello(std::string_view name, bool extended) = 0;
  virtual ServerReply on_mail(const MailArguments& mail) = 0;
  /// A refused recipient is not counted. The host decides on relaying here.
  virtual ServerReply on_rcpt(const RcptArguments& rcpt) = 0;
  /// DATA or the first BDAT, with at least one recipient. Accepted: content follows.
  virtual ServerReply on_content_begin() = 0;
  /// The message is complete and within all limits. The engine reads nothing more until
  /// complete_message(), which may be called from inside.
  virtual void on_content_end(const ContentSummary& summary) = 0;
  virtual void on_abort(AbortReason reason) = 0;
  /// A challenge for CRAM-MD5, different each time: at most 255 octets, held until on_auth() or the
  /// next call.
  virtual std::string_view on_auth_challenge() = 0;
  /// The client wants to be this user. The engine reads nothing more until complete_auth(), which
  /// may be called from inside.
  virtual void on_auth(const AuthAttempt& attempt) = 0;
  /// A command line has come, where ServerProfile::told asks for them. What may be a secret is left
  /// out, and so is what is no command.
  virtual void on_command_line(std::string_view) {}
};

}  // namespace ringpost::smtp
