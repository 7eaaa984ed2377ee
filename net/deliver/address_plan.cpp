#include "net/deliver/address_plan.h"

#include <algorithm>
#include <utility>

namespace ringpost::deliver {

bool source_fits(const QueuePolicy& policy, const SourceAddress& source, const IpAddress& remote,
                 const UsableSources& usable, Instant now) {
  if (!source.ip.valid()) {
    return true;
  }
  return source.ip.family == remote.family &&
         (usable.book == nullptr || usable.book->usable(source.ip, usable.queue, policy.vmta, now));
}

int choose_source(const QueuePolicy& policy, const IpAddress& remote, std::size_t turn,
                  const UsableSources& usable, Instant now) {
  const auto fits = [&](const SourceAddress& source) {
    return source_fits(policy, source, remote, usable, now);
  };
  const auto count = std::count_if(policy.sources.begin(), policy.sources.end(), fits);
  if (count == 0) {
    return -1;
  }
  auto skip = turn % static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < policy.sources.size(); ++i) {
    if (fits(policy.sources[i]) && skip-- == 0) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

void AddressPlan::build(const Route& route, const QueuePolicy& policy, const HostMemory& memory,
                        Random& random, Instant now, const UsableSources& usable) {
  const auto add_host = [&](std::size_t host) {
    const RouteHost& entry = route.hosts[host];
    const std::size_t count = entry.addresses.size();
    const std::size_t first = count > 1 ? random.below(count) : 0;
    for (std::size_t i = 0; i < count && !order_.full(); ++i) {
      const IpAddress& ip = entry.addresses[(first + i) % count];
      const int source = choose_source(policy, ip, usable.turn + order_.size(), usable, now);
      if (source < 0) {
        continue;
      }
      Candidate candidate;
      candidate.remote = {ip, entry.port};
      candidate.host = static_cast<std::uint16_t>(host);
      candidate.source = static_cast<std::uint16_t>(source);
      candidate.bad = memory.view(candidate.remote, now).bad;
      order_.push_back(candidate);
    }
  };
  order_.clear();
  at_ = 0;
  most_ = policy.hosts_tried_max;
  const std::size_t hosts = std::min<std::size_t>(route.hosts.size(), UINT16_MAX);
  FixedVector<std::uint16_t, 2 * kCandidatesMax> equals;
  for (std::size_t begin = 0; begin < hosts && !order_.full();) {
    equals.clear();
    std::size_t end = begin;
    while (end < hosts && route.hosts[end].preference == route.hosts[begin].preference) {
      if (!equals.full()) {
        equals.push_back(static_cast<std::uint16_t>(end));
      }
      ++end;
    }
    for (std::size_t i = equals.size(); i > 1; --i) {
      std::swap(equals[i - 1], equals[random.below(i)]);
    }
    for (const std::uint16_t host : equals) {
      add_host(host);
    }
    begin = end;
  }
  // Keep the order among the good and among the bad; insertion, since there are few.
  for (std::size_t i = 1; i < order_.size(); ++i) {
    for (std::size_t j = i; j > 0 && order_[j - 1].bad && !order_[j].bad; --j) {
      std::swap(order_[j - 1], order_[j]);
    }
  }
}

const Candidate* AddressPlan::bad_before(const Route& route, std::uint32_t preference,
                                         const HostMemory& memory, Instant now) const {
  const Candidate* first = nullptr;
  for (const Candidate& one : order_) {
    const std::uint32_t of = route.hosts[one.host].preference;
    if (of < preference && memory.view(one.remote, now).bad) {
      first = &one;
      preference = of;
    }
  }
  return first;
}

}  // namespace ringpost::deliver
