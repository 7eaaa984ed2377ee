#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/app/signing.h"
#include "core/base/address.h"
#include "core/base/shared_count.h"
#include "core/config/check.h"
#include "core/config/snapshot.h"
#include "core/loop/tls.h"
#include "net/ingest/config.h"

namespace ringpost::app {

/// Where the configuration is read from, the first time and at every reload.
class ConfigSource {
 public:
  virtual ~ConfigSource() = default;
  /// Blocks on disk. Any thread, one at a time.
  virtual config::CheckResult read() = 0;
};

/// A configuration that has been read and found whole, with what the shards need of it.
struct ReloadPlan {
  std::vector<config::Diagnostic> diagnostics;
  std::shared_ptr<const config::Snapshot> snapshot;  ///< nullptr: faulty, nothing may change
  ingest::IngestConfigRef ingest;
  std::shared_ptr<const KeyRing> keys;  ///< read anew, so that a reload rotates them
  std::vector<std::string> faults;      ///< of users' files: sentences for the log
  std::uint32_t version = 0;
  std::vector<std::string> needs_restart;  ///< directives that differ and keep their old value
};

/// Reads the configuration anew and knows which one is in force. Used by one thread at a time.
class Reloader {
 public:
  /// `sessions_in` counts incoming sessions of all shards; all references outlive this.
  Reloader(ConfigSource& source, std::shared_ptr<const config::Snapshot> current,
           std::vector<IpAddress> local, ingest::SessionSlots& sessions_in, TlsContexts& contexts);

  ReloadPlan plan();
  /// All shards have, or will have, taken the plan up.
  void applied(const ReloadPlan& plan);
  std::uint32_t version() const { return version_; }
  /// The rules on incoming mail that the shards began with.
  void begin(std::shared_ptr<const ingest::MailRules> rules) { rules_ = std::move(rules); }
  /// The configuration in force.
  const std::shared_ptr<const config::Snapshot>& current() const { return current_; }

 private:
  ConfigSource& source_;
  std::shared_ptr<const config::Snapshot> first_;  ///< what is fixed at start is still as here
  std::shared_ptr<const config::Snapshot> current_;
  std::shared_ptr<const ingest::MailRules> rules_;
  std::vector<IpAddress> local_;
  ingest::SessionSlots& sessions_in_;
  TlsContexts& contexts_;
  std::uint32_t version_ = 1;
};

/// total-max-smtp-in as a limit.
std::uint32_t sessions_in_max(const config::GlobalSettings& global);
/// The limits of the configuration on sessions of clients, from now on.
void limit_sessions(const config::Snapshot& snapshot, ingest::SessionSlots& slots);

}  // namespace ringpost::app
