#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/tls.h"

namespace ringpost {

/// What bound a session to TLS; the policy types of RFC 8460 section 4.4.
enum class TlsPolicyKind : std::uint8_t { none, tlsa, sts };
inline constexpr std::size_t kTlsPolicyKinds = 3;

constexpr std::string_view name_of(TlsPolicyKind kind) noexcept {
  constexpr std::array<std::string_view, kTlsPolicyKinds> kNames{"no-policy-found", "tlsa", "sts"};
  return kNames[static_cast<std::size_t>(kind)];
}

/// Sessions that wanted TLS, by policy and by what came of it: what reports of RFC 8460 are made
/// from. TlsFailure::none counts successes.
struct TlsResults {
  std::array<std::array<std::uint64_t, kTlsFailureCount + 1>, kTlsPolicyKinds> counts{};

  void count(TlsPolicyKind kind, TlsFailure failure) noexcept {
    ++counts[static_cast<std::size_t>(kind)][static_cast<std::size_t>(failure)];
  }
  void add(const TlsResults& other) noexcept {
    for (std::size_t kind = 0; kind < counts.size(); ++kind) {
      for (std::size_t failure = 0; failure < counts[kind].size(); ++failure) {
        counts[kind][failure] += other.counts[kind][failure];
      }
    }
  }
  std::uint64_t of(TlsPolicyKind kind, TlsFailure failure) const noexcept {
    return counts[static_cast<std::size_t>(kind)][static_cast<std::size_t>(failure)];
  }
};

}  // namespace ringpost
