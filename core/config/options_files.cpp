#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using Id = OptionId;
using T = ValueType;

constexpr ScopeSet kAcct = in(Scope::acct_file);
constexpr ScopeSet kSpool = in(Scope::spool);
constexpr ScopeSet kListener = in(Scope::smtp_listener);
constexpr ScopeSet kTlsListener = in(Scope::smtp_listener, Scope::transmissions_api_listener);
constexpr ScopeSet kApiListener = in(Scope::transmissions_api_listener);
constexpr auto kNewSessions = ReloadClass::new_sessions;
constexpr auto kRestart = ReloadClass::restart;

constexpr OptionRow kAccountingRows[] = {
    acting(Id::acct_records, "records", kAcct, T::name_list, "d,b", "d,b,t",
           "Kinds of records in the file: d delivered, b returned, t temporary failure, tq that "
           "of a queue, r received, rb and rs reports from outside, f feedback.",
           {.reload = kRestart, .traits = kContinues}),
    acting(Id::acct_format, "format-text", kAcct, T::choice, "csv", "json", "Form of the file.",
           {.choices = "csv json", .reload = kRestart, .traits = kOwn}),
    acting(Id::acct_fields, "fields", kAcct, T::name_list, "*", "time,type,rcpt",
           "Columns of the file, in their order; `*` stands for all that are written by default.",
           {.reload = kRestart, .traits = kContinues | kOwn}),
    acting(Id::acct_sync_interval, "sync-interval", kAcct, T::duration, "1s", "5s",
           "Longest time a record may wait to be written to the file.",
           {.reload = kRestart, .traits = kOwn}),
    inert("count-moved-records", kAcct, T::boolean, why::kRotation, "Counts moved records."),
    inert("write-timeout", kAcct, T::duration, why::kPipe, "Patience with a pipe."),
    inert("retry-interval", kAcct, T::duration, why::kPipe, "Pause before a new pipe."),
    inert("privacy-policy", in(Scope::acct_file, Scope::signals), T::words, why::kPrivacy,
          "Hides the local parts of recipients.", kSecretTail),
    inert("http-webhook-url", kAcct, T::text, why::kWebhook, "Where records are posted."),
    inert("http-webhook-extra-headers", kAcct, T::path, why::kWebhook, "Fields of a post."),
    inert("http-webhook-certificate", kAcct, T::words, why::kWebhook, "Certificate shown there.",
          kSecretTail),
    inert("http-webhook-ca-file", kAcct, T::path, why::kWebhook, "Authorities there."),
    inert("http-webhook-max-interval", kAcct, T::duration, why::kWebhook,
          "Longest time between posts."),
    inert("http-webhook-transfer-encoding", kAcct, T::word, why::kWebhook,
          "Compression of a post."),
    inert("http-webhook-log-verbose", kAcct, T::boolean, why::kWebhook, "Logs posts."),
    inert("http-webhook-connect-timeout", kAcct, T::duration, why::kWebhook,
          "Patience with the connection."),
    inert("http-webhook-io-timeout", kAcct, T::duration, why::kWebhook,
          "Patience with the answer."),
};

constexpr OptionRow kRotationRows[] = {
    acting(Id::acct_record_fields, "record-fields", kAcct, T::text, "", "d,b timeLogged,rcpt",
           "Columns by kind of record: kinds, then fields, `*` for all, `!field` for all but it.",
           {.reload = kRestart, .traits = kRepeats | kContinues}),
    acting(Id::acct_map_header, "map-header-to-field", kAcct, T::words, "",
           "f header_Subject userString", "Writes a header field into a column.",
           {.reload = kRestart, .traits = kRepeats}),
    acting(Id::acct_sync, "sync", kAcct, T::boolean, "no", "yes",
           "Flushes the files to stable storage as soon as rows are written, not only at each "
           "sync-interval.",
           {.reload = kRestart}),
    acting(Id::acct_move_to, "move-to", kAcct, T::path, "", "/var/log/ringpost/done",
           "Folder that finished files are moved to.", {.reload = kRestart}),
    acting(Id::acct_move_interval, "move-interval", kAcct, T::duration, "1d", "5m",
           "Life of one file.", {.aliases = "rotate", .reload = kRestart}),
    acting(Id::acct_compress, "compress", kAcct, T::choice, "no", "zstd",
           "Compresses finished files; yes means gzip.",
           {.choices = "no gzip zstd yes", .reload = kRestart, .traits = kOwn}),
    acting(Id::acct_max_size, "max-size", kAcct, T::size, "250M", "50M",
           "Size at which a new file begins.", {.min = 1 << 20, .reload = kRestart}),
    acting(Id::acct_delete_after, "delete-after", kAcct, T::duration, "8d", "never",
           "Age at which finished files are deleted.", {.reload = kRestart, .traits = kEndless}),
    acting(Id::acct_iso_times, "iso-times", kAcct, T::boolean, "yes", "no",
           "Whether times are written out; no gives seconds since 1970.", {.reload = kRestart}),
    acting(Id::acct_user_string, "user-string", kAcct, T::text, "", "from",
           "Text of the column userString; from takes the From field.", {.reload = kRestart}),
    acting(Id::acct_queue_filter, "queue-filter", kAcct, T::name_list, "", "*/mta1,!a.example/*",
           "Queues that are recorded; `!` before a name leaves it out.",
           {.reload = kRestart, .traits = kContinues}),
    acting(Id::acct_world_readable, "world-readable", kAcct, T::boolean, "no", "yes",
           "Lets every user read the file.", {.reload = kRestart}),
};

constexpr OptionRow kListenerRows[] = {
    acting(Id::listener_immediate_tls, "immediate-tls", kListener, T::boolean, "no", "yes",
           "Encrypts from the first byte.", {.reload = kNewSessions, .traits = kGuards}),
    acting(Id::listener_certificate, "tls-certificate", kListener, T::certificate, "",
           "/etc/ringpost/listener.pem",
           "Certificate, chain and key of the listener, in one file; may be given several times.",
           {.reload = kNewSessions, .traits = kSecretTail | kRepeats}),
    acting(Id::listener_ca_file, "tls-ca-file", kListener, T::path, "",
           "/etc/ssl/certs/ca-certificates.crt", "Authorities for clients' certificates.",
           {.reload = kNewSessions}),
    acting(Id::listener_ciphers, "tls-ciphers", kListener, T::text, "", "HIGH:!aNULL",
           "Ciphers up to TLS 1.2.", {.reload = kNewSessions}),
    acting(Id::listener_suites, "tls-tlsv1.3-ciphersuites", kListener, T::text, "",
           "TLS_AES_128_GCM_SHA256", "Suites of TLS 1.3.", {.reload = kNewSessions}),
    acting(Id::listener_tls_v1, "tls-allow-tlsv1", kListener, T::boolean, "no", "yes",
           "Accepts TLS 1.0.", {.reload = kNewSessions}),
    acting(Id::listener_tls_v1_1, "tls-allow-tlsv1.1", kListener, T::boolean, "no", "yes",
           "Accepts TLS 1.1.", {.reload = kNewSessions}),
    acting(Id::listener_tls_v1_2, "tls-allow-tlsv1.2", kListener, T::boolean, "yes", "no",
           "Accepts TLS 1.2.", {.reload = kNewSessions}),
    acting(Id::listener_tls_v1_3, "tls-allow-tlsv1.3", kListener, T::boolean, "yes", "no",
           "Accepts TLS 1.3.", {.reload = kNewSessions}),
    inert("tls-ca-file", kApiListener, T::path, why::kSubmission, "Authorities for clients."),
    inert("tls-ciphers", kApiListener, T::text, why::kSubmission, "Ciphers up to TLS 1.2."),
    inert("tls-tlsv1.3-ciphersuites", kApiListener, T::text, why::kSubmission,
          "Suites of TLS 1.3."),
    inert("tls-allow-tlsv1", kApiListener, T::boolean, why::kSubmission, "Accepts TLS 1.0."),
    inert("tls-allow-tlsv1.1", kApiListener, T::boolean, why::kSubmission, "Accepts TLS 1.1."),
    inert("tls-allow-tlsv1.2", kApiListener, T::boolean, why::kSubmission, "Accepts TLS 1.2."),
    inert("tls-allow-tlsv1.3", kApiListener, T::boolean, why::kSubmission, "Accepts TLS 1.3."),
};

constexpr OptionRow kSpoolAndListenerRows[] = {
    acting(Id::spool_deliver_only, "deliver-only", kSpool, T::boolean, "no", "yes",
           "Delivers what the folder holds and writes no new mail into it.", {.reload = kRestart}),
    acting(Id::spool_min_free_space, "min-free-space", kSpool, T::size, "0", "1G",
           "Free space of the file system below which mail is refused for the moment.",
           {.reload = kRestart}),
    inert("delete-file-holders", kSpool, T::boolean, "see spool-spare",
          "Deletes empty files kept for reuse."),
    inert("priority", kSpool, T::count, why::kSpool, "Which folder is filled first."),
    acting(Id::listener_source, "source", kListener, T::word, "", "{inside}",
           "Named source whose rules apply to sessions of the listener.", {.reload = kRestart}),
    inert("await-slot", kListener, T::boolean, why::kSlots, "Lets connections wait."),
    inert("tls-dh-key-length", kTlsListener, T::count, why::kTls, "Diffie-Hellman keys."),
    inert("tls-allow-sslv3", kTlsListener, T::boolean, why::kDead, "Accepts SSL 3."),
};

}  // namespace

void add_file_rows(OptionRows& rows) {
  add_rows(rows, kAccountingRows);
  add_rows(rows, kRotationRows);
  add_rows(rows, kSpoolAndListenerRows);
  add_rows(rows, kListenerRows);
}

}  // namespace ringpost::config
