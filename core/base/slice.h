#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>

namespace ringpost {

/// A run of bytes to be written somewhere. Same layout as the kernel's iovec, so an array of
/// them goes to a vectored write or send as it stands. Does not own; whoever fills it says how
/// long the bytes live.
struct Slice {
  const void* data = nullptr;
  std::size_t size = 0;

  static Slice of(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
  std::string_view view() const { return {static_cast<const char*>(data), size}; }
};
static_assert(std::is_standard_layout_v<Slice> && sizeof(Slice) == sizeof(void*) * 2);

}  // namespace ringpost
