#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/address.h"

namespace ringpost::smtp {

/// Reads the header of the PROXY protocol, version 1 or 2, with which a load balancer begins a
/// connection to say whose it is. Takes pieces of any size; what follows the header is not touched.
/// A plain value, no allocation.
class ProxyHeader {
 public:
  enum class State : std::uint8_t {
    reading,
    done,
    bad,  ///< no such header, or one for something else than TCP: the connection must be closed
  };

  /// Reads on and returns the octets that belonged to the header.
  std::size_t feed(std::string_view input) noexcept;

  State state() const noexcept { return state_; }
  /// After done: the header names a client. Otherwise the peer itself is meant (health checks).
  bool has_source() const noexcept { return has_source_; }
  const SocketAddress& source() const noexcept { return source_; }

 private:
  /// What of version 2 is skipped beyond the addresses.
  static constexpr std::size_t kRestMax = 4096;
  static constexpr std::size_t kLineMax = 107;

  void look() noexcept;
  void read_line(std::string_view line) noexcept;
  void read_binary() noexcept;
  std::size_t wanted() const noexcept;

  State state_ = State::reading;
  bool has_source_ = false;
  SocketAddress source_;
  std::size_t size_ = 0;
  std::size_t skip_ = 0;  ///< octets of version 2 that say nothing to us
  std::array<char, kLineMax + 1> octets_{};
};

}  // namespace ringpost::smtp
