#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/config/policy.h"
#include "core/config/tables.h"

namespace ringpost::config {

/// A named or addressed source section; kNoSource where none is meant.
using SourceId = std::uint32_t;
inline constexpr SourceId kNoSource = 0xffff'ffffu;

struct ServerTlsSettings {
  const CertificateFile* certificate = nullptr;      ///< the last; nullptr: no encryption
  std::vector<const CertificateFile*> certificates;  ///< all; clients choose by name
  std::string_view ca_file;                          ///< for certificates of clients
  bool tls_v1 = false;
  bool tls_v1_1 = false;
  bool tls_v1_2 = true;
  bool tls_v1_3 = true;
  std::string_view ciphers;
  std::string_view suites;
};

struct Listener {
  /// Accept on every local address in this network: a single address has all its bits, `0/0` and
  /// `[::]` none.
  IpNetwork network;
  std::uint16_t port = 0;
  SourceId source = kNoSource;  ///< its rules override those by client address
  bool immediate_tls = false;   ///< encrypted from the first byte
  bool no_tls = false;          ///< STARTTLS is not offered
  ServerTlsSettings tls;        ///< those of the process where the listener has none
  Origin origin;

  /// Whether one bind to `address()` does; otherwise the caller finds the local addresses.
  bool single() const;
  /// The address to bind: the one address, or the unspecified one for `0/0` and `::/0`.
  SocketAddress address() const { return {network.base, port}; }
};

struct SpoolFolder {
  std::string_view path;
  bool deliver_only = false;
  std::uint64_t min_free_space = 0;
  Origin origin;
};

enum class AcctFormat : std::uint8_t { csv, json };
enum class Compression : std::uint8_t { none, gzip, zstd };

/// Columns of some kinds of records.
struct AcctColumns {
  std::span<const std::string_view> records;  ///< d, b, t...
  std::span<const std::string_view> fields;
};

/// A header field that is written into a column.
struct HeaderColumn {
  std::string_view record;
  std::string_view header;
  std::string_view field;
};

struct AcctFile {
  std::string_view path;
  std::span<const std::string_view> records;  ///< d, b, t, tq, r, rb, rs, f
  std::span<const std::string_view> fields;   ///< columns in order
  Duration sync_interval{};
  AcctFormat format = AcctFormat::csv;
  /// record-fields: columns by kind of record, `*` and `!field` included, as written.
  std::vector<AcctColumns> columns;
  std::vector<HeaderColumn> header_columns;  ///< map-header-to-field
  std::string_view move_to;                  ///< folder; empty: files stay
  Duration move_interval{};                  ///< life of one file
  Compression compress = Compression::none;
  std::uint64_t max_size = 0;  ///< bytes of one file
  Duration delete_after{};     ///< forever(): never
  bool iso_times = true;
  bool world_readable = false;
  bool sync = false;
  std::string_view user_string;
  std::span<const std::string_view> queue_filter;  ///< `!` before a name excludes it
  Origin origin;
};

/// A local address for outgoing connections and the name given in HELO from it.
struct SourceHost {
  IpAddress address;  ///< unspecified (0.0.0.0, ::): whichever the system picks
  std::string_view helo;
};

/// A virtual MTA with everything inherited already filled in.
struct VirtualMta {
  std::string_view name;            ///< `{default}` for 0
  std::vector<SourceHost> sources;  ///< used in turn; empty: the system picks, HELO is `helo`
  std::string_view helo;
  std::uint32_t max_smtp_out = kUnlimited;  ///< over all its queues
  Rate max_msg_rate;                        ///< over all its queues
  Rate max_connect_rate;                    ///< over all its queues
  DataRate max_data_rate;                   ///< over all its queues
  const Warmup* warmup = nullptr;           ///< over all its queues
  std::uint32_t weight = 1;                 ///< share in its pools
  std::vector<VmtaId> cold;                 ///< who takes the first messages of a day, in turn
  std::vector<DkimKey> domain_keys;         ///< its own, then those of its pools
  Origin origin;
};

enum class SourceHash : std::uint8_t { none, domain, recipient };

struct VmtaPool {
  std::string_view name;
  std::vector<VmtaId> members;
  /// The same domain or recipient always leaves by the same member (rendezvous hashing).
  SourceHash source_hash = SourceHash::none;
  Rate max_msg_rate;  ///< over all members together
  Origin origin;
};

enum class AuthType : std::uint8_t { file };
enum class LogFormat : std::uint8_t { text, json };
enum class LogLevel : std::uint8_t { debug, info, warning, error };

/// Settings of the process as a whole.
struct GlobalSettings {
  std::vector<std::string_view> host_names;  ///< at least one
  std::vector<std::string_view> postmasters;
  Rate max_report_rate;                   ///< notifications to one return path
  std::uint64_t dsn_return_full_max = 0;  ///< bytes
  std::string_view control_socket;
  std::uint32_t shards = 0;  ///< 0: one per core
  bool cpu_pinning = false;
  bool run_as_root = true;
  std::string_view run_as_user;  ///< otherwise
  std::string_view log_file;     ///< empty: standard error
  LogFormat log_format = LogFormat::text;
  LogLevel log_level = LogLevel::info;
  std::uint32_t total_max_smtp_out = 0;
  std::uint32_t total_max_smtp_in = 0;
  std::uint64_t max_message_size = 0;
  std::vector<SocketAddress> name_servers;  ///< empty: the system's
  Duration shutdown_timeout{};
  std::uint64_t journal_max = 0;         ///< bytes, per log
  std::uint64_t spool_segment_size = 0;  ///< bytes
  std::uint32_t spool_spare = 0;         ///< files, per log
  Duration settle_sync_interval{};
  std::uint32_t unsettled_max = 0;         ///< outcomes, per shard
  std::uint64_t zero_copy_threshold = 0;   ///< bytes
  std::string_view domain_suffix;          ///< for addresses without a domain; empty: none
  std::uint32_t host_id = 0;               ///< in generated message ids
  std::string_view invalid_vmta_fallback;  ///< instead of refusing; empty: none
  AuthType auth_type = AuthType::file;
  std::string_view auth_file;  ///< users and hashes, one a line; empty: none
  ServerTlsSettings server_tls;
  std::uint32_t http_port = 0;  ///< 0: no web monitor
  bool http_redirect_to_https = true;
  bool http_csrf_protection = true;
  std::vector<HttpAccess> http_access;
  std::vector<Secret> http_api_keys;
  std::vector<std::string_view> relay_addresses;  ///< an address, or /pattern/
  std::vector<HostConnectionLimit> host_limits;
  std::vector<Listener> listeners;
  std::vector<SpoolFolder> spools;
  std::vector<AcctFile> acct_files;
};

}  // namespace ringpost::config
