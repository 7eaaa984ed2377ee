#include <algorithm>
#include <set>

#include "core/base/text.h"
#include "core/config/builder.h"
#include "core/config/limits.h"
#include "core/config/suggest.h"

namespace ringpost::config {
namespace {

constexpr std::string_view kDefaultName = "{default}";

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
  first.name = kDefaultName;
  snapshot_->names_.emplace(kDefaultName, VmtaRef{VmtaRef::Kind::vmta, kDefaultVmta});
  for (const Section& section : root.sections) {
    if (section.row != nullptr && section.scope == Scope::virtual_mta) {
      add_name(section, VmtaRef::Kind::vmta);
    } else if (section.row != nullptr && section.scope == Scope::virtual_mta_pool) {
      add_name(section, VmtaRef::Kind::pool);
    }
  }
  Snapshot& snapshot = *snapshot_;
  snapshot.vmta_written_.resize(snapshot.vmtas_.size());
  snapshot.vmta_layer_.assign(snapshot.vmtas_.size(), DomainIndex::kNone);
  snapshot.vmta_pool_layer_.assign(snapshot.vmtas_.size(), DomainIndex::kNone);
  snapshot.pool_layer_.assign(snapshot.pools_.size(), DomainIndex::kNone);
  vmta_hosts_.resize(snapshot.vmtas_.size());
  pool_written_.resize(snapshot.pools_.size());
  for (const Directive& directive : root.directives) {
    const OptionRow* row = find_option(directive.name.text, Scope::global);
    if (row != nullptr && row->id == OptionId::domain_macro) {
      add_macro(directive);
    }
  }
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

std::uint32_t Builder::layer_of(std::vector<std::uint32_t>& layers, std::uint32_t id) {
  if (layers[id] == DomainIndex::kNone) {
    layers[id] = static_cast<std::uint32_t>(snapshot_->layers_.size());
    snapshot_->layers_.emplace_back();
  }
  return layers[id];
}

void Builder::add_virtual_mta(const Section& section) {
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
    if (row->id == OptionId::smtp_source_host) {
      add_source_hosts(directive, vmta_hosts_[ref.id]);
      continue;
    }
    const std::optional<Value> value = values_.read(*row, directive);
    if (!value) {
      continue;
    }
    if (apply(snapshot_->vmtas_[ref.id], row->id, *value)) {
      store(snapshot_->vmta_written_[ref.id], *row, *value, directive);
      continue;
    }
    // Not a limit of the whole: the default of each of its queues.
    DomainLayer& layer = snapshot_->layers_[layer_of(snapshot_->vmta_layer_, ref.id)];
    if (layer.defaults == DomainIndex::kNone) {
      layer.defaults = add_entry("", owner);
    }
    store(snapshot_->entries_[layer.defaults].settings, *row, *value, directive);
  }
  for (const Section& inner : section.sections) {
    if (inner.row != nullptr && inner.scope == Scope::domain) {
      add_domain(inner, layer_of(snapshot_->vmta_layer_, ref.id), owner);
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
    const OptionRow* row = accept(directive, Scope::virtual_mta_pool);
    if (row == nullptr) {
      continue;
    }
    const std::optional<Value> value = values_.read(*row, directive);
    if (!value) {
      continue;
    }
    if (row->id != OptionId::pool_member) {
      store(pool_written_[ref.id], *row, *value, directive);
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
      add_domain(inner, layer_of(snapshot_->pool_layer_, ref.id), owner);
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
      log_->warning({snapshot.pools_[id].origin.file, snapshot.pools_[id].origin.line, 0, 1},
                    "the pool has no members; mail for it has nowhere to go");
    }
    for (const VmtaId member : snapshot.pools_[id].members) {
      for (const Setting& setting : pool_written_[id]) {
        auto& own = snapshot.vmta_written_[member];
        const bool set = std::any_of(own.begin(), own.end(),
                                     [&](const Setting& s) { return s.id == setting.id; });
        if (!set && apply(snapshot.vmtas_[member], setting.id, setting.value)) {
          own.push_back(setting);
        }
      }
      if (snapshot.pool_layer_[id] == DomainIndex::kNone) {
        continue;
      }
      if (snapshot.vmta_pool_layer_[member] != DomainIndex::kNone) {
        const Origin& origin = snapshot.pools_[id].origin;
        log_->error({origin.file, origin.line, 0, 1},
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
}

}  // namespace ringpost::config
