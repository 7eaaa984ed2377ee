#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/base/assert.h"

namespace ringpost::spool {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

/// Encodes fields through `Out`, which has put(const void*, std::size_t).
template <class Out>
class Encoder {
 public:
  explicit Encoder(Out& out) noexcept : out_(out) {}

  template <class T>
  void number(T value) {
    static_assert(std::is_integral_v<T>);
    out_.put(&value, sizeof value);
  }
  void varint(std::uint64_t value) {
    unsigned char octets[10];
    std::size_t size = 0;
    while (value >= 0x80) {
      octets[size++] = static_cast<unsigned char>(value | 0x80);
      value >>= 7;
    }
    octets[size++] = static_cast<unsigned char>(value);
    out_.put(octets, size);
  }
  void raw(std::string_view bytes) { out_.put(bytes.data(), bytes.size()); }
  void text(std::string_view bytes) {
    varint(bytes.size());
    raw(bytes);
  }
  void zeroes(std::size_t count) {
    constexpr char kZeroes[16] = {};
    while (count > 0) {
      const std::size_t run = count < sizeof kZeroes ? count : sizeof kZeroes;
      out_.put(kZeroes, run);
      count -= run;
    }
  }

 private:
  Out& out_;
};

/// Appends to a text.
struct StringOut {
  std::string& text;
  void put(const void* data, std::size_t bytes) {
    text.append(static_cast<const char*>(data), bytes);
  }
};

/// Only counts: how much an encoding will take.
struct CountingOut {
  std::size_t size = 0;
  void put(const void*, std::size_t bytes) noexcept { size += bytes; }
};

/// Writes into a buffer that the caller knows to be large enough.
struct BufferOut {
  char* begin = nullptr;
  std::size_t capacity = 0;
  std::size_t size = 0;

  void put(const void* data, std::size_t bytes) noexcept {
    RP_ASSERT(bytes <= capacity - size);
    if (bytes > 0) {
      std::memcpy(begin + size, data, bytes);
    }
    size += bytes;
  }
};

/// Decodes fields from bytes that may be anything: past the end every field reads as zero or
/// empty and ok() turns false for good.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) noexcept : bytes_(bytes) {}

  bool ok() const noexcept { return ok_; }
  std::size_t position() const noexcept { return position_; }
  std::size_t left() const noexcept { return bytes_.size() - position_; }
  bool at_end() const noexcept { return left() == 0; }

  template <class T>
  T number() noexcept {
    static_assert(std::is_integral_v<T>);
    T value{};
    if (!take(sizeof value)) {
      return T{};
    }
    std::memcpy(&value, bytes_.data() + position_ - sizeof value, sizeof value);
    return value;
  }
  std::uint64_t varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto octet = number<std::uint8_t>();
      value |= static_cast<std::uint64_t>(octet & 0x7f) << shift;
      if ((octet & 0x80) == 0) {
        return value;
      }
    }
    ok_ = false;
    return 0;
  }
  /// A varint that must fit 32 bits.
  std::uint32_t varint32() noexcept {
    const std::uint64_t value = varint();
    if (value > 0xffffffffU) {
      ok_ = false;
      return 0;
    }
    return static_cast<std::uint32_t>(value);
  }
  std::string_view raw(std::uint64_t size) noexcept {
    if (!take(size)) {
      return {};
    }
    return bytes_.substr(position_ - size, size);
  }
  std::string_view text() noexcept { return raw(varint()); }
  std::string_view rest() const noexcept { return bytes_.substr(position_); }

 private:
  bool take(std::uint64_t size) noexcept {
    if (!ok_ || size > left()) {
      ok_ = false;
      return false;
    }
    position_ += size;
    return true;
  }

  std::string_view bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) / to * to;
}

}  // namespace ringpost::spool
