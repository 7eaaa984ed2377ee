#pragma once

#include <atomic>
#include <cstdint>

namespace ringpost {

/// Counts uses of something that the whole process has a limit for. Any thread; exact.
class SharedCount {
 public:
  explicit SharedCount(std::uint32_t limit) noexcept : limit_(limit) {}
  SharedCount(const SharedCount&) = delete;
  SharedCount& operator=(const SharedCount&) = delete;

  /// False: the limit is reached, nothing was taken.
  bool take() noexcept {
    std::uint32_t used = used_.load(std::memory_order_relaxed);
    while (used < limit_.load(std::memory_order_relaxed)) {
      if (used_.compare_exchange_weak(used, used + 1, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  void give_back() noexcept { used_.fetch_sub(1, std::memory_order_relaxed); }

  /// What is in use beyond a lower limit stays until it is given back.
  void set_limit(std::uint32_t limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }
  std::uint32_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> limit_;
  std::atomic<std::uint32_t> used_{0};
};

}  // namespace ringpost
