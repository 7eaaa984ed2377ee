#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/hash.h"

namespace ringpost::config {

/// Keeps texts in large blocks; views stay valid while it lives and when it is moved.
class TextStore {
 public:
  std::string_view keep(std::string_view text) {
    if (text.size() > room_) {
      const std::size_t size = text.size() > kBlock ? text.size() : kBlock;
      blocks_.push_back(std::make_unique<char[]>(size));
      next_ = blocks_.back().get();
      room_ = size;
    }
    if (!text.empty()) {
      std::memcpy(next_, text.data(), text.size());
    }
    const std::string_view kept(next_, text.size());
    next_ += text.size();
    room_ -= text.size();
    return kept;
  }

 private:
  static constexpr std::size_t kBlock = 64 * 1024;

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  std::size_t room_ = 0;
};

/// Lets maps with owned keys be searched by views.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return hash64(text); }
};

}  // namespace ringpost::config
