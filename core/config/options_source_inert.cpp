#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using T = ValueType;

constexpr ScopeSet kSource = in(Scope::source);

constexpr OptionRow kRows[] = {
    inert("broken-auth-clients", kSource, T::text, why::kOld,
          "Offers AUTH in an outdated spelling too."),
    inert("allow-empty-x-virtual-mta", kSource, T::boolean, why::kHeaders,
          "Takes an empty X-Virtual-MTA for the default one."),
    inert("process-x-schedule", kSource, T::boolean, why::kHeaders,
          "Obeys delivery windows in X-Schedule."),
    inert("retain-x-schedule", kSource, T::boolean, why::kHeaders,
          "Leaves X-Schedule in the message."),
    inert("process-x-dkim-key", kSource, T::boolean, why::kMessageKeys,
          "Signs with the key in X-DKIM-Key."),
    inert("retain-x-dkim-key", kSource, T::boolean, why::kMessageKeys, "Leaves X-DKIM-Key there."),
    inert("bcc", kSource, T::word, why::kCopies, "Address that gets a copy of all mail received."),
    inert("allow-mailmerge", kSource, T::boolean, why::kSubmission,
          "Offers the mail merge commands."),
    inert("always-allow-api-submission", kSource, T::boolean, why::kSubmission,
          "Allows submission through the original's libraries."),
    inert("accept-invalid-recipients", kSource, T::boolean, why::kDialogue,
          "Takes recipients with faulty syntax and bounces them."),
    inert("rewrite-list", in(Scope::source, Scope::virtual_mta, Scope::virtual_mta_pool), T::word,
          why::kRewrite, "List of address rewriting rules."),
    inert("disconnect-on-transient-error", kSource, T::boolean, why::kDialogue,
          "Hangs up instead of a temporary refusal."),
    inert("check-dkim-inbound", kSource, T::boolean, why::kChecks, "Checks DKIM signatures."),
    inert("check-spf-inbound", kSource, T::boolean, why::kChecks, "Checks SPF."),
    inert("check-iprev-inbound", kSource, T::boolean, why::kChecks, "Checks reverse names."),
    inert("trace-dkim-check", kSource, T::boolean, why::kChecks, "Logs DKIM checks."),
    inert("trace-spf-check", kSource, T::boolean, why::kChecks, "Logs SPF checks."),
    inert("trace-iprev-check", kSource, T::boolean, why::kChecks, "Logs reverse name checks."),
    inert("check-spf-inbound-max-void-lookups", kSource, T::count, why::kChecks,
          "Empty answers that an SPF check puts up with."),
    inert("check-spf-inbound-best-guess", kSource, T::text, why::kOld,
          "SPF record for domains without one."),
    inert("reject-spf-check-temperror", kSource, T::boolean, why::kChecks,
          "Refuses where SPF could not be checked."),
    inert("reject-spf-check-permerror", kSource, T::boolean, why::kChecks,
          "Refuses where the SPF record is faulty."),
    inert("reject-spf-check-fail", kSource, T::boolean, why::kChecks, "Refuses what SPF forbids."),
    inert("reject-iprev-check-temperror", kSource, T::boolean, why::kChecks,
          "Refuses where the reverse name could not be checked."),
    inert("reject-iprev-check-permerror", kSource, T::boolean, why::kChecks,
          "Refuses where the reverse name is faulty."),
    inert("reject-iprev-check-fail", kSource, T::boolean, why::kChecks,
          "Refuses where there is no fitting reverse name."),
    inert("log-data", in(Scope::transmissions_api), T::boolean, why::kSubmission, "Logs content."),
    inert("log-tls", in(Scope::transmissions_api), T::boolean, why::kSubmission,
          "Logs handshakes."),
    inert("tls-certificate", in(Scope::transmissions_api_listener), T::words, why::kSubmission,
          "Certificate, with its key and password.", kSecretTail),
};

}  // namespace

void add_source_inert_rows(OptionRows& rows) { add_rows(rows, kRows); }

}  // namespace ringpost::config
