#include <algorithm>
#include <set>

#include "core/base/text.h"
#include "core/config/builder.h"
#include "core/config/limits.h"
#include "core/config/suggest.h"

namespace ringpost::config {
namespace {

/// Whether a word is meant as an address: with a letter in its last label it is a name.
bool looks_like_address(std::string_view text) {
  if (text.find(':') != std::string_view::npos) {
    return true;
  }
  const std::size_t dot = text.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? text : text.substr(dot + 1);
  return std::none_of(last.begin(), last.end(),
                      [](char c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; });
}

}  // namespace

/// Names first: sections may refer to each other in any order.
void Builder::collect_names(const Section& root) {
  VirtualMta& first = snapshot_->vmtas_.emplace_back();
  first.name = kDefaultVmtaName;
  snapshot_->names_.emplace(kDefaultVmtaName, VmtaRef{VmtaRef::Kind::vmta, kDefaultVmta});
  for (const Section& section : root.sections) {
    if (is_pool(section)) {
      add_name(section, VmtaRef::Kind::pool);
    } else if (section.row != nullptr && section.scope == Scope::virtual_mta) {
      add_name(section, VmtaRef::Kind::vmta);
    }
  }
  for (const Section& section : root.sections) {
    const VmtaRef ref = is_pool(section) ? snapshot_->find_vmta(argument_of(section)) : VmtaRef{};
    if (ref.kind == VmtaRef::Kind::pool) {
      add_bound_members(section, ref.id);
    }
  }
  Snapshot& snapshot = *snapshot_;
  snapshot.vmta_written_.resize(snapshot.vmtas_.size());
  snapshot.vmta_layer_.assign(snapshot.vmtas_.size(), DomainIndex::kNone);
  snapshot.vmta_pool_layer_.assign(snapshot.vmtas_.size(), DomainIndex::kNone);
  snapshot.pool_layer_.assign(snapshot.pools_.size(), DomainIndex::kNone);
  vmta_hosts_.resize(snapshot.vmtas_.size());
  snapshot.pool_written_.resize(snapshot.pools_.size());
  pool_keys_.resize(snapshot.pools_.size());
  pool_cold_.resize(snapshot.pools_.size());
  for (const Directive& directive : root.directives) {
    const OptionRow* row = find_option(directive.name.text, Scope::global);
    if (row != nullptr && row->id == OptionId::domain_macro) {
      add_macro(directive);
    }
  }
}

/// A virtual MTA that spreads mail over a range or by a hash is a pool, whatever it is called.
bool Builder::is_pool(const Section& section) {
  if (section.row == nullptr || section.scope == Scope::virtual_mta_pool) {
    return section.row != nullptr;
  }
  return section.scope == Scope::virtual_mta &&
         std::any_of(
             section.directives.begin(), section.directives.end(), [](const Directive& directive) {
               const OptionRow* row = find_option(directive.name.text, Scope::virtual_mta);
               return row != nullptr &&
                      (row->id == OptionId::source_hash || row->id == OptionId::bind_ip_range);
             });
}

/// `bind-ip-range`, and in a pool that is called a virtual MTA its own addresses too: a virtual MTA
/// for each address.
void Builder::add_bound_members(const Section& section, std::uint32_t pool) {
  for (const Directive& directive : section.directives) {
    const OptionRow* row = find_option(directive.name.text, section.scope);
    std::vector<SourceHost> hosts;
    if (row != nullptr && row->id == OptionId::smtp_source_host) {
      add_source_hosts(directive, hosts);
    } else if (row != nullptr && row->id == OptionId::bind_ip_range) {
      for (const Word& word : ValueReader::list_of(directive.values)) {
        const Result<std::vector<IpAddress>> set = parse_address_set(word.text);
        if (!set.ok()) {
          log_->error(word.span, "bind-ip-range: " + set.error().detail);
          continue;
        }
        std::for_each(set->begin(), set->end(), [&hosts](const IpAddress& address) {
          hosts.push_back({address, {}});
        });
      }
    }
    for (const SourceHost& host : hosts) {
      add_bound_member(host, directive.name.span, pool);
    }
  }
}

void Builder::add_bound_member(const SourceHost& host, const Span& span, std::uint32_t pool) {
  const std::string name = std::string(snapshot_->pools_[pool].name) + "-" + host.address.text();
  const auto id = static_cast<std::uint32_t>(snapshot_->vmtas_.size());
  const VmtaRef ref{VmtaRef::Kind::vmta, id};
  if (!snapshot_->names_.try_emplace(to_lower(name), ref).second) {
    log_->warning(span, "there is a virtual MTA '" + name + "' already");
    return;
  }
  VirtualMta& vmta = snapshot_->vmtas_.emplace_back();
  vmta.name = values_.keep(name);
  vmta.origin = origin_of(span);
  vmta_hosts_.resize(snapshot_->vmtas_.size());
  vmta_hosts_[id].push_back(host);
  snapshot_->pools_[pool].members.push_back(id);
}

void Builder::add_name(const Section& section, VmtaRef::Kind kind) {
  const std::string_view name = argument_of(section);
  if (name.empty() || name.size() > kMaxNameBytes) {
    return section.arguments.empty()
               ? void()
               : log_->error(section.arguments[0].span, "the name is empty or too long");
  }
  const auto id = static_cast<std::uint32_t>(
      kind == VmtaRef::Kind::vmta ? snapshot_->vmtas_.size() : snapshot_->pools_.size());
  const auto [place, added] = snapshot_->names_.try_emplace(to_lower(name), VmtaRef{kind, id});
  if (!added) {
    if (place->second.kind != kind) {
      log_->error(section.arguments[0].span, "a pool and a virtual MTA cannot have the same name");
    }
    return;
  }
  const Origin origin = origin_of(section.kind.span);
  if (kind == VmtaRef::Kind::vmta) {
    VirtualMta& vmta = snapshot_->vmtas_.emplace_back();
    vmta.name = values_.keep(name);
    vmta.origin = origin;
  } else {
    VmtaPool& pool = snapshot_->pools_.emplace_back();
    pool.name = values_.keep(name);
    pool.origin = origin;
  }
}

std::uint32_t Builder::layer_of(std::vector<std::uint32_t>& layers, std::uint32_t id,
                                std::string_view owner) {
  if (layers[id] == DomainIndex::kNone) {
    layers[id] = static_cast<std::uint32_t>(snapshot_->layers_.size());
    snapshot_->layers_.emplace_back().owner = owner;
  }
  return layers[id];
}

void Builder::add_virtual_mta(const Section& section) {
  if (is_pool(section)) {
    return add_pool(section);
  }
  const VmtaRef ref = snapshot_->find_vmta(argument_of(section));
  if (ref.kind != VmtaRef::Kind::vmta) {
    return;
  }
  const std::string_view owner =
      values_.keep("<virtual-mta " + std::string(snapshot_->vmtas_[ref.id].name) + ">");
  for (const Directive& directive : section.directives) {
    const OptionRow* row = accept(directive, Scope::virtual_mta);
    if (row == nullptr) {
      continue;
    }
    if (row->id == OptionId::smtp_source_host || row->id == OptionId::smtp_source_ip) {
      add_source_hosts(directive, vmta_hosts_[ref.id]);
      continue;
    }
    if (row->id == OptionId::domain_key) {
      add_domain_key(directive, snapshot_->vmtas_[ref.id].domain_keys);
      continue;
    }
    const std::optional<Value> value = values_.read(*row, directive);
    if (!value) {
      continue;
    }
    if (row->id == OptionId::vmta_cold) {
      cold_uses_.push_back(
          {ref.id, {std::get<std::string_view>(*value), directive.values[0].span}});
      continue;
    }
    if (apply(snapshot_->vmtas_[ref.id], row->id, *value)) {
      store(snapshot_->vmta_written_[ref.id], *row, *value, directive);
      continue;
    }
    // Not a limit of the whole: the default of each of its queues.
    DomainLayer& layer = snapshot_->layers_[layer_of(snapshot_->vmta_layer_, ref.id, owner)];
    if (layer.defaults == DomainIndex::kNone) {
      layer.defaults = add_entry("", owner);
    }
    store(snapshot_->entries_[layer.defaults].settings, *row, *value, directive);
  }
  for (const Section& inner : section.sections) {
    if (inner.row != nullptr && inner.scope == Scope::domain) {
      add_domain(inner, layer_of(snapshot_->vmta_layer_, ref.id, owner), owner);
    } else if (inner.row != nullptr && inner.scope == Scope::warmup) {
      add_warmup(inner, snapshot_->vmta_written_[ref.id], &snapshot_->vmtas_[ref.id]);
    } else {
      skip_inert_section(inner);
    }
  }
}

void Builder::add_pool(const Section& section) {
  const VmtaRef ref = snapshot_->find_vmta(argument_of(section));
  if (ref.kind != VmtaRef::Kind::pool) {
    return;
  }
  VmtaPool& pool = snapshot_->pools_[ref.id];
  const std::string_view owner = values_.keep("<virtual-mta-pool " + std::string(pool.name) + ">");
  for (const Directive& directive : section.directives) {
    // A pool that is called a virtual MTA may say what virtual MTAs say: for each member.
    const bool of_members = section.scope == Scope::virtual_mta &&
                            find_option(directive.name.text, Scope::virtual_mta_pool) == nullptr;
    const OptionRow* row =
        accept(directive, of_members ? Scope::virtual_mta : Scope::virtual_mta_pool);
    if (row == nullptr || row->id == OptionId::smtp_source_host) {
      continue;  // addresses became members when names were collected
    }
    if (row->id == OptionId::domain_key) {
      add_domain_key(directive, pool_keys_[ref.id]);
      continue;
    }
    const std::optional<Value> value = values_.read(*row, directive);
    if (!value || row->id == OptionId::bind_ip_range) {
      continue;
    }
    VirtualMta probe;
    if (of_members && !apply(probe, row->id, *value)) {
      DomainLayer& layer = snapshot_->layers_[layer_of(snapshot_->pool_layer_, ref.id, owner)];
      layer.defaults = layer.defaults == DomainIndex::kNone ? add_entry("", owner) : layer.defaults;
      store(snapshot_->entries_[layer.defaults].settings, *row, *value, directive);
      continue;
    }
    if (row->id == OptionId::vmta_cold) {
      pool_cold_[ref.id].emplace_back(std::get<std::string_view>(*value), directive.values[0].span);
      continue;
    }
    if (row->id != OptionId::pool_member) {
      apply(pool, row->id, *value);
      store(snapshot_->pool_written_[ref.id], *row, *value, directive);
      continue;
    }
    const Word& name = directive.values[0];
    const VmtaRef member = snapshot_->find_vmta(name.text);
    if (member.kind == VmtaRef::Kind::pool) {
      log_->error(name.span, "a pool cannot be a member of a pool");
    } else if (member.kind == VmtaRef::Kind::none) {
      check_vmta_name(name.text, name.span);
    } else if (std::find(pool.members.begin(), pool.members.end(), member.id) !=
               pool.members.end()) {
      log_->warning(name.span, "the virtual MTA is a member already");
    } else {
      pool.members.push_back(member.id);
    }
  }
  for (const Section& inner : section.sections) {
    if (inner.row != nullptr && inner.scope == Scope::domain) {
      add_domain(inner, layer_of(snapshot_->pool_layer_, ref.id, owner), owner);
    } else {
      skip_inert_section(inner);
    }
  }
}

/// `IP... [HELO]`: addresses, networks or ranges, and the name they all greet with.
void Builder::add_source_hosts(const Directive& directive, std::vector<SourceHost>& hosts) {
  const std::size_t first = hosts.size();
  bool named = false;
  for (const Word& word : directive.values) {
    if (named) {
      log_->error(word.span, "unexpected word after the name");
      return;
    }
    if (hosts.size() > first && !looks_like_address(word.text)) {
      if (!is_host_name(word.text)) {
        log_->error(word.span, "not a host name");
        return;
      }
      named = true;
      const std::string_view helo = values_.keep(word.text);
      std::for_each(hosts.begin() + static_cast<std::ptrdiff_t>(first), hosts.end(),
                    [helo](SourceHost& host) { host.helo = helo; });
      continue;
    }
    const Result<std::vector<IpAddress>> set = parse_address_set(word.text);
    if (!set.ok()) {
      log_->error(word.span, "smtp-source-host: " + set.error().detail);
      return;
    }
    for (const IpAddress& address : *set) {
      hosts.push_back({address, {}});
    }
  }
  if (hosts.size() == first) {
    log_->error(directive.name.span, "smtp-source-host needs an address");
  }
}

void Builder::check_vmta_name(std::string_view name, const Span& span) {
  if (snapshot_->find_vmta(name).kind != VmtaRef::Kind::none) {
    return;
  }
  std::vector<std::string_view> names;
  for (const auto& [known, ref] : snapshot_->names_) {
    names.push_back(known);
  }
  log_->warning(span, "there is no virtual MTA or pool of this name",
                log_->full() ? std::string() : nearest_name(name, names));
}

/// Fills in what virtual MTAs inherit: from their pools, and from the global level.
void Builder::finish_virtual_mtas() {
  Snapshot& snapshot = *snapshot_;
  const std::string_view host_name = snapshot.global_.host_names.front();
  for (std::uint32_t id = 0; id < snapshot.pools_.size(); ++id) {
    if (snapshot.pools_[id].members.empty()) {
      log_->warning(
          {snapshot.pools_[id].origin.file, snapshot.pools_[id].origin.line, 0, kWholeLine},
          "the pool has no members; mail for it has nowhere to go");
    }
    for (const VmtaId member : snapshot.pools_[id].members) {
      for (const Setting& setting : snapshot.pool_written_[id]) {
        auto& own = snapshot.vmta_written_[member];
        const bool set = std::any_of(own.begin(), own.end(),
                                     [&](const Setting& s) { return s.id == setting.id; });
        if (!set && apply(snapshot.vmtas_[member], setting.id, setting.value)) {
          own.push_back(setting);
        }
      }
      auto& keys = snapshot.vmtas_[member].domain_keys;
      keys.insert(keys.end(), pool_keys_[id].begin(), pool_keys_[id].end());
      for (const auto& cold : pool_cold_[id]) {
        cold_uses_.push_back({member, cold});
      }
      if (snapshot.pool_layer_[id] == DomainIndex::kNone) {
        continue;
      }
      if (snapshot.vmta_pool_layer_[member] != DomainIndex::kNone) {
        const Origin& origin = snapshot.pools_[id].origin;
        log_->error({origin.file, origin.line, 0, kWholeLine},
                    "the virtual MTA '" + std::string(snapshot.vmtas_[member].name) +
                        "' is in two pools with domain sections");
      }
      snapshot.vmta_pool_layer_[member] = snapshot.pool_layer_[id];
    }
  }
  for (VmtaId id = 0; id < snapshot.vmtas_.size(); ++id) {
    VirtualMta& vmta = snapshot.vmtas_[id];
    vmta.sources = vmta_hosts_[id].empty() ? global_hosts_ : vmta_hosts_[id];
    vmta.helo = vmta.helo.empty() ? host_name : vmta.helo;
    for (SourceHost& host : vmta.sources) {
      host.helo = host.helo.empty() ? vmta.helo : host.helo;
    }
  }
  for (const auto& [name, span] : vmta_uses_) {
    check_vmta_name(name, span);
  }
  for (const auto& [warm, use] : cold_uses_) {
    const VmtaRef ref = snapshot.find_vmta(use.first);
    std::vector<VmtaId>& cold = snapshot.vmtas_[warm].cold;
    if (ref.kind == VmtaRef::Kind::none) {
      check_vmta_name(use.first, use.second);
    } else if (ref.kind == VmtaRef::Kind::pool || ref.id == warm) {
      log_->error(use.second, "a cold virtual MTA is another virtual MTA, and not a pool");
    } else if (std::find(cold.begin(), cold.end(), ref.id) == cold.end()) {
      cold.push_back(ref.id);
    }
  }
}

}  // namespace ringpost::config
