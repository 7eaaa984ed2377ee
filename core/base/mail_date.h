#pragma once

#include "core/base/text.h"
#include "core/base/time.h"

namespace ringpost {

/// Octets write_mail_date() needs.
inline constexpr std::size_t kMailDateBytes = 31;

/// Date and time as mail writes it (RFC 5322 section 3.3), in UTC: `Sat, 21 Nov 2026 11:26:07
/// +0000`. For times from 1970 to 9999.
void write_mail_date(WallTime when, TextBuilder& out) noexcept;

}  // namespace ringpost
