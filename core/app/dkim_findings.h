#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/app/signing.h"
#include "net/audit/lookup.h"

namespace ringpost::app {

/// One DKIM key of the configuration as published for one domain.
struct DkimFinding {
  const KeyRing::Entry* entry = nullptr;
  std::string domain;
  std::string name;  ///< where its record is
  bool good = false;
  std::string state;  ///< matches, missing, malformed, revoked, other_key, unusable, unknown
  std::string text;
  std::vector<std::string> notes;
};

/// Whether a key for `pattern`, a domain or a wildcard, signs mail of `domain`.
bool key_fits(std::string_view pattern, std::string_view domain);

/// Compares the key with what is published. `asked`: the domain whose mail it signs, which a key
/// for a wildcard needs; else may be empty.
DkimFinding look_at_key(const KeyRing::Entry& entry, std::string_view asked, audit::Lookup& dns);

}  // namespace ringpost::app
