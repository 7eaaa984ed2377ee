#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using Id = OptionId;
using T = ValueType;

constexpr ScopeSet kDomain = in(Scope::domain);
constexpr ScopeSet kDomainOrVmta = in(Scope::domain, Scope::virtual_mta);
constexpr unsigned kLimit = kEndless | kZeroIsNoLimit;
constexpr auto kNewSessions = ReloadClass::new_sessions;

constexpr OptionRow kLimitRows[] = {
    acting(Id::max_smtp_out, "max-smtp-out", kDomain, T::count, "20", "5",
           "Most connections of the queue at a time.", {.traits = kLimit}),
    acting(Id::max_per_host_out, "max-per-host-out", kDomainOrVmta, T::count, "unlimited", "4",
           "Most connections of the queue to one address of a mail host.",
           {.traits = kLimit | kOwn}),
    acting(Id::max_msg_rate, "max-msg-rate", kDomain, T::rate, "unlimited", "250/h",
           "Recipients sent per time, whatever the answer.", {.traits = kLimit}),
    acting(Id::max_msg_rate, "max-msg-per-hour", kDomain, T::per_hour, "", "120",
           "The same as max-msg-rate N/h.", {.traits = kLimit}),
    acting(Id::max_connect_rate, "max-connect-rate", kDomain, T::rate, "unlimited", "3/5m",
           "New connections per time.", {.aliases = "max-conn-rate", .traits = kLimit}),
    acting(Id::max_data_rate, "max-data-volume-rate", kDomain, T::data_rate, "unlimited", "10M/h",
           "Bytes of messages sent per time."),
    acting(Id::rampup_interval, "smtp-out-rampup-interval", kDomain, T::duration, "0s", "5s",
           "Least time between the openings of two connections."),
    acting(Id::max_cold_msgs, "max-cold-virtual-mta-msg", kDomainOrVmta, T::daily_limits, "",
           "200/day",
           "First messages of each day that the cold virtual MTA takes of a domain; several for "
           "successive days, the last repeats. Without cold-virtual-mta it bounds what the "
           "virtual MTA itself takes of a pool's mail for a domain in a day."),
    acting(Id::queue_priority, "queue-priority", kDomain, T::count, "50", "80",
           "Standing of the queue, 0 to 100, when connections are short.",
           {.aliases = "delivery-priority", .max = 100}),
    acting(Id::allow_priority_interruption, "allow-priority-interruption", kDomain, T::boolean,
           "yes", "no", "Whether queues of higher priority may take this one's connections."),
    acting(Id::source_ip_max_smtp_out, "source-ip-max-smtp-out", kDomain, T::ip_limit, "", "0/0 5",
           "Most connections of the queue from each local address of a network.",
           {.traits = kRepeats}),
    acting(Id::source_ip_max_smtp_out, "max-smtp-out-per-source-ip", kDomain, T::ip_limit, "", "5",
           "An older form of source-ip-max-smtp-out, for all local addresses.",
           {.traits = kRepeats}),
    acting(Id::source_ip_max_connect_rate, "source-ip-max-connect-rate", kDomain, T::ip_limit, "",
           "0/0 5/m", "New connections per time from each local address of a network.",
           {.traits = kRepeats}),
    acting(Id::source_ip_max_msg_rate, "source-ip-max-msg-rate", kDomainOrVmta, T::ip_limit, "",
           "0/0 100/h", "Recipients sent per time from each local address of a network.",
           {.traits = kRepeats}),
    acting(Id::source_ip_max_data_rate, "source-ip-max-data-volume-rate", kDomain, T::ip_limit, "",
           "0/0 1M/h", "Bytes sent per time from each local address of a network.",
           {.traits = kRepeats}),
    acting(Id::pacing, "pacing", kDomain, T::choice, "even", "burst",
           "How a rate is spent: evenly, or all of it early in its period.",
           {.choices = "even burst", .traits = kOwn}),
    acting(Id::max_msg_per_connection, "max-msg-per-connection", kDomainOrVmta, T::count,
           "unlimited", "50", "Messages after which a connection is closed.", {.traits = kLimit}),
    acting(Id::max_rcpt_per_message, "max-rcpt-per-message", kDomain, T::count, "1000", "100",
           "Most recipients of one message in one transaction; the rest get another copy.",
           {.aliases = "max-rcpt-per-transaction", .traits = kLimit}),
    acting(Id::max_errors_per_connection, "max-errors-per-connection", kDomainOrVmta, T::count,
           "unlimited", "10", "Refused recipients after which a connection is closed.",
           {.traits = kLimit}),
};

constexpr OptionRow kClockRows[] = {
    acting(Id::retry_after, "retry-after", kDomainOrVmta, T::duration_list, "10m", "15m,1h,4h",
           "How long the queue waits after its hosts could not be used; a list is climbed with "
           "each failure in a row, its last step repeats.",
           {.traits = kContinues}),
    acting(Id::retry_recipients_after, "retry-recipients-after", kDomain, T::duration, "10m", "20m",
           "How long a recipient waits after a temporary refusal of its own."),
    acting(Id::retry_growth, "retry-growth", kDomainOrVmta, T::count, "1", "2",
           "Factor by which each further wait of queue and recipient grows once the last step of "
           "its list was used; 1 repeats that step.",
           {.min = 1, .max = 10, .traits = kOwn}),
    acting(Id::retry_after_max, "retry-after-max", kDomainOrVmta, T::duration, "12h", "4h",
           "Longest wait that retry-growth leads to.", {.traits = kOwn}),
    acting(Id::retry_jitter, "retry-jitter", kDomainOrVmta, T::count, "0", "20",
           "Per cent of a wait by which it may be longer, drawn anew for each message and each "
           "step; never shorter.",
           {.max = 50, .traits = kOwn}),
    acting(Id::retry_after_dns_error, "retry-after-dns-error", kDomain, T::duration, "1m", "5m",
           "How long the queue waits after the domain could not be looked up."),
    acting(Id::retry_upon_new_mail, "retry-upon-new-mail", kDomain, T::boolean, "no", "yes",
           "Whether new mail ends the wait of a queue."),
    acting(Id::bounce_after, "bounce-after", kDomainOrVmta, T::duration, "4d12h", "2d",
           "Age at which undelivered mail is returned.", {.traits = kEndless}),
    acting(Id::expire_while_paused, "expire-while-paused", kDomain, T::boolean, "no", "yes",
           "Whether mail grows too old while its queue is paused by command.", {.traits = kOwn}),
};

constexpr OptionRow kRouteRows[] = {
    acting(Id::smtp_hosts, "smtp-hosts", kDomain, T::host_list, "", "[192.0.2.25]:2525",
           "Hosts to deliver to instead of the domain's MX: HOST, [ADDRESS], either with :PORT, "
           "or lookup-mx:DOMAIN; a comma separates equals, a semicolon the next choice.",
           {.aliases = "route", .traits = kEmptyClears | kContinues}),
    acting(Id::default_smtp_port, "default-smtp-port", kDomain, T::count, "25", "2525",
           "Port of hosts that are given without one.",
           {.aliases = "smtp-port", .min = 1, .max = 65535}),
    acting(Id::queue_to, "queue-to", kDomain, T::word, "", "shared.queue",
           "Name of another queue that takes this domain's mail, under its settings and limits.",
           {.traits = kEmptyClears}),
    acting(Id::group_member, "domain", kDomain, T::domain, "", "a.example",
           "Makes the section a group: the domain's mail goes to the queue of the group's name.",
           {.traits = kRepeats | kOwn}),
    acting(Id::disable_mx_rollup, "disable-mx-rollup", kDomain, T::boolean, "no", "yes",
           "Whether mx-rollup-list leaves the domain alone."),
    acting(Id::reroute, "reroute-to-virtual-mta", kDomain, T::word, "", "mta2",
           "Virtual MTA or pool that takes the queue's mail instead.", {.traits = kEmptyClears}),
    acting(Id::allow_private_mx, "allow-private-mx", kDomain, T::boolean, "no", "yes",
           "Whether addresses found by DNS may be loopback, private or otherwise not public.",
           {.traits = kOwn}),
    acting(Id::bounce_upon_no_mx, "bounce-upon-no-mx", kDomain, T::bool_or_duration, "no", "yes",
           "Whether mail to a domain without MX is returned: at once, after a time, or not at all "
           "because the domain's own address is used."),
    acting(Id::mx_connection_attempts, "mx-connection-attempts", kDomain, T::count, "10", "3",
           "Hosts and addresses tried before the queue waits.", {.min = 1, .max = 10'000}),
    acting(Id::delivery_type, "type", kDomain, T::choice, "smtp", "discard",
           "How the mail leaves: to hosts, to a command, into files, or nowhere. That of "
           "http-delivery is held in its queue.",
           {.choices = "smtp pipe file discard http-delivery", .traits = kGuards}),
    acting(Id::file_format, "file-format", kDomain, T::choice, "newfile-plain", "append-mbox",
           "Form of mail in files: a file for each recipient; one for those of a transaction, with "
           "lines x-sender and x-receiver before the message; a mailbox for each address.",
           {.choices = "newfile-plain newfile-pickup append-mbox"}),
    acting(Id::file_destination, "file-destination", kDomain, T::path, "", "/var/spool/archive",
           "Folder of mail in files."),
    acting(Id::command, "command", kDomain, T::text, "", "/usr/local/bin/take $from $to",
           "Command that is run for each recipient, without a shell, the message on its standard "
           "input. Status 0 is delivery, 75 and 127 mean later, others return the mail."),
    acting(Id::command_keeps_case, "macro-variables-preserve-case", kDomain, T::boolean, "no",
           "yes", "Whether $from, $to, $user and $domain in a command keep their case."),
    acting(Id::discard_as_bounce, "discard-as-bounce", kDomain, T::boolean, "no", "yes",
           "Whether discarded mail is recorded as returned."),
};

constexpr OptionRow kTimeoutRows[] = {
    acting(Id::connect_timeout, "connect-timeout", kDomain, T::duration, "2m", "30s",
           "How long a TCP connection may take.", {.reload = kNewSessions}),
    acting(Id::smtp_greeting_timeout, "smtp-greeting-timeout", kDomain, T::duration, "5m", "1m",
           "How long the host may take to its greeting.", {.reload = kNewSessions}),
    acting(Id::reply_timeout, "smtp-command-timeout", kDomain, T::duration, "5m", "2m",
           "How long the host may take to answer EHLO, MAIL, RCPT and RSET; and to a TLS "
           "handshake, at "
           "most a minute.",
           {.reload = kNewSessions, .traits = kOwn}),
    acting(Id::data_initiation_timeout, "data-initiation-timeout", kDomain, T::duration, "2m", "1m",
           "How long the host may take to answer DATA.", {.reload = kNewSessions, .traits = kOwn}),
    acting(Id::data_send_timeout, "data-send-timeout", kDomain, T::duration, "3m", "1m",
           "How long the host may take no more bytes of content.", {.reload = kNewSessions}),
    acting(Id::data_termination_timeout, "smtp-data-termination-timeout", kDomain, T::duration,
           "10m", "5m", "How long the host may take to its reply to the final dot.",
           {.reload = kNewSessions}),
    acting(Id::multiple_line_timeout, "smtp-multiple-line-response-timeout", kDomain, T::duration,
           "5m", "1m", "How long a reply of several lines may take to be complete.",
           {.reload = kNewSessions}),
    acting(Id::assume_delivery_upon_timeout, "assume-delivery-upon-data-termination-timeout",
           kDomain, T::boolean, "no", "yes",
           "Whether mail whose final reply did not come in time counts as delivered."),
    acting(Id::idle_timeout, "connection-idle-timeout", kDomain, T::duration, "0s", "30s",
           "How long an idle connection is kept for further mail, 0.1 s at least.",
           {.aliases = "idle-timeout", .reload = kNewSessions}),
};

constexpr OptionRow kDialogueRows[] = {
    acting(Id::bounce_upon_5xx_greeting, "bounce-upon-5xx-greeting", kDomain, T::boolean, "yes",
           "no", "Whether a 5xx greeting returns the queue's mail; no makes it temporary."),
    acting(Id::smtp_421_means_mx_unavailable, "smtp-421-means-mx-unavailable", kDomain, T::boolean,
           "no", "yes", "Whether 421 makes the next host be tried."),
    acting(Id::smtp_553_means_invalid_mailbox, "smtp-553-means-invalid-mailbox", kDomain,
           T::boolean, "yes", "no",
           "Whether 553 to a recipient without an enhanced code counts as 5.1.1."),
    acting(Id::ignore_8bitmime, "ignore-8bitmime", kDomain, T::boolean, "no", "yes",
           "Behaves as if the host had not offered 8BITMIME.", {.reload = kNewSessions}),
    acting(Id::ignore_chunking, "ignore-chunking", kDomain, T::boolean, "no", "yes",
           "Behaves as if the host had not offered CHUNKING.", {.reload = kNewSessions}),
    acting(Id::ignore_pipelining, "ignore-pipelining", kDomain, T::boolean, "no", "yes",
           "Behaves as if the host had not offered PIPELINING.", {.reload = kNewSessions}),
    acting(Id::ignore_dsn, "ignore-dsn", kDomain, T::boolean, "no", "yes",
           "Behaves as if the host had not offered DSN.", {.reload = kNewSessions}),
    acting(Id::eight_bit_fallback, "eight-bit-fallback", kDomain, T::choice, "send", "bounce",
           "What is done with 8-bit mail where no host offers 8BITMIME.",
           {.choices = "send bounce", .traits = kOwn}),
    acting(Id::pipeline_window, "pipeline-window", kDomain, T::count, "4", "1",
           "Most transactions sent before their replies came, at hosts that offer CHUNKING.",
           {.min = 1, .max = 16, .reload = kNewSessions, .traits = kOwn}),
    acting(Id::require_starttls, "require-starttls", kDomain, T::boolean, "no", "yes",
           "Whether mail leaves on encrypted connections only.",
           {.reload = kNewSessions, .traits = kGuards}),
    acting(Id::bounce_upon_transfer_failure, "bounce-upon-transfer-failure", kDomain, T::boolean,
           "no", "yes", "Whether mail is returned when the connection breaks within its content."),
};

constexpr OptionRow kBackoffRows[] = {
    acting(Id::smtp_pattern_list, "smtp-pattern-list", kDomain, T::word, "", "replies",
           "List of reply patterns that change the queue's mode (default: none; where the queue "
           "has backoff-retry-after or backoff-to-normal-after, the shipped list).",
           {.traits = kEmptyClears}),
    acting(Id::backoff_max_smtp_out, "backoff-max-smtp-out", kDomain, T::count, "20", "1",
           "Most connections in back-off mode; never more than max-smtp-out.", {.traits = kLimit}),
    acting(Id::backoff_max_connect_rate, "backoff-max-connect-rate", kDomain, T::rate, "", "1/m",
           "New connections per time in back-off mode (default: max-connect-rate).",
           {.traits = kLimit}),
    acting(Id::backoff_max_msg_rate, "backoff-max-msg-rate", kDomainOrVmta, T::rate, "", "30/h",
           "Recipients sent per time in back-off mode (default: max-msg-rate).",
           {.traits = kLimit}),
    acting(Id::backoff_max_msg_rate, "backoff-max-msg-per-hour", kDomain, T::per_hour, "", "30",
           "The same as backoff-max-msg-rate N/h.", {.traits = kLimit}),
    acting(Id::backoff_max_data_rate, "backoff-max-data-volume-rate", kDomain, T::data_rate, "",
           "1M/h", "Bytes sent per time in back-off mode (default: max-data-volume-rate)."),
    acting(Id::backoff_retry_after, "backoff-retry-after", kDomainOrVmta, T::duration_list, "1h",
           "30m,2h", "The queue's waits in back-off mode.", {.traits = kContinues}),
    acting(Id::backoff_notify, "backoff-notify", kDomain, T::name_list, "", "ops@example.com",
           "Addresses told of a change of mode.", {.traits = kContinues | kEmptyClears}),
    acting(Id::backoff_to_normal_after, "backoff-to-normal-after", kDomainOrVmta, T::duration,
           "never", "2h", "Time after which back-off mode ends.", {.traits = kEndless}),
    acting(Id::backoff_to_normal_after_delivery, "backoff-to-normal-after-delivery", kDomain,
           T::boolean, "no", "yes", "Whether one delivery ends back-off mode."),
    acting(Id::backoff_reroute, "backoff-reroute-to-virtual-mta", kDomain, T::word, "", "mta2",
           "Virtual MTA or pool that takes the queue's mail in back-off mode.",
           {.traits = kEmptyClears}),
    acting(Id::backoff_upon_all_sources_disabled, "backoff-upon-all-sources-disabled", kDomain,
           T::boolean, "no", "yes", "Enters back-off mode when no source address is left."),
    acting(Id::reenable_source_ip_after, "reenable-source-ip-after", kDomain, T::duration, "never",
           "1d", "Time after which a disabled source address is used again.", {.traits = kEndless}),
    acting(Id::disabled_source_ip_notify, "disabled-source-ip-notify", kDomain, T::name_list, "",
           "ops@example.com", "Addresses told of a disabled source address.",
           {.traits = kContinues | kEmptyClears}),
};

constexpr OptionRow kTlsRows[] = {
    acting(Id::use_starttls, "use-starttls", kDomain, T::boolean, "yes", "no",
           "Whether connections are encrypted where the host offers it.", {.reload = kNewSessions}),
    acting(
        Id::tls_verification, "tls-verification", kDomain, T::choice, "none", "certificate",
        "What TLS has to prove: nothing, that there is encryption, or by its certificate that "
        "the host is the right one.",
        {.choices = "none encrypt certificate", .reload = kNewSessions, .traits = kOwn | kGuards}),
    acting(Id::use_dane, "use-dane", kDomain, T::boolean, "no", "yes",
           "Whether TLSA records are followed (RFC 7672).", {.reload = kNewSessions}),
    acting(Id::use_mta_sts, "use-mta-sts", kDomain, T::boolean, "no", "yes",
           "Whether MTA-STS policies are followed (RFC 8461), those of the domain the queue is "
           "named after; their web servers, too, are checked against smtp-tls-ca-file.",
           {.reload = kNewSessions}),
    acting(Id::reuse_tls_session, "reuse-ssl-session", kDomain, T::boolean, "yes", "no",
           "Whether TLS sessions are resumed.", {.reload = kNewSessions}),
    acting(Id::client_tls_v1, "smtp-tls-allow-tlsv1", kDomain, T::boolean, "no", "yes",
           "Whether TLS 1.0 is used.", {.reload = kNewSessions}),
    acting(Id::client_tls_v1_1, "smtp-tls-allow-tlsv1.1", kDomain, T::boolean, "yes", "no",
           "Whether TLS 1.1 is used.", {.reload = kNewSessions}),
    acting(Id::client_tls_v1_2, "smtp-tls-allow-tlsv1.2", kDomain, T::boolean, "yes", "no",
           "Whether TLS 1.2 is used.", {.reload = kNewSessions}),
    acting(Id::client_tls_v1_3, "smtp-tls-allow-tlsv1.3", kDomain, T::boolean, "yes", "no",
           "Whether TLS 1.3 is used.", {.reload = kNewSessions}),
    acting(Id::client_ciphers, "smtp-tls-ciphers", kDomain, T::text, "", "HIGH:!aNULL",
           "Ciphers up to TLS 1.2, in OpenSSL's form.", {.reload = kNewSessions}),
    acting(Id::client_suites, "smtp-tls-tlsv1.3-ciphersuites", kDomain, T::text, "",
           "TLS_AES_128_GCM_SHA256", "Cipher suites of TLS 1.3.", {.reload = kNewSessions}),
    acting(Id::client_ca_file, "smtp-tls-ca-file", kDomain, T::path, "",
           "/etc/ssl/certs/ca-certificates.crt",
           "Authorities that hosts' certificates are checked against (default: the system's).",
           {.reload = kNewSessions}),
    acting(Id::client_certificate, "smtp-client-certificate", kDomain, T::certificate, "",
           "/etc/ringpost/client.pem", "Certificate shown to hosts, with its key.",
           {.reload = kNewSessions, .traits = kSecretTail}),
    acting(Id::auth_username, "auth-username", kDomain, T::text, "", "user",
           "User at the queue's smart hosts; without AUTH as this user no mail is sent.",
           {.reload = kNewSessions, .traits = kEmptyClears}),
    acting(Id::auth_password, "auth-password", kDomain, T::secret, "", "pass",
           "Password at a smart host.", {.reload = kNewSessions, .traits = kSecret | kEmptyClears}),
    acting(
        Id::use_unencrypted_auth, "use-unencrypted-plain-auth", kDomain, T::boolean, "no", "yes",
        "Whether the password is sent on unencrypted connections too; otherwise TLS is demanded.",
        {.reload = kNewSessions}),
};

constexpr OptionRow kDkimRows[] = {
    acting(Id::dkim_sign, "dkim-sign", kDomain, T::boolean, "no", "yes",
           "Whether mail to this domain is signed; the key is chosen by the sender."),
    acting(Id::dkim_identity, "dkim-identity", kDomain, T::text, "sender-or-from", "@example.com",
           "Whose key signs: sender-or-from, strict-from, an address, or @DOMAIN."),
    acting(Id::dkim_identity_fallback, "dkim-identity-fallback", kDomain, T::text, "",
           "@example.com", "Whose key signs where none fits the identity.",
           {.traits = kEmptyClears}),
    acting(Id::dkim_selector, "dkim-selector", kDomain, T::word, "", "s1",
           "Selector of the key in dkim-key-file.", {.traits = kOwn}),
    acting(Id::dkim_key_file, "dkim-key-file", kDomain, T::path, "", "/etc/ringpost/s1.pem",
           "Private key that signs for the domain of dkim-identity.", {.traits = kOwn}),
    acting(Id::dkim_algorithm, "dkim-algorithm", kDomain, T::choice, "rsa-sha256", "ed25519-sha256",
           "Algorithm of the signature.", {.choices = "rsa-sha256 rsa-sha1 ed25519-sha256"}),
    acting(Id::dkim_body_canon, "dkim-body-canon", kDomain, T::choice, "relaxed", "simple",
           "Canonical form of the body.", {.choices = "relaxed simple"}),
    acting(Id::dkim_headers_canon, "dkim-headers-canon", kDomain, T::choice, "relaxed", "simple",
           "Canonical form of the header.", {.choices = "relaxed simple"}),
    acting(Id::dkim_headers, "dkim-headers", kDomain, T::name_list, "", "List-Unsubscribe",
           "Fields that are signed beside the usual ones.", {.traits = kContinues | kEmptyClears}),
    acting(Id::dkim_oversign, "dkim-disallow-adding-headers", kDomain, T::name_list, "",
           "Subject,From", "Fields that nobody may add later without breaking the signature.",
           {.traits = kContinues | kEmptyClears}),
    acting(Id::dkim_body_limit, "dkim-add-body-limit", kDomain, T::boolean, "no", "yes",
           "Whether the signature states the length of the body."),
    acting(Id::dkim_timestamp, "dkim-add-timestamp", kDomain, T::boolean, "no", "yes",
           "Whether the signature states its time."),
    acting(Id::dkim_expire_after, "dkim-expire-after", kDomain, T::duration, "never", "7d",
           "Life of a signature.", {.traits = kEndless}),
    acting(Id::second_dkim_sign, "second-dkim-sign", kDomain, T::boolean, "no", "yes",
           "Whether a second signature is added."),
    acting(Id::second_dkim_identity, "second-dkim-identity", kDomain, T::text, "", "@example.net",
           "Whose key makes the second signature.", {.traits = kEmptyClears}),
};

constexpr OptionRow kReportRows[] = {
    acting(Id::deliver_local_dsn, "deliver-local-dsn", kDomain, T::boolean, "yes", "no",
           "Whether notifications are sent to senders in this domain."),
    acting(Id::notify_of_delay_every, "notify-of-delay-every", kDomain, T::duration, "4h", "1h",
           "How often a delay is notified to senders who ask for it.", {.traits = kEndless}),
    acting(Id::disable_acct_records, "disable-acct-records", kDomain, T::name_list, "", "t,tq",
           "Kinds of records that are not written for the queue.",
           {.traits = kContinues | kEmptyClears}),
    acting(Id::queue_log_connections, "log-connections", kDomain, T::boolean, "no", "yes",
           "Logs the queue's connections."),
    acting(Id::queue_log_commands, "log-commands", kDomain, T::boolean, "no", "yes",
           "Logs commands and replies, credentials left out."),
    acting(Id::queue_log_data, "log-data", kDomain, T::boolean, "no", "yes", "Logs content."),
    acting(Id::queue_log_tls, "log-tls", kDomain, T::boolean, "no", "yes", "Logs handshakes."),
    acting(Id::queue_log_resolution, "log-resolution", kDomain, T::boolean, "no", "yes",
           "Logs look-ups."),
    acting(Id::queue_log_transfer_failures, "log-transfer-failures", kDomain, T::boolean, "no",
           "yes", "Logs transfers that break."),
};

}  // namespace

void add_queue_rows(OptionRows& rows) {
  add_rows(rows, kLimitRows);
  add_rows(rows, kClockRows);
  add_rows(rows, kRouteRows);
  add_rows(rows, kTimeoutRows);
  add_rows(rows, kDialogueRows);
  add_rows(rows, kBackoffRows);
  add_rows(rows, kTlsRows);
  add_rows(rows, kDkimRows);
  add_rows(rows, kReportRows);
}

}  // namespace ringpost::config
