#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/mail/envelope.h"
#include "net/sign/canon.h"
#include "net/sign/header_lines.h"

namespace ringpost::sign {

/// One field of a header section.
struct HeaderField {
  std::string_view name;  ///< case as given, without blanks before the colon
  std::string_view text;  ///< all of it, stuffing undone, with its line ends
  std::size_t colon = 0;  ///< where in `text`

  /// What follows the colon, line ends included.
  std::string_view value() const { return text.substr(colon + 1); }
};

/// The header section of a message as it will leave: fed with the added fields and the kept ranges
/// of the content, in wire form and in their order, until ended(). Copies the section; reused, it
/// allocates only for a longer one than ever before. Single-threaded.
class HeaderSection {
 public:
  void clear() noexcept;
  /// The next octets, cut anywhere. What comes after the end is not looked at.
  void feed(std::string_view wire);
  /// The section's end was seen; there is no need to feed more.
  bool ended() const noexcept { return ended_; }
  /// All has been fed: fields() can be used until clear().
  void finish();
  /// All of the above: the section of a message that leaves as `prefix`, then the `kept` ranges of
  /// `content`.
  void read(std::string_view prefix, std::string_view content, std::span<const ByteRange> kept);

  /// In the order of the message. A section holds as many as were fed.
  std::span<const HeaderField> fields() const noexcept { return fields_; }
  /// The first field of that name, in any case, or nullptr; `count` tells how many there are.
  const HeaderField* find(std::string_view name, std::size_t* count = nullptr) const noexcept;

 private:
  std::size_t take_line(std::string_view wire, std::size_t at);
  void open_field();

  struct Mark {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  std::string text_;
  std::vector<Mark> marks_;
  std::vector<HeaderField> fields_;
  std::size_t line_begin_ = 0;  ///< of the current line in text_
  bool line_started_ = false;   ///< its first octet came
  bool in_line_ = false;        ///< it needs no more looking at
  bool ended_ = false;
  HeaderLines lines_;
};

/// Appends the canonical form of a field (RFC 6376 sections 3.4.1, 3.4.2), with its CRLF.
void append_canonical(const HeaderField& field, Canon canon, std::string& out);

/// The canonical form of a field value alone, relaxed: unfolded, blanks reduced and trimmed.
void append_relaxed_value(std::string_view value, std::string& out);

}  // namespace ringpost::sign
