#pragma once

#include <string>

namespace ringpost::app {

/// "ringpost 0.1.0 (g++ 12.2.0, liburing 2.3, OpenSSL ...)".
std::string version_text();

}  // namespace ringpost::app
