#pragma once

#include <string>
#include <string_view>

#include "net/audit/lookup.h"

namespace ringpost::audit {

/// What a domain's DMARC record asks for (RFC 7489 section 6.3).
struct DmarcRecord {
  enum class Policy : std::uint8_t { none, quarantine, reject };
  Policy policy = Policy::none;            ///< p
  Policy subdomain_policy = Policy::none;  ///< sp; p where it is not given
  bool strict_dkim = false;                ///< adkim
  bool strict_spf = false;                 ///< aspf
  bool reports = false;                    ///< rua names somebody
  char public_suffix = 'u';                ///< psd: y, n, or u for unknown
};
std::string_view name_of(DmarcRecord::Policy policy) noexcept;

/// False: `text` is no DMARC record; `fault` says why where it begins like one.
bool read_dmarc(std::string_view text, DmarcRecord& out, std::string& fault);

/// The record that holds for a domain.
struct DmarcAnswer {
  enum class State : std::uint8_t { found, missing, faulty, failed };
  State state = State::missing;
  std::string place;  ///< the domain whose record it is
  DmarcRecord record;
  std::string text;  ///< as published, or what is wrong
};

/// The domain's own record, or the nearest one above it. Blocks as long as `dns` does.
DmarcAnswer find_dmarc(Lookup& dns, const std::string& domain);

/// The domain under which mail of `domain` and of its relatives counts as one: found by a walk up
/// the tree of names for DMARC records, at most eight; where there are none the domain itself.
std::string organisation_of(Lookup& dns, const std::string& domain);

}  // namespace ringpost::audit
