#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/address.h"
#include "core/base/shared_count.h"
#include "core/mail/envelope.h"

namespace ringpost::ingest {

/// Values of the header fields that rules asked for in SourcePolicy::fields.
class FieldValues {
 public:
  virtual ~FieldValues() = default;
  /// Of the first field of that name, unfolded; empty where there is none.
  virtual std::string_view value(std::string_view name) const = 0;
};

/// One recipient of a complete message for which virtual MTA and priority are to be found.
struct ChoiceQuestion {
  std::uint32_t source = 0;       ///< SourcePolicy::rules
  std::string_view named;         ///< what an obeyed header field says; empty: nothing
  std::string_view reverse_path;  ///< empty for the null path
  std::string_view recipient;     ///< without angle brackets
  std::string_view domain;        ///< of the recipient
  IpAddress local;                ///< address of ours that the client connected to
  const FieldValues* fields = nullptr;
};

struct Choice {
  std::string_view vmta;       ///< virtual MTA or pool; empty: the rules name one that is unknown
  std::uint64_t pool_key = 0;  ///< of the recipient, where a pool goes by it; else 0
  std::uint8_t priority = kNormalPriority;
};

/// The configuration's rules on incoming mail, asked on the shards' threads. Immutable; what it
/// names lives as long as it does. Answers allocate nothing, but for patterns that need it.
class MailRules {
 public:
  virtual ~MailRules() = default;
  virtual Choice choose(const ChoiceQuestion& question) const = 0;
  /// Whether all recipients of a message from there get the same answer but for their pool keys.
  virtual bool same_for_all(std::uint32_t source, std::string_view named) const = 0;
  /// Counts the sessions of all shards that submit mail of this sender, where their number is
  /// limited; nullptr: it is not. A session takes a unit at its first MAIL and gives it back.
  virtual SharedCount* sessions_of(std::string_view reverse_path) const = 0;
  /// The return path that mail of this sender leaves with instead; empty: its own.
  virtual std::string_view return_path(std::string_view /*sender*/) const { return {}; }
  /// Key of the rule for the sender, the same over reloads and restarts; 0: there is none.
  virtual std::uint64_t rule_key(std::string_view /*sender*/) const { return 0; }
  /// Whether anybody may send to this address.
  virtual bool is_relay_address(std::string_view recipient) const = 0;
  /// Whether lists of the source forbid this recipient.
  virtual bool is_suppressed(std::uint32_t source, std::string_view recipient) const = 0;
};

}  // namespace ringpost::ingest
