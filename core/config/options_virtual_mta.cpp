#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using Id = OptionId;
using T = ValueType;

constexpr ScopeSet kVmta = in(Scope::virtual_mta);
constexpr ScopeSet kPool = in(Scope::virtual_mta_pool);
constexpr ScopeSet kVmtaOrPool = kVmta | kPool;
constexpr unsigned kLimit = kEndless | kZeroIsNoLimit;
constexpr auto kNewSessions = ReloadClass::new_sessions;

constexpr OptionRow kRows[] = {
    acting(Id::smtp_source_host, "smtp-source-host", in(Scope::global, Scope::virtual_mta),
           T::source_host, "", "192.0.2.1 mta1.example.com",
           "Local addresses of outgoing connections, used in turn, and the name given in HELO.",
           {.reload = kNewSessions, .traits = kRepeats}),
    acting(Id::smtp_source_ip, "smtp-source-ip", in(Scope::global, Scope::virtual_mta),
           T::source_host, "", "192.0.2.1", "An older form of smtp-source-host, without a name.",
           {.reload = kNewSessions, .traits = kRepeats}),
    acting(Id::helo_domain, "host-name", kVmta, T::word, "", "mta1.example.com",
           "Name given in HELO where the source address has none of its own.",
           {.aliases = "helo-domain", .reload = kNewSessions}),
    acting(Id::vmta_max_smtp_out, "max-smtp-out", kVmtaOrPool, T::count, "unlimited", "850",
           "Most outgoing connections of all queues of the virtual MTA; in a pool, of each "
           "member.",
           {.traits = kLimit}),
    acting(Id::vmta_max_msg_rate, "max-msg-rate", kVmta, T::rate, "unlimited", "200/h",
           "Recipients sent per time by all queues of the virtual MTA.",
           {.aliases = "max-smtp-msg-rate", .traits = kLimit}),
    acting(Id::vmta_max_msg_rate, "max-msg-per-hour", kVmta, T::per_hour, "", "200",
           "The same as max-msg-rate N/h.", {.traits = kLimit}),
    acting(Id::vmta_max_msg_rate, "max-smtp-msg-rate", kPool, T::rate, "unlimited", "200/h",
           "Recipients sent per time by all queues of each member.", {.traits = kLimit}),
    acting(Id::pool_max_msg_rate, "max-msg-rate", kPool, T::rate, "unlimited", "10000/m",
           "Recipients sent per time by all members of the pool together.",
           {.traits = kLimit | kOwn}),
    acting(Id::vmta_max_connect_rate, "max-connect-rate", kVmtaOrPool, T::rate, "unlimited", "2/m",
           "New connections per time by all queues of the virtual MTA; in a pool, of each member.",
           {.aliases = "max-conn-rate", .traits = kLimit | kOwn}),
    acting(Id::vmta_max_data_rate, "max-smtp-data-volume-rate", kVmtaOrPool, T::data_rate,
           "unlimited", "10M/h",
           "Bytes sent per time by all queues of the virtual MTA; in a pool, of each member."),
    acting(Id::vmta_weight, "weight", kVmta, T::count, "1", "3",
           "Share of the virtual MTA in the mail of its pools.",
           {.min = 1, .max = 1000, .traits = kOwn}),
    acting(Id::vmta_cold, "cold-virtual-mta", kVmtaOrPool, T::word, "", "cold1",
           "Virtual MTA that takes the first messages of a day, as many per domain as "
           "max-cold-virtual-mta-msg says; of several, each takes that many.",
           {.traits = kRepeats}),
    acting(Id::domain_key, "domain-key",
           in(Scope::global, Scope::virtual_mta, Scope::virtual_mta_pool, Scope::domain_key_list),
           T::text, "", "s1,example.com,/etc/ringpost/s1.pem",
           "A DKIM key: selector, domain or *, and file. It signs for the domain and those below "
           "it; keys of the virtual MTA come before those of its pool and of the global level.",
           {.traits = kRepeats}),
    acting(Id::pool_member, "virtual-mta", kPool, T::word, "", "mta1", "A member of the pool.",
           {.traits = kRepeats}),
    acting(Id::source_hash, "source-hash", kVmtaOrPool, T::choice, "no", "recipient",
           "Sends mail of the same destination domain, or with recipient of the same recipient, "
           "always by the same member.",
           {.choices = "no yes recipient domain", .traits = kOwn}),
    acting(Id::bind_ip_range, "bind-ip-range", kVmtaOrPool, T::address_list, "",
           "192.0.2.10-192.0.2.12",
           "Addresses, each of which becomes a member of its own, named POOL-ADDRESS.",
           {.reload = kNewSessions, .traits = kRepeats | kOwn}),
    inert("auto-cold-virtual-mta", kVmta, T::words,
          "what it does is documented nowhere; write the virtual MTA out and name it in "
          "cold-virtual-mta",
          "Address and name that make a cold virtual MTA.", kRepeats),
    inert("proxy-protocol", kVmta, T::count, why::kProxy, "Version of the PROXY protocol."),
};

}  // namespace

void add_virtual_mta_rows(OptionRows& rows) { add_rows(rows, kRows); }

}  // namespace ringpost::config
