#include "core/base/tls.h"

#include <array>

namespace ringpost {

std::string_view name_of(TlsVersion version) noexcept {
  static constexpr std::array<std::string_view, 5> kNames{"none", "TLSv1", "TLSv1.1", "TLSv1.2",
                                                          "TLSv1.3"};
  return kNames[static_cast<std::size_t>(version)];
}

std::string_view name_of(TlsFailure failure) noexcept {
  static constexpr std::array<std::string_view, kTlsFailureCount + 1> kNames{
      "starttls-not-supported", "certificate-host-mismatch",
      "certificate-expired",    "certificate-not-trusted",
      "validation-failure",     "tlsa-invalid",
      "dnssec-invalid",         "dane-required",
      "sts-policy-fetch-error", "sts-policy-invalid",
      "sts-webpki-invalid",     "none"};
  return kNames[static_cast<std::size_t>(failure)];
}

}  // namespace ringpost
