#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/config/secret.h"
#include "core/config/values.h"

namespace ringpost::config {

class ReplyPatterns;

// Parts of PathPolicy, by the capability that reads them. Names follow the directives; texts and
// lists are views into the snapshot.

/// A virtual MTA: 0 is `{default}`, the others follow in the order of the file.
using VmtaId = std::uint32_t;
inline constexpr VmtaId kDefaultVmta = 0;

/// What a name in the place of a virtual MTA means.
struct VmtaRef {
  enum class Kind : std::uint8_t { none, vmta, pool };
  Kind kind = Kind::none;
  std::uint32_t id = 0;  ///< index in Snapshot::virtual_mtas() or Snapshot::pools()

  bool operator==(const VmtaRef&) const = default;
};

/// A limit for each local address within a network; the narrowest network counts.
struct SourceIpLimit {
  IpNetwork network;
  std::uint32_t count = kUnlimited;  ///< of source-ip-max-smtp-out
  Rate rate;                         ///< of the connect and message rates
  DataRate data;                     ///< of the data volume rate
};

enum class WarmupCurve : std::uint8_t { exponential, linear };

/// A rate limit that grows from `start_rate` to `end_rate` over `period` and then stays. Its state
/// belongs to the identity it was written for: source address and queue.
struct Warmup {
  Duration period{};
  Rate start_rate;
  Rate end_rate;
  WarmupCurve curve = WarmupCurve::exponential;
  bool count_idle_days = false;
  std::int64_t start_day = 0;  ///< days since 1970-01-01; 0: the first delivery
  std::uint32_t file = 0;      ///< where it was written
  std::uint32_t line = 0;
};

/// A PEM file that holds a certificate and its key.
struct CertificateFile {
  std::string_view file;
  Secret password;  ///< of the key; empty: it has none
};

struct BackoffSettings {
  /// nullptr: no reply changes the mode. The shipped list where the queue has a back-off time but
  /// names no list.
  const ReplyPatterns* reply_patterns = nullptr;
  std::string_view smtp_pattern_list;  ///< its name as written
  std::uint32_t backoff_max_smtp_out = 0;
  Rate backoff_max_msg_rate;
  Rate backoff_max_connect_rate;
  DataRate backoff_max_data_rate;
  std::span<const Duration> backoff_retry_after;  ///< at least one step; the last repeats
  Duration backoff_to_normal_after{};             ///< forever(): not by time
  bool backoff_to_normal_after_delivery = false;
  std::string_view backoff_reroute_to;  ///< name as written; empty: no reroute
  VmtaRef backoff_reroute;              ///< what it means; kind none: do not reroute
  std::span<const std::string_view> backoff_notify;
  bool backoff_upon_all_sources_disabled = false;
  Duration reenable_source_ip_after{};  ///< forever(): by command only
  std::span<const std::string_view> disabled_source_ip_notify;
};

enum class TlsVerification : std::uint8_t {
  none,        ///< any certificate, clear text if the host offers no TLS
  encrypt,     ///< any certificate, never clear text
  certificate  ///< the certificate must be good for the host's name
};

struct ClientTlsSettings {
  bool use_starttls = true;
  bool require_starttls = false;  ///< never send in clear
  TlsVerification tls_verification = TlsVerification::none;
  bool use_dane = false;
  bool use_mta_sts = false;
  bool reuse_tls_session = true;
  bool tls_allow_v1 = false;
  bool tls_allow_v1_1 = false;
  bool tls_allow_v1_2 = true;
  bool tls_allow_v1_3 = true;
  std::string_view tls_ciphers;                         ///< OpenSSL's form; empty: its default
  std::string_view tls_suites;                          ///< of TLS 1.3
  std::string_view tls_ca_file;                         ///< empty: the system's
  const CertificateFile* client_certificate = nullptr;  ///< nullptr: none
  std::string_view auth_username;  ///< at a smart host; empty: no authentication
  Secret auth_password;
  bool use_unencrypted_auth = false;
};

enum class DkimAlgorithm : std::uint8_t { rsa_sha256, rsa_sha1, ed25519_sha256 };
enum class DkimCanon : std::uint8_t { relaxed, simple };

struct DkimSettings {
  bool dkim_sign = false;
  std::string_view dkim_identity;  ///< `sender-or-from`, `strict-from`, `@domain` or an address
  std::string_view dkim_identity_fallback;
  std::string_view dkim_selector;  ///< with dkim_key_file: a key written in the domain section
  std::string_view dkim_key_file;
  DkimAlgorithm dkim_algorithm = DkimAlgorithm::rsa_sha256;
  DkimCanon dkim_body_canon = DkimCanon::relaxed;
  DkimCanon dkim_headers_canon = DkimCanon::relaxed;
  std::span<const std::string_view> dkim_headers;   ///< signed beside the standard ones
  std::span<const std::string_view> dkim_oversign;  ///< nobody may add one later
  bool dkim_body_limit = false;
  bool dkim_timestamp = false;
  Duration dkim_expire_after{};  ///< forever(): no x=
  bool second_dkim_sign = false;
  std::string_view second_dkim_identity;
};

/// What is notified and logged of a queue.
struct ReportSettings {
  bool deliver_local_dsn = true;
  Duration notify_of_delay_every{};  ///< forever(): never
  std::span<const std::string_view> disable_acct_records;
  bool log_connections = false;
  bool log_commands = false;
  bool log_data = false;
  bool log_tls = false;
  bool log_resolution = false;
  bool log_transfer_failures = false;
};

}  // namespace ringpost::config
