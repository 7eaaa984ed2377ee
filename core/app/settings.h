#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/app/log.h"
#include "core/app/shard.h"
#include "core/config/snapshot.h"
#include "core/loop/tls.h"
#include "net/ingest/config.h"

namespace ringpost::app {

// The configuration in the terms of the rooms that act on it. Pure; errors were found when the
// configuration was checked, what is refused here as well names its place.

/// What a listener binds: its address, the unspecified one for 0/0, or each address of this host
/// (`local`) that lies in its network.
std::vector<SocketAddress> bind_addresses(const config::Listener& listener,
                                          const std::vector<IpAddress>& local);
/// not_found: a listener's network holds no address of this host.
Status check_listeners(const config::Snapshot& snapshot, const std::vector<IpAddress>& local);

/// `before`: the rules in force, made by this too. `contexts` makes the listeners' encryption;
/// without, none has any. What is wrong with users' files goes to `faults`. not_found: a file of a
/// suppression list cannot be read. `slots` numbers the groups of sources.
Result<ingest::IngestConfigRef> ingest_config(
    const std::shared_ptr<const config::Snapshot>& snapshot,
    const std::vector<IpAddress>& local = {}, const ingest::MailRules* before = nullptr,
    TlsContexts* contexts = nullptr, std::vector<std::string>* faults = nullptr,
    ingest::SessionSlots* slots = nullptr);
LogForm log_form_of(const config::GlobalSettings& global);
/// `debug`: the command line asked for everything.
LogLevel log_level_of(const config::GlobalSettings& global, bool debug);
/// All but the ingest configuration, which the shards share.
ShardSettings shard_settings(std::shared_ptr<const config::Snapshot> snapshot, unsigned shard,
                             unsigned shards, const std::vector<IpAddress>& local = {});

}  // namespace ringpost::app
