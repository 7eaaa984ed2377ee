#pragma once

#include <cstdint>
#include <string_view>

#include "core/mail/doors.h"
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

/// Door spool -> whoever tells senders what became of their mail.
class ReportSink : public OutcomeSink {
 public:
  /// Somebody may have asked to hear of the delay of this message, and it is time to look. False:
  /// no room; it is offered again.
  virtual bool look_at(const SpoolHandle& message) = 0;
  /// An attempt at a host put a recipient off whose sender asked to hear of delays; the record is
  /// not in the journal yet and has no sequence.
  virtual void put_off(const SpoolHandle& message, const SettledRecord& record) {
    static_cast<void>(message), static_cast<void>(record);
  }
};

}  // namespace ringpost
