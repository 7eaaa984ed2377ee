#include "net/auth/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace ringpost::auth {

Result<UserCertificates> read_certificates(std::string_view pem) {
  ERR_clear_error();
  UserCertificates found;
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(
      ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &::BIO_free);
  while (text != nullptr) {
    const std::unique_ptr<X509, decltype(&X509_free)> one(
        ::PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr), &::X509_free);
    if (one == nullptr) {
      break;
    }
    CertificateDigest digest{};
    unsigned size = 0;
    if (::X509_digest(one.get(), ::EVP_sha256(), digest.data(), &size) != 1) {
      return Error::of(ErrorCode::invalid, "its certificate has no digest");
    }
    found.digests.push_back(digest);
    found.in_time =
        found.in_time || (::X509_cmp_current_time(::X509_get0_notBefore(one.get())) < 0 &&
                          ::X509_cmp_current_time(::X509_get0_notAfter(one.get())) > 0);
  }
  const unsigned long last = ::ERR_peek_last_error();
  ::ERR_clear_error();
  const bool at_end =
      ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  if (found.digests.empty() || !at_end) {
    return Error::of(ErrorCode::invalid, found.digests.empty() && at_end
                                             ? "it holds no certificate in PEM"
                                             : "it holds a certificate that cannot be read");
  }
  return found;
}

}  // namespace ringpost::auth
