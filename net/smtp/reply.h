#pragma once

#include <cstdint>
#include <string_view>

#include "core/mail/outcome.h"

namespace ringpost::smtp {

/// Reads an enhanced status code at the start of `text`, followed by a space or the end; the
/// class must be that of the reply code (RFC 2034 section 4). Unknown where there is none.
EnhancedStatus read_enhanced_status(std::string_view text, std::uint16_t reply_code) noexcept;

/// One reply of a server (RFC 5321 section 4.2), all its lines. Does not own the text: it lives
/// in the parser until the next reply begins, or in static storage where `local` is set.
struct Reply {
  std::uint16_t code = 0;
  EnhancedStatus status;
  /// The text of all lines joined by spaces, control octets replaced, codes included only where
  /// they are enhanced ones; cut at a fixed length.
  std::string_view text;
  bool local = false;  ///< we said it, not the server

  std::uint16_t severity() const noexcept { return static_cast<std::uint16_t>(code / 100); }
  bool positive() const noexcept { return severity() == 2; }
  bool intermediate() const noexcept { return severity() == 3; }
  bool transient() const noexcept { return severity() == 4; }
  bool permanent() const noexcept { return severity() == 5; }
  bool negative() const noexcept { return transient() || permanent(); }
};

}  // namespace ringpost::smtp
