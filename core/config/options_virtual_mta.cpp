#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using Id = OptionId;
using T = ValueType;

constexpr ScopeSet kVmta = in(Scope::virtual_mta);
constexpr ScopeSet kVmtaOrPool = in(Scope::virtual_mta, Scope::virtual_mta_pool);
constexpr unsigned kLimit = kEndless | kZeroIsNoLimit;
constexpr auto kNewSessions = ReloadClass::new_sessions;

constexpr OptionRow kRows[] = {
    acting(Id::smtp_source_host, "smtp-source-host", in(Scope::global, Scope::virtual_mta),
           T::source_host, "", "192.0.2.1 mta1.example.com",
           "Local addresses of outgoing connections, used in turn, and the name given in HELO.",
           {.reload = kNewSessions, .traits = kRepeats}),
    acting(Id::helo_domain, "host-name", kVmta, T::word, "", "mta1.example.com",
           "Name given in HELO where the source address has none of its own.",
           {.aliases = "helo-domain", .reload = kNewSessions}),
    acting(Id::vmta_max_smtp_out, "max-smtp-out", kVmtaOrPool, T::count, "unlimited", "850",
           "Most outgoing connections of all queues of the virtual MTA; in a pool, of each "
           "member.",
           {.traits = kLimit}),
    acting(Id::vmta_max_msg_rate, "max-msg-rate", kVmtaOrPool, T::rate, "unlimited", "200/h",
           "Recipients sent per time by all queues of the virtual MTA; in a pool, of each member.",
           {.aliases = "max-smtp-msg-rate", .traits = kLimit}),
    acting(Id::vmta_max_msg_rate, "max-msg-per-hour", kVmta, T::per_hour, "", "200",
           "The same as max-msg-rate N/h.", {.traits = kLimit}),
    acting(Id::vmta_max_connect_rate, "max-connect-rate", kVmta, T::rate, "unlimited", "2/m",
           "New connections per time by all queues of the virtual MTA.",
           {.aliases = "max-conn-rate", .traits = kLimit}),
    acting(Id::pool_member, "virtual-mta", in(Scope::virtual_mta_pool), T::word, "", "mta1",
           "A member of the pool.", {.traits = kRepeats}),
    inert("cold-virtual-mta", kVmtaOrPool, T::word, why::kCold,
          "Virtual MTA that takes the first messages of a day.", kRepeats),
    inert("auto-cold-virtual-mta", kVmta, T::words, why::kCold,
          "Address and name that make a cold virtual MTA.", kRepeats),
    inert("max-smtp-data-volume-rate", kVmtaOrPool, T::words, why::kVolume,
          "Bytes per time of all queues of the virtual MTA."),
    inert("proxy-protocol", kVmta, T::count, why::kProxy, "Version of the PROXY protocol."),
    inert("source-hash", kVmtaOrPool, T::words, why::kPools,
          "Sends the same destination always through the same member.", kOwn),
    inert("bind-ip-range", kVmtaOrPool, T::words, why::kPools,
          "Range of addresses, each of which is a member of its own.", kOwn),
};

}  // namespace

void add_virtual_mta_rows(OptionRows& rows) { add_rows(rows, kRows); }

}  // namespace ringpost::config
