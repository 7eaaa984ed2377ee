#include "core/app/rate_plans.h"

#include <algorithm>
#include <numeric>

#include "core/app/source_limits.h"
#include "core/app/warmup_policy.h"
#include "core/base/text.h"
#include "core/schedule/scheduler.h"

namespace ringpost::app {
namespace {

std::uint64_t key_of(std::string_view kind, std::string_view name) {
  return schedule::Scheduler::scope_key(kind, to_lower(name));
}

config::Rate rate_of(const schedule::RateLimit& limit) {
  return {limit.limited() ? limit.count : 0, limit.period};
}

/// For each virtual MTA the first of those it is linked with by pools that have a rate.
std::vector<std::uint32_t> linked_vmtas(const config::Snapshot& snapshot) {
  std::vector<std::uint32_t> first(snapshot.virtual_mtas().size());
  std::iota(first.begin(), first.end(), 0U);
  const auto find = [&](std::uint32_t vmta) {
    while (first[vmta] != vmta) {
      vmta = first[vmta] = first[first[vmta]];
    }
    return vmta;
  };
  for (const config::VmtaPool& pool : snapshot.pools()) {
    for (const config::VmtaId member : pool.members) {
      if (!pool.max_msg_rate.unlimited()) {
        first[find(member)] = find(pool.members.front());
      }
    }
  }
  for (std::uint32_t vmta = 0; vmta < first.size(); ++vmta) {
    first[vmta] = find(vmta);
  }
  return first;
}

}  // namespace

// The gap alone, where it allows no more than the rate does.
bool gap_limits_group(const config::PathPolicy& in) {
  const config::Rate& rate = in.max_connect_rate;
  return in.rampup_interval.ns > 0 &&
         (rate.unlimited() || in.rampup_interval >= rate.period / rate.count);
}

std::uint64_t RatePlans::messages_of(std::string_view vmta) {
  return key_of("vmta-messages", vmta);
}

std::uint64_t RatePlans::connects_of(std::string_view vmta) {
  return key_of("vmta-connects", vmta);
}

void RatePlans::add(std::uint64_t plan, std::uint64_t home, const config::Rate& rate,
                    std::uint64_t key, schedule::RateOf of, const Homes& before) {
  if (rate.unlimited()) {
    return;
  }
  const auto old = before.find(key);
  homes_[key] = home;
  schedule::RatePlan& out = plans_[plan];
  out.home = home;
  out.rates.push_back(
      {key, {rate.count, rate.period}, of, old != before.end() && old->second != home});
}

void RatePlans::add_octets(std::uint64_t plan, std::uint64_t home, const schedule::ByteLimit& limit,
                           std::uint64_t key, schedule::RateOf of, const Homes& before) {
  if (!limit.limited()) {
    return;
  }
  const auto old = before.find(key);
  homes_[key] = home;
  schedule::RatePlan& out = plans_[plan];
  out.home = home;
  out.rates.push_back({key, {}, of, old != before.end() && old->second != home, nullptr, limit});
}

std::uint64_t RatePlans::connects_of(std::string_view group, std::string_view vmta) {
  return key_of("group-connects-plan", std::string(group) + "/" + std::string(vmta));
}

std::uint64_t RatePlans::messages_of(std::string_view group, std::string_view vmta) {
  return key_of("group-plan", std::string(group) + "/" + std::string(vmta));
}

std::uint64_t RatePlans::messages_of(std::string_view group, std::string_view vmta,
                                     const IpAddress& source, bool backoff) {
  return key_of(backoff ? "group-backoff-source-plan" : "group-source-plan",
                std::string(group) + "/" + std::string(vmta) + "/" + source.text());
}

std::uint64_t RatePlans::connects_of(std::string_view group, std::string_view vmta,
                                     const IpAddress& source, bool backoff) {
  return key_of(backoff ? "group-backoff-source-connects-plan" : "group-source-connects-plan",
                std::string(group) + "/" + std::string(vmta) + "/" + source.text());
}

void RatePlans::add_own(std::uint64_t plan, std::uint64_t home, const schedule::RateLimit& limit,
                        std::uint64_t key, const Homes& before) {
  add(plan, home, rate_of(limit), key, schedule::RateOf::group, before);
  if (limit.limited()) {
    plans_[plan].rates.back().limit.burst = limit.burst;
  }
}

// Each source address has a plan of its own, of all that the group counts in and of its own rates.
// What would be asked for no single address would count in the rates of all.
void RatePlans::add_sources(const GroupWarmup& group, std::string_view vmta, std::uint64_t home,
                            const Homes& before) {
  if (rates_messages(*group.by_source)) {
    add_message_sources(group, vmta, home, before);
  }
  if (rates_connects(*group.by_source)) {
    add_connect_sources(group, vmta, before);
  }
}

void RatePlans::add_message_sources(const GroupWarmup& group, std::string_view vmta,
                                    std::uint64_t home, const Homes& before) {
  const std::uint64_t whole = messages_of(group.group, vmta);
  add_own(whole, home, group.messages, group_messages(group.group, vmta), before);
  plans_[whole].home = home;
  const schedule::RatePlan common = plans_[whole];
  plans_[whole].split = true;
  for (const schedule::SourceLimit& one : *group.by_source) {
    const std::string name = group.group + "/" + std::string(vmta) + "/" + one.ip.text();
    const std::uint64_t own = messages_of(group.group, vmta, one.ip, false);
    plans_[own] = common;
    for (const std::uint64_t plan : {own, whole}) {
      add(plan, home, rate_of(one.messages), key_of("group-source-messages", name),
          schedule::RateOf::source, before);
      add_octets(plan, home, one.octets, key_of("group-source-octets", name),
                 schedule::RateOf::source_octets, before);
    }
  }
}

void RatePlans::add_connect_sources(const GroupWarmup& group, std::string_view vmta,
                                    const Homes& before) {
  const std::uint64_t home = connects_of(vmta);
  const std::uint64_t whole = connects_of(group.group, vmta);
  copy(home, home, whole);
  add_own(whole, home, group.connects, group_connects(group.group, vmta), before);
  plans_[whole].home = home;
  const schedule::RatePlan common = plans_[whole];
  plans_[whole].split = true;
  for (const schedule::SourceLimit& one : *group.by_source) {
    const std::string name = group.group + "/" + std::string(vmta) + "/" + one.ip.text();
    const std::uint64_t own = connects_of(group.group, vmta, one.ip, false);
    plans_[own] = common;
    for (const std::uint64_t plan : {own, whole}) {
      add(plan, home, rate_of(one.connects), key_of("group-source-connects", name),
          schedule::RateOf::source, before);
    }
  }
}

void RatePlans::copy(std::uint64_t from, std::uint64_t otherwise, std::uint64_t to) {
  auto found = plans_.find(from);
  found = found == plans_.end() ? plans_.find(otherwise) : found;
  if (found != plans_.end()) {
    plans_[to] = schedule::RatePlan(found->second);
  }
}

// What is in back-off mode counts in all that the group counts in, and in the twins.
void RatePlans::add_backoff(const GroupWarmup& group, std::string_view vmta, std::uint64_t home,
                            const Homes& before) {
  using Of = schedule::RateOf;
  const GroupBackoff& twin = group.backoff;
  const std::string name = group.group + "/" + std::string(vmta);
  const auto add_messages = [&](std::uint64_t plan) {
    add(plan, home, rate_of(twin.messages), key_of("group-backoff-messages", name),
        Of::group_backoff, before);
    add_octets(plan, home, twin.octets, key_of("group-backoff-octets", name),
               Of::group_backoff_octets, before);
  };
  if (twin.rates_messages()) {
    const std::uint64_t plan = backoff_messages_of(group.group, vmta);
    const bool split = group.by_source != nullptr && rates_messages(*group.by_source);
    copy(messages_of(group.group, vmta), messages_of(vmta), plan);
    if (!split) {
      add_own(plan, home, group.messages, group_messages(group.group, vmta), before);
    }
    add_messages(plan);
    for (std::size_t i = 0; split && i < group.by_source->size(); ++i) {
      const IpAddress& source = (*group.by_source)[i].ip;
      const std::uint64_t own = messages_of(group.group, vmta, source, true);
      plans_[own] = schedule::RatePlan(plans_[messages_of(group.group, vmta, source, false)]);
      add_messages(own);
    }
  }
  const auto add_connects = [&](std::uint64_t plan) {
    add(plan, connects_of(vmta), rate_of(twin.connects), key_of("group-backoff-connects", name),
        Of::group_backoff, before);
  };
  if (twin.connects.limited()) {
    const std::uint64_t plan = backoff_connects_of(group.group, vmta);
    const std::uint64_t at = connects_of(vmta);
    const bool split = group.by_source != nullptr && rates_connects(*group.by_source);
    copy(connects_of(group.group, vmta), at, plan);
    if (!split) {
      add_own(plan, at, group.connects, group_connects(group.group, vmta), before);
    }
    add_connects(plan);
    for (std::size_t i = 0; split && i < group.by_source->size(); ++i) {
      const IpAddress& source = (*group.by_source)[i].ip;
      const std::uint64_t own = connects_of(group.group, vmta, source, true);
      plans_[own] = schedule::RatePlan(plans_[connects_of(group.group, vmta, source, false)]);
      add_connects(own);
    }
  }
}

void RatePlans::add_warmup(std::uint64_t plan, std::uint64_t home,
                           const schedule::WarmupPlanRef& warmup, std::uint64_t key,
                           const Homes& before) {
  const auto old = before.find(key);
  homes_[key] = home;
  schedule::RatePlan& out = plans_[plan];
  out.home = home;
  out.rates.push_back(
      {key, {}, schedule::RateOf::vmta, old != before.end() && old->second != home, warmup});
}

std::uint64_t RatePlans::backoff_messages_of(std::string_view group, std::string_view vmta) {
  return key_of("group-backoff-plan", std::string(group) + "/" + std::string(vmta));
}

std::uint64_t RatePlans::backoff_connects_of(std::string_view group, std::string_view vmta) {
  return key_of("group-backoff-connects-plan", std::string(group) + "/" + std::string(vmta));
}

std::uint64_t RatePlans::group_messages(std::string_view group, std::string_view vmta) {
  return schedule::Scheduler::scope_key("group-messages",
                                        to_lower(group) + "/" + std::string(vmta));
}

std::uint64_t RatePlans::group_connects(std::string_view group, std::string_view vmta) {
  return schedule::Scheduler::scope_key("group-connects",
                                        to_lower(group) + "/" + std::string(vmta));
}

std::uint64_t RatePlans::messages_of(const config::SenderRule& rule) {
  return key_of("sender-messages", rule.address);
}

std::uint64_t RatePlans::pool_messages(std::string_view pool) {
  return key_of("pool-messages", pool);
}

std::uint64_t RatePlans::vmta_warmup(std::string_view vmta) { return key_of("vmta-warmup", vmta); }

void RatePlans::add_senders(const config::Snapshot& snapshot, std::uint64_t home,
                            const Homes& before) {
  for (const config::SenderRule& rule : snapshot.sender_rules()) {
    const std::uint64_t key = messages_of(rule);
    if (rule.max_msg_rate.unlimited() || senders_.count(key) != 0) {
      continue;
    }
    homes_[key] = home;
    const auto old = before.find(key);
    schedule::RatePlan& out = senders_[key];
    out.home = home;
    out.rates.push_back({key,
                         {rule.max_msg_rate.count, rule.max_msg_rate.period},
                         schedule::RateOf::sender,
                         old != before.end() && old->second != home});
  }
}

const schedule::RatePlan* RatePlans::of_sender(std::uint64_t rule) const {
  const auto found = senders_.find(rule);
  return found == senders_.end() ? nullptr : &found->second;
}

void RatePlans::use(const config::Snapshot& snapshot, const std::vector<GroupWarmup>& groups) {
  const Homes before = std::exchange(homes_, {});
  const auto plans_before = std::exchange(plans_, {});
  const std::vector<std::uint32_t> first = linked_vmtas(snapshot);
  const auto vmtas = snapshot.virtual_mtas();
  senders_.clear();
  const std::uint64_t all = key_of("sender-messages", "");
  add_senders(snapshot, all, before);
  // Mail of a rated sender may leave by any virtual MTA, and counts in all its rates in one step.
  const auto home_of = [&](std::size_t vmta) {
    return limits_senders() ? all : messages_of(vmtas[first[vmta]].name);
  };
  for (std::size_t i = 0; limits_senders() && i < vmtas.size(); ++i) {
    plans_[messages_of(vmtas[i].name)].home = all;
  }
  for (std::size_t i = 0; i < vmtas.size(); ++i) {
    const config::VirtualMta& identity = vmtas[i];
    const std::uint64_t messages = messages_of(identity.name);
    const std::uint64_t connects = connects_of(identity.name);
    add(messages, home_of(i), identity.max_msg_rate, messages, schedule::RateOf::vmta, before);
    add_octets(messages, home_of(i), {identity.max_data_rate.bytes, identity.max_data_rate.period},
               key_of("vmta-octets", identity.name), schedule::RateOf::vmta_octets, before);
    add(connects, connects, identity.max_connect_rate, connects, schedule::RateOf::vmta, before);
    if (identity.warmup != nullptr) {
      add_warmup(messages, home_of(i), warmup_plan(identity.warmup, "*", identity, snapshot),
                 vmta_warmup(identity.name), before);
    }
  }
  for (const config::VmtaPool& pool : snapshot.pools()) {
    const std::uint64_t key = pool_messages(pool.name);
    for (const config::VmtaId member : pool.members) {
      add(messages_of(vmtas[member].name), home_of(member), pool.max_msg_rate, key,
          schedule::RateOf::pool, before);
    }
  }
  for (const GroupWarmup& one : groups) {
    const std::string_view vmta = vmtas[one.vmta].name;
    const std::uint64_t plan = messages_of(one.group, vmta);
    if (const auto whole = plans_.find(messages_of(vmta)); whole != plans_.end()) {
      plans_[plan] = schedule::RatePlan(whole->second);
    }
    if (one.plan != nullptr) {
      add_warmup(plan, home_of(one.vmta), one.plan, plan, before);
    }
    add_octets(plan, home_of(one.vmta), one.octets,
               key_of("group-octets", one.group + "/" + std::string(vmta)),
               schedule::RateOf::group_octets, before);
    if (one.by_source != nullptr) {
      add_sources(one, vmta, home_of(one.vmta), before);
    }
    add_backoff(one, vmta, home_of(one.vmta), before);
  }
  mark_moved(plans_before);
}

// What has no plan is at home by its own key.
void RatePlans::mark_moved(const Plans& before) {
  for (auto& [key, plan] : plans_) {
    const auto old = before.find(key);
    plan.moved = used_ && (old == before.end() ? key : old->second.home) != plan.home;
  }
  used_ = true;
}

const schedule::RatePlan* RatePlans::find(std::uint64_t plan) const {
  const auto found = plans_.find(plan);
  return found == plans_.end() ? nullptr : &found->second;
}

}  // namespace ringpost::app
