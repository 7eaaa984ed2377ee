#include "net/resolve/dns_name.h"

#include "core/base/idn.h"
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
  if (is_ascii(name)) {
    return Error::of(ErrorCode::invalid, "not a domain name");
  }
  Result<std::string> ascii = to_a_labels(name);
  if (ascii.ok() && !is_domain_name(*ascii)) {
    return Error::of(ErrorCode::invalid, "not a domain name");
  }
  return ascii;
}

}  // namespace ringpost::resolve
