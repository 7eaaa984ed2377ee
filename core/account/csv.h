#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "core/base/text.h"

namespace ringpost::account {

/// A longer value is cut, at a character of UTF-8, so that every row has a known maximum.
inline constexpr std::size_t kValueBytesMax = 1024;

/// Room one value can take: all of it quotes, plus its own quotes and the comma.
inline constexpr std::size_t kCellBytesMax = 2 * kValueBytesMax + 3;

/// One line of CSV (RFC 4180) in a caller's buffer; no allocation. Values with a comma or a quote
/// are quoted, no others; control characters become blanks, so a record is always one line.
class CsvLine {
 public:
  /// `room` for kCellBytesMax each value and two octets more.
  explicit CsvLine(std::span<char> room) noexcept : text_(room) {}

  void add(std::string_view value) noexcept;
  void add_number(std::uint64_t value) noexcept;
  /// The line with CRLF.
  std::string_view finish() noexcept;

 private:
  void separate() noexcept;

  TextBuilder text_;
  bool first_ = true;
};

}  // namespace ringpost::account
