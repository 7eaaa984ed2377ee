#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/secret_text.h"

namespace ringpost::auth {

/// What is stored of a user's password: a scrypt hash (RFC 7914), or the password itself, which
/// CRAM-MD5 needs.
class StoredSecret {
 public:
  /// "$scrypt$ln=15,r=8,p=1$SALT$HASH" as hash_password() gives it; any other text is a password
  /// in clear. invalid: it begins like a hash and is none, or asks for more than 64 MiB of memory.
  static Result<StoredSecret> parse(std::string_view text);

  /// Whether this is the password. Blocking: tens of milliseconds and some 32 MiB for a hash. Any
  /// thread. Takes equally long for every password of one length.
  bool matches(std::string_view password) const;
  /// Whether `digest` is the answer of CRAM-MD5 to `challenge` (RFC 2195); false for a hash.
  bool answers(std::string_view challenge, std::string_view digest) const;
  bool is_clear() const { return hash_.empty(); }
  /// The same for equal texts: part of a cache's key.
  std::uint64_t fingerprint() const;

 private:
  unsigned log_n_ = 0;
  unsigned r_ = 0;
  unsigned p_ = 0;
  std::string salt_;
  std::string hash_;
  SecretText clear_;
};

/// The text to store for a password, with a fresh salt. Blocking, as above. io_failed: no memory
/// or no entropy.
Result<std::string> hash_password(std::string_view password);

/// HMAC-MD5 in hex, as CRAM-MD5 uses it; empty where the library refuses MD5.
std::string hmac_md5(std::string_view key, std::string_view text);

/// Octets fit for secrets. False: none could be had.
bool random_octets(char* out, std::size_t size);

/// SHA-256 of a key and parts, each with its length: an index that does not show what it is of.
std::string keyed_digest(std::string_view key, std::initializer_list<std::string_view> parts);

}  // namespace ringpost::auth
