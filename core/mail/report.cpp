#include "core/mail/report.h"

#include "core/mail/job.h"

namespace ringpost {

bool report_owed(OutcomeKind kind, std::uint8_t notify, std::uint16_t offered,
                 const Envelope& envelope) noexcept {
  if (envelope.reverse_path.empty() || (envelope.reports & report_rule::kNone) != 0 ||
      (notify & notify::kNever) != 0) {
    return false;
  }
  switch (kind) {
    case OutcomeKind::bounced:
    case OutcomeKind::expired:
      return notify == notify::kUnspecified || (notify & notify::kFailure) != 0;
    case OutcomeKind::delivered:
      return (notify & notify::kSuccess) != 0 && (offered & offered::kDsn) == 0;
    case OutcomeKind::pending:
    case OutcomeKind::returned:
    case OutcomeKind::deferred:
    case OutcomeKind::cancelled: break;
  }
  return false;
}

}  // namespace ringpost
