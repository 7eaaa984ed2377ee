#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace ringpost {

constexpr char ascii_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

/// Compares without regard to ASCII case, as SMTP and DNS names do.
bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;
/// Whether `text` begins with `prefix`, without regard to ASCII case.
bool starts_ignoring_case(std::string_view text, std::string_view prefix) noexcept;
std::string to_lower(std::string_view text);
/// Without spaces and tabs at both ends.
std::string_view trimmed(std::string_view text) noexcept;

/// Parses a whole unsigned decimal; false on anything else, overflow included.
template <class Unsigned>
bool parse_decimal(std::string_view text, Unsigned& out) noexcept {
  if (text.empty() || text.front() < '0' || text.front() > '9') {
    return false;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

/// Appends text to a caller's buffer without allocating. What does not fit is dropped and
/// truncated() says so, so that a formatter never writes past its end.
class TextBuilder {
 public:
  explicit TextBuilder(std::span<char> room) noexcept : room_(room) {}

  TextBuilder& add(std::string_view text) noexcept {
    const std::size_t fits = std::min(text.size(), room_.size() - size_);
    std::copy_n(text.data(), fits, room_.data() + size_);
    size_ += fits;
    truncated_ = truncated_ || fits < text.size();
    return *this;
  }
  TextBuilder& add(char c) noexcept {
    if (size_ < room_.size()) {
      room_[size_++] = c;
    } else {
      truncated_ = true;
    }
    return *this;
  }
  TextBuilder& add_number(std::uint64_t value) noexcept {
    char digits[20] = {};  // optimised g++ 12 sees uninitialised reads otherwise
    const auto result = std::to_chars(digits, digits + sizeof digits, value);
    return add({digits, static_cast<std::size_t>(result.ptr - digits)});
  }
  /// Lower-case hexadecimal, padded with zeroes to `digits`.
  TextBuilder& add_hex(std::uint64_t value, int digits) noexcept;

  std::string_view view() const noexcept { return {room_.data(), size_}; }
  std::size_t size() const noexcept { return size_; }
  bool truncated() const noexcept { return truncated_; }

 private:
  std::span<char> room_;
  std::size_t size_ = 0;
  bool truncated_ = false;
};

/// Overwrites what may be a secret; the compiler does not leave it out.
void wipe(char* data, std::size_t size) noexcept;

}  // namespace ringpost
