#pragma once

#include <string>
#include <vector>

#include "core/config/snapshot.h"
#include "net/auth/certificate.h"
#include "net/ingest/config.h"

namespace ringpost::app {

/// The rules of a source, by their number in an ingest configuration.
class RulesOfSources {
 public:
  virtual ~RulesOfSources() = default;
  virtual std::uint32_t rules_of(config::SourceId source) = 0;
};

/// Gives each policy the users that may authenticate under it: those of its own file, or those of
/// the configuration and its auth-file. Reads files, so at start and reload only, off the shards.
/// What is wrong with files or users goes to `faults`, each
/// sentence with its place; such a user cannot authenticate.
void attach_users(const config::Snapshot& snapshot, RulesOfSources& sources,
                  std::vector<ingest::SourcePolicy>& policies, std::vector<std::string>& faults);

/// The certificates of a user known by one, from their file. Errors name the file.
Result<auth::UserCertificates> user_certificates(const config::SmtpUser& user);

}  // namespace ringpost::app
