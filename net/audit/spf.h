#pragma once

#include <string>
#include <string_view>

#include "core/base/address.h"
#include "net/audit/lookup.h"

namespace ringpost::audit {

/// Results of RFC 7208 section 2.6.
enum class SpfResult : std::uint8_t { none, neutral, pass, fail, softfail, temperror, permerror };
std::string_view name_of(SpfResult result) noexcept;

struct SpfAnswer {
  SpfResult result = SpfResult::none;
  std::string why;       ///< the term that decided, or what is wrong with the record
  unsigned lookups = 0;  ///< terms that asked DNS; 10 are allowed
};

/// What a receiver thinks of mail from `ip` in the name of `sender` ("user@domain", or
/// "postmaster@HELO" where the sender is empty) in a session that said `helo`: check_host() of
/// RFC 7208 for the sender's domain. Blocks as long as `dns` does.
SpfAnswer check_spf(Lookup& dns, const IpAddress& ip, std::string_view sender,
                    std::string_view helo);

}  // namespace ringpost::audit
