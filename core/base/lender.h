#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/base/assert.h"

namespace ringpost {

/// Things that many owners need for a moment each, kept by none of them while it rests: lends one,
/// takes it back, makes one more when all are lent. It never shrinks, so it holds as many as were
/// ever lent at once and allocates nothing from then on. Outlives who borrows. One thread.
template <class T>
class Lender {
 public:
  Lender() = default;
  Lender(const Lender&) = delete;
  Lender& operator=(const Lender&) = delete;

  /// In the state in which it was given back; the caller's until take_back().
  T& lend() {
    if (free_.empty()) {
      made_.push_back(std::make_unique_for_overwrite<T>());
      free_.reserve(made_.size());
      return *made_.back();
    }
    T& one = *free_.back();
    free_.pop_back();
    return one;
  }
  void take_back(T& one) noexcept {
    RP_ASSERT(free_.size() < made_.size());
    free_.push_back(&one);
  }

  std::size_t made() const noexcept { return made_.size(); }
  std::size_t lent() const noexcept { return made_.size() - free_.size(); }

 private:
  std::vector<std::unique_ptr<T>> made_;
  std::vector<T*> free_;
};

}  // namespace ringpost
