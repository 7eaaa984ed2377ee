#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/mail/envelope.h"
#include "net/smtp/mailbox.h"
#include "net/smtp/server_reply.h"

namespace ringpost::smtp {

enum class Verb : std::uint8_t {
  unknown,
  helo,
  ehlo,
  mail,
  rcpt,
  data,
  bdat,
  rset,
  noop,
  quit,
  vrfy,
  expn,
  help,
  starttls,
  auth,
  unimplemented,  ///< known from some RFC, not offered (TURN, SEND, ETRN...)
  web,            ///< the first word of an HTTP request: a browser was tricked into talking here
};

/// A command line split at its first blank; the argument is trimmed. Views into the line.
struct Command {
  Verb verb = Verb::unknown;
  std::string_view argument;
};

/// `line` is without its CRLF.
Command parse_command(std::string_view line) noexcept;

/// What MAIL said. Views into the command line, valid during the call they are handed to.
struct MailArguments {
  Mailbox path;                      ///< null() for <>
  std::uint64_t declared_bytes = 0;  ///< SIZE (RFC 1870), 0 if not given
  BodyType body = BodyType::unspecified;
  bool smtputf8 = false;
  DsnReturn ret = DsnReturn::unspecified;
  std::array<char, 2> verp{};  ///< as in Envelope
  std::string_view envid;      ///< xtext as given, empty if not
};

/// What RCPT said. Views into the command line, valid during the call they are handed to.
struct RcptArguments {
  Mailbox path;
  std::uint8_t notify = notify::kUnspecified;  ///< set of notify bits
  std::string_view orcpt;                      ///< `type;xtext` as given, empty if not
};

struct BdatArguments {
  std::uint64_t octets = 0;
  bool last = false;
};

/// Which parameters the session may use: those of the extensions offered to it.
struct CommandFeatures {
  bool size = true;
  bool eight_bit_mime = true;
  bool smtputf8 = true;
  bool dsn = true;
  bool verp = false;
  bool auth = false;  ///< AUTH= may name who submitted first (RFC 4954 section 5); it is not used
};

/// Parse the argument of their command. On failure the reply tells why and `out` is unspecified;
/// nullptr means success. The replies are constants.
const ServerReply* parse_mail(std::string_view argument, const CommandFeatures& features,
                              MailArguments& out) noexcept;
/// `smtputf8`: whether MAIL asked for SMTPUTF8.
const ServerReply* parse_rcpt(std::string_view argument, const CommandFeatures& features,
                              bool smtputf8, RcptArguments& out) noexcept;
const ServerReply* parse_bdat(std::string_view argument, BdatArguments& out) noexcept;

}  // namespace ringpost::smtp
