#include "core/account/csv.h"

#include <charconv>

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
  const bool quoted = value.find_first_of(",\"") != std::string_view::npos;
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

void CsvLine::add_number(std::uint64_t value) noexcept {
  separate();
  text_.add_number(value);
}

std::string_view CsvLine::finish() noexcept {
  text_.add("\r\n");
  RP_ASSERT_NOTE(!text_.truncated(), "a row outgrew its maximum");
  return text_.view();
}

}  // namespace ringpost::account
