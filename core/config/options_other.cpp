#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using T = ValueType;

constexpr ScopeSet kPatterns = in(Scope::pattern_list);
constexpr ScopeSet kReports = in(Scope::bounce_processor, Scope::feedback_loop_processor);
constexpr ScopeSet kSignals = in(Scope::signals, Scope::signals_filter);

constexpr OptionRow kOriginalRows[] = {
    inert("reply", in(Scope::smtp_pattern_list), T::pattern, why::kBackoff,
          "Pattern of a reply and what follows from it.", kRepeats),
    inert("mail-from", in(Scope::pattern_list, Scope::rewrite_list), T::pattern, why::kRouting,
          "Pattern of a sender and what follows from it.", kRepeats),
    inert("rcpt-to", kPatterns, T::pattern, why::kRouting,
          "Pattern of a recipient and what follows from it.", kRepeats),
    inert("header", kPatterns, T::pattern, why::kRouting,
          "Pattern of a header field and what follows from it.", kRepeats),
    inert("*", kPatterns, T::words, why::kRouting, "What follows where no line fits."),
    inert("from-domain", in(Scope::rewrite_list), T::words, why::kRewrite,
          "Domain of a sender and its replacement.", kRepeats),
    inert("mx", in(Scope::mx_rollup_list), T::words, why::kRollup,
          "Name of a mail host and the queue its domains share.", kRepeats),
    inert("deliver-matched-email", kReports, T::boolean, why::kReports,
          "Delivers recognised reports too."),
    inert("deliver-unmatched-email", kReports, T::boolean, why::kReports,
          "Delivers what is not a report."),
    inert("forward-unmatched-to", kReports, T::word, why::kReports,
          "Address for what is not a report.", kRepeats),
    inert("forward-errors-to", kReports, T::word, why::kReports, "Address for faulty reports.",
          kRepeats),
    inert("deliver-email", kReports, T::text, why::kOld, "Delivers reports."),
    inert("address", in(Scope::address_list), T::pattern, why::kReports, "Address of the list.",
          kRepeats),
    inert("address-file", in(Scope::address_list), T::path, why::kReports, "File of addresses.",
          kRepeats),
    inert("domain", in(Scope::address_list), T::domain, why::kReports,
          "Domain whose addresses belong to the list.", kRepeats),
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

constexpr OptionRow kOwnRows[] = {
    inert("vmta", in(Scope::sender), T::word, why::kRouting, "Virtual MTA of the sender.", kOwn),
    inert("max-msg-rate", in(Scope::sender), T::rate, why::kRouting,
          "Recipients per time of the sender.", kOwn),
    inert("max-conn", in(Scope::sender), T::count, why::kRouting,
          "Most sessions of the sender at a time.", kOwn),
    inert("bounce-sender", in(Scope::sender), T::word, why::kRouting,
          "Return path of the sender's mail.", kOwn),
    inert("default-domain", in(Scope::routing), T::words, why::kRouting,
          "Virtual MTA of all other domains.", kOwn),
    inert("domain", in(Scope::routing), T::words, why::kRouting,
          "Domain and the virtual MTA of its mail.", kOwn | kRepeats),
    inert("listen", in(Scope::relay), T::words, why::kAuth, "Address and port.", kOwn | kRepeats),
    inert("auth", in(Scope::relay), T::words, why::kAuth, "Mechanism offered.", kOwn | kRepeats),
    inert("auth-login", in(Scope::relay), T::flag, why::kAuth, "Offers LOGIN.", kOwn),
    inert("auth-secret", in(Scope::relay), T::path, why::kAuth, "File of users.", kOwn),
    inert("allow-mail-from", in(Scope::relay), T::words, why::kAuth, "Senders allowed.",
          kOwn | kRepeats),
    inert("allow-recipient", in(Scope::relay), T::words, why::kAuth, "Recipients allowed.",
          kOwn | kRepeats),
    inert("route-to-vmta", in(Scope::relay), T::word, why::kAuth, "Virtual MTA.", kOwn),
    inert("destination", in(Scope::route), T::words, why::kRouting, "Address and port.",
          kOwn | kRepeats),
    inert("backup", in(Scope::route), T::boolean, why::kRouting, "Used when others fail.", kOwn),
    inert("priority", in(Scope::route), T::count, why::kRouting, "Order among routes.", kOwn),
    inert("domain", in(Scope::dkim_signature), T::word, why::kDkim, "Signing domain.", kOwn),
    inert("selector", in(Scope::dkim_signature), T::word, why::kDkim, "Selector.", kOwn),
    inert("private-key-file", in(Scope::dkim_signature), T::path, why::kDkim, "File of the key.",
          kOwn),
    inert("period", in(Scope::warmup), T::duration, why::kWarmup, "Length of the warm-up.", kOwn),
    inert("start-rate", in(Scope::warmup), T::rate, why::kWarmup, "Rate at its start.", kOwn),
    inert("end-rate", in(Scope::warmup), T::rate, why::kWarmup, "Rate at its end.", kOwn),
    inert("curve", in(Scope::warmup), T::word, why::kWarmup, "Form of the growth.", kOwn),
    inert("start", in(Scope::warmup), T::words, why::kWarmup, "Date of its start.", kOwn),
};

}  // namespace

void add_other_rows(OptionRows& rows) {
  add_rows(rows, kOriginalRows);
  add_rows(rows, kOwnRows);
}

}  // namespace ringpost::config
