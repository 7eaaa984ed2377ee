#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ringpost {

/// Protocol of an encrypted connection; none: it is in clear.
enum class TlsVersion : std::uint8_t { none, v1_0, v1_1, v1_2, v1_3 };
std::string_view name_of(TlsVersion version) noexcept;

/// What kept a connection from being encrypted as demanded. The first eleven are the result types
/// of RFC 8460 section 4.3, in its order, and name_of() gives their names there.
enum class TlsFailure : std::uint8_t {
  starttls_not_supported,
  certificate_host_mismatch,
  certificate_expired,
  certificate_not_trusted,
  validation_failure,  ///< of the handshake, for a reason none of the others names
  tlsa_invalid,
  dnssec_invalid,
  dane_required,
  sts_policy_fetch_error,
  sts_policy_invalid,
  sts_webpki_invalid,
  none,
};
inline constexpr std::size_t kTlsFailureCount = 11;
std::string_view name_of(TlsFailure failure) noexcept;

/// Protocol versions and ciphers one side is ready for.
struct TlsProtocol {
  bool v1_0 = false;
  bool v1_1 = false;
  bool v1_2 = true;
  bool v1_3 = true;
  std::string ciphers;  ///< up to TLS 1.2, in OpenSSL's form; empty: the library's
  std::string suites;   ///< of TLS 1.3; empty: the library's

  bool operator==(const TlsProtocol&) const = default;
};

/// A file with a certificate, its chain and its key, in PEM.
struct TlsCertificate {
  std::string file;      ///< empty: none
  std::string password;  ///< of the key; empty: it is not encrypted

  bool operator==(const TlsCertificate&) const = default;
};

struct TlsClientSettings {
  TlsProtocol protocol;
  bool authorities = false;  ///< certificates will be checked: `ca_file` is read
  std::string ca_file;       ///< empty: the system's authorities
  TlsCertificate certificate;

  bool operator==(const TlsClientSettings&) const = default;
};

struct TlsServerSettings {
  TlsProtocol protocol;
  /// The first is shown to clients that name no host, or one that no certificate is for.
  std::vector<TlsCertificate> certificates;
  /// Authorities for certificates of clients, which are asked for; empty: whoever signed them.
  std::string ca_file;
  bool asks_clients = false;  ///< for a certificate, without a file of authorities too
};

/// Settings made ready for use: keys and authorities read, ciphers chosen. Immutable; may be used
/// by several threads. The library's part is behind it.
class TlsContext {
 public:
  virtual ~TlsContext() = default;
};
using TlsContextRef = std::shared_ptr<const TlsContext>;

/// One TLSA record (RFC 6698 section 2.1).
struct TlsaRecord {
  std::uint8_t usage = 0;
  std::uint8_t selector = 0;
  std::uint8_t matching = 0;
  std::string data;  ///< binary

  bool operator==(const TlsaRecord&) const = default;
};

/// What the peer's certificate has to prove.
enum class TlsCheck : std::uint8_t {
  none,         ///< nothing: encryption against onlookers
  certificate,  ///< that a known authority names the host
  dane,         ///< that it matches a TLSA record (RFC 7672)
};

/// SHA-256 of a certificate, the whole of it in DER.
using CertificateDigest = std::array<std::uint8_t, 32>;

/// What the certificate is worth that a client has shown, and proved to have the key of.
enum class ClientProof : std::uint8_t {
  none,       ///< it has shown none
  good,       ///< within its time, and signed by the authorities where there are any
  expired,    ///< or not valid yet
  untrusted,  ///< by the authorities
};

/// What is known of an encrypted connection.
struct TlsFacts {
  TlsVersion version = TlsVersion::none;
  std::string_view cipher;  ///< a name with the life of the program
  bool verified = false;
  bool resumed = false;
  bool by_kernel = false;                  ///< the kernel encrypts what is sent
  ClientProof client = ClientProof::none;  ///< of a server's
  CertificateDigest client_digest{};       ///< of what the client has shown
};

}  // namespace ringpost
