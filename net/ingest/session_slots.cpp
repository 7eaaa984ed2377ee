#include "net/ingest/session_slots.h"

#include "core/base/assert.h"

namespace ringpost::ingest {

std::uint32_t SessionSlots::index_of(std::string_view name) {
  std::uint32_t at = 0;
  while (at < groups_.size() && groups_[at].quota.name != name) {
    ++at;
  }
  if (at == groups_.size()) {
    groups_.push_back({{std::string(name)}});
  }
  return at;
}

std::uint32_t SessionSlots::group(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return index_of(name);
}

void SessionSlots::set_limits(std::uint32_t most, const std::vector<Quota>& quotas) {
  const std::lock_guard lock(mutex_);
  most_ = most;
  for (Group& group : groups_) {
    group.quota.most = kNoLimit;
    group.quota.reserved = 0;
  }
  for (const Quota& quota : quotas) {
    groups_[index_of(quota.name)].quota = quota;
  }
}

// What other groups have reserved and do not use stays free for them.
bool SessionSlots::has_room(std::uint32_t group) const {
  if (group != kNoGroup && groups_[group].used >= groups_[group].quota.most) {
    return false;
  }
  std::uint64_t kept = 0;
  for (std::uint32_t at = 0; at < groups_.size(); ++at) {
    const Group& other = groups_[at];
    if (at != group && other.used < other.quota.reserved) {
      kept += other.quota.reserved - other.used;
    }
  }
  return used_ + kept < most_;
}

bool SessionSlots::take(std::uint32_t group) {
  const std::lock_guard lock(mutex_);
  if (!has_room(group)) {
    return false;
  }
  ++used_;
  if (group != kNoGroup) {
    ++groups_[group].used;
  }
  return true;
}

void SessionSlots::give_back(std::uint32_t group) {
  const std::lock_guard lock(mutex_);
  RP_ASSERT(used_ > 0);
  --used_;
  if (group != kNoGroup) {
    RP_ASSERT(groups_[group].used > 0);
    --groups_[group].used;
  }
}

bool SessionSlots::move(std::uint32_t from, std::uint32_t to) {
  if (from == to) {
    return true;
  }
  const std::lock_guard lock(mutex_);
  const auto count = [this](std::uint32_t group, bool more) {
    used_ = more ? used_ + 1 : used_ - 1;
    if (group != kNoGroup) {
      groups_[group].used = more ? groups_[group].used + 1 : groups_[group].used - 1;
    }
  };
  count(from, false);
  const bool room = has_room(to);
  count(room ? to : from, true);
  return room;
}

std::uint32_t SessionSlots::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

std::uint32_t SessionSlots::used_by(std::uint32_t group) const {
  const std::lock_guard lock(mutex_);
  return groups_.at(group).used;
}

}  // namespace ringpost::ingest
