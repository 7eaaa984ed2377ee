#pragma once

#include <cstdint>

namespace ringpost::sign {

/// Decides octet by octet what a line of a header section in wire form is, as the content scanner
/// does: a field, its continuation, the empty line that ends the section, or text that belongs to
/// the body because the empty line was left out. A plain value of a few octets.
class HeaderLines {
 public:
  enum class Verdict : std::uint8_t {
    open,          ///< go on; the octet may belong to either
    field,         ///< a field begins with this line
    continuation,  ///< of the field before
    empty_line,    ///< the octet ends the empty line: the body begins after it
    final_dot,     ///< the octet ends the final dot line: there is no body
    text,          ///< no header line: the body begins with this line
  };

  /// A line that is decided only beyond this many octets is text.
  static constexpr std::uint16_t kLookBytes = 512;

  /// The next octet of an undecided line. After any verdict but open, begin_line() is due before
  /// the next line.
  Verdict look(char c) noexcept;
  void begin_line() noexcept {
    state_ = State::begin;
    looked_ = 0;
  }

 private:
  enum class State : std::uint8_t { begin, dot, name, gap, cr, dot_cr };

  Verdict look_at_first(char c) noexcept;

  State state_ = State::begin;
  bool field_open_ = false;  ///< a field began: continuation lines belong to it
  std::uint16_t looked_ = 0;
};

}  // namespace ringpost::sign
