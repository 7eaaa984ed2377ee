#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"

namespace ringpost::resolve {

// MTA-STS (RFC 8461): what a domain says of its mail exchangers in a file on its web server.

enum class StsMode : std::uint8_t {
  none,     ///< the domain has no policy any more
  testing,  ///< failures are counted, mail leaves as without a policy
  enforce,  ///< mail leaves only to hosts that the policy names and whose certificates are good
};
std::string_view name_of(StsMode mode) noexcept;

struct StsPolicy {
  std::string domain;
  std::string id;  ///< of the record in DNS it was fetched for
  StsMode mode = StsMode::none;
  std::vector<std::string> mx;  ///< patterns, lower case
  Duration max_age;
  WallTime fetched;

  WallTime expires() const noexcept { return fetched + max_age; }
  /// It should be fetched anew, long before it expires (section 10.2).
  bool is_due(WallTime now) const noexcept;
  /// Whether the policy names this host (section 4.1): the same name, or a leading `*.` in the
  /// place of exactly one label. `host` is lower case, without a final dot.
  bool names(std::string_view host) const noexcept;

  bool operator==(const StsPolicy&) const = default;
};
using StsPolicyRef = std::shared_ptr<const StsPolicy>;

/// A policy's file is not read beyond this.
inline constexpr std::size_t kStsPolicyBytesMax = 64 * 1024;
inline constexpr std::size_t kStsPatternsMax = 256;

/// The id in the TXT records of `_mta-sts.DOMAIN` (section 3.1); empty: there is no record of
/// MTA-STS, or more than one, or it is none by the grammar.
std::string sts_record_id(const std::vector<std::string>& texts);

/// Reads a policy's file (section 3.2): version, mode, max_age and mx. invalid: the detail says
/// what is wrong. Domain, id and time are left for the caller.
Result<StsPolicy> parse_sts_policy(std::string_view text);

/// One line of the file in which policies are kept, and back; without the line's end.
std::string sts_line(const StsPolicy& policy, std::string_view authorities);
struct StsLine {
  StsPolicy policy;
  std::string authorities;  ///< file of those that the web server's certificate was checked against
};
Result<StsLine> parse_sts_line(std::string_view line);

}  // namespace ringpost::resolve
