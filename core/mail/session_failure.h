#pragma once

#include <string_view>

#include "core/base/address.h"
#include "core/mail/outcome.h"

namespace ringpost {

/// What a session failed at, besides the outcome: its words, and how far it was then. Views hold
/// during the call.
struct SessionFailure {
  std::string_view text{};
  std::string_view host{};
  SocketAddress remote{};
  IpAddress local{};
  DeliveryWay way = DeliveryWay::smtp;
  bool established = false;  ///< session_established() was called for the session
};

}  // namespace ringpost
