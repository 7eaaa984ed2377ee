#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringpost::smtp {

/// Longest local part and domain taken. RFC 5321 section 4.5.3.1 asks servers for at least 64 and
/// 255 octets; bounce addresses that carry the recipient inside are often longer than 64.
inline constexpr std::size_t kLocalPartBytesMax = 255;
inline constexpr std::size_t kDomainBytesMax = 255;

/// An address of the envelope, seen in place: views into the text it was parsed from.
struct Mailbox {
  std::string_view text;        ///< `local@domain`, without brackets and source route; empty for <>
  std::string_view local_part;  ///< quotes included where they were written
  std::string_view domain;      ///< empty only for <> and for a bare `postmaster`
  bool non_ascii = false;       ///< needs SMTPUTF8 (RFC 6531)

  bool null() const { return text.empty(); }
};

enum class PathFault : std::uint8_t {
  none,
  no_brackets,  ///< does not begin with '<'
  unclosed,     ///< '>' is missing
  bad_route,    ///< the source route before the mailbox is malformed
  bad_local_part,
  local_too_long,
  no_domain,  ///< only `postmaster` may stand without one (RFC 5321 section 4.1.1.3)
  bad_domain,
  bad_literal,  ///< [address] is neither IPv4 nor IPv6
  bad_utf8,
  null_path,  ///< <> where a mailbox is needed
};

/// One sentence for the reply text.
std::string_view text_of(PathFault fault) noexcept;

struct ParsedPath {
  Mailbox mailbox;
  PathFault fault = PathFault::none;
  std::size_t used = 0;  ///< octets of the path, both brackets included
};

/// Parses a path of RFC 5321 section 4.1.2 at the beginning of `text`. Source routes are read and
/// dropped. Dots may stand anywhere in a local part: some large receivers gave out such addresses,
/// and whether one exists is for the receiver to say.
ParsedPath parse_path(std::string_view text, bool null_allowed) noexcept;

/// A domain name: labels of letters, digits, hyphens and underscores, up to 63 octets each, or
/// UTF-8 labels (RFC 6531). No trailing dot.
bool is_domain(std::string_view text) noexcept;
/// `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3).
bool is_address_literal(std::string_view text) noexcept;
/// Well-formed UTF-8: no overlong forms, surrogates or values past U+10FFFF (RFC 3629).
bool is_utf8(std::string_view text) noexcept;
bool is_ascii(std::string_view text) noexcept;
/// xtext of RFC 3461 section 4: printable ASCII without '+' and '=', or '+' and two upper-case
/// hexadecimal digits.
bool is_xtext(std::string_view text) noexcept;

}  // namespace ringpost::smtp
