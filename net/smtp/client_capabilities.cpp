#include "net/smtp/client_capabilities.h"

#include <algorithm>

#include "core/base/text.h"

namespace ringpost::smtp {

namespace {

struct Keyword {
  std::string_view name;
  bool Capabilities::*flag;
};

constexpr Keyword kKeywords[] = {
    {"PIPELINING", &Capabilities::pipelining},
    {"SIZE", &Capabilities::size},
    {"8BITMIME", &Capabilities::eight_bit_mime},
    {"SMTPUTF8", &Capabilities::smtputf8},
    {"DSN", &Capabilities::dsn},
    {"CHUNKING", &Capabilities::chunking},
    {"ENHANCEDSTATUSCODES", &Capabilities::enhanced_status_codes},
    {"STARTTLS", &Capabilities::starttls},
};

}  // namespace

void Capabilities::add_line(std::string_view line) noexcept {
  line = trimmed(line);
  const std::size_t end = line.find_first_of(" \t=");
  const std::string_view name = line.substr(0, end);
  if (equals_ignoring_case(name, "AUTH")) {
    add_mechanisms(end == std::string_view::npos ? "" : line.substr(end + 1));
    return;
  }
  for (const Keyword& keyword : kKeywords) {
    if (!equals_ignoring_case(name, keyword.name)) {
      continue;
    }
    this->*keyword.flag = true;
    if (keyword.flag == &Capabilities::size && end != std::string_view::npos) {
      std::uint64_t limit = 0;
      if (parse_decimal(trimmed(line.substr(end + 1)), limit)) {
        size_limit = limit;
      }
    }
    return;
  }
}

void Capabilities::add_mechanisms(std::string_view names) noexcept {
  auth = true;
  while (!names.empty()) {
    const std::size_t end = std::min(names.find_first_of(" \t"), names.size());
    auth_plain = auth_plain || equals_ignoring_case(names.substr(0, end), "PLAIN");
    auth_login = auth_login || equals_ignoring_case(names.substr(0, end), "LOGIN");
    names.remove_prefix(std::min(end + 1, names.size()));
  }
}

}  // namespace ringpost::smtp
