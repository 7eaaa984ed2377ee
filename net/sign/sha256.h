#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace ringpost::sign {

/// What SHA-256 gives (FIPS 180-4); the only hash that DKIM signers use (RFC 8301).
using Digest = std::array<unsigned char, 32>;

/// SHA-256 over runs of octets. A plain value: copying it copies the state, and nothing is
/// allocated, so that one can lie in every session that takes a message in.
class Sha256 {
 public:
  Sha256() noexcept { reset(); }

  void reset() noexcept;
  void update(std::string_view octets) noexcept;
  /// The hash of all octets since reset(). Ends the use until the next reset().
  Digest finish() noexcept;

  static Digest of(std::string_view octets) noexcept;

 private:
  static constexpr std::size_t kStateBytes = 112;

  alignas(8) std::array<unsigned char, kStateBytes> state_;
};

}  // namespace ringpost::sign
