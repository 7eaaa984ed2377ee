#pragma once

#include <memory>
#include <string>

#include "core/config/snapshot.h"

namespace ringpost::app {

/// A snapshot for a command to answer from, faulty directives left out; their errors go to standard
/// error and `code` tells of them. nullptr: the file cannot be read.
std::shared_ptr<const config::Snapshot> read_snapshot(const std::string& file, int& code);

}  // namespace ringpost::app
