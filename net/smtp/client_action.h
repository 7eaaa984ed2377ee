#pragma once

#include <cstdint>
#include <string_view>

#include "core/mail/outcome.h"
#include "net/smtp/reply.h"

namespace ringpost::smtp {

/// How a transaction ended.
enum class TransactionEnd : std::uint8_t {
  answered,     ///< `reply` holds for every recipient that was not refused before
  all_refused,  ///< every recipient has its own refusal
  unattempted,  ///< goes back as if it had never been tried; refusals already told stand
  interrupted,  ///< the session failed inside it before the final dot; counts as an attempt
  ambiguous,    ///< the final dot was sent and no reply came (RFC 5321 section 4.5.3.2.6)
};

/// Why a session is over.
enum class ClientClose : std::uint8_t {
  none,
  quit,              ///< the host asked for it; QUIT was sent
  refused,           ///< the greeting, EHLO or HELO was answered negatively: `reply`
  own_name,          ///< the server calls itself by our own name: a mail loop
  shutting_down,     ///< 421: `reply`
  protocol_error,    ///< replies out of step, or what came is no reply: `detail`
  pipelining_fault,  ///< a grouped command met a sequence error: `reply`
  lost,              ///< the peer closed, or the transport failed
  timed_out,
  aborted,      ///< by the host
  tls_refused,  ///< TLS is required and not offered, or refused: `reply` where there is one
  tls_failed,   ///< the handshake failed: `detail`
  /// AUTH was refused: `reply`; or cannot be done: `detail`.
  login_refused,
};
std::string_view name_of(ClientClose reason) noexcept;

/// One thing for the host to do or know. All text lives until the engine's next input.
struct ClientAction {
  enum class Kind : std::uint8_t {
    send,                  ///< put `bytes` on the wire; they live until output_drained()
    send_body,             ///< then the content of `transaction`, final dot line included
    send_chunk,            ///< likewise, without the final dot line
    start_tls,             ///< begin the handshake; then tls_established() or tls_failed()
    ready,                 ///< the server answered EHLO or HELO: capabilities() holds; follows once
    recipient_reply,       ///< `recipient` of `transaction` got `reply`
    ask_recipients,        ///< of a metered `transaction` one could leave now: allow() or cut()
    transaction_over,      ///< `end`, `phase`, `reply`; the transaction may be freed
    downgrade_pipelining,  ///< this server should not be sent groups for a while
    downgrade_chunking,    ///< likewise BDAT
    idle,                  ///< nothing is in flight: begin a transaction, quit, or wait
    close,                 ///< `reason`; close once what was given to send has left, or failed
  };

  Kind kind = Kind::idle;
  std::string_view bytes;
  std::uint32_t transaction = 0;
  std::uint32_t recipient = 0;
  TransactionEnd end = TransactionEnd::answered;
  Phase phase = Phase::none;  ///< the step it happened in
  ClientClose reason = ClientClose::none;
  Reply reply;
  std::string_view detail;  ///< our own words on a close
};

}  // namespace ringpost::smtp
