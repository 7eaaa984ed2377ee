#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/app/backoff_policy.h"
#include "core/config/snapshot.h"
#include "core/schedule/rate_plan.h"

namespace ringpost::app {

/// How a group of domains warms up through one virtual MTA, and how many octets it may be sent.
struct GroupWarmup {
  std::string group;
  config::VmtaId vmta = 0;
  schedule::WarmupPlanRef plan;  ///< nullptr: it does not
  schedule::ByteLimit octets;    ///< of all its domains together
  schedule::SourceLimitsRef by_source;
  schedule::RateLimit messages;  ///< of all its domains together
  schedule::RateLimit connects;
  GroupBackoff backoff;
};

/// Of the two limits on new connections of a group smtp-out-rampup-interval is the tighter one.
bool gap_limits_group(const config::PathPolicy& in);

/// The rates of virtual MTAs as a whole and of pools, and the warm-ups of groups, as the
/// scheduler's rate book asks for them. Virtual MTAs that are linked by pools with a rate are kept
/// at one home shard.
class RatePlans {
 public:
  /// Takes up a snapshot; rates whose home is another than before are marked as moved.
  void use(const config::Snapshot& snapshot, const std::vector<GroupWarmup>& groups);

  /// nullptr: no such plan.
  const schedule::RatePlan* find(std::uint64_t plan) const;
  /// Keys of the plans of a virtual MTA, whether it has any rates or not.
  static std::uint64_t messages_of(std::string_view vmta);
  static std::uint64_t connects_of(std::string_view vmta);
  static std::uint64_t connects_of(std::string_view group, std::string_view vmta);
  /// Of those of its domains that are in back-off mode.
  static std::uint64_t backoff_messages_of(std::string_view group, std::string_view vmta);
  static std::uint64_t backoff_connects_of(std::string_view group, std::string_view vmta);
  /// Of what leaves from one source address, in back-off mode or not: also the key of its scope.
  static std::uint64_t messages_of(std::string_view group, std::string_view vmta,
                                   const IpAddress& source, bool backoff);
  static std::uint64_t connects_of(std::string_view group, std::string_view vmta,
                                   const IpAddress& source, bool backoff);
  /// Scopes of a group's own rates.
  static std::uint64_t group_messages(std::string_view group, std::string_view vmta);
  static std::uint64_t group_connects(std::string_view group, std::string_view vmta);
  /// The rates of mail that goes by this rule for senders, or nullptr: it has none.
  const schedule::RatePlan* of_sender(std::uint64_t rule) const;
  bool limits_senders() const { return !senders_.empty(); }
  /// Key of a rule for senders.
  static std::uint64_t messages_of(const config::SenderRule& rule);
  /// Keys of rates: of a pool as a whole, and of a virtual MTA's warm-up as a whole.
  static std::uint64_t pool_messages(std::string_view pool);
  static std::uint64_t vmta_warmup(std::string_view vmta);
  /// Of a group that warms up through the virtual MTA.
  static std::uint64_t messages_of(std::string_view group, std::string_view vmta);

 private:
  using Plans = std::unordered_map<std::uint64_t, schedule::RatePlan>;
  using Homes = std::unordered_map<std::uint64_t, std::uint64_t>;

  void add(std::uint64_t plan, std::uint64_t home, const config::Rate& rate, std::uint64_t key,
           schedule::RateOf of, const Homes& before);
  void mark_moved(const Plans& before);
  void add_octets(std::uint64_t plan, std::uint64_t home, const schedule::ByteLimit& limit,
                  std::uint64_t key, schedule::RateOf of, const Homes& before);
  void add_message_sources(const GroupWarmup& group, std::string_view vmta, std::uint64_t home,
                           const Homes& before);
  void add_connect_sources(const GroupWarmup& group, std::string_view vmta, const Homes& before);
  void add_sources(const GroupWarmup& group, std::string_view vmta, std::uint64_t home,
                   const Homes& before);
  void add_own(std::uint64_t plan, std::uint64_t home, const schedule::RateLimit& limit,
               std::uint64_t key, const Homes& before);
  void add_backoff(const GroupWarmup& group, std::string_view vmta, std::uint64_t home,
                   const Homes& before);
  void copy(std::uint64_t from, std::uint64_t otherwise, std::uint64_t to);
  void add_senders(const config::Snapshot& snapshot, std::uint64_t home, const Homes& before);
  void add_warmup(std::uint64_t plan, std::uint64_t home, const schedule::WarmupPlanRef& warmup,
                  std::uint64_t key, const Homes& before);

  Plans plans_;
  Plans senders_;
  bool used_ = false;
  Homes homes_;  ///< of rates, by their key
};

}  // namespace ringpost::app
