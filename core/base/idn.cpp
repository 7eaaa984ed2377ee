#include "core/base/idn.h"

#include <idn2.h>

#include <algorithm>

#include "core/base/text.h"

namespace ringpost {

bool is_ascii(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

Result<std::string> to_a_labels(std::string_view name) {
  // No name in UTF-8 that fits into 253 octets of A-labels is longer than this.
  constexpr std::size_t kLongest = 1024;
  if (is_ascii(name)) {
    return to_lower(name);
  }
  if (name.size() > kLongest || name.find('\0') != std::string_view::npos) {
    return Error::of(ErrorCode::invalid, "not an internationalised domain name");
  }
  const std::string text(name);
  char* converted = nullptr;
  const int result = ::idn2_to_ascii_8z(text.c_str(), &converted, IDN2_NONTRANSITIONAL);
  if (result != IDN2_OK || converted == nullptr) {
    return Error::of(ErrorCode::invalid, std::string("not an internationalised domain name: ") +
                                             ::idn2_strerror(result));
  }
  std::string out = to_lower(converted);
  ::idn2_free(converted);
  return out;
}

}  // namespace ringpost
