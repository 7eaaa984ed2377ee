#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/text.h"

namespace ringpost::account {

/// A longer value is cut, at a character of UTF-8, so that every row has a known maximum.
inline constexpr std::size_t kValueBytesMax = 1024;
inline constexpr std::size_t kTitleBytesMax = 64;

/// Room one cell can take in either form: a value of three octets for each of its own and quotes,
/// a title likewise, and what stands between them.
inline constexpr std::size_t kCellBytesMax = 3 * kValueBytesMax + 2 * kTitleBytesMax + 8;

/// One row of an accounting file in a caller's buffer; no allocation. Control characters become
/// blanks, so a row is always one line.
class Line {
 public:
  virtual ~Line() = default;
  /// The name of the cells that follow; forms with a header line do without.
  virtual void title(std::string_view name) noexcept = 0;
  virtual void add(std::string_view value) noexcept = 0;
  /// A value of ours that holds nothing a form would write otherwise: it is not looked through.
  virtual void add_plain(std::string_view value) noexcept = 0;
  virtual void add_number(std::uint64_t value) noexcept = 0;
  /// The row with its line end.
  virtual std::string_view finish() noexcept = 0;
};

/// CSV (RFC 4180) ending CRLF. Values with a comma or a quote are quoted, no others.
class CsvLine final : public Line {
 public:
  /// `room` for kCellBytesMax each value and two octets more.
  explicit CsvLine(std::span<char> room) noexcept : text_(room) {}

  void title(std::string_view) noexcept override {}
  void add(std::string_view value) noexcept override;
  void add_plain(std::string_view value) noexcept override;
  void add_number(std::uint64_t value) noexcept override;
  std::string_view finish() noexcept override;

 private:
  void separate() noexcept;

  TextBuilder text_;
  bool first_ = true;
};

/// An object of JSON (RFC 8259) ending LF. Octets that are no UTF-8 become U+FFFD. Empty values are
/// left out.
class JsonLine final : public Line {
 public:
  /// `room` for kCellBytesMax each value and three octets more.
  explicit JsonLine(std::span<char> room) noexcept : text_(room) {}

  void title(std::string_view name) noexcept override { title_ = name; }
  void add(std::string_view value) noexcept override;
  void add_plain(std::string_view value) noexcept override;
  void add_number(std::uint64_t value) noexcept override;
  std::string_view finish() noexcept override;

 private:
  void begin_cell() noexcept;
  void add_text(std::string_view text) noexcept;

  TextBuilder text_;
  std::string_view title_;
  bool first_ = true;
};

}  // namespace ringpost::account
