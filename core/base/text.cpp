#include "core/base/text.h"

namespace ringpost {

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return a == b || (a.size() == b.size() && starts_ignoring_case(a, b));
}

bool starts_ignoring_case(std::string_view text, std::string_view prefix) noexcept {
  if (text.size() < prefix.size()) {
    return false;
  }
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    if (ascii_lower(text[i]) != ascii_lower(prefix[i])) {
      return false;
    }
  }
  return true;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = ascii_lower(c);
  }
  return out;
}

std::string_view trimmed(std::string_view text) noexcept {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

TextBuilder& TextBuilder::add_hex(std::uint64_t value, int digits) noexcept {
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    add("0123456789abcdef"[(value >> shift) & 15]);
  }
  return *this;
}

void wipe(char* data, std::size_t size) noexcept {
  volatile char* octets = data;
  for (std::size_t i = 0; i < size; ++i) {
    octets[i] = 0;
  }
}

}  // namespace ringpost
