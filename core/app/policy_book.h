#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "core/app/move_rules.h"
#include "core/app/pool_choice.h"
#include "core/app/rate_plans.h"
#include "core/app/sharing_rules.h"
#include "core/app/signing.h"
#include "core/app/tls_settings.h"
#include "core/config/snapshot.h"
#include "core/mail/doors.h"
#include "core/schedule/doors.h"
#include "net/deliver/source_book.h"

namespace ringpost::app {

/// The queue of some recipients.
struct Placement {
  std::string_view queue;
  std::string_view vmta;
  bool pooled = false;  ///< the virtual MTA was chosen out of a pool
  // See Admission.
  bool counted = false;
  std::uint8_t choice = 0;
  std::string_view overflow{};
};

/// Translates the configuration's settings of a queue into the terms of schedule and deliver. One
/// per shard, used by its thread; keeps its snapshot alive. A policy handed out stays valid as long
/// as anyone holds its reference, over reloads too.
class PolicyBook : public schedule::PolicySource {
 public:
  /// `keys` are those of the snapshot; null: nothing is signed. `contexts` outlives the book;
  /// without, what demands encryption waits.
  explicit PolicyBook(std::shared_ptr<const config::Snapshot> snapshot, std::uint32_t version = 1,
                      std::shared_ptr<const KeyRing> keys = nullptr,
                      TlsContexts* contexts = nullptr);

  /// Takes up another configuration; `version` grows with each.
  void use(std::shared_ptr<const config::Snapshot> snapshot, std::uint32_t version,
           std::shared_ptr<const KeyRing> keys = nullptr);

  schedule::QueueSettings settings_of(std::string_view queue, std::string_view vmta) override;
  schedule::GlobalLimits global_limits() override;
  schedule::HostLimits host_limits(std::string_view host, const IpAddress& address) override;
  std::span<const std::uint32_t> day_caps(std::string_view queue, std::string_view vmta,
                                          std::string_view overflow) override;
  const schedule::RatePlan* rate_plan(std::uint64_t plan) override { return rates_.find(plan); }
  const schedule::RatePlan* sender_rates(std::uint64_t rule) override {
    return rates_.of_sender(rule);
  }

  /// The queue that takes mail for `domain` of the virtual MTA, lower case, in a buffer of the
  /// book's that holds until the next call.
  std::string_view queue_name(std::string_view domain, std::string_view vmta);
  /// Where recipients go: by the virtual MTA they name, or where that is a pool by the member that
  /// falls to them, always the same while the pool has the same members in use: by their domain or
  /// pool key where the pool hashes those, else by the message. A member all of whose source
  /// addresses are out of use gets nothing while another is left. A queue that is rerouted passes
  /// them on. Views hold as those of queue_name() and of the snapshot.
  Placement place(const Admission& admission, Instant now);
  std::string_view rolled_up(std::string_view queue, std::string_view vmta,
                             std::span<const std::string_view> hosts, Instant expires) override;
  /// The shared queue that this shard has found to take the mail of the destination; empty: none.
  std::string_view known_rollup(std::string_view queue, Instant now) const;
  /// Destinations whose mail this shard has put into shared queues that fit the pattern, and those
  /// queues, whatever has become of their mail hosts since.
  std::vector<RolledUp> rolled_up_into(std::string_view pattern) const;
  /// The destination, with the shared queue that its mail hosts put its mail into when this shard
  /// last asked for them; empty: none.
  std::vector<RolledUp> rolled_up_now(std::string_view domain) const;
  /// Whether `vmta` is `taker`, or a member of that pool.
  bool takes(std::string_view taker, std::string_view vmta) const;
  /// The name that mail of a queue goes by when it leaves that: its own, or a shared one that the
  /// configuration still has. `shared` may be empty; views hold as `domain`, `shared`, or the
  /// snapshot do.
  std::string_view leaving_name(std::string_view domain, std::string_view vmta,
                                std::string_view shared);
  /// How often the delay of this mail is reported to senders who ask, and how long it is tried.
  struct DelayRules {
    Duration every;
    Duration life;
  };
  DelayRules delay_rules(const Admission& admission, Instant now);
  /// Whether senders of this domain are told what became of their mail.
  bool reports_to(std::string_view domain);
  /// Addresses that are told of decisions of this kind on its queue. Hold as the snapshot does.
  std::span<const std::string_view> told_of(const schedule::Decision& decision);
  /// Where it looks which source addresses are out of use; outlives the book.
  void set_sources(const deliver::SourceBook& sources) { sources_ = &sources; }
  const config::Snapshot& snapshot() const { return cache_.snapshot(); }
  /// Numbers the rules by which domains share queues (queue-to, mx-rollup-list), modulo
  /// schedule::GlobalLimits::kEras; alike on all shards that have taken up the same configurations.
  std::uint8_t era() const { return era_; }
  /// Whether several destinations share a queue of that name, in lower case.
  bool shares(std::string_view name) const { return sharing_.names.contains(name); }
  /// Placed by rules that this book has not taken up yet.
  bool ahead(const Admission& admission) const {
    const unsigned by =
        (admission.era + schedule::GlobalLimits::kEras - era_) % schedule::GlobalLimits::kEras;
    return by > 0 && by < schedule::GlobalLimits::kEras / 2;
  }

 private:
  config::VmtaId vmta_of(std::string_view name) const;
  schedule::QueueSettings translated(std::string_view queue, std::string_view vmta);
  config::VmtaId member_of(config::VmtaRef ref, const Admission& admission);
  void apply_caps(Placement& out, config::VmtaRef ref, config::VmtaId& id,
                  const Admission& admission, Instant now);
  std::span<const std::uint32_t> caps_of(std::string_view queue, config::VmtaId id);
  config::VmtaRef reroute_of(std::string_view queue, config::VmtaId vmta);
  config::VmtaRef backoff_reroute_of(std::string_view queue, config::VmtaId vmta);
  bool leads_to(std::string_view queue, config::VmtaRef from, config::VmtaId goal, int hops);
  std::string name_of(config::VmtaRef to) const;
  schedule::MoveOrder move_of(std::string_view queue, std::string_view vmta);
  std::vector<std::string_view> hosts_of_rollup(std::string_view queue) const;
  bool takes_rollup(std::string_view shared, config::VmtaId id);
  void keep_heirs(const config::Snapshot& before);
  bool note_sharing();
  std::string_view shared_by_hosts(std::string_view queue, config::VmtaId id,
                                   std::span<const std::string_view> hosts);
  void make_choices();
  std::vector<GroupWarmup> group_warmups();
  bool out_of_use(const config::VirtualMta& vmta) const;

  struct Key {
    const config::PathPolicy* policy = nullptr;
    config::VmtaId vmta = 0;
    std::uint64_t group = 0;  ///< hash of its name; 0: none
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      return reinterpret_cast<std::size_t>(key.policy) * 31 + key.vmta + key.group;
    }
  };

  void set_group(schedule::QueueSettings& settings, QueuePolicy& policy, std::string_view group,
                 const config::PathPolicy& in) const;
  void set_shared_rates(schedule::QueueSettings& settings, const config::VirtualMta& vmta) const;

  std::shared_ptr<const config::Snapshot> snapshot_;
  config::PolicyCache cache_;
  RatePlans rates_;
  TlsContextBook tls_;
  std::uint32_t version_;
  std::shared_ptr<const KeyRing> keys_;
  std::unordered_map<Key, schedule::QueueSettings, KeyHash> translated_;
  std::string name_;
  std::vector<PoolChoice> choices_;  ///< by pool
  /// Virtual MTAs that a reload took away, and the pools they were members of.
  std::unordered_map<std::string, std::string> heirs_;
  /// Names of queues that are, or before some reload were, what several domains share.
  std::unordered_set<std::string, config::TextHash, std::equal_to<>> shared_;
  SharingRules sharing_;
  std::uint8_t era_ = 0;
  /// Destinations that were found to share a queue by their mail hosts.
  struct Rollup {
    std::string queue;
    Instant expires;
    bool former = false;  ///< its mail hosts are others by now
  };
  std::unordered_map<std::string, Rollup, config::TextHash, std::equal_to<>> rollups_;
  bool reroutes_ = false;  ///< some queue is rerouted
  std::vector<bool> out_;  ///< members of a pool that are out of use
  const deliver::SourceBook* sources_ = nullptr;
};

}  // namespace ringpost::app
