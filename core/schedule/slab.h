#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/assert.h"

namespace ringpost::schedule {

/// "No object" in every index of this room.
inline constexpr std::uint32_t kNil = 0xffffffff;

/// Pool of equal objects named by 32-bit indices. Grows by slabs up to a maximum and never
/// shrinks; objects do not move. A freed object is kept as it is, except for its member `next`,
/// which links the free ones: whoever takes it resets it. Single-threaded.
template <class T, std::uint32_t kPerSlab = 4096>
class Slab {
 public:
  explicit Slab(std::uint32_t max) : max_(max) {}

  /// Index of an object, or kNil at the maximum.
  std::uint32_t take() {
    if (free_ == kNil) {
      if (made_ == max_) {
        return kNil;
      }
      if (made_ % kPerSlab == 0) {
        slabs_.push_back(std::make_unique<T[]>(kPerSlab));
      }
      ++used_;
      return made_++;
    }
    const std::uint32_t index = free_;
    free_ = (*this)[index].next;
    ++used_;
    return index;
  }
  void give_back(std::uint32_t index) {
    RP_ASSERT(index < made_ && used_ > 0);
    --used_;
    (*this)[index].next = free_;
    free_ = index;
  }

  T& operator[](std::uint32_t index) {
    RP_ASSERT(index < made_);
    return slabs_[index / kPerSlab][index % kPerSlab];
  }
  const T& operator[](std::uint32_t index) const {
    RP_ASSERT(index < made_);
    return slabs_[index / kPerSlab][index % kPerSlab];
  }

  std::uint32_t used() const { return used_; }
  std::uint32_t max() const { return max_; }
  /// Indices below this were handed out at some time.
  std::uint32_t made() const { return made_; }

 private:
  std::uint32_t max_;
  std::uint32_t made_ = 0;
  std::uint32_t used_ = 0;
  std::uint32_t free_ = kNil;
  std::vector<std::unique_ptr<T[]>> slabs_;
};

}  // namespace ringpost::schedule
