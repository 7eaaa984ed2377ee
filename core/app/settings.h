#pragma once

#include <memory>
#include <string>

#include "core/account/log_writer.h"
#include "core/app/shard.h"
#include "core/config/snapshot.h"
#include "net/ingest/config.h"

namespace ringpost::app {

// The configuration in the terms of the rooms that act on it. Pure; errors were found when the
// configuration was checked, what is refused here as well names its place.

ingest::IngestConfigRef ingest_config(const config::Snapshot& snapshot);
/// invalid: an acct-file names a field or record type that accounting does not know.
Result<account::LogWriterOptions> account_options(const config::Snapshot& snapshot, unsigned shards,
                                                  const account::SpoolId& spool);
ShardSettings shard_settings(std::shared_ptr<const config::Snapshot> snapshot, unsigned shard,
                             unsigned shards);

}  // namespace ringpost::app
