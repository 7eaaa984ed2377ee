#include "net/smtp/reply.h"

#include <cstddef>

namespace ringpost::smtp {

namespace {

// One to three digits at `at`; moves `at` behind them.
bool read_part(std::string_view text, std::size_t& at, std::uint16_t& out) noexcept {
  std::uint16_t value = 0;
  std::size_t digits = 0;
  while (at < text.size() && digits < 3 && text[at] >= '0' && text[at] <= '9') {
    value = static_cast<std::uint16_t>(value * 10 + (text[at] - '0'));
    ++at;
    ++digits;
  }
  out = value;
  return digits > 0;
}

}  // namespace

EnhancedStatus read_enhanced_status(std::string_view text, std::uint16_t reply_code) noexcept {
  EnhancedStatus status;
  if (text.size() < 5 || text[1] != '.' || text[0] - '0' != reply_code / 100) {
    return {};
  }
  std::size_t at = 2;
  if (!read_part(text, at, status.subject) || at >= text.size() || text[at] != '.') {
    return {};
  }
  ++at;
  if (!read_part(text, at, status.detail) || (at < text.size() && text[at] != ' ')) {
    return {};
  }
  status.klass = static_cast<std::uint8_t>(text[0] - '0');
  return status;
}

}  // namespace ringpost::smtp
