#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace ringpost::ingest {

/// Sessions that all shards together may have: so many in all, and quotas of groups of sources.
/// Any thread; exact. A lock is taken once per connection.
class SessionSlots {
 public:
  static constexpr std::uint32_t kNoGroup = ~0U;
  static constexpr std::uint32_t kNoLimit = ~0U;

  struct Quota {
    std::string name;
    std::uint32_t most = kNoLimit;
    std::uint32_t reserved = 0;  ///< of the sessions in all, nobody else gets these
  };

  explicit SessionSlots(std::uint32_t most) : most_(most) {}
  SessionSlots(const SessionSlots&) = delete;
  SessionSlots& operator=(const SessionSlots&) = delete;

  /// The number of the group of that name, the same as long as the process lives. A group that
  /// has no limits yet has none.
  std::uint32_t group(std::string_view name);
  /// These hold from now on. Sessions in excess go on; a group that is not named loses its limits.
  void set_limits(std::uint32_t most, const std::vector<Quota>& quotas);

  /// For a session of the group, or kNoGroup. False: none is free, nothing was taken.
  bool take(std::uint32_t group);
  void give_back(std::uint32_t group);
  /// A session turns out to be of another group. False: that has no room; nothing changed.
  bool move(std::uint32_t from, std::uint32_t to);

  std::uint32_t used() const;
  std::uint32_t used_by(std::uint32_t group) const;

 private:
  struct Group {
    Quota quota;
    std::uint32_t used = 0;
  };
  std::uint32_t index_of(std::string_view name);
  bool has_room(std::uint32_t group) const;

  mutable std::mutex mutex_;
  std::uint32_t most_;
  std::uint32_t used_ = 0;
  std::vector<Group> groups_;
};

}  // namespace ringpost::ingest
