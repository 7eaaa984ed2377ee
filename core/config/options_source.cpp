#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using Id = OptionId;
using T = ValueType;

constexpr ScopeSet kSource = in(Scope::source);
constexpr auto kNewSessions = ReloadClass::new_sessions;

constexpr OptionRow kAccessRows[] = {
    acting(Id::smtp_service, "smtp-service", kSource, T::boolean, "yes", "no",
           "Whether these clients get service at all; no answers the connection with 521.",
           {.reload = kNewSessions}),
    acting(Id::always_allow_relaying, "always-allow-relaying", in(Scope::source, Scope::global),
           T::boolean, "no", "yes",
           "Whether these clients may send to any recipient; without it only to relay-domain. "
           "Clients on loopback may where no source section by address covers them.",
           {.reload = kNewSessions}),
    acting(Id::require_auth, "require-auth", kSource, T::boolean, "no", "yes",
           "Whether mail is taken only after authentication.", {.reload = kNewSessions}),
    acting(Id::max_message_size, "max-message-size", kSource, T::size, "unlimited", "10M",
           "Largest message taken from these clients; the limit of the whole server remains.",
           {.reload = kNewSessions, .traits = kEndless | kZeroIsNoLimit}),
    acting(Id::max_message_hops, "max-message-hops", kSource, T::count, "100", "30",
           "Received fields from which a message is refused as looping.",
           {.min = 1, .max = 10'000, .reload = kNewSessions}),
    acting(Id::source_max_rcpt_per_message, "max-rcpt-per-message", kSource, T::count, "unlimited",
           "1000", "Most recipients of one incoming message.",
           {.reload = kNewSessions, .traits = kEndless | kZeroIsNoLimit}),
    acting(Id::bare_newlines, "bare-newlines", kSource, T::choice, "reject", "normalise",
           "What is done with a CR or LF that stands alone: refused with 550, or turned into "
           "CRLF.",
           {.aliases = "bare-linefeeds",
            .choices = "reject normalise",
            .reload = kNewSessions,
            .traits = kOwn}),
    acting(Id::smtp_command_timeout, "smtp-command-timeout", kSource, T::duration, "10m", "2m",
           "How long a client may take to its next command.", {.reload = kNewSessions}),
    acting(Id::smtp_data_timeout, "smtp-data-timeout", kSource, T::duration, "10m", "3m",
           "How long a client may pause within a message.", {.reload = kNewSessions}),
    acting(Id::allow_chunking, "allow-chunking", kSource, T::boolean, "yes", "no",
           "Whether CHUNKING is offered.", {.reload = kNewSessions}),
    acting(Id::allow_smtputf8, "allow-smtputf8", kSource, T::boolean, "yes", "no",
           "Whether SMTPUTF8 is offered.", {.reload = kNewSessions}),
};

constexpr OptionRow kMessageRows[] = {
    acting(Id::default_virtual_mta, "default-virtual-mta", kSource, T::word, "", "mta1",
           "Virtual MTA or pool of mail that chooses none; by-smtp-source-ip takes the one that "
           "owns the local address of the connection.",
           {.reload = kNewSessions}),
    acting(Id::allow_virtual_mta, "allow-virtual-mta", kSource, T::name_list, "", "mta1,mta2",
           "Virtual MTAs and pools that mail of these clients may choose (default: any).",
           {.reload = kNewSessions, .traits = kContinues | kOwn}),
    acting(Id::process_x_virtual_mta, "process-x-virtual-mta", kSource, T::boolean, "no", "yes",
           "Whether the header field X-Virtual-MTA is obeyed and removed; otherwise it passes on.",
           {.reload = kNewSessions}),
    acting(Id::retain_x_virtual_mta, "retain-x-virtual-mta", kSource, T::boolean, "no", "yes",
           "Whether an obeyed X-Virtual-MTA stays in the message.", {.reload = kNewSessions}),
    acting(Id::reject_invalid_virtual_mta, "reject-invalid-virtual-mta", kSource, T::boolean, "yes",
           "no", "Whether mail that names an unknown virtual MTA is refused.",
           {.reload = kNewSessions}),
    acting(Id::process_x_job, "process-x-job", kSource, T::boolean, "no", "yes",
           "Whether the header field X-Job gives the job and is removed; otherwise it passes on.",
           {.reload = kNewSessions}),
    acting(Id::retain_x_job, "retain-x-job", kSource, T::boolean, "no", "yes",
           "Whether an obeyed X-Job stays in the message.", {.reload = kNewSessions}),
    acting(Id::jobid_header, "jobid-header", kSource, T::word, "", "X-Campaign",
           "Another header field that gives the job where X-Job does not.",
           {.reload = kNewSessions}),
    acting(Id::process_x_envid, "process-x-envid", kSource, T::boolean, "no", "yes",
           "Whether the header field X-Envid gives the envelope id and is removed.",
           {.reload = kNewSessions}),
    acting(Id::add_received_header, "add-received-header", kSource, T::boolean, "yes", "no",
           "Whether a Received field is added.", {.reload = kNewSessions}),
    acting(Id::hide_message_source, "hide-message-source", kSource, T::boolean, "no", "yes",
           "Leaves the client's name and address out of the added Received field.",
           {.reload = kNewSessions}),
    acting(Id::remove_received_headers, "remove-received-headers", kSource, T::boolean, "no", "yes",
           "Removes the Received fields that a message came with.", {.reload = kNewSessions}),
    acting(Id::remove_header, "remove-header", kSource, T::name_list, "", "X-Mailer,X-Priority",
           "Header fields removed from every message.",
           {.reload = kNewSessions, .traits = kContinues | kEmptyClears}),
    acting(Id::add_message_id_header, "add-message-id-header", kSource, T::boolean, "no", "yes",
           "Adds a Message-ID field where there is none.", {.reload = kNewSessions}),
    acting(Id::add_date_header, "add-date-header", kSource, T::choice, "no", "yes",
           "Adds a Date field: where there is none, or with override in any case.",
           {.choices = "no yes override", .reload = kNewSessions}),
};

}  // namespace

void add_source_rows(OptionRows& rows) {
  add_rows(rows, kAccessRows);
  add_rows(rows, kMessageRows);
}

}  // namespace ringpost::config
