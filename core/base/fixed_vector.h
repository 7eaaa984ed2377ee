#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "core/base/assert.h"

namespace ringpost {

/// A vector with room for at most N elements inside itself; never allocates. Pushing past N is a
/// bug: callers check full() where input decides.
template <class T, std::size_t N>
class FixedVector {
 public:
  bool empty() const noexcept { return size_ == 0; }
  bool full() const noexcept { return size_ == N; }
  std::size_t size() const noexcept { return size_; }
  static constexpr std::size_t capacity() noexcept { return N; }

  T& push_back(T value) noexcept {
    RP_ASSERT(size_ < N);
    items_[size_] = std::move(value);
    return items_[size_++];
  }
  void pop_back() noexcept {
    RP_ASSERT(size_ > 0);
    --size_;
  }
  void clear() noexcept { size_ = 0; }

  T& operator[](std::size_t i) noexcept {
    RP_ASSERT(i < size_);
    return items_[i];
  }
  const T& operator[](std::size_t i) const noexcept {
    RP_ASSERT(i < size_);
    return items_[i];
  }
  T& back() noexcept { return (*this)[size_ - 1]; }
  T* data() noexcept { return items_.data(); }
  const T* data() const noexcept { return items_.data(); }
  T* begin() noexcept { return items_.data(); }
  T* end() noexcept { return items_.data() + size_; }
  const T* begin() const noexcept { return items_.data(); }
  const T* end() const noexcept { return items_.data() + size_; }

 private:
  std::array<T, N> items_{};
  std::size_t size_ = 0;
};

/// First-in first-out queue with room for N elements inside itself; never allocates.
template <class T, std::size_t N>
class FixedFifo {
 public:
  bool empty() const noexcept { return size_ == 0; }
  bool full() const noexcept { return size_ == N; }
  std::size_t size() const noexcept { return size_; }

  void push(T value) noexcept {
    RP_ASSERT(size_ < N);
    items_[(head_ + size_) % N] = std::move(value);
    ++size_;
  }
  T& front() noexcept { return (*this)[0]; }
  T pop() noexcept {
    RP_ASSERT(size_ > 0);
    T value = std::move(items_[head_]);
    head_ = (head_ + 1) % N;
    --size_;
    return value;
  }
  void clear() noexcept { head_ = size_ = 0; }
  /// The i-th oldest element.
  T& operator[](std::size_t i) noexcept {
    RP_ASSERT(i < size_);
    return items_[(head_ + i) % N];
  }
  const T& operator[](std::size_t i) const noexcept {
    RP_ASSERT(i < size_);
    return items_[(head_ + i) % N];
  }

 private:
  std::array<T, N> items_{};
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace ringpost
