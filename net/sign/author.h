#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ringpost::sign {

/// What an address field (From, Sender) says: its first mailbox and how many there are.
struct Author {
  std::string address;    ///< "local@domain" without comments and blanks; empty: none
  std::size_t count = 0;  ///< mailboxes in the field

  std::string_view domain() const {
    const auto at = address.rfind('@');
    return at == std::string::npos ? std::string_view{} : std::string_view(address).substr(at + 1);
  }
};

/// Reads the value of an address field (RFC 5322 section 3.4): display names, comments, quoted
/// strings, groups, obsolete routes and folding. A first mailbox that cannot be read gives an empty
/// address.
Author read_author(std::string_view value);

}  // namespace ringpost::sign
