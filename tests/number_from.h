#pragma once

#include <cstdint>
#include <cstdlib>

namespace ringpost {

/// A number that a variable of the environment asks a test for; `otherwise` where it is not set, or
/// empty.
inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace ringpost
