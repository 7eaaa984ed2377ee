#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringpost::schedule {

/// How often each key counts; a key that counts nothing costs nothing. Keys are hashes and not 0.
/// Open addressing: allocates only to grow. A value of one shard.
class KeyCounts {
 public:
  std::uint32_t count(std::uint64_t key) const;
  void add(std::uint64_t key);
  /// Requires: count(key) > 0.
  void sub(std::uint64_t key);
  std::size_t size() const noexcept { return used_; }

 private:
  struct Cell {
    std::uint64_t key = 0;
    std::uint32_t count = 0;
  };

  std::size_t place_of(std::uint64_t key) const;
  void grow();

  std::vector<Cell> cells_;  ///< a power of two of them
  std::size_t used_ = 0;
};

}  // namespace ringpost::schedule
