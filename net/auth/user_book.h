#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/tls.h"
#include "net/auth/password.h"

namespace ringpost::auth {

/// By what a user is known; by nothing else then.
enum class LoginMethod : std::uint8_t {
  password,     ///< User::secret
  system,       ///< the password of the account of this name on the host
  certificate,  ///< one of User::certificates, shown when the connection was encrypted
};

/// Somebody who may authenticate.
struct User {
  std::string name;
  StoredSecret secret;
  std::uint32_t rules = 0;  ///< what the user's sessions are bound to; the host's number
  LoginMethod method = LoginMethod::password;
  std::vector<CertificateDigest> certificates{};
};

/// The users of a listener or of all. Built at start and reload, immutable and shared from then on.
class UserBook {
 public:
  UserBook() = default;
  UserBook(const UserBook&) = delete;
  UserBook& operator=(const UserBook&) = delete;

  /// A name that is there already keeps its first user; false then.
  bool add(User user);
  /// `name:secret`, one a line; blank lines and those with # are skipped. Faults go to `faults`,
  /// each with `place` and its line; such a line counts for nothing. Only hashes are taken, unless
  /// `clear_too`.
  void read(std::string_view text, const std::string& place, std::uint32_t rules, bool clear_too,
            std::vector<std::string>& faults);

  /// nullptr: nobody. Names are compared to the octet.
  const User* find(std::string_view name) const;
  /// The one known by this certificate; nullptr: nobody, or several, who have to say their names.
  const User* find(const CertificateDigest& certificate) const;
  bool empty() const { return users_.empty(); }
  /// Whether anybody's password is stored in clear, as CRAM-MD5 needs it.
  bool has_clear() const { return has_clear_; }
  /// Whether anybody is known by a certificate.
  bool has_certificates() const { return !by_certificate_.empty(); }

 private:
  std::map<std::string, User, std::less<>> users_;
  std::map<CertificateDigest, const User*> by_certificate_;  ///< nullptr: of several
  bool has_clear_ = false;
};

}  // namespace ringpost::auth
