#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "net/sign/canon.h"
#include "net/sign/sha256.h"

struct evp_pkey_st;

namespace ringpost::sign {

/// Sizes of RSA keys: below the first refused (RFC 8301 section 3.2), below the second warned of,
/// above the third refused, as receivers do not check them.
inline constexpr unsigned kRsaBitsMin = 1024;
inline constexpr unsigned kRsaBitsGood = 2048;
inline constexpr unsigned kRsaBitsMax = 4096;

/// The octets of a signature.
struct SignatureOctets {
  std::array<char, kRsaBitsMax / 8> octets;
  std::size_t size = 0;

  std::string_view view() const { return {octets.data(), size}; }
};

/// A private key, RSA or Ed25519. Immutable and shared: any number of threads may sign with one
/// key at a time. The secret is wiped when the last owner lets go.
class SigningKey {
 public:
  /// Reads a key in PEM (PKCS#1 or PKCS#8) and tries it. invalid: no such key, encrypted, of
  /// another kind, broken; out_of_range: RSA outside the sizes above. Blocking, a few milliseconds.
  static Result<std::shared_ptr<const SigningKey>> from_pem(std::string_view pem);
  ~SigningKey();
  SigningKey(const SigningKey&) = delete;
  SigningKey& operator=(const SigningKey&) = delete;

  Algorithm algorithm() const noexcept { return algorithm_; }
  /// Modulus of RSA; 256 for Ed25519.
  unsigned bits() const noexcept { return bits_; }
  /// The same for two loads of one key, different for different keys: part of a cache's key.
  std::uint64_t fingerprint() const noexcept { return fingerprint_; }

  /// The private operation: RSASSA-PKCS1-v1_5 over `digest`, or PureEdDSA over its octets (RFC 8463
  /// section 3). About a millisecond for RSA of 2048 bits, 50 us for Ed25519. Any thread.
  /// io_failed: the library did not manage.
  Result<SignatureOctets> sign(const Digest& digest) const;
  /// Whether `signature` is this key's for `digest`.
  bool verifies(const Digest& digest, std::string_view signature) const;

  /// The p= tag of the public key: SubjectPublicKeyInfo of RSA, the bare key of Ed25519, base64.
  const std::string& public_text() const noexcept { return public_text_; }
  /// What the key record says: "v=DKIM1; k=rsa; p=...".
  std::string record() const;
  /// The record as a line of a zone file, in strings of at most 255 octets, for selector and
  /// domain.
  std::string zone_line(std::string_view selector, std::string_view domain) const;
  /// Whether the octets of a published p= tag are this key's public half. RSA is recognised as
  /// SubjectPublicKeyInfo, as is usual, and as RSAPublicKey, as RFC 6376 section 3.6.1 has it.
  bool is_public_half(std::string_view octets) const;

 private:
  SigningKey() = default;
  Status adopt();
  Status find_public_half();

  evp_pkey_st* key_ = nullptr;
  Algorithm algorithm_ = Algorithm::rsa_sha256;
  unsigned bits_ = 0;
  std::uint64_t fingerprint_ = 0;
  std::string public_text_;
};

/// A key as a file gave it.
struct LoadedKey {
  std::shared_ptr<const SigningKey> key;
  std::vector<std::string> warnings;  ///< sentences that name the file
};

/// Reads a key file; errors name the file and the mend. Warns of short keys and of files that
/// every user can read or write. Blocking: at start and reload only.
Result<LoadedKey> load_key_file(const std::string& path);

}  // namespace ringpost::sign
