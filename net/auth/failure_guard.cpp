#include "net/auth/failure_guard.h"

#include "core/base/hash.h"

namespace ringpost::auth {
namespace {

constexpr Duration kKnownFor = Duration::hours(24);

std::uint64_t key_of(const IpAddress& address) {
  const auto* octets = reinterpret_cast<const char*>(address.octets.data());
  // Of IPv6 the network that one customer has.
  return hash64({octets, address.is_v4() ? std::size_t{4} : std::size_t{8}}) | 1U;
}

std::uint64_t key_of(std::uint64_t account) {
  return hash64({reinterpret_cast<const char*>(&account), sizeof account}) & ~std::uint64_t{1};
}

}  // namespace

void FailureGuard::turn(Count& entry, Duration period, Instant now) {
  const auto passed = (now - entry.begin).ns;
  if (passed >= 2 * period.ns) {
    entry = {now, 0, 0};
  } else if (passed >= period.ns) {
    entry = {entry.begin + period, 0, entry.current};
  }
}

// Rounded up: never more attempts than allowed.
std::uint64_t FailureGuard::failures(Count& entry, Duration period, Instant now) {
  turn(entry, period, now);
  const double left =
      1.0 - static_cast<double>((now - entry.begin).ns) / static_cast<double>(period.ns);
  const double before = left > 0 ? left * entry.before : 0;
  return entry.current + static_cast<std::uint64_t>(before + 0.999999);
}

FailureGuard::Count& FailureGuard::entry(std::uint64_t key, Instant now) {
  const auto found = counts_.find(key);
  if (found != counts_.end()) {
    return found->second;
  }
  make_room(now);
  return counts_.emplace(key, Count{now, 0, 0}).first->second;
}

// The oldest half goes: rare, and bounded in time by the table's size.
void FailureGuard::make_room(Instant now) {
  if (counts_.size() < entries_max_) {
    return;
  }
  Instant oldest = now;
  for (const auto& [key, count] : counts_) {
    oldest = count.begin < oldest ? count.begin : oldest;
  }
  const Instant middle = oldest + Duration::nanoseconds((now - oldest).ns / 2);
  std::erase_if(counts_, [&](const auto& item) { return item.second.begin <= middle; });
}

bool FailureGuard::allows(const IpAddress& address, std::uint64_t account, std::uint64_t count,
                          Duration period, Instant now) {
  if (count == 0) {
    return true;
  }
  const std::lock_guard lock(mutex_);
  if (failures(entry(key_of(address), now), period, now) >= count) {
    return false;
  }
  const auto known = known_.find(key_of(address) ^ account);
  if (known != known_.end() && now - known->second < kKnownFor) {
    return true;
  }
  return failures(entry(key_of(account), now), period, now) < count;
}

void FailureGuard::failed(const IpAddress& address, std::uint64_t account, Duration period,
                          Instant now) {
  const std::lock_guard lock(mutex_);
  for (const std::uint64_t key : {key_of(address), key_of(account)}) {
    Count& one = entry(key, now);
    turn(one, period, now);
    ++one.current;
  }
}

void FailureGuard::succeeded(const IpAddress& address, std::uint64_t account, Instant now) {
  const std::lock_guard lock(mutex_);
  if (known_.size() >= entries_max_) {
    known_.clear();
  }
  known_[key_of(address) ^ account] = now;
}

std::size_t FailureGuard::entries() {
  const std::lock_guard lock(mutex_);
  return counts_.size();
}

}  // namespace ringpost::auth
