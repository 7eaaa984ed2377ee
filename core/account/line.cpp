#include "core/account/line.h"

#include <algorithm>
#include <array>

#include "core/base/assert.h"

namespace ringpost::account {
namespace {

/// `value` cut to the maximum without leaving a part of a UTF-8 character at the end.
std::string_view cut(std::string_view value) noexcept {
  if (value.size() <= kValueBytesMax) {
    return value;
  }
  std::size_t size = kValueBytesMax;
  const auto continues = [value](std::size_t at) {
    return (static_cast<unsigned char>(value[at]) & 0xc0) == 0x80;
  };
  for (int i = 0; i < 3 && continues(size); ++i) {
    --size;
  }
  return value.substr(0, continues(size) ? kValueBytesMax : size);
}

char printable(char c) noexcept {
  const auto octet = static_cast<unsigned char>(c);
  return octet < 0x20 || octet == 0x7f ? ' ' : c;
}

// What keeps a value from being written as it is, as a set of bits.
constexpr std::uint8_t kControl = 1;
constexpr std::uint8_t kQuote = 2;
constexpr std::uint8_t kComma = 4;
constexpr std::uint8_t kBackslash = 8;
constexpr std::uint8_t kBeyondAscii = 16;

constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> classes{};
  std::fill(classes.begin(), classes.begin() + 0x20, kControl);
  std::fill(classes.begin() + 0x80, classes.end(), kBeyondAscii);
  classes[0x7f] = kControl;
  classes['"'] = kQuote;
  classes[','] = kComma;
  classes['\\'] = kBackslash;
  return classes;
}();

/// The classes of all octets of `value`. Most values have none: looking first lets them be copied
/// whole.
unsigned classes_in(std::string_view value) noexcept {
  unsigned found = 0;
  for (const char c : value) {
    found |= kClasses[static_cast<unsigned char>(c)];
  }
  return found;
}

}  // namespace

void CsvLine::separate() noexcept {
  if (!first_) {
    text_.add(',');
  }
  first_ = false;
}

void CsvLine::add(std::string_view value) noexcept {
  separate();
  value = cut(value);
  const unsigned found = classes_in(value);
  if ((found & (kControl | kQuote | kComma)) == 0) {
    text_.add(value);
    return;
  }
  const bool quoted = (found & (kQuote | kComma)) != 0;
  if (quoted) {
    text_.add('"');
  }
  for (const char c : value) {
    if (c == '"') {
      text_.add('"');
    }
    text_.add(printable(c));
  }
  if (quoted) {
    text_.add('"');
  }
}

void CsvLine::add_plain(std::string_view value) noexcept {
  separate();
  text_.add(value);
}

void CsvLine::add_number(std::uint64_t value) noexcept {
  separate();
  text_.add_number(value);
}

std::string_view CsvLine::finish() noexcept {
  text_.add("\r\n");
  RP_ASSERT_NOTE(!text_.truncated(), "a row outgrew its maximum");
  return text_.view();
}

// JSON.

namespace {

/// Octets of the UTF-8 character (RFC 3629) at the front of `text`; 0: there is none.
std::size_t utf8_size(std::string_view text) noexcept {
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = at(0);
  const std::size_t size = lead < 0x80    ? 1
                           : lead < 0xc2  ? 0
                           : lead < 0xe0  ? 2
                           : lead < 0xf0  ? 3
                           : lead <= 0xf4 ? 4
                                          : 0;
  if (size == 0 || size > text.size()) {
    return 0;
  }
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) {
      return 0;
    }
  }
  const bool overlong = (lead == 0xe0 && at(1) < 0xa0) || (lead == 0xf0 && at(1) < 0x90);
  const bool surrogate = lead == 0xed && at(1) > 0x9f;
  const bool beyond = lead == 0xf4 && at(1) > 0x8f;
  return overlong || surrogate || beyond ? 0 : size;
}

}  // namespace

void JsonLine::begin_cell() noexcept {
  text_.add(first_ ? '{' : ',');
  first_ = false;
  add_text(title_.substr(0, kTitleBytesMax));
  text_.add(':');
}

void JsonLine::add_text(std::string_view text) noexcept {
  text_.add('"');
  if ((classes_in(text) & (kControl | kQuote | kBackslash | kBeyondAscii)) == 0) {
    text_.add(text).add('"');
    return;
  }
  while (!text.empty()) {
    const std::size_t size = utf8_size(text);
    if (size == 0) {
      text_.add("\xef\xbf\xbd");
    } else if (size == 1) {
      const char c = printable(text.front());
      if (c == '"' || c == '\\') {
        text_.add('\\');
      }
      text_.add(c);
    } else {
      text_.add(text.substr(0, size));
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  text_.add('"');
}

void JsonLine::add(std::string_view value) noexcept {
  if (!value.empty()) {
    begin_cell();
    add_text(cut(value));
  }
}

void JsonLine::add_plain(std::string_view value) noexcept {
  if (!value.empty()) {
    begin_cell();
    text_.add('"').add(value).add('"');
  }
}

void JsonLine::add_number(std::uint64_t value) noexcept {
  begin_cell();
  text_.add_number(value);
}

std::string_view JsonLine::finish() noexcept {
  text_.add(first_ ? "{}\n" : "}\n");
  RP_ASSERT_NOTE(!text_.truncated(), "a row outgrew its maximum");
  return text_.view();
}

}  // namespace ringpost::account
