#pragma once

#include <cstdint>
#include <string_view>

#include "core/mail/envelope.h"
#include "core/mail/outcome.h"

namespace ringpost {

/// Whether the sender of `envelope` is owed a delivery status notification on a recipient with this
/// NOTIFY whose outcome is `kind` (RFC 3461 sections 4.1 and 5.2). `offered`: extensions of the
/// receiver; one that knows DSN reports on deliveries itself. Operators delete in silence.
bool report_owed(OutcomeKind kind, std::uint8_t notify, std::uint16_t offered,
                 const Envelope& envelope) noexcept;

/// Whether the sender wants to hear of a delay: only where NOTIFY asks for it.
inline bool delay_wanted(std::uint8_t notify, const Envelope& envelope) noexcept {
  return (notify & notify::kDelay) != 0 && (notify & notify::kNever) == 0 &&
         !envelope.reverse_path.empty() && (envelope.reports & report_rule::kNone) == 0;
}

}  // namespace ringpost
