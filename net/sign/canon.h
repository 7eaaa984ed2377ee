#pragma once

#include <cstdint>
#include <string_view>

namespace ringpost::sign {

/// Canonical forms of header and body (RFC 6376 section 3.4).
enum class Canon : std::uint8_t { simple, relaxed };

constexpr std::string_view name_of(Canon canon) noexcept {
  return canon == Canon::simple ? "simple" : "relaxed";
}

/// Signature algorithms (RFC 8301 leaves rsa-sha256 alone, RFC 8463 adds ed25519-sha256). Both
/// sign a SHA-256 digest.
enum class Algorithm : std::uint8_t { rsa_sha256, ed25519_sha256 };

constexpr std::string_view name_of(Algorithm algorithm) noexcept {
  return algorithm == Algorithm::rsa_sha256 ? "rsa-sha256" : "ed25519-sha256";
}

/// The k= tag of a key record (RFC 6376 section 3.6.1, RFC 8463 section 4).
constexpr std::string_view key_type_of(Algorithm algorithm) noexcept {
  return algorithm == Algorithm::rsa_sha256 ? "rsa" : "ed25519";
}

}  // namespace ringpost::sign
