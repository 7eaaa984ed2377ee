#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

#include "core/base/address.h"
#include "core/base/completion.h"
#include "core/base/time.h"
#include "core/loop/loop.h"
#include "core/loop/ports.h"
#include "net/auth/failure_guard.h"
#include "net/auth/password.h"
#include "net/auth/user_book.h"

namespace ringpost::auth {

/// The accounts of the host. Called on helper threads, several at a time.
class SystemLogins {
 public:
  enum class Answer : std::uint8_t { good, bad, unknown };  ///< unknown: nobody could tell
  virtual ~SystemLogins() = default;
  /// Whether this is the password of an account that may be used now. May take seconds.
  virtual Answer check(const std::string& user, std::string_view password,
                       const IpAddress& client) = 0;
};

/// What all shards' checks have in common: failures, and passwords found good a while ago, so that
/// a client that comes back does not cost a hash each time. Called on helper threads.
class SharedState {
 public:
  SharedState();
  FailureGuard guard;
  SystemLogins* system = nullptr;  ///< set before the first check; null: nobody has an account

  /// Digests under a key that only this process has; nothing of the password can be read from them.
  bool is_known(const User& user, std::string_view password);
  void remember(const User& user, std::string_view password);

 private:
  static constexpr std::size_t kKnownMax = 4096;
  std::string digest(const User& user, std::string_view password) const;

  std::array<char, 32> key_{};
  std::mutex mutex_;
  std::unordered_set<std::string> known_;
};

enum class Verdict : std::uint8_t {
  accepted,
  refused,   ///< no such user, or another password
  too_many,  ///< failures of the address or the account: not looked at
  busy,      ///< too many checks are under way, or nobody could tell
};

/// One attempt. Owned by the session until the completion has run.
struct CheckOp : Completion {
  // In:
  std::shared_ptr<const UserBook> book;
  std::string user;       ///< empty with a certificate: whose it is; filled in where accepted
  SecretText secret;      ///< the password, or the digest where there is a challenge
  std::string challenge;  ///< of CRAM-MD5; empty: a password
  ClientProof proof = ClientProof::none;  ///< other than none: by `certificate` and nothing else
  CertificateDigest certificate{};
  IpAddress address;
  std::uint64_t failures_max = 0;  ///< in failures_period; 0: no limit
  Duration failures_period = Duration::minutes(1);
  // Out:
  Verdict verdict = Verdict::refused;
  std::uint32_t rules = 0;  ///< of the user accepted

 private:
  friend class Desk;
  WorkOp work_;
  class Desk* desk_ = nullptr;
  bool slow_ = false;  ///< counted as such
  Instant now_;
  void on_checked(Completion& completion);
};

/// Judges attempts on helper threads. One per shard.
class Desk {
 public:
  /// All outlive the desk. Without `helpers` checks are made at once, on the shard (simulator).
  /// `slow` are threads for accounts of the host, whose checks may take seconds.
  Desk(Loop& loop, Worker* helpers, SharedState& shared, Worker* slow = nullptr)
      : loop_(loop), helpers_(helpers), slow_helpers_(slow), shared_(shared) {}

  /// Completes `op` later; secrets in it are wiped by then.
  void check(CheckOp& op);
  std::size_t under_way() const noexcept { return under_way_; }

 private:
  friend struct CheckOp;
  static constexpr std::size_t kUnderWayMax = 256;
  static constexpr std::size_t kSlowMax = 32;  ///< of these, of accounts of the host

  static std::int32_t work(void* op);
  void judge(CheckOp& op) const;
  SystemLogins::Answer look_at(const CheckOp& op, const User* user) const;
  bool has_password(const CheckOp& op, const User& user) const;
  void finish(CheckOp& op);

  Loop& loop_;
  Worker* helpers_;
  Worker* slow_helpers_;
  SharedState& shared_;
  std::size_t under_way_ = 0;
  std::size_t slow_ = 0;
};

}  // namespace ringpost::auth
