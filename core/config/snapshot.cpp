#include "core/config/snapshot.h"

#include <algorithm>
#include <bitset>
#include <utility>

#include "core/base/assert.h"
#include "core/base/text.h"

namespace ringpost::config {
namespace {

constexpr std::string_view kByLocalAddress = "by-smtp-source-ip";

void apply_all(SourcePolicy& policy, std::span<const Setting> settings) {
  for (const Setting& setting : settings) {
    apply(policy, setting.id, setting.value);
  }
}

}  // namespace

VmtaRef Snapshot::find_vmta(std::string_view name) const {
  const FoldedName folded(name);
  const auto found = names_.find(folded.view());
  if (found != names_.end()) {
    return found->second;
  }
  const bool is_default = folded.view() == kDefaultVmtaName || folded.view() == "default";
  return is_default ? VmtaRef{VmtaRef::Kind::vmta, kDefaultVmta} : VmtaRef{};
}

bool Snapshot::is_relay_source(SourceId source) const {
  return source < by_name_.size() && by_name_[source].relay;
}

SourceId Snapshot::find_source(std::string_view name) const {
  for (std::size_t i = 0; i < by_name_.size(); ++i) {
    if (equals_ignoring_case(by_name_[i].name, name)) {
      return static_cast<SourceId>(i);
    }
  }
  return kNoSource;
}

template <class Covers>
SourcePolicy Snapshot::source_rules(bool loopback, SourceId named, Covers covers) const {
  SourcePolicy policy = source_defaults_;
  bool covered = false;
  for (const SourceEntry& source : by_address_) {
    if (covers(source.network)) {
      covered = true;
      apply_all(policy, source.settings);
    }
  }
  if (!covered && loopback) {
    policy.always_allow_relaying = true;
  }
  if (named < by_name_.size()) {
    apply_all(policy, by_name_[named].settings);
    policy.default_vmta_of_listener = std::any_of(
        by_name_[named].settings.begin(), by_name_[named].settings.end(),
        [](const Setting& setting) { return setting.id == OptionId::default_virtual_mta; });
  }
  if (policy.require_auth && is_pending(OptionId::require_auth)) {
    // Who must authenticate and cannot gets no service; everything else would be an open door.
    policy.smtp_service = false;
    policy.always_allow_relaying = false;
  }
  for (std::size_t i = 0; i < routing_lists_.size() && !policy.pattern_list.empty(); ++i) {
    if (equals_ignoring_case(routing_lists_[i].name, policy.pattern_list)) {
      policy.pattern_list_index = static_cast<std::int32_t>(i);
    }
  }
  policy.max_message_size = std::min(policy.max_message_size, global_.max_message_size);
  policy.vmta_by_local_address = equals_ignoring_case(policy.default_virtual_mta, kByLocalAddress);
  if (policy.default_virtual_mta.empty() || policy.vmta_by_local_address) {
    policy.default_vmta = {VmtaRef::Kind::vmta, kDefaultVmta};
  } else {
    policy.default_vmta = find_vmta(policy.default_virtual_mta);
  }
  return policy;
}

SourcePolicy Snapshot::source_policy(const IpAddress& client, SourceId named) const {
  return source_rules(client.is_loopback(), named,
                      [&](const IpNetwork& network) { return network.contains(client); });
}

SourcePolicy Snapshot::source_policy_of(const IpNetwork& network, SourceId named) const {
  return source_rules(network.base.is_loopback(), named, [&](const IpNetwork& wider) {
    return wider.prefix_bits <= network.prefix_bits && wider.contains(network.base);
  });
}

std::vector<IpNetwork> Snapshot::source_networks() const {
  std::vector<IpNetwork> networks = {*IpNetwork::parse("127.0.0.0/8"), *IpNetwork::parse("::1")};
  for (const SourceEntry& source : by_address_) {
    networks.push_back(source.network);
  }
  return networks;
}

bool Snapshot::is_relay_domain(std::string_view domain) const {
  bool found = false;
  relay_domains_.for_each_match(FoldedName(domain).view(), [&](std::uint32_t) { found = true; });
  return found;
}

std::array<std::uint32_t, 3> Snapshot::layers_of(VmtaRef vmta) const {
  constexpr std::uint32_t kNone = DomainIndex::kNone;
  if (vmta.kind == VmtaRef::Kind::vmta) {
    RP_ASSERT(vmta.id < vmta_layer_.size());
    return {vmta_layer_[vmta.id], vmta_pool_layer_[vmta.id], 0};
  }
  if (vmta.kind == VmtaRef::Kind::pool) {
    RP_ASSERT(vmta.id < pool_layer_.size());
    return {kNone, pool_layer_[vmta.id], 0};
  }
  return {kNone, kNone, 0};
}

bool Snapshot::is_group(std::string_view queue) const {
  return !groups_.empty() && groups_.find(FoldedName(queue).view()) != groups_.end();
}

std::string_view Snapshot::queue_name(std::string_view domain, VmtaId vmta) const {
  std::string_view target;
  bool decided = false;
  for_each_entry(domain, {VmtaRef::Kind::vmta, vmta}, [&](std::uint32_t index) {
    for (const Setting& setting : entries_[index].settings) {
      if (!decided && setting.id == OptionId::queue_to) {
        target = std::get<std::string_view>(setting.value);
        decided = true;
      }
    }
  });
  return target.empty() ? domain : target;
}

PathPolicy Snapshot::path_policy(std::string_view queue, VmtaId vmta) const {
  PathPolicy policy = policy_defaults_;
  std::bitset<kOptionCount> decided;
  for_each_entry(queue, {VmtaRef::Kind::vmta, vmta}, [&](std::uint32_t index) {
    for (const Setting& setting : entries_[index].settings) {
      const auto place = static_cast<std::size_t>(setting.id);
      if (!decided[place]) {
        decided.set(place);
        apply(policy, setting.id, setting.value);
      }
    }
  });
  finish_policy(policy, decided);
  return policy;
}

/// What follows from other settings: back-off values from their normal twins, names from tables.
void Snapshot::finish_policy(PathPolicy& policy, const std::bitset<kOptionCount>& decided) const {
  const auto is_set = [&decided](OptionId id) { return decided[static_cast<std::size_t>(id)]; };
  if (!is_set(OptionId::backoff_max_msg_rate)) {
    policy.backoff_max_msg_rate = policy.max_msg_rate;
  }
  if (!is_set(OptionId::backoff_max_connect_rate)) {
    policy.backoff_max_connect_rate = policy.max_connect_rate;
  }
  if (!is_set(OptionId::backoff_max_data_rate)) {
    policy.backoff_max_data_rate = policy.max_data_rate;
  }
  policy.backoff_max_smtp_out = std::min(policy.backoff_max_smtp_out, policy.max_smtp_out);
  policy.reply_patterns = find_reply_patterns(policy.smtp_pattern_list);
  const bool backs_off =
      is_set(OptionId::backoff_retry_after) || is_set(OptionId::backoff_to_normal_after);
  if (backs_off && !is_set(OptionId::smtp_pattern_list)) {
    policy.reply_patterns = &shipped_reply_patterns();
  }
  policy.backoff_reroute = find_vmta(policy.backoff_reroute_to);
  policy.reroute = find_vmta(policy.reroute_to);
  policy.route = is_set(OptionId::smtp_hosts) ? policy.route : default_route_;
  policy.backup_route = policy.route == nullptr ? backup_route_ : nullptr;
  policy.held = policy.delivery_type == DeliveryType::http ||
                (policy.delivery_type == DeliveryType::file && policy.file_destination.empty()) ||
                (policy.delivery_type == DeliveryType::pipe && policy.command.empty());
  if (policy.held) {
    policy.route = &nowhere_;
    policy.backup_route = nullptr;
  }
}

std::string Snapshot::place(const Origin& origin) const {
  if (origin.is_default() || origin.file >= files_.size()) {
    return "default";
  }
  return files_[origin.file] + ":" + std::to_string(origin.line);
}

PolicyCache::PolicyCache(std::shared_ptr<const Snapshot> snapshot)
    : snapshot_(std::move(snapshot)), by_queue_(snapshot_->virtual_mtas().size()) {}

const PathPolicy& PolicyCache::policy_for(std::string_view queue, VmtaId vmta) {
  RP_ASSERT(vmta < by_queue_.size());
  const FoldedName folded(queue);
  Pointers& queues = by_queue_[vmta];
  const auto found = queues.find(folded.view());
  if (found != queues.end()) {
    return *found->second;
  }
  const PathPolicy& policy = share(folded.view(), vmta);
  if (cached_ == kMaxCachedQueues) {
    // Only the names go: the policies they point to stay, as callers hold references to them.
    std::fill(by_queue_.begin(), by_queue_.end(), Pointers{});
    cached_ = 0;
  }
  queues.emplace(folded.view(), &policy);
  ++cached_;
  return policy;
}

/// Two queues have the same settings if the same entries apply to them in the same order.
const PathPolicy& PolicyCache::share(std::string_view queue, VmtaId vmta) {
  key_.clear();
  snapshot_->for_each_entry(queue, {VmtaRef::Kind::vmta, vmta}, [&](std::uint32_t index) {
    key_.append(reinterpret_cast<const char*>(&index), sizeof index);
  });
  const auto found = by_entries_.find(std::string_view(key_));
  if (found != by_entries_.end()) {
    return *found->second;
  }
  auto policy = std::make_unique<PathPolicy>(snapshot_->path_policy(queue, vmta));
  return *by_entries_.emplace(key_, std::move(policy)).first->second;
}

}  // namespace ringpost::config
