#include "core/base/base64.h"

#include <cstdint>

#include "core/base/assert.h"

namespace ringpost {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') {
    return c - 'A';
  }
  if (c >= 'a' && c <= 'z') {
    return c - 'a' + 26;
  }
  if (c >= '0' && c <= '9') {
    return c - '0' + 52;
  }
  if (c == '+') {
    return 62;
  }
  return c == '/' ? 63 : -1;
}

std::uint32_t octet(char c) { return static_cast<unsigned char>(c); }

}  // namespace

std::string to_base64(std::string_view octets) {
  std::string out(base64_size(octets.size()), '=');
  to_base64(octets, out);
  return out;
}

std::size_t to_base64(std::string_view octets, std::span<char> out) {
  RP_ASSERT(out.size() >= base64_size(octets.size()));
  std::size_t size = 0;
  while (!octets.empty()) {
    const std::size_t count = octets.size() < 3 ? octets.size() : 3;
    std::uint32_t group = octet(octets[0]) << 16;
    group |= count > 1 ? octet(octets[1]) << 8 : 0;
    group |= count > 2 ? octet(octets[2]) : 0;
    for (std::size_t i = 0; i < 4; ++i) {
      out[size++] = i <= count ? kAlphabet[group >> (18 - 6 * i) & 63] : '=';
    }
    octets.remove_prefix(count);
  }
  return size;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out(text.size() / 4 * 3, '\0');
  const auto size = from_base64(text, out);
  if (!size) {
    return std::nullopt;
  }
  out.resize(*size);
  return out;
}

std::optional<std::size_t> from_base64(std::string_view text, std::span<char> out) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  std::size_t size = 0;
  while (!text.empty()) {
    std::size_t digits = 4;
    if (text.size() == 4) {
      digits = text[3] != '=' ? 4 : text[2] != '=' ? 3 : 2;
    }
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const int value = value_of(text[i]);
      if (value < 0) {
        return std::nullopt;
      }
      group |= static_cast<std::uint32_t>(value) << (18 - 6 * i);
    }
    if ((digits == 3 && (group & 0xff) != 0) || (digits == 2 && (group & 0xffff) != 0)) {
      return std::nullopt;
    }
    for (std::size_t i = 0; i + 1 < digits; ++i) {
      if (size == out.size()) {
        return std::nullopt;
      }
      out[size++] = static_cast<char>(group >> (16 - 8 * i) & 0xff);
    }
    text.remove_prefix(4);
  }
  return size;
}

}  // namespace ringpost
