#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using Id = OptionId;
using T = ValueType;

constexpr ScopeSet kAcct = in(Scope::acct_file);
constexpr ScopeSet kSpool = in(Scope::spool);
constexpr ScopeSet kListener = in(Scope::smtp_listener);
constexpr ScopeSet kTlsListener = in(Scope::smtp_listener, Scope::transmissions_api_listener);
constexpr auto kRestart = ReloadClass::restart;

constexpr OptionRow kAccountingRows[] = {
    acting(Id::acct_records, "records", kAcct, T::name_list, "d,b", "d,b,t",
           "Kinds of records in the file: d delivered, b returned, t temporary failure, tq that "
           "of a queue, r received, rb and rs reports from outside, f feedback.",
           {.reload = kRestart, .traits = kContinues}),
    acting(Id::acct_format, "format-text", kAcct, T::choice, "csv", "csv", "Form of the file.",
           {.choices = "csv", .reload = kRestart, .traits = kOwn}),
    acting(Id::acct_fields, "fields", kAcct, T::name_list, "*", "time,type,rcpt",
           "Columns of the file, in their order; `*` stands for all that are written by default.",
           {.reload = kRestart, .traits = kContinues | kOwn}),
    acting(Id::acct_sync_interval, "sync-interval", kAcct, T::duration, "1s", "5s",
           "Longest time a record may wait to be written to the file.",
           {.reload = kRestart, .traits = kOwn}),
    inert("sync", kAcct, T::boolean, "see sync-interval", "Flushes the file regularly."),
    inert("record-fields", kAcct, T::text, "use fields for the columns of the file",
          "Columns by kind of record.", kRepeats | kContinues),
    inert("map-header-to-field", kAcct, T::words, why::kAccounting,
          "Writes a header field into a column.", kRepeats),
    inert("move-to", kAcct, T::path, why::kRotation, "Folder that finished files are moved to."),
    inert("move-interval", kAcct, T::duration, why::kRotation, "Life of one file."),
    inert("rotate", kAcct, T::duration, why::kRotation, "Life of one file.", kOwn),
    inert("compress", kAcct, T::words, why::kRotation, "Compresses finished files.", kOwn),
    inert("max-size", kAcct, T::size, why::kRotation, "Size at which a new file begins."),
    inert("delete-after", kAcct, T::duration, why::kRotation, "Age at which files are deleted."),
    inert("count-moved-records", kAcct, T::boolean, why::kRotation, "Counts moved records."),
    inert("iso-times", kAcct, T::boolean, why::kAccounting, "Form of times."),
    inert("user-string", kAcct, T::text, why::kAccounting, "Text of the column userString."),
    inert("write-timeout", kAcct, T::duration, why::kAccounting, "Patience with a pipe."),
    inert("retry-interval", kAcct, T::duration, why::kAccounting, "Pause before a new pipe."),
    inert("queue-filter", kAcct, T::name_list, why::kAccounting, "Queues recorded.", kContinues),
    inert("world-readable", kAcct, T::boolean, why::kAccounting, "Lets everybody read the file."),
    inert("privacy-policy", in(Scope::acct_file, Scope::signals), T::words, why::kAccounting,
          "Hides the local parts of recipients.", kSecretTail),
    inert("http-webhook-url", kAcct, T::text, why::kAccounting, "Where records are posted."),
    inert("http-webhook-extra-headers", kAcct, T::path, why::kAccounting, "Fields of a post."),
    inert("http-webhook-certificate", kAcct, T::words, why::kAccounting, "Certificate shown there.",
          kSecretTail),
    inert("http-webhook-ca-file", kAcct, T::path, why::kAccounting, "Authorities there."),
    inert("http-webhook-max-interval", kAcct, T::duration, why::kAccounting,
          "Longest time between posts."),
    inert("http-webhook-transfer-encoding", kAcct, T::word, why::kAccounting,
          "Compression of a post."),
    inert("http-webhook-log-verbose", kAcct, T::boolean, why::kAccounting, "Logs posts."),
    inert("http-webhook-connect-timeout", kAcct, T::duration, why::kAccounting,
          "Patience with the connection."),
    inert("http-webhook-io-timeout", kAcct, T::duration, why::kAccounting,
          "Patience with the answer."),
};

constexpr OptionRow kSpoolAndListenerRows[] = {
    acting(Id::spool_deliver_only, "deliver-only", kSpool, T::boolean, "no", "yes",
           "Delivers what the folder holds and writes no new mail into it.", {.reload = kRestart}),
    acting(Id::spool_min_free_space, "min-free-space", kSpool, T::size, "0", "1G",
           "Free space of the file system below which mail is refused for the moment."),
    inert("delete-file-holders", kSpool, T::boolean, "see spool-spare",
          "Deletes empty files kept for reuse."),
    inert("priority", kSpool, T::count, why::kSpool, "Which folder is filled first."),
    acting(Id::listener_source, "source", kListener, T::word, "", "{inside}",
           "Named source whose rules apply to sessions of the listener.", {.reload = kRestart}),
    inert("await-slot", kListener, T::boolean, why::kSlots, "Lets connections wait."),
    inert("immediate-tls", kListener, T::boolean, why::kTls, "Encrypts from the first byte."),
    inert("tls-ca-file", kTlsListener, T::path, why::kTls, "Authorities for clients."),
    inert("tls-ciphers", kTlsListener, T::text, why::kTls, "Ciphers up to TLS 1.2."),
    inert("tls-tlsv1.3-ciphersuites", kTlsListener, T::text, why::kTls, "Suites of TLS 1.3."),
    inert("tls-dh-key-length", kTlsListener, T::count, why::kTls, "Diffie-Hellman keys."),
    inert("tls-allow-sslv3", kTlsListener, T::boolean, why::kDead, "Accepts SSL 3."),
    inert("tls-allow-tlsv1", kTlsListener, T::boolean, why::kTls, "Accepts TLS 1.0."),
    inert("tls-allow-tlsv1.1", kTlsListener, T::boolean, why::kTls, "Accepts TLS 1.1."),
    inert("tls-allow-tlsv1.2", kTlsListener, T::boolean, why::kTls, "Accepts TLS 1.2."),
    inert("tls-allow-tlsv1.3", kTlsListener, T::boolean, why::kTls, "Accepts TLS 1.3."),
};

}  // namespace

void add_file_rows(OptionRows& rows) {
  add_rows(rows, kAccountingRows);
  add_rows(rows, kSpoolAndListenerRows);
}

}  // namespace ringpost::config
