#pragma once

#include "core/base/text.h"
#include "core/mail/envelope.h"

namespace ringpost {

/// Characters that may stand around the recipient in a return path made for it.
constexpr bool is_verp_delimiter(char c) { return c == '-' || c == '=' || c == '+'; }

/// Writes the return path of the message for this recipient: with VERP `USER-RCPT=DOMAIN@HOST`,
/// otherwise that of the envelope. An address with a quoted local part or an address literal cannot
/// stand inside another one: it gets the envelope's.
void write_return_path(const Envelope& envelope, std::string_view recipient, TextBuilder& out);

/// Octets that write_return_path() needs at most, for addresses that ingest takes.
inline constexpr std::size_t kReturnPathBytesMax = 1200;

}  // namespace ringpost
