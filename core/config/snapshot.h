#pragma once

#include <bitset>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/config/domain_index.h"
#include "core/config/patterns.h"
#include "core/config/setting.h"
#include "core/config/settings.h"
#include "core/config/text_store.h"

namespace ringpost::config {

/// The virtual MTA of mail that asks for none.
inline constexpr std::string_view kDefaultVmtaName = "{default}";

/// The content of one pattern of domains in one layer; repeated sections are merged into one.
struct DomainEntry {
  std::string_view pattern;  ///< as written, `$macro` included; empty: directly in a virtual MTA
  std::string_view owner;    ///< "<virtual-mta a>", "<virtual-mta-pool p>", or empty
  std::vector<Setting> settings;
};

/// The domain sections of one virtual MTA, one pool, or the global level.
struct DomainLayer {
  DomainIndex index;
  std::string_view owner;                       ///< as DomainEntry::owner
  std::uint32_t defaults = DomainIndex::kNone;  ///< after everything else in the layer
};

struct SourceEntry {
  std::string_view name;  ///< as written
  bool by_address = false;
  bool relay = false;  ///< of a relay block
  IpNetwork network;
  std::vector<Setting> settings;
  Origin origin;
};

/// What a configuration says, checked and typed. Immutable once built and shared by all threads;
/// views and references into it live as long as it does. Holds no source text, and secrets only in
/// pages that no core dump contains.
class Snapshot {
 public:
  const GlobalSettings& global() const { return global_; }
  /// [0] is `{default}`, for mail that chooses no virtual MTA.
  std::span<const VirtualMta> virtual_mtas() const { return vmtas_; }
  std::span<const VmtaPool> pools() const { return pools_; }
  /// By name, without regard to case; pools share the virtual MTAs' name space.
  VmtaRef find_vmta(std::string_view name) const;

  /// The rules for a client, of a listener's source where it has one. Allocates nothing.
  SourcePolicy source_policy(const IpAddress& client, SourceId named = kNoSource) const;
  SourceId find_source(std::string_view name) const;
  /// Whether the source is that of a relay block, whose rules hold for its users too.
  bool is_relay_source(SourceId source) const;
  /// Networks for whose clients there are rules of their own, wide before narrow; loopback is
  /// always among them, because it may relay unless a source says otherwise.
  std::vector<IpNetwork> source_networks() const;
  /// The rules for those clients of a network that no narrower one names.
  SourcePolicy source_policy_of(const IpNetwork& network, SourceId named = kNoSource) const;
  /// Patterns of `relay-domain`, as written.
  std::span<const std::string_view> relay_domains() const { return relay_domain_patterns_; }
  /// Users who authenticate, in the order of the file, and groups of sources.
  std::span<const SmtpUser> smtp_users() const { return users_; }
  const SmtpUser* find_user(std::string_view name) const;
  std::span<const SourceGroup> source_groups() const { return source_groups_; }

  /// Rules for mail of a sender address: of the address itself, else of its domain; or nullptr.
  const SenderRule* sender_rule(std::string_view address) const;
  std::span<const SenderRule> sender_rules() const { return senders_; }
  /// The virtual MTA that the `source` block chooses for a recipient domain; kind none: no choice.
  VmtaRef routed_vmta(std::string_view domain) const;
  /// Whether that depends on the domain at all, or says anything.
  bool routes_by_domain() const { return !routing_.targets.empty(); }
  /// Lists of rules that choose a virtual MTA; SourcePolicy::pattern_list_index counts in them.
  std::span<const RoutingList> routing_lists() const { return routing_lists_; }

  /// The queue that takes the mail of a domain whose best mail hosts (those of the lowest
  /// preference) are `hosts`; empty: the domain keeps its own. Ask only where
  /// PathPolicy::disable_mx_rollup does not forbid it.
  std::string_view rolled_up_queue(std::span<const std::string_view> hosts) const;
  std::span<const MxRollupRule> mx_rollup() const { return mx_rollup_; }
  /// Smart hosts, by priority. PathPolicy::route and backup_route hold them already.
  std::span<const SmartRoute> smart_routes() const { return smart_routes_; }

  /// The key that signs for a domain through a virtual MTA: its own keys first, then those of its
  /// pools, then the global ones; nullptr: none.
  const DkimKey* find_domain_key(std::string_view domain, VmtaId vmta) const;
  /// A key of a dkim-signature block that signs all mail of the domain, or nullptr.
  const DkimKey* find_signature(std::string_view domain) const;
  std::span<const DkimKey> domain_keys() const { return domain_keys_; }
  std::span<const DkimKeyList> domain_key_lists() const { return domain_key_lists_; }

  std::span<const ReplyPatterns> reply_patterns() const { return reply_patterns_; }
  const ReplyPatterns* find_reply_patterns(std::string_view name) const;
  const BounceCategories& bounce_categories() const { return bounce_categories_; }
  std::span<const AddressList> address_lists() const { return address_lists_; }

  /// Whether anybody may send to this recipient domain (`relay-domain`).
  bool is_relay_domain(std::string_view domain) const;

  /// The queue that takes a domain's mail: what `queue-to` or a group says, else the domain
  /// itself. Valid while both snapshot and `domain` are. Allocates nothing.
  std::string_view queue_name(std::string_view domain, VmtaId vmta) const;
  /// Whether the name is that of several domains which share one budget but have their own hosts.
  bool is_group(std::string_view queue) const;
  const std::unordered_set<std::string, TextHash, std::equal_to<>>& groups() const {
    return groups_;
  }
  /// Whether anything warms up.
  bool has_warmups() const { return !warmups_.empty(); }
  /// Effective settings of the queue `queue`/`vmta`, computed anew; PolicyCache keeps them.
  PathPolicy path_policy(std::string_view queue, VmtaId vmta) const;

  /// Calls `found(entry)` for the entries that apply to a queue, strongest first: those of the
  /// virtual MTA, of its pool, of the global level.
  template <class Found>
  void for_each_entry(std::string_view queue, VmtaRef vmta, Found&& found) const {
    const FoldedName folded(queue);
    for (const std::uint32_t layer : layers_of(vmta)) {
      if (layer == DomainIndex::kNone) {
        continue;
      }
      layers_[layer].index.for_each_match(folded.view(), found);
      if (layers_[layer].defaults != DomainIndex::kNone) {
        found(layers_[layer].defaults);
      }
    }
  }
  const DomainEntry& entry(std::uint32_t index) const { return entries_[index]; }
  std::span<const DomainEntry> entries() const { return entries_; }
  /// Patterns that a section of macros, `$name`, stands for in this snapshot.
  std::vector<std::string> names_of_macro(std::string_view pattern) const;
  /// Owners of the domain sections of a virtual MTA and of its pool, as DomainEntry has them.
  std::vector<std::string_view> owners_of(std::string_view vmta) const;
  const PathPolicy& policy_defaults() const { return policy_defaults_; }

  /// Files in the order they were read; Origin::file counts in them.
  std::span<const std::string> files() const { return files_; }
  std::string place(const Origin& origin) const;
  /// Settings as they were written at the global level and in virtual MTAs, for `explain`.
  std::span<const Setting> global_written() const { return global_written_; }
  std::span<const Setting> vmta_written(VmtaId vmta) const { return vmta_written_[vmta]; }
  /// The same of pools; `pool` counts in pools().
  std::span<const Setting> pool_written(std::size_t pool) const { return pool_written_[pool]; }
  /// Every directive outside virtual MTAs, pools and domains, in the order of the files.
  std::span<const WrittenDirective> written() const { return written_; }

 private:
  friend class Builder;
  friend class ValueReader;

  std::array<std::uint32_t, 3> layers_of(VmtaRef vmta) const;
  template <class Covers>
  SourcePolicy source_rules(bool loopback, SourceId named, Covers covers) const;
  void finish_policy(PathPolicy& policy, const std::bitset<kOptionCount>& decided) const;

  TextStore texts_;
  std::deque<std::vector<Duration>> ladders_;
  std::deque<std::vector<std::string_view>> lists_;
  std::deque<StaticRoute> routes_;
  std::deque<std::vector<std::uint32_t>> daily_limits_;
  std::deque<std::vector<SourceIpLimit>> ip_limits_;
  std::deque<Warmup> warmups_;
  std::deque<CertificateFile> certificates_;
  SecretStore secrets_;
  std::vector<std::string> files_;
  GlobalSettings global_;
  std::vector<Setting> global_written_;
  std::vector<VirtualMta> vmtas_;
  std::vector<std::vector<Setting>> vmta_written_;
  std::vector<VmtaPool> pools_;
  std::vector<std::vector<Setting>> pool_written_;
  std::unordered_map<std::string, VmtaRef, TextHash, std::equal_to<>> names_;
  std::vector<DomainEntry> entries_;
  std::vector<DomainLayer> layers_;             ///< [0] is the global one
  std::vector<std::uint32_t> vmta_layer_;       ///< by virtual MTA, kNone without sections
  std::vector<std::uint32_t> pool_layer_;       ///< by pool
  std::vector<std::uint32_t> vmta_pool_layer_;  ///< by virtual MTA: that of its pool
  PathPolicy policy_defaults_;
  SourcePolicy source_defaults_;
  std::vector<SourceEntry> by_address_;  ///< wide before narrow
  std::vector<SourceEntry> by_name_;
  DomainIndex relay_domains_;
  std::vector<std::string_view> relay_domain_patterns_;
  std::vector<SmtpUser> users_;
  std::vector<SourceGroup> source_groups_;
  std::vector<SenderRule> senders_;
  /// Their places by address or `@domain`, lower case; the first of equal ones.
  std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> sender_index_;
  RoutingTable routing_;
  std::vector<RoutingList> routing_lists_;
  std::vector<MxRollupRule> mx_rollup_;
  std::vector<SmartRoute> smart_routes_;
  const StaticRoute* default_route_ = nullptr;
  const StaticRoute* backup_route_ = nullptr;
  StaticRoute nowhere_;
  std::vector<DkimKey> domain_keys_;
  std::vector<DkimKeyList> domain_key_lists_;
  std::vector<ReplyPatterns> reply_patterns_;
  BounceCategories bounce_categories_;
  std::vector<AddressList> address_lists_;
  std::vector<WrittenDirective> written_;
  std::unordered_map<std::string, std::vector<std::string>, TextHash, std::equal_to<>> macros_;
  std::unordered_set<std::string, TextHash, std::equal_to<>> groups_;
};

/// Effective settings of queues, each computed once. One per shard: not shared between threads.
/// Keeps its snapshot alive; references stay valid while the cache lives.
class PolicyCache {
 public:
  explicit PolicyCache(std::shared_ptr<const Snapshot> snapshot);

  const Snapshot& snapshot() const { return *snapshot_; }
  /// Settings of the queue `queue`/`vmta`, where `queue` came from Snapshot::queue_name(). O(1)
  /// and without allocation after the first call for the pair. Queues to which the same sections
  /// apply share one object, so a queue costs its name and a pointer.
  const PathPolicy& policy_for(std::string_view queue, VmtaId vmta);

  std::size_t distinct_policies() const { return by_entries_.size(); }

 private:
  using Pointers = std::unordered_map<std::string, const PathPolicy*, TextHash, std::equal_to<>>;

  const PathPolicy& share(std::string_view queue, VmtaId vmta);

  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<Pointers> by_queue_;  ///< by virtual MTA
  std::unordered_map<std::string, std::unique_ptr<PathPolicy>, TextHash, std::equal_to<>>
      by_entries_;
  std::string key_;
  std::size_t cached_ = 0;
};

}  // namespace ringpost::config
