#pragma once

#include <cstdint>
#include <string_view>

namespace ringpost::smtp {

/// What the server said it can do, in its last EHLO reply only (RFC 5321 section 4.1.1.1).
struct Capabilities {
  bool esmtp = false;  ///< EHLO was accepted; false after HELO
  bool pipelining = false;
  bool size = false;
  bool eight_bit_mime = false;
  bool smtputf8 = false;
  bool dsn = false;
  bool chunking = false;
  bool enhanced_status_codes = false;
  bool starttls = false;
  bool auth = false;  ///< some mechanism (RFC 4954)
  bool auth_plain = false;
  bool auth_login = false;
  std::uint64_t size_limit = 0;  ///< octets as RFC 1870 counts; 0: none told

  /// Takes note of one line of an EHLO reply, without its code. Unknown keywords are ignored.
  void add_line(std::string_view line) noexcept;
  bool too_large(std::uint64_t octets) const noexcept {
    return size_limit != 0 && octets > size_limit;
  }

 private:
  void add_mechanisms(std::string_view names) noexcept;
};

}  // namespace ringpost::smtp
