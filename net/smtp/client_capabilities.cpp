#include "net/smtp/client_capabilities.h"

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
    {"AUTH", &Capabilities::auth},
};

}  // namespace

void Capabilities::add_line(std::string_view line) noexcept {
  line = trimmed(line);
  const std::size_t end = line.find_first_of(" \t=");
  const std::string_view name = line.substr(0, end);
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

}  // namespace ringpost::smtp
