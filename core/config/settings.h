#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/config/policy.h"

namespace ringpost::config {

/// Where a setting was written. `file` is an index into Snapshot::files(); line 0 means that it is
/// a default.
struct Origin {
  std::uint32_t file = 0;
  std::uint32_t line = 0;

  bool is_default() const { return line == 0; }
};

/// A named or addressed source section; kNoSource where none is meant.
using SourceId = std::uint32_t;
inline constexpr SourceId kNoSource = 0xffff'ffffu;

struct Listener {
  /// Accept on every local address in this network: a single address has all its bits, `0/0` and
  /// `[::]` none.
  IpNetwork network;
  std::uint16_t port = 0;
  SourceId source = kNoSource;  ///< its rules override those by client address
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

struct AcctFile {
  std::string_view path;
  std::span<const std::string_view> records;  ///< d, b, t, tq, r, rb, rs, f
  std::span<const std::string_view> fields;   ///< columns in order
  Duration sync_interval{};
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
  Origin origin;
};

struct VmtaPool {
  std::string_view name;
  std::vector<VmtaId> members;
  Origin origin;
};

/// Settings of the process as a whole.
struct GlobalSettings {
  std::vector<std::string_view> host_names;  ///< at least one
  std::vector<std::string_view> postmasters;
  std::string_view control_socket;
  std::uint32_t shards = 0;  ///< 0: one per core
  bool cpu_pinning = false;
  std::string_view log_file;  ///< empty: standard error
  std::uint32_t total_max_smtp_out = 0;
  std::uint32_t total_max_smtp_in = 0;
  std::uint64_t max_message_size = 0;
  std::vector<SocketAddress> name_servers;  ///< empty: the system's
  Duration shutdown_timeout{};
  std::uint64_t journal_max = 0;         ///< bytes, per log
  std::uint64_t spool_segment_size = 0;  ///< bytes
  std::uint32_t spool_spare = 0;         ///< files, per log
  Duration settle_sync_interval{};
  std::uint32_t unsettled_max = 0;        ///< outcomes, per shard
  std::uint64_t zero_copy_threshold = 0;  ///< bytes
  std::vector<Listener> listeners;
  std::vector<SpoolFolder> spools;
  std::vector<AcctFile> acct_files;
};

}  // namespace ringpost::config
