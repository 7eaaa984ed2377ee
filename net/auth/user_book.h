#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "net/auth/password.h"

namespace ringpost::auth {

/// Somebody who may authenticate.
struct User {
  std::string name;
  StoredSecret secret;
  std::uint32_t rules = 0;  ///< what the user's sessions are bound to; the host's number
};

/// The users of a listener or of all. Built at start and reload, immutable and shared from then on.
class UserBook {
 public:
  /// A name that is there already keeps its first user; false then.
  bool add(User user);
  /// `name:secret`, one a line; blank lines and those with # are skipped. Faults go to `faults`,
  /// each with `place` and its line; such a line counts for nothing. Only hashes are taken, unless
  /// `clear_too`.
  void read(std::string_view text, const std::string& place, std::uint32_t rules, bool clear_too,
            std::vector<std::string>& faults);

  /// nullptr: nobody. Names are compared to the octet.
  const User* find(std::string_view name) const;
  bool empty() const { return users_.empty(); }
  /// Whether anybody's password is stored in clear, as CRAM-MD5 needs it.
  bool has_clear() const { return has_clear_; }

 private:
  std::map<std::string, User, std::less<>> users_;
  bool has_clear_ = false;
};

}  // namespace ringpost::auth
