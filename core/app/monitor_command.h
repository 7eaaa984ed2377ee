#pragma once

#include <array>
#include <string>
#include <string_view>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/config/snapshot.h"

namespace ringpost::app {

/// What a visitor of the management port asks. Views live during the call.
struct HttpQuestion {
  std::string_view method;
  std::string_view path;
  IpAddress client;
  std::string_view key;         ///< of the field X-API-Key
  std::string_view host;        ///< the field Host
  std::string_view origin;      ///< the field Origin, which browsers write
  std::string_view fetch_site;  ///< the field Sec-Fetch-Site, likewise
  std::string_view token;       ///< of the field X-CSRF-Token
  std::string_view body;
};

/// What a client may do: by a key all, else what the narrowest network of http-access says that it
/// is in, else look from this host. Compares keys in a time that tells nothing of them.
config::HttpRight right_of(const config::GlobalSettings& global, const IpAddress& client,
                           std::string_view key);

/// Whether the address is one of loopback.
bool is_of_this_host(const IpAddress& client);

/// The command of a request in the form of the control socket; empty: it is none.
std::string command_of(std::string_view request);
/// The least right that a command asks for over HTTP. False: it is not to be had there.
bool right_for(std::string_view command, config::HttpRight& out);

/// Keeps pages of other origins that a browser of ours shows from having it command for them: who
/// has no API key shows a token that only a page of this port can have read. Tokens are bound to
/// the client's address and hold for one to two hours of this process. Any thread.
class CommandGate {
 public:
  CommandGate();
  /// Why a command, or the wish for a token, is not taken; empty: it is. `asks_token`: the latter.
  std::string_view refusal(const config::GlobalSettings& global, const HttpQuestion& question,
                           WallTime now, bool asks_token) const;
  std::string token(const IpAddress& client, WallTime now) const;

 private:
  bool knows(const HttpQuestion& question, WallTime now) const;

  std::array<char, 32> key_{};
};

}  // namespace ringpost::app
