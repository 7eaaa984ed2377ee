#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using Id = OptionId;
using T = ValueType;

constexpr ScopeSet kGlobal = in(Scope::global);
constexpr unsigned kLimit = kEndless | kZeroIsNoLimit;
constexpr auto kRestart = ReloadClass::restart;
constexpr auto kNewSessions = ReloadClass::new_sessions;

constexpr OptionRow kIdentityRows[] = {
    acting(Id::host_name, "host-name", kGlobal, T::word, "", "mx.example.com",
           "Name of this machine, used in greetings, HELO and Received where nothing nearer "
           "gives one; the first of several is the main one (default: the system's host name).",
           {.reload = kNewSessions, .traits = kRepeats}),
    acting(Id::postmaster, "postmaster", kGlobal, T::word, "", "postmaster@example.com",
           "Address of the administrator, for mail and reports about this server.",
           {.traits = kRepeats}),
    acting(Id::max_report_rate, "max-report-rate", kGlobal, T::rate, "1000/h", "200/h",
           "Reports on failures and delays that one return path gets; a domain of return paths "
           "gets ten times as many. Further ones are suppressed."),
    acting(Id::dsn_return_full_max, "dsn-return-full-max", kGlobal, T::size, "1M", "96K",
           "Largest message that a report returns as a whole where it is asked to; of larger ones "
           "it returns the header section.",
           {.traits = kEndless | kOwn}),
    acting(Id::control_socket, "control-socket", kGlobal, T::path, "/run/ringpost/control",
           "/tmp/ringpost.sock", "Local socket that the command-line tool talks to.",
           {.reload = kRestart, .traits = kOwn}),
    acting(Id::shards, "shards", kGlobal, T::count, "auto", "4",
           "Number of event loops, each with its own thread; auto means one per core.",
           {.aliases = "run-as-shards threads",
            .choices = "auto",
            .min = 1,
            .max = 1024,
            .reload = kRestart,
            .traits = kOwn}),
    acting(Id::cpu_pinning, "cpu-pinning", kGlobal, T::boolean, "yes", "no",
           "Whether each shard's thread is bound to a core of its own.",
           {.reload = kRestart, .traits = kOwn}),
    acting(Id::run_as_root, "run-as-root", kGlobal, T::boolean, "yes", "no",
           "Whether a process that was started as root stays it; no: it acts as run-as-user from "
           "the start and gives up root once its ports are bound.",
           {.reload = kRestart}),
    acting(Id::run_as_user, "run-as-user", kGlobal, T::word, "ringpost", "nobody",
           "User of run-as-root no, who owns all files and must be able to read the configuration "
           "and its keys.",
           {.reload = kRestart, .traits = kOwn}),
    acting(Id::log_file, "log-file", kGlobal, T::path, "", "/var/log/ringpost/log",
           "Main log file; without one the log goes to standard error.", {.reload = kRestart}),
    acting(Id::log_format, "log-format", kGlobal, T::choice, "text", "json",
           "Whether lines of the log are text to read or JSON objects.",
           {.choices = "text json", .reload = kRestart, .traits = kOwn}),
    acting(Id::log_level, "log-level", kGlobal, T::choice, "info", "warning",
           "The least that is logged.", {.choices = "debug info warning error", .traits = kOwn}),
    acting(Id::total_max_smtp_out, "total-max-smtp-out", kGlobal, T::count, "1200", "5000",
           "Most outgoing connections of the whole process at a time.", {.traits = kLimit}),
    acting(Id::total_max_smtp_in, "total-max-smtp-in", kGlobal, T::count, "100", "1000",
           "Most incoming SMTP sessions of the whole process at a time; more are answered 421.",
           {.aliases = "max-sessions", .min = 1, .max = 1'000'000, .reload = kNewSessions}),
    acting(Id::largest_message, "max-message-size", kGlobal, T::size, "50M", "20M",
           "Largest message that any source may send, whatever the source itself allows.",
           {.min = 1024, .reload = kNewSessions, .traits = kEndless | kOwn}),
    acting(Id::name_server, "name-server", kGlobal, T::resolver, "", "127.0.0.1:5353",
           "Address, and if it is not 53 the port, of a DNS resolver (default: the system's).",
           {.aliases = "resolver dns-server", .reload = kRestart, .traits = kRepeats}),
    acting(Id::shutdown_timeout, "shutdown-timeout", kGlobal, T::duration, "60s", "20s",
           "How long a stop waits for replies to messages already sent.", {.traits = kOwn}),
    acting(Id::relay_domain, "relay-domain", kGlobal, T::domain, "", "example.com",
           "Recipient domain that anybody may send to.", {.traits = kRepeats}),
    acting(Id::domain_macro, "domain-macro", kGlobal, T::name_list, "", "ms a.example,b.example",
           "A name for a list of domains; $NAME in a domain section stands for each of them.",
           {.traits = kRepeats | kContinues}),
    acting(Id::include, "include",
           in(Scope::global, Scope::source, Scope::domain, Scope::virtual_mta,
              Scope::virtual_mta_pool, Scope::smtp_pattern_list, Scope::pattern_list,
              Scope::bounce_category_patterns, Scope::mx_rollup_list),
           T::text, "", "/etc/ringpost/conf.d/*.conf",
           "Reads other files in this place; relative names start at the including file.",
           {.traits = kRepeats}),
};

constexpr OptionRow kSpoolRows[] = {
    acting(Id::smtp_listener, "smtp-listener", kGlobal, T::listener, "", "127.0.0.1:2525",
           "Address and port to accept SMTP on, one directive per socket; 0/0 is every IPv4 "
           "address, source=NAME applies a named source to its sessions.",
           {.reload = kRestart, .traits = kRepeats}),
    acting(Id::spool, "spool", kGlobal, T::path, "", "/var/spool/ringpost",
           "Folder that holds accepted mail until it is settled; the same as a spool section.",
           {.reload = kRestart, .traits = kRepeats}),
    acting(Id::journal_max, "journal-max", kGlobal, T::size, "1G", "256M",
           "Most space the outcome journal of one log may take; at the limit mail is refused "
           "for the moment.",
           {.min = 1 << 20, .reload = kRestart, .traits = kOwn}),
    acting(Id::spool_segment_size, "spool-segment-size", kGlobal, T::size, "64M", "256M",
           "Size of one file of the spool.",
           {.min = 64 << 10, .max = std::int64_t{4} << 30, .reload = kRestart, .traits = kOwn}),
    acting(Id::spool_spare, "spool-spare", kGlobal, T::count, "4", "8",
           "Emptied spool files kept for reuse, per log.", {.max = 10'000, .traits = kOwn}),
    acting(Id::settle_sync_interval, "settle-sync-interval", kGlobal, T::duration, "100ms", "50ms",
           "Longest time an outcome may wait to be on stable storage.", {.traits = kOwn}),
    acting(Id::unsettled_max, "unsettled-max", kGlobal, T::count, "10000", "500",
           "Outcomes not yet on stable storage, per shard, at which no new transaction begins.",
           {.min = 1, .traits = kOwn}),
    acting(Id::zero_copy_threshold, "zero-copy-threshold", kGlobal, T::size, "32K", "64K",
           "Size of content from which it is sent without copying.", {.traits = kOwn | kEndless}),
};

constexpr OptionRow kServerRows[] = {
    acting(Id::domain_suffix, "domain-suffix", kGlobal, T::word, "", "example.com",
           "Domain appended to addresses that come in without one.", {.reload = kNewSessions}),
    acting(Id::host_id, "host-id", kGlobal, T::count, "0", "3",
           "Number of this server among several, used in message ids.", {.reload = kNewSessions}),
    acting(Id::invalid_vmta_fallback, "invalid-virtual-mta-fallback", kGlobal, T::word, "", "mta1",
           "Virtual MTA for mail that names one which does not exist.", {.reload = kNewSessions}),
    acting(Id::relay_address, "relay-address", kGlobal, T::text, "", "abuse@example.com",
           "Recipient address, or pattern between slashes, that anybody may send to.",
           {.reload = kNewSessions, .traits = kRepeats}),
    acting(Id::mx_connection_limit, "mx-connection-limit", kGlobal, T::words, "",
           "mx.example.com 20", "Most connections to one MX name over all queues.",
           {.traits = kRepeats}),
    acting(Id::ip_connection_limit, "ip-connection-limit", kGlobal, T::words, "", "192.0.2.0/24 20",
           "Most connections to one remote address over all queues.", {.traits = kRepeats}),
    acting(Id::auth_type, "auth-type", kGlobal, T::choice, "auth_file", "auth_file",
           "How users are authenticated: by the users file.",
           {.choices = "auth_file", .reload = kNewSessions, .traits = kOwn}),
    acting(Id::auth_file, "auth-file", kGlobal, T::path, "", "/etc/ringpost/users",
           "File of users and the scrypt hashes of their passwords, USER:HASH one a line.",
           {.reload = kNewSessions, .traits = kOwn}),
    acting(Id::server_certificate, "smtp-server-tls-certificate", kGlobal, T::certificate, "",
           "/etc/ringpost/server.pem",
           "Certificate, chain and key for incoming connections, in one file. Given several times, "
           "the name a client asks for chooses; the first is for all others.",
           {.reload = kNewSessions, .traits = kSecretTail | kRepeats}),
    acting(Id::server_ca_file, "smtp-server-tls-ca-file", kGlobal, T::path, "",
           "/etc/ssl/certs/ca-certificates.crt",
           "Authorities that clients' certificates are checked against.", {.reload = kNewSessions}),
    acting(Id::server_tls_v1, "smtp-server-tls-allow-tlsv1", kGlobal, T::boolean, "no", "yes",
           "Accepts TLS 1.0 from clients.", {.reload = kNewSessions}),
    acting(Id::server_tls_v1_1, "smtp-server-tls-allow-tlsv1.1", kGlobal, T::boolean, "no", "yes",
           "Accepts TLS 1.1 from clients.", {.reload = kNewSessions}),
    acting(Id::server_tls_v1_2, "smtp-server-tls-allow-tlsv1.2", kGlobal, T::boolean, "yes", "no",
           "Accepts TLS 1.2 from clients.", {.reload = kNewSessions}),
    acting(Id::server_tls_v1_3, "smtp-server-tls-allow-tlsv1.3", kGlobal, T::boolean, "yes", "no",
           "Accepts TLS 1.3 from clients.", {.reload = kNewSessions}),
    acting(Id::server_ciphers, "smtp-server-tls-ciphers", kGlobal, T::text, "", "HIGH:!aNULL",
           "Ciphers offered to clients up to TLS 1.2, in OpenSSL's form.",
           {.reload = kNewSessions}),
    acting(Id::server_suites, "smtp-server-tls-v1.3-ciphersuites", kGlobal, T::text, "",
           "TLS_AES_128_GCM_SHA256", "Cipher suites offered to clients in TLS 1.3.",
           {.reload = kNewSessions}),
    acting(
        Id::http_port, "http-mgmt-port", kGlobal, T::count, "0", "8080",
        "Port of the management interface over HTTP: /metrics, /health and /status; 0 switches it "
        "off. Reachable from this host alone unless http-access names others.",
        {.max = 65535, .reload = kRestart}),
    acting(Id::http_access, "http-access", kGlobal, T::words, "", "127.0.0.1 admin",
           "Network and what it may do on the management interface: none, monitor, operator or "
           "admin, monitor also with ,deny-logs; the narrowest network counts. This host may look "
           "unless a line says otherwise. Networks beyond it are listened to from the next start.",
           {.traits = kRepeats}),
    acting(Id::http_api_key, "http-api-key", kGlobal, T::secret, "", "k3y",
           "Key that opens the management interface from any address, sent as X-API-Key.",
           {.traits = kSecret | kRepeats}),
    acting(Id::http_redirect_to_https, "http-redirect-to-https", kGlobal, T::boolean, "yes", "no",
           "Sends plain visitors of the management interface to its encrypted form, which the same "
           "port speaks where there is an smtp-server-tls-certificate.",
           {.reload = kRestart}),
    acting(Id::http_csrf_protection, "http-csrf-protection", kGlobal, T::boolean, "yes", "no",
           "Asks for a token or key before the management interface changes anything."),
};

}  // namespace

void add_global_rows(OptionRows& rows) {
  add_rows(rows, kIdentityRows);
  add_rows(rows, kSpoolRows);
  add_rows(rows, kServerRows);
}

}  // namespace ringpost::config
