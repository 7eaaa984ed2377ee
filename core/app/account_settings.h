#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/account/log_writer.h"
#include "core/base/result.h"
#include "core/config/check.h"
#include "core/config/diagnostic.h"
#include "core/config/snapshot.h"

namespace ringpost::app {

// The configuration in the terms of core/account.

/// invalid, unsupported: an acct-file names a field that accounting does not know or cannot show;
/// the detail names its place.
Result<account::LogWriterOptions> account_options(
    const std::shared_ptr<const config::Snapshot>& snapshot, unsigned shards,
    const account::SpoolId& spool);

/// Header fields that accounting files show, lower case.
std::vector<std::string> noted_headers(const config::Snapshot& snapshot);

/// Own categories of returned mail, then the shipped ones. Keeps the snapshot.
std::shared_ptr<const account::BounceRules> bounce_rules(
    std::shared_ptr<const config::Snapshot> snapshot);

/// For CheckOptions::judge_field.
config::FieldVerdict judge_field(std::string_view name);

/// What is wrong with the accounting files of the snapshot, their fields above all: one error at
/// most for each file, at its place.
std::vector<config::Diagnostic> check_accounts(const config::Snapshot& snapshot);

}  // namespace ringpost::app
