#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/assert.h"
#include "core/base/slice.h"
#include "spool/format.h"

namespace ringpost::spool {

/// The gathering buffers of a shard: equal chunks, made at start, never grown. Memory of chunks
/// never used is never touched.
class ChunkPool {
 public:
  ChunkPool(std::uint32_t chunk_bytes, std::uint32_t count)
      : chunk_bytes_(chunk_bytes),
        free_count_(count),
        bytes_(new char[std::size_t{chunk_bytes} * count]),
        next_(count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      next_[i] = i + 1 < count ? i + 1 : kNone;
    }
    free_ = count > 0 ? 0 : kNone;
  }

  std::uint32_t chunk_bytes() const noexcept { return chunk_bytes_; }
  std::uint32_t free_count() const noexcept { return free_count_; }
  char* data(std::uint32_t chunk) noexcept {
    return bytes_.get() + std::size_t{chunk} * chunk_bytes_;
  }

 private:
  friend class ChunkChain;

  std::uint32_t take() noexcept {
    const std::uint32_t chunk = free_;
    if (chunk != kNone) {
      free_ = next_[chunk];
      next_[chunk] = kNone;
      --free_count_;
    }
    return chunk;
  }
  void give(std::uint32_t chunk) noexcept {
    next_[chunk] = free_;
    free_ = chunk;
    ++free_count_;
  }

  std::uint32_t chunk_bytes_;
  std::uint32_t free_count_;
  std::uint32_t free_ = kNone;
  std::unique_ptr<char[]> bytes_;
  std::vector<std::uint32_t> next_;
};

/// Bytes gathered in chunks of a pool. An Out for Encoder: bytes that find no chunk are dropped
/// and full() says so.
class ChunkChain {
 public:
  void attach(ChunkPool& pool) noexcept { pool_ = &pool; }
  std::uint64_t size() const noexcept { return size_; }
  bool full() const noexcept { return full_; }

  void put(const void* data, std::size_t bytes) noexcept {
    const char* from = static_cast<const char*>(data);
    while (bytes > 0) {
      if (tail_ == kNone || tail_used_ == pool_->chunk_bytes_) {
        const std::uint32_t chunk = pool_->take();
        if (chunk == kNone) {
          full_ = true;
          return;
        }
        (tail_ == kNone ? head_ : pool_->next_[tail_]) = chunk;
        tail_ = chunk;
        tail_used_ = 0;
      }
      const std::size_t run = std::min<std::size_t>(bytes, pool_->chunk_bytes_ - tail_used_);
      std::memcpy(pool_->data(tail_) + tail_used_, from, run);
      tail_used_ += static_cast<std::uint32_t>(run);
      size_ += run;
      from += run;
      bytes -= run;
    }
  }
  /// The first chunk's bytes, e.g. to fill in a head afterwards.
  char* front() noexcept {
    RP_ASSERT(head_ != kNone);
    return pool_->data(head_);
  }
  /// Calls visit(std::string_view) for each run in order.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::uint32_t chunk = head_; chunk != kNone; chunk = pool_->next_[chunk]) {
      const std::size_t used = chunk == tail_ ? tail_used_ : pool_->chunk_bytes_;
      visit(std::string_view(pool_->data(chunk), used));
    }
  }
  std::uint32_t runs() const noexcept {
    return static_cast<std::uint32_t>((size_ + pool_->chunk_bytes_ - 1) / pool_->chunk_bytes_);
  }
  void clear() noexcept {
    while (head_ != kNone) {
      const std::uint32_t chunk = head_;
      head_ = pool_->next_[chunk];
      pool_->give(chunk);
    }
    tail_ = kNone;
    tail_used_ = 0;
    size_ = 0;
    full_ = false;
  }
  /// Moves all bytes to `other`, which is empty.
  void move_to(ChunkChain& other) noexcept {
    RP_ASSERT(other.head_ == kNone && other.pool_ == pool_);
    std::swap(head_, other.head_);
    std::swap(tail_, other.tail_);
    std::swap(tail_used_, other.tail_used_);
    std::swap(size_, other.size_);
    std::swap(full_, other.full_);
  }

 private:
  ChunkPool* pool_ = nullptr;
  std::uint32_t head_ = kNone;
  std::uint32_t tail_ = kNone;
  std::uint32_t tail_used_ = 0;
  std::uint64_t size_ = 0;
  bool full_ = false;
};

}  // namespace ringpost::spool
