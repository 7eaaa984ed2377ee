#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"

namespace ringpost {

struct HttpsRequest {
  std::string host;                  ///< must be named by the server's certificate
  std::string path;                  ///< begins with a slash
  std::vector<IpAddress> addresses;  ///< of the host; no name service is asked
  std::string authorities;  ///< file that the certificate is checked against; empty: system
  std::size_t bytes_max = 64 * 1024;
  Duration limit = Duration::seconds(30);  ///< for all of it
  /// Asked now and then: true breaks off.
  bool (*cancelled)(const void* context) = nullptr;
  const void* context = nullptr;
};

struct HttpsReply {
  bool done = false;  ///< status 200, `body` is all of it
  bool certificate_faulty = false;
  std::string body;
  std::string reason;  ///< why not
};

/// Gets one small file by HTTPS on port 443. Nothing but status 200 counts: redirections are not
/// followed, no proxy is used. Blocks; any thread.
HttpsReply https_get(const HttpsRequest& request);

}  // namespace ringpost
