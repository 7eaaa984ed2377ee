#pragma once

#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/tls.h"

namespace ringpost::auth {

/// Certificates by which a user is known.
struct UserCertificates {
  std::vector<CertificateDigest> digests;
  bool in_time = false;  ///< one of them is valid now
};

/// Those in a text of PEM; what else it holds, such as keys, is passed over. invalid: there is
/// none, or one that cannot be read.
Result<UserCertificates> read_certificates(std::string_view pem);

}  // namespace ringpost::auth
