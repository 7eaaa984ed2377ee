#include <algorithm>
#include <array>

#include "core/base/text.h"
#include "core/config/snapshot.h"

namespace ringpost::config {
namespace {

/// Whether `name` is `domain` or below it.
bool is_within(std::string_view name, std::string_view domain) {
  return domain.empty() || name == domain ||
         (name.size() > domain.size() && name.ends_with(domain) &&
          name[name.size() - domain.size() - 1] == '.');
}

const DkimKey* find_key(std::span<const DkimKey> keys, std::string_view domain, bool always) {
  for (const DkimKey& key : keys) {
    if (is_within(domain, key.domain) && (!always || key.always)) {
      return &key;
    }
  }
  return nullptr;
}

bool fits_host(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*")) {
    return pattern == host;
  }
  pattern.remove_prefix(1);
  return host.size() > pattern.size() && host.ends_with(pattern);
}

}  // namespace

std::vector<std::string> Snapshot::names_of_macro(std::string_view pattern) const {
  const auto found = macros_.find(pattern);
  return found == macros_.end() ? std::vector<std::string>{} : found->second;
}

std::vector<std::string_view> Snapshot::owners_of(std::string_view vmta) const {
  std::vector<std::string_view> owners;
  const VmtaRef ref = find_vmta(vmta);
  if (ref.kind == VmtaRef::Kind::vmta) {
    for (const std::uint32_t layer : {vmta_layer_[ref.id], vmta_pool_layer_[ref.id]}) {
      if (layer != DomainIndex::kNone) {
        owners.push_back(layers_[layer].owner);
      }
    }
  }
  return owners;
}

const SmtpUser* Snapshot::find_user(std::string_view name) const {
  const auto found = std::find_if(users_.begin(), users_.end(),
                                  [name](const SmtpUser& user) { return user.name == name; });
  return found == users_.end() ? nullptr : &*found;
}

const ReplyPatterns* Snapshot::find_reply_patterns(std::string_view name) const {
  for (const ReplyPatterns& list : reply_patterns_) {
    if (!name.empty() && equals_ignoring_case(list.name, name)) {
      return &list;
    }
  }
  return nullptr;
}

const SenderRule* Snapshot::sender_rule(std::string_view address) const {
  // Longer than any path may be (RFC 5321 section 4.5.3.1.3), so no rule can mean it.
  std::array<char, 512> room;
  if (sender_index_.empty() || address.size() > room.size()) {
    return nullptr;
  }
  std::transform(address.begin(), address.end(), room.begin(), ascii_lower);
  const std::string_view lower(room.data(), address.size());
  const auto find = [this](std::string_view key) {
    const auto found = sender_index_.find(key);
    return found == sender_index_.end() ? nullptr : &senders_[found->second];
  };
  const SenderRule* rule = find(lower);
  const std::size_t at = lower.rfind('@');
  return rule != nullptr || at == std::string_view::npos ? rule : find(lower.substr(at));
}

VmtaRef Snapshot::routed_vmta(std::string_view domain) const {
  VmtaRef chosen;
  const FoldedName folded(domain);
  routing_.index.for_each_match(folded.view(), [&](std::uint32_t target) {
    chosen = chosen.kind == VmtaRef::Kind::none ? routing_.targets[target] : chosen;
  });
  return chosen.kind == VmtaRef::Kind::none ? routing_.fallback : chosen;
}

/// All hosts must belong to one queue, and a queue that is named by single hosts must not name more
/// of them than there are: then the domain is another one with a host in common.
std::string_view Snapshot::rolled_up_queue(std::span<const std::string_view> hosts) const {
  std::string_view queue;
  for (const std::string_view host : hosts) {
    const FoldedName folded(host);
    const auto rule = std::find_if(
        mx_rollup_.begin(), mx_rollup_.end(),
        [&folded](const MxRollupRule& r) { return fits_host(r.pattern, folded.view()); });
    if (rule != mx_rollup_.end() && (queue.empty() || queue == rule->queue)) {
      queue = rule->queue;
    } else if (rule != mx_rollup_.end()) {
      return {};
    }
  }
  const auto named = [queue](const MxRollupRule& rule) {
    return rule.queue == queue && !rule.pattern.starts_with("*");
  };
  for (const MxRollupRule& rule : mx_rollup_) {
    const bool present = std::any_of(hosts.begin(), hosts.end(), [&rule](std::string_view host) {
      return rule.pattern == FoldedName(host).view();
    });
    if (!queue.empty() && named(rule) && present) {
      const auto wanted = std::count_if(mx_rollup_.begin(), mx_rollup_.end(), named);
      return static_cast<std::size_t>(wanted) > hosts.size() ? std::string_view{} : queue;
    }
  }
  return queue;
}

const DkimKey* Snapshot::find_domain_key(std::string_view domain, VmtaId vmta) const {
  const FoldedName folded(domain);
  const DkimKey* own = find_key(vmtas_[vmta].domain_keys, folded.view(), false);
  return own != nullptr ? own : find_key(domain_keys_, folded.view(), false);
}

const DkimKey* Snapshot::find_signature(std::string_view domain) const {
  const FoldedName folded(domain);
  return find_key(domain_keys_, folded.view(), true);
}

}  // namespace ringpost::config
