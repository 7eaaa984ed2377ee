#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using Id = OptionId;
using T = ValueType;

constexpr ScopeSet kPatterns = in(Scope::pattern_list);
constexpr ScopeSet kReports = in(Scope::bounce_processor, Scope::feedback_loop_processor);
constexpr ScopeSet kSignals = in(Scope::signals, Scope::signals_filter);

constexpr OptionRow kOriginalRows[] = {
    inert("from-domain", in(Scope::rewrite_list), T::words, why::kRewrite,
          "Domain of a sender and its replacement.", kRepeats),
    inert("deliver-matched-email", kReports, T::boolean, why::kReports,
          "Delivers recognised reports too."),
    inert("deliver-unmatched-email", kReports, T::boolean, why::kReports,
          "Delivers what is not a report."),
    inert("forward-unmatched-to", kReports, T::word, why::kReports,
          "Address for what is not a report.", kRepeats),
    inert("forward-errors-to", kReports, T::word, why::kReports, "Address for faulty reports.",
          kRepeats),
    inert("deliver-email", kReports, T::text, why::kOld, "Delivers reports."),
    inert("body-pattern-file", in(Scope::email_patterns), T::path, why::kReports,
          "File of patterns of reports.", kRepeats),
    inert("log-match-info", in(Scope::email_patterns), T::boolean, why::kReports,
          "Logs which pattern fitted."),
    inert("server", in(Scope::proxy), T::words, why::kProxy, "Address of the proxy.", kRepeats),
    inert("client", in(Scope::proxy), T::words, why::kProxy,
          "Source address and name at the proxy.", kRepeats),
    inert("protocol-version", in(Scope::proxy), T::count, why::kProxy,
          "Version of the PROXY protocol."),
    inert("precached-domains-file", in(Scope::dns), T::path, "the cache fills as mail comes",
          "File of domains looked up in advance."),
    inert("precached-refresh-interval", in(Scope::dns), T::duration,
          "the cache fills as mail comes", "How often they are looked up."),
    inert("precached-max-domains", in(Scope::dns), T::count, "the cache fills as mail comes",
          "Most domains looked up in advance."),
    inert("api-key", in(Scope::transmissions_api, Scope::signals), T::text, why::kSubmission,
          "Key that opens the interface.", kSecret | kRepeats),
    inert("log-requests", in(Scope::transmissions_api), T::boolean, why::kLogDetail,
          "Logs requests."),
    inert("upload-url", kSignals, T::text, why::kVendor, "Where events are posted."),
    inert("customer-id", kSignals, T::text, why::kVendor, "Number at the vendor."),
    inert("log-verbose", kSignals, T::boolean, why::kVendor, "Logs posts."),
    inert("engagement-tracking", kSignals, T::boolean, why::kVendor, "Follows clicks."),
    inert("min-free-space", kSignals, T::size, why::kVendor, "Free space needed."),
    inert("process-x-sp-subaccount-id", kSignals, T::boolean, why::kVendor, "Obeys a field."),
    inert("retain-x-sp-subaccount-id", kSignals, T::boolean, why::kVendor, "Keeps that field."),
    inert("custom-message-id-header", kSignals, T::word, why::kVendor, "A field's name."),
    inert("access-token", in(Scope::vault), T::text, "there is no secret store yet",
          "Key of the secret store.", kSecret),
    inert("server-url", in(Scope::vault), T::text, "there is no secret store yet",
          "Address of the secret store."),
    inert("cache-ttl", in(Scope::vault), T::duration, "there is no secret store yet",
          "How long a secret is kept in memory."),
};

constexpr OptionRow kListRows[] = {
    acting(Id::reply, "reply", in(Scope::smtp_pattern_list), T::pattern, "",
           "/too many connections/ mode=backoff",
           "Pattern of a reply, and what follows: mode=backoff, mode=normal, "
           "backoff-to-normal-after=T, skip-mx, bounce-queue, bounce-rcpt, defer-queue, "
           "disable-source-ip[=T], reenable-after=T, type=CATEGORY.",
           {.traits = kRepeats | kContinues}),
    acting(Id::bounce_category, "//", in(Scope::bounce_category_patterns), T::pattern, "",
           "/mailbox full/ quota-issues",
           "Pattern of enhanced status, semicolon and diagnostic text, and the category.",
           {.traits = kRepeats}),
    acting(Id::route_mail_from, "mail-from", kPatterns, T::pattern, "",
           "/@example\\.com$/ virtual-mta=mta1",
           "Pattern of a sender, and what follows: virtual-mta=NAME, recipient-priority=N (0 to "
           "100, 50 by itself; higher ones leave a queue first), call-to:LIST. Virtual MTA and "
           "priority are each decided by the first line that fits and has one.",
           {.traits = kRepeats | kContinues}),
    acting(Id::route_rcpt_to, "rcpt-to", kPatterns, T::pattern, "",
           "/@example\\.com$/ virtual-mta=mta1", "Pattern of a recipient, and what follows.",
           {.traits = kRepeats | kContinues}),
    acting(Id::route_header, "header", kPatterns, T::pattern, "", "Subject /news/ virtual-mta=mta1",
           "Name and pattern of a header field, and what follows.",
           {.traits = kRepeats | kContinues}),
    acting(Id::route_any, "*", kPatterns, T::words, "", "virtual-mta=mta1",
           "What follows for all mail that came to this line.", {.traits = kRepeats | kContinues}),
    acting(Id::mx_rollup, "mx", in(Scope::mx_rollup_list), T::words, "",
           "*.mx.example.com example.rollup",
           "Name of a mail host, `*.d` for any below d, and the queue its domains share; "
           "rollup-by-ip leaves that queue the hosts of the domain.",
           {.traits = kRepeats}),
    acting(Id::list_address, "address", in(Scope::address_list), T::pattern, "", "user@example.com",
           "Address, or pattern of addresses, of the list.", {.traits = kRepeats}),
    acting(Id::list_address_file, "address-file", in(Scope::address_list), T::path, "",
           "/etc/ringpost/blocked", "File of addresses, one a line.", {.traits = kRepeats}),
    acting(Id::list_domain, "domain", in(Scope::address_list), T::domain, "", "example.com",
           "Domain whose addresses belong to the list.", {.traits = kRepeats}),
    inert("mail-from", in(Scope::rewrite_list), T::words, why::kRewrite,
          "Address of a sender and its replacement.", kRepeats),
};

constexpr ScopeSet kSender = in(Scope::sender);
constexpr ScopeSet kRelay = in(Scope::relay);
constexpr ScopeSet kRoute = in(Scope::route);
constexpr ScopeSet kSignature = in(Scope::dkim_signature);
constexpr ScopeSet kWarmup = in(Scope::warmup);
constexpr auto kRestart = ReloadClass::restart;
constexpr auto kNewSessions = ReloadClass::new_sessions;

constexpr OptionRow kOwnRows[] = {
    acting(Id::sender_vmta, "vmta", kSender, T::word, "", "mta1",
           "Virtual MTA or pool of the sender's mail.",
           {.aliases = "virtual-mta", .reload = kNewSessions, .traits = kOwn}),
    acting(Id::sender_max_msg_rate, "max-msg-rate", kSender, T::rate, "unlimited", "3000/h",
           "Recipients sent per time of the sender, over all queues.",
           {.traits = kOwn | kEndless | kZeroIsNoLimit}),
    acting(Id::sender_max_conn, "max-conn", kSender, T::count, "unlimited", "80",
           "Most sessions that submit mail of the sender at a time.",
           {.reload = kNewSessions, .traits = kOwn | kEndless | kZeroIsNoLimit}),
    acting(Id::sender_bounce_sender, "bounce-sender", kSender, T::word, "", "bounces@example.com",
           "Return path of the sender's mail.", {.reload = kNewSessions, .traits = kOwn}),
    acting(Id::routing_default, "default-domain", in(Scope::routing), T::words, "",
           "* use-vmta mta1", "Virtual MTA of domains that no other line names.",
           {.reload = kNewSessions, .traits = kOwn}),
    acting(Id::routing_domain, "domain", in(Scope::routing), T::words, "",
           "example.com use-vmta mta1", "Domain and the virtual MTA of its mail.",
           {.reload = kNewSessions, .traits = kOwn | kRepeats}),
    acting(Id::relay_listen, "listen", kRelay, T::listener, "", "127.0.0.1:2526",
           "Address and port to accept mail on.", {.reload = kRestart, .traits = kOwn | kRepeats}),
    acting(Id::relay_auth, "auth", kRelay, T::words, "", "plain",
           "Mechanism of authentication; with one, no mail is taken without it.",
           {.reload = kRestart, .traits = kOwn | kRepeats}),
    acting(Id::relay_auth_login, "auth-login", kRelay, T::flag, "", "", "Offers LOGIN as well.",
           {.reload = kRestart, .traits = kOwn}),
    acting(Id::relay_auth_secret, "auth-secret", kRelay, T::path, "", "/etc/ringpost/relay.users",
           "File of users and hashes for this listener.", {.reload = kRestart, .traits = kOwn}),
    acting(Id::relay_allow_mail_from, "allow-mail-from", kRelay, T::name_list, "", "*@example.com",
           "Senders that may be named.", {.reload = kRestart, .traits = kOwn | kRepeats}),
    acting(Id::relay_allow_recipient, "allow-recipient", kRelay, T::name_list, "", "@",
           "Recipients that may be named; @ is any. Without it only relay-domain.",
           {.reload = kRestart, .traits = kOwn | kRepeats}),
    acting(Id::relay_vmta, "route-to-vmta", kRelay, T::word, "", "mta1",
           "Virtual MTA or pool of the mail.", {.reload = kRestart, .traits = kOwn}),
    acting(Id::route_destination, "destination", kRoute, T::host_list, "", "192.0.2.5:2525",
           "Smart host; several in the form of smtp-hosts.", {.traits = kOwn}),
    acting(Id::route_backup, "backup", kRoute, T::boolean, "no", "yes",
           "Whether the host is used only when a domain's own hosts cannot be reached; "
           "otherwise all mail without a route of its own goes to it.",
           {.traits = kOwn}),
    acting(Id::route_priority, "priority", kRoute, T::count, "0", "10",
           "Order among routes; the lowest comes first.", {.max = 65535, .traits = kOwn}),
    acting(Id::signature_domain, "domain", kSignature, T::word, "", "example.com",
           "Domain the key signs for, with those below it.", {.traits = kOwn}),
    acting(Id::signature_selector, "selector", kSignature, T::word, "", "s1",
           "Selector under which the public key is published.", {.traits = kOwn}),
    acting(Id::signature_key_file, "private-key-file", kSignature, T::path, "",
           "/etc/ringpost/s1.pem", "File of the private key.", {.traits = kOwn}),
    acting(Id::signature_algorithm, "algorithm", kSignature, T::choice, "rsa-sha256",
           "ed25519-sha256", "Algorithm of the signature.",
           {.choices = "rsa-sha256 rsa-sha1 ed25519-sha256", .traits = kOwn}),
    acting(Id::warmup_period, "period", kWarmup, T::duration, "", "10d", "Length of the warm-up.",
           {.traits = kOwn}),
    acting(Id::warmup_start_rate, "start-rate", kWarmup, T::rate, "", "30/h",
           "Rate on its first day.", {.traits = kOwn}),
    acting(Id::warmup_end_rate, "end-rate", kWarmup, T::rate, "", "4000/h",
           "Rate at its end and from then on.", {.traits = kOwn}),
    acting(Id::warmup_curve, "curve", kWarmup, T::choice, "exponential", "linear",
           "Form of the growth.", {.choices = "exponential linear", .traits = kOwn}),
    acting(Id::warmup_start, "start", kWarmup, T::date, "", "2026-01-31",
           "Day on which it begins (default: that of the first delivery).", {.traits = kOwn}),
    acting(Id::warmup_count_idle_days, "count-idle-days", kWarmup, T::boolean, "no", "yes",
           "Whether a day counts on which less than half of its allowance was sent.",
           {.traits = kOwn}),
    acting(Id::warmup, "warmup", in(Scope::domain, Scope::virtual_mta), T::words, "",
           "{ period 10d start-rate 30/h end-rate 4000/h }",
           "A rate that grows over days; written as a block.", {.traits = kOwn}),
};

}  // namespace

void add_other_rows(OptionRows& rows) {
  add_rows(rows, kListRows);
  add_rows(rows, kOriginalRows);
  add_rows(rows, kOwnRows);
}

}  // namespace ringpost::config
