#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/config/domain_index.h"
#include "core/config/policy.h"
#include "core/config/secret.h"

namespace ringpost::config {

/// Where a setting was written. `file` is an index into Snapshot::files(); line 0 means that it is
/// a default.
struct Origin {
  std::uint32_t file = 0;
  std::uint32_t line = 0;

  bool is_default() const { return line == 0; }
};

/// A key that signs for a domain and the domains below it.
struct DkimKey {
  std::string_view selector;
  std::string_view domain;  ///< lower case; empty: any
  std::string_view file;    ///< a PEM file, or a folder with SELECTOR.DOMAIN.pem
  DkimAlgorithm algorithm = DkimAlgorithm::rsa_sha256;
  /// Of a dkim-signature block: signs all mail of its domain, whatever dkim-sign says.
  bool always = false;
  Origin origin;
};

/// A list of keys under a name, chosen by a message.
struct DkimKeyList {
  std::string_view name;
  std::vector<DkimKey> keys;
};

enum class UserMethod : std::uint8_t { password, system, certificate };

struct SmtpUser {
  std::string_view name;
  Secret password;          ///< as written: clear, or a hash
  std::string_view source;  ///< name of its source; empty: {auth}
  std::uint32_t source_id = 0xffff'ffffu;
  UserMethod method = UserMethod::password;
  std::string_view certificate;
  Origin origin;
};

/// Sources that share a quota of sessions.
struct SourceGroup {
  std::string_view name;
  std::uint32_t max_smtp_in = kUnlimited;
  std::uint32_t reserved_smtp_in = 0;
  Origin origin;
};

/// Rules for mail of a sender. `address` is `user@domain`, `@domain` or `*@domain`.
struct SenderRule {
  std::string_view address;
  std::string_view vmta;  ///< name as written; empty: chosen otherwise
  VmtaRef vmta_ref;
  Rate max_msg_rate;
  std::uint32_t max_conn = kUnlimited;
  std::string_view bounce_sender;  ///< return path; empty: unchanged
  Origin origin;
};

/// Choice of a virtual MTA by recipient domain (the section `source` without a name).
struct RoutingTable {
  DomainIndex index;             ///< of `targets`
  std::vector<VmtaRef> targets;  ///< kind none: a name that does not exist
  VmtaRef fallback;              ///< kind none: no default
};

/// Smart hosts under a name.
struct SmartRoute {
  std::string_view name;
  const StaticRoute* destination = nullptr;
  bool backup = false;
  std::uint32_t priority = 0;  ///< lower comes first
  Origin origin;
};

/// `mx HOST NAME`: a domain with this best mail host goes to the queue NAME.
struct MxRollupRule {
  std::string_view pattern;  ///< lower case; `*.d` is any name below d
  std::string_view queue;
  bool by_ip = false;  ///< the queue has no hosts of its own: those of the domain are used
  Origin origin;
};

enum class HttpRight : std::uint8_t { none, monitor, operate, admin };

/// What clients of a network may do on the web monitor; the narrowest network counts.
struct HttpAccess {
  IpNetwork network;
  HttpRight right = HttpRight::none;
  bool deny_logs = false;
  Origin origin;
};

/// A limit of connections to mail hosts by name or address, over all queues.
struct HostConnectionLimit {
  std::string_view name;  ///< lower case, `*.d`; empty: `network` counts
  IpNetwork network;
  std::uint32_t count = kUnlimited;
  Origin origin;
};

/// Addresses for suppression.
struct AddressList {
  std::string_view name;
  std::vector<std::string_view> addresses;  ///< an address, or /pattern/
  std::vector<std::string_view> domains;
  std::vector<std::string_view> files;
  Origin origin;
};

/// One directive outside of the queues' sections, for comparing two configurations.
struct WrittenDirective {
  std::uint32_t row = 0;     ///< index into option_rows()
  std::string_view section;  ///< "<source 10.0.0.0/8>"; empty at the global level
  std::string_view value;    ///< as written; of a secret two asterisks
  std::uint64_t digest = 0;  ///< of the value, secrets included
  Origin origin;
};

}  // namespace ringpost::config
