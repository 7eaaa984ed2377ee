#include "core/app/version.h"

#include <ares_version.h>
#include <xxhash.h>

namespace ringpost::app {

std::string version_text() {
  std::string text = "ringpost " RINGPOST_VERSION " (";
#if defined(__clang__)
  text += "clang " __clang_version__;
#else
  text += "g++ " __VERSION__;
#endif
  text += ", c-ares " ARES_VERSION_STR ", xxHash ";
  const unsigned xxh = XXH_VERSION_NUMBER;
  text += std::to_string(xxh / 10000) + "." + std::to_string(xxh / 100 % 100) + "." +
          std::to_string(xxh % 100) + ")";
  return text;
}

}  // namespace ringpost::app
