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
    acting(Id::allow_private_mx, "allow-private-mx", kDomain, T::boolean, "no", "yes",
           "Whether addresses found by DNS may be loopback, private or otherwise not public.",
           {.traits = kOwn}),
    acting(Id::bounce_upon_no_mx, "bounce-upon-no-mx", kDomain, T::bool_or_duration, "no", "yes",
           "Whether mail to a domain without MX is returned: at once, after a time, or not at all "
           "because the domain's own address is used."),
    acting(Id::mx_connection_attempts, "mx-connection-attempts", kDomain, T::count, "10", "3",
           "Hosts and addresses tried before the queue waits.", {.min = 1, .max = 10'000}),
    acting(Id::delivery_type, "type", kDomain, T::choice, "smtp", "discard",
           "How the queue is delivered. Mail of any type but smtp is held in its queue.",
           {.choices = "smtp pipe file discard http-delivery"}),
};

constexpr OptionRow kTimeoutRows[] = {
    acting(Id::connect_timeout, "connect-timeout", kDomain, T::duration, "2m", "30s",
           "How long a TCP connection may take.", {.reload = kNewSessions}),
    acting(Id::smtp_greeting_timeout, "smtp-greeting-timeout", kDomain, T::duration, "5m", "1m",
           "How long the host may take to its greeting.", {.reload = kNewSessions}),
    acting(Id::reply_timeout, "smtp-command-timeout", kDomain, T::duration, "5m", "2m",
           "How long the host may take to answer EHLO, MAIL, RCPT and RSET.",
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
           "How long an idle connection is kept for further mail.",
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
           "Most transactions sent before their replies came.",
           {.min = 1, .max = 64, .reload = kNewSessions, .traits = kOwn}),
    acting(Id::require_starttls, "require-starttls", kDomain, T::boolean, "no", "yes",
           "Whether mail leaves on encrypted connections only.", {.reload = kNewSessions}),
};

}  // namespace

void add_queue_rows(OptionRows& rows) {
  add_rows(rows, kLimitRows);
  add_rows(rows, kClockRows);
  add_rows(rows, kRouteRows);
  add_rows(rows, kTimeoutRows);
  add_rows(rows, kDialogueRows);
}

}  // namespace ringpost::config
