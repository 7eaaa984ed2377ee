#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using T = ValueType;

constexpr ScopeSet kGlobal = in(Scope::global);

constexpr OptionRow kProcessRows[] = {
    inert("pid-file", kGlobal, T::path, why::kUnit, "File that receives the process number."),
    inert("max-memory-usage-percent", kGlobal, T::count, why::kSlots,
          "Share of memory above which mail is refused for the moment."),
    inert("relay-debug", kGlobal, T::boolean, why::kDialogue, "Makes refusals to relay temporary."),
    inert("alias", kGlobal, T::words, why::kRewrite, "Forwards one address to another.", kRepeats),
    inert("include-headers-from", in(Scope::global, Scope::virtual_mta, Scope::virtual_mta_pool),
          T::path, why::kHeaders, "File of header lines added to every message."),
    inert("enable-signals", in(Scope::global, Scope::virtual_mta, Scope::virtual_mta_pool), T::text,
          why::kVendor, "Sends events to the vendor's analysis service."),
    inert("use-proxy", in(Scope::global, Scope::virtual_mta), T::name_list, why::kProxy,
          "Proxies for outgoing connections, tried in order."),
    inert("smtp-proxy-source-host", in(Scope::global, Scope::virtual_mta), T::words, why::kProxy,
          "Source address and name behind a proxy.", kRepeats),
    inert("smtp-ip", kGlobal, T::word, "an abandoned form; use smtp-listener",
          "Address to accept mail on.", kRepeats),
    inert("smtp-port", kGlobal, T::count, "an abandoned form; use smtp-listener",
          "Port to accept mail on."),
    inert("smtp-await-slot", kGlobal, T::boolean, why::kSlots,
          "Lets connections wait while the server is full."),
    inert("pickup", kGlobal, T::words, why::kSubmission,
          "Folder whose files are sent, and folder for faulty ones."),
    inert("pickup-remove-dot", kGlobal, T::boolean, why::kSubmission,
          "Undoes dot stuffing in picked-up files."),
    inert("pickup-retry-interval", kGlobal, T::text, why::kOld,
          "Pause between two looks at the pickup folder."),
    inert("spool-delete-corrupted", kGlobal, T::boolean,
          "damaged files are kept aside and reported", "Deletes unreadable spool files."),
    inert("spool-min-free-space", kGlobal, T::size,
          "an abandoned form; use min-free-space in the spool section",
          "Free space below which mail is refused."),
    inert("spool-max-recipients", kGlobal, T::word, why::kSpool,
          "Queued recipients above which mail is refused for the moment."),
    inert("sync-msg-create", kGlobal, T::boolean, why::kSync,
          "Whether a message is flushed before it is acknowledged."),
    inert("sync-msg-update", kGlobal, T::boolean, why::kSync,
          "Whether the end of a recipient is flushed."),
    inert("log-rotate", kGlobal, T::count, why::kLogFile, "Old log files kept."),
    inert("log-auto-rotation", kGlobal, T::boolean, why::kLogFile,
          "Starts a new log file at midnight."),
    inert("log-file-world-readable", kGlobal, T::boolean, why::kLogFile,
          "Lets every user read the log file."),
    inert("edns-udp-length", kGlobal, T::count, "the resolver library chooses it",
          "Size of DNS answers over UDP."),
    inert("mailmerge-expands-undefined-variables", kGlobal, T::boolean, why::kSubmission,
          "Whether an unknown merge variable becomes empty."),
    inert("track-time-first-attempt", kGlobal, T::boolean, why::kFirstAttempt,
          "Records the time of the first attempt."),
    inert("thread-min-priority", kGlobal, T::count, why::kThreads,
          "Lowest scheduling priority of a thread."),
    inert("thread-max-priority", kGlobal, T::count, why::kThreads,
          "Highest scheduling priority of a thread."),
    inert("thread-reuse", kGlobal, T::boolean, why::kThreads, "Whether threads are reused."),
    inert("pmc-acct-min-free-space", kGlobal, T::size, why::kVendor,
          "Free space that the vendor's console needs."),
    inert("volume-audit-api-key", kGlobal, T::text, why::kVendor,
          "Key of the vendor's licence service.", kSecret),
    inert("total-max-file", kGlobal, T::count, why::kFiles, "Deliveries into files at a time."),
    inert("custom-dsn-from-header", kGlobal, T::text, why::kDsn,
          "From field of delivery status notifications."),
    inert("dsn-failed-from-template", kGlobal, T::text, why::kDsn,
          "Template of the From field of bounces."),
    inert("dsn-failed-subject-template", kGlobal, T::text, why::kDsn,
          "Template of the Subject field of bounces."),
    inert("dsn-failed-body-template-from", kGlobal, T::path, why::kDsn,
          "File with the template of a bounce's text."),
};

constexpr OptionRow kTlsRows[] = {
    inert("smtp-server-tls-allow-sslv3", kGlobal, T::boolean, why::kDead,
          "Accepts SSL 3 from clients."),
    inert("smtp-server-tls-dh-key-length", kGlobal, T::count, why::kTls,
          "Length of Diffie-Hellman keys."),
};

constexpr OptionRow kMonitorRows[] = {
    inert("http-tls-allow-sslv3", kGlobal, T::boolean, why::kDead, "Allows SSL 3 there."),
    inert("http-tls-allow-tlsv1", kGlobal, T::boolean, why::kMonitor,
          "Allows TLS 1.0 on the monitor."),
    inert("http-tls-allow-tlsv1.1", kGlobal, T::boolean, why::kMonitor,
          "Allows TLS 1.1 on the monitor."),
    inert("http-tls-allow-tlsv1.2", kGlobal, T::boolean, why::kMonitor,
          "Allows TLS 1.2 on the monitor."),
    inert("http-tls-allow-tlsv1.3", kGlobal, T::boolean, why::kMonitor,
          "Allows TLS 1.3 on the monitor."),
    inert("http-tls-ciphers", kGlobal, T::text, why::kMonitor, "Ciphers of the monitor."),
    inert("http-tls-tlsv1.3-ciphersuites", kGlobal, T::text, why::kMonitor,
          "TLS 1.3 cipher suites of the monitor."),
    inert("http-tls-dh-key-length", kGlobal, T::count, why::kMonitor,
          "Length of the monitor's Diffie-Hellman keys."),
    inert("http-tls-ca-file", kGlobal, T::path, why::kMonitor,
          "Authorities for the monitor's visitors."),
    inert("http-log-tls", kGlobal, T::boolean, why::kMonitor, "Logs the monitor's handshakes."),
    inert("http-log-data", kGlobal, T::boolean, why::kMonitor, "Logs the monitor's answers."),
    inert("http-log-requests", kGlobal, T::boolean, why::kMonitor, "Logs requests to the monitor."),
    inert("http-strict-transport-security-max-age", kGlobal, T::text, why::kMonitor,
          "How long browsers insist on encryption."),
    inert("http-default-max-items", kGlobal, T::count, why::kMonitor,
          "Lines of the monitor's lists."),
    inert("http-default-sort-order", kGlobal, T::word, why::kMonitor,
          "Order of the monitor's lists."),
    inert("http-mgmt-source", kGlobal, T::words, why::kOld, "Network that may use the monitor.",
          kRepeats),
    inert("no-http-mgmt-source", kGlobal, T::words, why::kOld,
          "Network that may not use the monitor.", kRepeats),
};

constexpr OptionRow kDummyRows[] = {
    inert("dummy-smtp-ip", kGlobal, T::word, why::kDummy, "Address of the dummy server."),
    inert("dummy-smtp-port", kGlobal, T::count, why::kDummy, "Port of the dummy server."),
    inert("dummy-smtp-await-slot", kGlobal, T::boolean, why::kDummy,
          "Lets the dummy's clients wait."),
    inert("dummy-smtp-has-chunking", kGlobal, T::boolean, why::kDummy,
          "Offers CHUNKING on the dummy."),
    inert("dummy-smtp-has-pipelining", kGlobal, T::boolean, why::kDummy,
          "Offers PIPELINING on the dummy."),
    inert("dummy-smtp-has-verp", kGlobal, T::boolean, why::kDummy, "Offers VERP on the dummy."),
    inert("dummy-smtp-has-mailmerge", kGlobal, T::boolean, why::kDummy,
          "Offers mail merge on the dummy."),
    inert("dummy-smtp-latency", kGlobal, T::count, why::kDummy,
          "Delay of the dummy's replies, in milliseconds."),
    inert("dummy-smtp-update-stats", kGlobal, T::boolean, why::kDummy, "Counts the dummy's mail."),
    inert("dummy-smtp-blacklist", kGlobal, T::path, why::kDummy,
          "File of senders the dummy refuses."),
    inert("dummy-smtp-log-blacklist", kGlobal, T::boolean, why::kDummy,
          "Logs what the dummy refuses."),
    inert("dummy-smtp-blacklist-bounce-method", kGlobal, T::word, why::kDummy,
          "How the dummy chooses what it refuses."),
    inert("dummy-smtp-blacklist-bounce-percent", kGlobal, T::count, why::kDummy,
          "Share of mail the dummy refuses."),
};

}  // namespace

void add_global_inert_rows(OptionRows& rows) {
  add_rows(rows, kProcessRows);
  add_rows(rows, kTlsRows);
  add_rows(rows, kMonitorRows);
  add_rows(rows, kDummyRows);
}

}  // namespace ringpost::config
