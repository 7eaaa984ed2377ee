#include "net/resolve/dns_name.h"

#include <algorithm>

#include "core/base/text.h"

namespace ringpost::resolve {
namespace {

bool is_name_octet(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

}  // namespace

bool is_domain_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > kDomainTextMax) {
    return false;
  }
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) {
        return false;
      }
      label = 0;
    } else if (!is_name_octet(c) || ++label > 63) {
      return false;
    }
  }
  return label > 0;
}

Result<std::string> normal_domain(std::string_view name) {
  if (!name.empty() && name.back() == '.') {
    name.remove_suffix(1);
  }
  if (is_domain_name(name)) {
    return to_lower(name);
  }
  const bool ascii = std::none_of(name.begin(), name.end(),
                                  [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  return Error::of(ErrorCode::invalid,
                   ascii ? "not a domain name" : "not in ASCII form (A-labels, xn--...)");
}

}  // namespace ringpost::resolve
