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
    acting(Id::log_file, "log-file", kGlobal, T::path, "", "/var/log/ringpost/log",
           "Main log file; without one the log goes to standard error.", {.reload = kRestart}),
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

}  // namespace

void add_global_rows(OptionRows& rows) {
  add_rows(rows, kIdentityRows);
  add_rows(rows, kSpoolRows);
}

}  // namespace ringpost::config
