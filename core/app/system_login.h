#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "core/config/diagnostic.h"
#include "core/config/snapshot.h"
#include "net/auth/desk.h"

namespace ringpost::app {

/// Accounts of the host: runs ringpost-pam for each attempt, which asks PAM, and ends it after a
/// while. What keeps it from telling is logged once a minute. Any thread.
class PamLogins final : public auth::SystemLogins {
 public:
  /// `program`: the path of ringpost-pam.
  explicit PamLogins(std::string program) : program_(std::move(program)) {}
  Answer check(const std::string& user, std::string_view password,
               const IpAddress& client) override;

 private:
  void complain(const std::string& why);

  std::string program_;
  std::atomic<std::int64_t> complained_{0};  ///< seconds since the epoch
};

/// Where ringpost-pam lies: beside this program, or in ../lib/ringpost from there.
std::string pam_program();

/// What keeps users of the configuration from being known, as warnings: certificates that cannot be
/// read, that have expired or that no listener can ask for, and accounts of the host that this
/// program could not ask for. Reads files.
std::vector<config::Diagnostic> check_users(const config::Snapshot& snapshot);
/// The same as lines for the log.
std::vector<std::string> user_warnings(const config::Snapshot& snapshot);

}  // namespace ringpost::app
