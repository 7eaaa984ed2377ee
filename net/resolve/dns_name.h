#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace ringpost::resolve {

/// Longest domain name in text form without the final dot (RFC 1035 section 2.3.4: 255 octets on
/// the wire).
inline constexpr std::size_t kDomainTextMax = 253;

/// Whether `name` consists of letters, digits, hyphens and underscores in labels of 1 to 63
/// octets: what may be looked up as a mail domain or host. No final dot.
bool is_domain_name(std::string_view name) noexcept;

/// Lower case, without one final dot, U-labels as A-labels (RFC 5890). invalid: not a domain name;
/// the detail says what is wrong with it.
Result<std::string> normal_domain(std::string_view name);

}  // namespace ringpost::resolve
