#include "net/smtp/mailbox.h"

#include <algorithm>

#include "core/base/address.h"
#include "core/base/text.h"

namespace ringpost::smtp {
namespace {

constexpr std::size_t kLabelBytesMax = 63;

unsigned char octet(char c) { return static_cast<unsigned char>(c); }

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// atext of RFC 5322 section 3.2.3, the dot, and anything outside ASCII (checked as UTF-8 later).
bool is_dot_string_char(char c) {
  static constexpr std::string_view kSpecial = "!#$%&'*+-/=?^_`{|}~.";
  return is_alphanumeric(c) || octet(c) >= 0x80 || kSpecial.find(c) != std::string_view::npos;
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kLabelBytesMax || label.front() == '-' ||
      label.back() == '-') {
    return false;
  }
  return std::all_of(label.begin(), label.end(), [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '_' || octet(c) >= 0x80;
  });
}

// Length of the local part at the beginning of `text`, or 0 if it is malformed.
std::size_t local_part_size(std::string_view text) {
  if (text.empty() || text.front() != '"') {
    std::size_t i = 0;
    while (i < text.size() && is_dot_string_char(text[i])) {
      ++i;
    }
    return i;
  }
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      return i + 1;
    }
    if (text[i] == '\\') {
      ++i;
    }
    if (i >= text.size() || octet(text[i]) < 0x20 || octet(text[i]) == 0x7f) {
      return 0;
    }
  }
  return 0;
}

// Octets of a source route `@one,@two:` at the beginning of `text`; npos if it is malformed.
std::size_t source_route_size(std::string_view text) {
  if (text.empty() || text.front() != '@') {
    return 0;
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) {
    return std::string_view::npos;
  }
  std::string_view hops = text.substr(0, colon);
  while (!hops.empty()) {
    const auto comma = hops.find(',');
    const auto hop = hops.substr(0, comma);
    if (hop.size() < 2 || hop.front() != '@' || !is_domain(hop.substr(1))) {
      return std::string_view::npos;
    }
    hops = comma == std::string_view::npos ? std::string_view{} : hops.substr(comma + 1);
    if (comma != std::string_view::npos && hops.empty()) {
      return std::string_view::npos;
    }
  }
  return colon + 1;
}

PathFault check_domain(std::string_view domain) {
  if (!domain.empty() && domain.front() == '[') {
    return is_address_literal(domain) ? PathFault::none : PathFault::bad_literal;
  }
  if (!is_utf8(domain)) {
    return PathFault::bad_utf8;
  }
  return is_domain(domain) ? PathFault::none : PathFault::bad_domain;
}

// Parses `inner`, all that follows '<' and an optional route; sets the mailbox and returns the
// octets read up to '>' exclusively in `size`.
PathFault parse_mailbox(std::string_view inner, Mailbox& mailbox, std::size_t& size) {
  const std::size_t local = local_part_size(inner);
  if (local == 0) {
    return PathFault::bad_local_part;
  }
  mailbox.local_part = inner.substr(0, local);
  if (local > kLocalPartBytesMax) {
    return PathFault::local_too_long;
  }
  if (local == inner.size()) {
    return PathFault::unclosed;
  }
  if (!is_utf8(mailbox.local_part)) {
    return PathFault::bad_utf8;
  }
  if (inner[local] == '>') {
    size = local;
    mailbox.text = mailbox.local_part;
    return equals_ignoring_case(mailbox.local_part, "postmaster") ? PathFault::none
                                                                  : PathFault::no_domain;
  }
  if (inner[local] != '@') {
    return PathFault::bad_local_part;
  }
  const auto close = inner.find('>', local);
  if (close == std::string_view::npos) {
    return PathFault::unclosed;
  }
  mailbox.domain = inner.substr(local + 1, close - local - 1);
  mailbox.text = inner.substr(0, close);
  mailbox.non_ascii = !is_ascii(mailbox.text);
  size = close;
  return check_domain(mailbox.domain);
}

}  // namespace

std::string_view text_of(PathFault fault) noexcept {
  switch (fault) {
    case PathFault::none: return "ok";
    case PathFault::no_brackets: return "The address must stand in angle brackets";
    case PathFault::unclosed: return "The address lacks its closing angle bracket";
    case PathFault::bad_route: return "Malformed source route";
    case PathFault::bad_local_part: return "Malformed local part";
    case PathFault::local_too_long: return "Local part too long";
    case PathFault::no_domain: return "The address needs a domain";
    case PathFault::bad_domain: return "Malformed domain";
    case PathFault::bad_literal: return "Malformed address literal";
    case PathFault::bad_utf8: return "The address is not valid UTF-8";
    case PathFault::null_path: return "The null path cannot be a recipient";
  }
  return "Malformed address";
}

ParsedPath parse_path(std::string_view text, bool null_allowed) noexcept {
  ParsedPath parsed;
  if (text.empty() || text.front() != '<') {
    parsed.fault = PathFault::no_brackets;
    return parsed;
  }
  if (text.size() > 1 && text[1] == '>') {
    parsed.used = 2;
    parsed.fault = null_allowed ? PathFault::none : PathFault::null_path;
    return parsed;
  }
  const std::string_view inner = text.substr(1);
  const std::size_t route = source_route_size(inner);
  if (route == std::string_view::npos) {
    parsed.fault = PathFault::bad_route;
    return parsed;
  }
  std::size_t size = 0;
  parsed.fault = parse_mailbox(inner.substr(route), parsed.mailbox, size);
  parsed.used = 1 + route + size + 1;
  return parsed;
}

bool is_domain(std::string_view text) noexcept {
  if (text.empty() || text.size() > kDomainBytesMax) {
    return false;
  }
  while (true) {
    const auto dot = text.find('.');
    if (!is_label(text.substr(0, dot))) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(dot + 1);
  }
}

bool is_address_literal(std::string_view text) noexcept {
  // 45 octets hold any IPv6 address in text; longer input would only make the parser allocate an
  // error message.
  constexpr std::size_t kAddressTextMax = 45;
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') {
    return false;
  }
  std::string_view address = text.substr(1, text.size() - 2);
  const bool tagged = starts_ignoring_case(address, "IPv6:");
  if (tagged) {
    address.remove_prefix(5);
  }
  if (address.empty() || address.size() > kAddressTextMax ||
      tagged != (address.find(':') != std::string_view::npos)) {
    return false;
  }
  return IpAddress::parse(address).ok();
}

bool is_ascii(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), [](char c) { return octet(c) >= 0x80; });
}

bool is_utf8(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    const unsigned char lead = octet(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t size = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size == 0 || lead > 0xf4 || i + size > text.size()) {
      return false;
    }
    const unsigned char second = octet(text[i + 1]);
    const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (second < low || second > high) {
      return false;
    }
    for (std::size_t k = 2; k < size; ++k) {
      if ((octet(text[i + k]) & 0xc0) != 0x80) {
        return false;
      }
    }
    i += size;
  }
  return true;
}

bool is_xtext(std::string_view text) noexcept {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '+') {
      if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) {
        return false;
      }
      i += 2;
    } else if (c < '!' || c > '~' || c == '=') {
      return false;
    }
  }
  return true;
}

}  // namespace ringpost::smtp
