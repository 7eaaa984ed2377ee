#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace ringpost {

/// Whether every octet of the text is ASCII.
bool is_ascii(std::string_view text) noexcept;

/// The ASCII form of a domain name, its U-labels turned into A-labels (RFC 5891 section 5, with the
/// mapping of letters that UTS 46 defines). Lower case. ASCII names come back in lower case,
/// otherwise unchanged. Errors: invalid, with a sentence, where the name is not UTF-8 or no
/// internationalised domain name.
Result<std::string> to_a_labels(std::string_view name);

}  // namespace ringpost
