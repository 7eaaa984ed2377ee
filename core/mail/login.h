#pragma once

#include <string>

#include "core/base/secret_text.h"

namespace ringpost {

/// Octets of user and password together; what is longer cannot be sent.
inline constexpr std::size_t kLoginBytesMax = 1024;

/// What a queue's sessions prove themselves with at a smart host (RFC 4954).
struct Login {
  std::string user;
  SecretText password;
  bool clear_text_ok = false;  ///< without TLS too
};

}  // namespace ringpost
