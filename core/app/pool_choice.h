#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace ringpost::app {

/// Chooses members of a pool by weighted rendezvous hashing with xxHash: every member scores each
/// key, the highest score takes it. Keys fall to members in proportion to their weights; when a
/// member goes, only its keys move, to all others in proportion, and when one comes, each gives up
/// its part. Nothing is remembered: the same key and members give the same choice after a restart.
class PoolChoice {
 public:
  /// The name decides the scores, not the place in the pool. Requires: a weight above 0.
  void add(std::string_view name, std::uint32_t weight);
  /// Place of the chosen member in the order of add(); those marked in `out` are left out unless
  /// all are, or it is empty. Requires: not empty. Allocates nothing.
  std::size_t choose(std::uint64_t key, const std::vector<bool>& out) const;
  std::size_t choose(std::uint64_t key) const { return choose(key, {}); }
  bool empty() const { return members_.empty(); }

 private:
  struct Member {
    std::uint64_t hash = 0;
    std::uint32_t weight = 0;
  };
  std::vector<Member> members_;
  bool even_ = true;  ///< all weights are equal
};

}  // namespace ringpost::app
