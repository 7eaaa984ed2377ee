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
           "Whether mail is taken only after authentication.",
           {.reload = kNewSessions, .traits = kGuards}),
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

constexpr ScopeSet kUser = in(Scope::smtp_user);
constexpr ScopeSet kGroup = in(Scope::source_group);

constexpr OptionRow kAuthRows[] = {
    acting(Id::allow_auth, "allow-auth", kSource, T::boolean, "yes", "no",
           "Whether AUTH is offered.", {.reload = kNewSessions}),
    acting(Id::auth_mechanisms, "auth-mechanisms", kSource, T::name_list, "plain, login",
           "plain, login, cram-md5",
           "Mechanisms of AUTH: plain, login, cram-md5; the last serves users alone whose password "
           "is stored in clear.",
           {.reload = kNewSessions, .traits = kContinues}),
    acting(Id::allow_unencrypted_auth, "allow-unencrypted-plain-auth", kSource, T::boolean, "no",
           "yes", "Whether PLAIN and LOGIN are offered on unencrypted connections.",
           {.reload = kNewSessions}),
    acting(Id::require_starttls_before_auth, "require-starttls-before-auth", kSource, T::boolean,
           "no", "yes", "Whether AUTH is offered on encrypted connections only.",
           {.reload = kNewSessions}),
    acting(Id::allow_starttls, "allow-starttls", kSource, T::boolean, "no", "yes",
           "Whether STARTTLS is offered; it needs smtp-server-tls-certificate.",
           {.reload = kNewSessions}),
    acting(Id::max_auth_failure_rate, "smtp-max-auth-failure-rate", kSource, T::rate, "unlimited",
           "10/m", "Failed authentications per time from which a client is refused.",
           {.reload = kNewSessions, .traits = kEndless | kZeroIsNoLimit}),
    acting(Id::source_proxy_protocol, "allow-proxy-protocol", kSource, T::boolean, "no", "yes",
           "Whether the sessions of these peers begin with a PROXY header, whose address counts "
           "for all rules; a session without one is closed.",
           {.reload = kNewSessions, .traits = kOwn | kGuards}),
    acting(Id::user_password, "password", kUser, T::secret, "", "scrypt-hash",
           "The user's password, in clear or as ringpost passwd prints it.",
           {.reload = kNewSessions, .traits = kSecret}),
    acting(Id::user_source, "source", kUser, T::word, "{auth}", "{inside}",
           "Named source whose rules apply to the user's sessions after AUTH.",
           {.reload = kNewSessions}),
    acting(Id::user_method, "authentication-method", kUser, T::choice, "password", "certificate",
           "How the user is known: by password, by the password of the account of this name on "
           "the host (system, through PAM), or by a certificate that the client shows.",
           {.choices = "password system certificate", .reload = kNewSessions}),
    acting(Id::user_certificate, "tls-certificate", kUser, T::path, "", "/etc/ringpost/user.pem",
           "Certificate by which the user is known, in PEM; the file may hold several. With "
           "smtp-server-tls-ca-file it must be signed by one of its authorities too.",
           {.reload = kNewSessions}),
    acting(Id::source_group, "source-group", kSource, T::word, "", "inside",
           "Group of sources that share a quota of sessions.", {.reload = kNewSessions}),
    acting(Id::group_max_smtp_in, "max-smtp-in", kGroup, T::count, "unlimited", "50",
           "Most sessions of the group at a time.",
           {.reload = kNewSessions, .traits = kEndless | kZeroIsNoLimit}),
    acting(Id::group_reserved_smtp_in, "reserved-smtp-in", kGroup, T::count, "0", "5",
           "Sessions kept free for the group.", {.reload = kNewSessions}),
};

constexpr OptionRow kFurtherRows[] = {
    acting(Id::source_pattern_list, "pattern-list", kSource, T::word, "", "choice",
           "List of rules that choose a virtual MTA, before the default.",
           {.reload = kNewSessions}),
    acting(Id::suppression_lists, "suppression-lists", kSource, T::name_list, "", "blocked",
           "Address lists of recipients that nothing is sent to.",
           {.reload = kNewSessions, .traits = kContinues | kGuards}),
    acting(Id::add_x_virtual_mta_header, "add-x-virtual-mta-header", kSource, T::boolean, "no",
           "yes", "Writes the chosen virtual MTA into the message where it names none.",
           {.reload = kNewSessions}),
    acting(Id::jobid_prefix, "jobid-prefix", kSource, T::text, "", "{auth}-",
           "Text put before the job's name; {auth} stands for the user.", {.reload = kNewSessions}),
    acting(Id::process_x_dkim_options, "process-x-dkim-options", kSource, T::boolean, "no", "yes",
           "Whether signing options in X-DKIM-Options are obeyed and the field removed.",
           {.reload = kNewSessions}),
    acting(Id::retain_x_dkim_options, "retain-x-dkim-options", kSource, T::boolean, "no", "yes",
           "Whether an obeyed X-DKIM-Options stays in the message.", {.reload = kNewSessions}),
    acting(Id::date_header_time, "date-header-time", kSource, T::choice, "reception", "delivery",
           "Which time an added Date field shows.",
           {.choices = "reception delivery", .reload = kNewSessions}),
    acting(Id::auto_qualify_domain, "auto-qualify-domain", kSource, T::boolean, "yes", "no",
           "Whether addresses without a domain get that of domain-suffix; refused otherwise.",
           {.reload = kNewSessions}),
    acting(Id::too_many_rcpts_fails_message, "too-many-rcpts-fails-message", kSource, T::boolean,
           "no", "yes", "Refuses at DATA a message with too many recipients, instead of at RCPT.",
           {.reload = kNewSessions}),
    acting(Id::verp_default, "verp-default", kSource, T::boolean, "no", "yes",
           "Writes the recipient into the return path: USER-RCPT=DOMAIN@HOST.",
           {.reload = kNewSessions}),
    acting(Id::suppress_local_dsn, "suppress-local-dsn", kSource, T::boolean, "no", "yes",
           "Sends no notifications for mail of this source.", {.reload = kNewSessions}),
    acting(Id::dsn_return_default, "dsn-return-default", kSource, T::choice, "headers", "full",
           "How much of a message a notification returns where the client says nothing.",
           {.choices = "headers full system", .reload = kNewSessions}),
    acting(Id::source_log_connections, "log-connections", kSource, T::boolean, "no", "yes",
           "Logs the beginning and end of sessions.", {.reload = kNewSessions}),
    acting(Id::source_log_commands, "log-commands", kSource, T::boolean, "no", "yes",
           "Logs commands and replies, credentials left out.", {.reload = kNewSessions}),
    acting(Id::source_log_data, "log-data", kSource, T::boolean, "no", "yes", "Logs content.",
           {.reload = kNewSessions}),
    acting(Id::source_log_tls, "log-tls", kSource, T::boolean, "no", "yes", "Logs handshakes.",
           {.reload = kNewSessions}),
};

}  // namespace

void add_source_rows(OptionRows& rows) {
  add_rows(rows, kAccessRows);
  add_rows(rows, kMessageRows);
  add_rows(rows, kAuthRows);
  add_rows(rows, kFurtherRows);
}

}  // namespace ringpost::config
