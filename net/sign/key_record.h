#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "net/sign/signing_key.h"

namespace ringpost::sign {

/// A key record as published in DNS (RFC 6376 section 3.6.1).
struct KeyRecord {
  std::string key_type = "rsa";       ///< k=, lower case
  std::string public_key;             ///< p= decoded; empty: the key was revoked
  std::vector<std::string> hashes;    ///< h=, lower case; empty: all
  std::vector<std::string> services;  ///< s=, lower case; empty: all
  bool testing = false;               ///< t=y: receivers treat mail as if it were not signed
  bool strict = false;                ///< t=s: i= must have the very domain of d=
};

/// Reads a record; the strings of a TXT record are to be joined before. invalid, with a sentence
/// on what is wrong. Unknown tags are passed over, as section 3.2 asks.
Result<KeyRecord> parse_key_record(std::string_view text);

/// What a published record means for a key.
enum class RecordState : std::uint8_t {
  matches,
  missing,    ///< no record
  malformed,  ///< no key record, or a broken one
  revoked,    ///< p= is empty
  other_key,  ///< another public key, or another type
  unusable,   ///< not for SHA-256, or not for mail
};

struct RecordCheck {
  RecordState state = RecordState::missing;
  std::string text;                ///< a sentence on the state
  std::vector<std::string> notes;  ///< sentences on what else is remarkable
};

/// Compares a key with the TXT records found at SELECTOR._domainkey.DOMAIN. `identity_below`: i=
/// will name a domain below d=, which a strict record does not allow.
RecordCheck check_records(const SigningKey& key, std::span<const std::string> records,
                          bool identity_below);

}  // namespace ringpost::sign
