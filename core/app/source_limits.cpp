#include "core/app/source_limits.h"

#include <algorithm>
#include <span>
#include <utility>

#include "core/app/rate_plans.h"

namespace ringpost::app {
namespace {

/// The address that the system chooses is not known: what concerns all addresses holds for it.
const config::SourceIpLimit* narrowest(std::span<const config::SourceIpLimit> limits,
                                       const IpAddress& ip) {
  const config::SourceIpLimit* best = nullptr;
  for (const config::SourceIpLimit& limit : limits) {
    const bool holds = ip.valid() ? limit.network.contains(ip) : limit.network.prefix_bits == 0;
    if (holds && (best == nullptr || limit.network.prefix_bits > best->network.prefix_bits)) {
      best = &limit;
    }
  }
  return best;
}

schedule::RateLimit rate_of(const config::SourceIpLimit* limit) {
  return limit == nullptr ? schedule::RateLimit{}
                          : schedule::RateLimit{limit->rate.count, limit->rate.period};
}

bool limits_some(const std::vector<schedule::SourceLimit>& limits) {
  return std::any_of(limits.begin(), limits.end(), [](const schedule::SourceLimit& one) {
    return one.connections_max != 0 || one.rated();
  });
}

}  // namespace

schedule::SourceLimitsRef source_limits(const std::vector<SourceAddress>& sources,
                                        const config::PathPolicy& in) {
  std::vector<schedule::SourceLimit> out;
  for (const SourceAddress& source : sources) {
    schedule::SourceLimit& one = out.emplace_back();
    one.ip = source.ip;
    const auto* const connections = narrowest(in.source_ip_max_smtp_out, source.ip);
    const auto* const octets = narrowest(in.source_ip_max_data_rate, source.ip);
    if (connections != nullptr && connections->count != config::kUnlimited) {
      one.connections_max = connections->count;
    }
    one.connects = rate_of(narrowest(in.source_ip_max_connect_rate, source.ip));
    one.messages = rate_of(narrowest(in.source_ip_max_msg_rate, source.ip));
    if (octets != nullptr) {
      one.octets = {octets->data.bytes, octets->data.period};
    }
  }
  if (!limits_some(out)) {
    return nullptr;
  }
  return std::make_shared<const std::vector<schedule::SourceLimit>>(std::move(out));
}

bool rates_messages(const std::vector<schedule::SourceLimit>& limits) {
  return std::any_of(limits.begin(), limits.end(), [](const schedule::SourceLimit& one) {
    return one.messages.limited() || one.octets.limited();
  });
}

bool rates_connects(const std::vector<schedule::SourceLimit>& limits) {
  return std::any_of(limits.begin(), limits.end(),
                     [](const schedule::SourceLimit& one) { return one.connects.limited(); });
}

schedule::SourceLimitsRef limits_in_group(const schedule::SourceLimitsRef& limits,
                                          std::string_view group, std::string_view vmta,
                                          bool split) {
  if (limits == nullptr) {
    return nullptr;
  }
  const bool connects = rates_connects(*limits);
  std::vector<schedule::SourceLimit> out;
  for (const schedule::SourceLimit& limit : *limits) {
    schedule::SourceLimit& one = out.emplace_back();
    one.ip = limit.ip;
    if (connects) {
      const std::uint64_t key = RatePlans::connects_of(group, vmta, limit.ip, false);
      one.shared_connects = {key, key, {}};
    }
    one.connections_max = limit.connections_max;
    if (split) {
      const std::uint64_t key = RatePlans::messages_of(group, vmta, limit.ip, false);
      one.shared_messages = {key, key, {}};
    }
  }
  if (!split && !connects && !limits_some(out)) {
    return nullptr;
  }
  return std::make_shared<const std::vector<schedule::SourceLimit>>(std::move(out));
}

}  // namespace ringpost::app
