#include "core/mail/message_id.h"

#include "core/base/text.h"

namespace ringpost {
namespace {

constexpr std::string_view kDigits = "0123456789abcdefghjkmnpqrstvwxyz";

}  // namespace

void MessageId::write_text(char* out) const noexcept {
  std::uint64_t upper = high;
  std::uint64_t lower = low;
  for (std::size_t i = kTextSize; i > 0; --i) {
    out[i - 1] = kDigits[lower & 31];
    lower = (lower >> 5) | (upper << 59);
    upper >>= 5;
  }
}

std::string MessageId::text() const {
  std::string out(kTextSize, '0');
  write_text(out.data());
  return out;
}

std::optional<MessageId> MessageId::parse(std::string_view text) noexcept {
  if (text.size() != kTextSize) {
    return std::nullopt;
  }
  MessageId id;
  for (const char c : text) {
    const auto digit = kDigits.find(ascii_lower(c));
    // 26 digits hold 130 bits: the first may use only three of its five.
    if (digit == std::string_view::npos || (id.high >> 59) != 0) {
      return std::nullopt;
    }
    id.high = (id.high << 5) | (id.low >> 59);
    id.low = (id.low << 5) | digit;
  }
  return id;
}

}  // namespace ringpost
