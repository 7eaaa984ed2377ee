#pragma once

#include <cstdint>

namespace ringpost::schedule {

/// What shards tell each other about one limit scope. A plain value that fits a letter between
/// shards. Units are connections, or permits of a rate. Order matters to fairness only, never to
/// the limit.
struct LeaseMessage {
  enum class Kind : std::uint8_t {
    request,    ///< holder to owner: `units` more are wanted; `adopted` are in use already
    grant,      ///< owner to holder: `units` given
    give_back,  ///< holder to owner: `units` are free again
    census,     ///< owner to holder: a limit began; say what is in use (answered by request)
    recall,     ///< owner to holder: give back what is unused now, and `units` as they free up
    // Of rates (see RateBook).
    rate_want,    ///< holder to owner: `units` could be used now; `adopted` came in all so far
    rate_grant,   ///< owner to holder: `units` may begin before `time`, RCPTs leave `limit` later
    rate_unused,  ///< holder to owner: of a grant until `time`, of gates `adopted`, taken at `base`
    rate_later,   ///< owner to holder: none before `time`, because of rate number `adopted`
  };

  std::uint64_t scope = 0;  ///< hash of the scope's key
  std::uint32_t units = 0;
  std::uint32_t adopted = 0;  ///< grant, give_back: units for whoever has waited longest
  std::uint32_t limit = 0;    ///< request, census, rate_want: the limit as the sender knows it
  std::uint32_t version = 0;  ///< of the configuration that gave it
  /// rate_want: the plan that holds beside `limit`. request: how many wait of that priority.
  /// rate_later: key of that rate.
  std::uint64_t base = 0;
  std::int64_t time = 0;     ///< ns; rate_want: period of `limit`; else an instant
  std::uint64_t sender = 0;  ///< rate_want: the rule for a sender that holds too
  /// rate_want, rate_grant: of the message that the units are for. request:
  /// Scope::lowest_waiting().
  std::uint32_t octets = 0;
  Kind kind = Kind::request;
  /// grant, recall: others want units, keep none unused. rate_want: `limit` may be spent early.
  bool contended : 1 = false;
  /// request: somebody here has no connection at all. grant, recall: so it is at another shard.
  /// rate_want: the permits are for connections from one address.
  bool urgent : 1 = false;
  bool of_host : 1 = false;  ///< the scope is a mail host's: there may be very many
  bool again : 1 = false;    ///< rate_want: it is of the quick rates alone
  /// rate_want: and of the slow ones, but not of those of octets. rate_unused: they had been used,
  /// for nothing.
  bool anew : 1 = false;
  bool turn : 1 = false;  ///< of rates: the units are turns, see RateScope::turns
  /// request: the highest that waits here; grant, recall: elsewhere. rate_want: how late permits of
  /// quick rates should be good, in 255ths of the most.
  std::uint8_t priority = 0;
  std::uint8_t lowest = 0;  ///< request: Scope::lowest() here. rate_want: the same of slow rates
};
static_assert(sizeof(LeaseMessage) <= 56, "has to fit a letter's payload");

}  // namespace ringpost::schedule
