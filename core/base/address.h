#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace ringpost {

class TextBuilder;

/// An IPv4 or IPv6 address without port. IPv4 is kept in the first four octets; IPv4-mapped
/// IPv6 (::ffff:a.b.c.d) is folded to IPv4 when parsed, so that rules match either form.
struct IpAddress {
  enum class Family : std::uint8_t { none, v4, v6 };

  Family family = Family::none;
  std::array<std::uint8_t, 16> octets{};

  static Result<IpAddress> parse(std::string_view text);
  static IpAddress v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d);

  bool valid() const { return family != Family::none; }
  bool is_v4() const { return family == Family::v4; }
  bool is_loopback() const;
  /// Loopback, private (RFC 1918, 4193), link-local, shared (RFC 6598), multicast, unspecified,
  /// broadcast, documentation and other blocks that no public mail host can live in (RFC 6890).
  bool is_special() const;
  /// Textual form (RFC 5952 for IPv6).
  std::string text() const;
  /// The same without allocation.
  void write(TextBuilder& out) const noexcept;
  auto operator<=>(const IpAddress&) const = default;
};

/// An address and a TCP or UDP port.
struct SocketAddress {
  IpAddress ip;
  std::uint16_t port = 0;

  /// Accepts `192.0.2.1:25`, `[192.0.2.1]:25` and `[2001:db8::1]:25`; without a port the default
  /// is taken. A default of 0 makes the port mandatory.
  static Result<SocketAddress> parse(std::string_view text, std::uint16_t default_port);
  /// `192.0.2.1:25` or `[2001:db8::1]:25`.
  std::string text() const;
  auto operator<=>(const SocketAddress&) const = default;
};

/// A CIDR block, e.g. 10.1.0.0/16. Short forms of IPv4 (`10.1.0/24`, `0/0`) are accepted.
struct IpNetwork {
  IpAddress base;
  std::uint8_t prefix_bits = 0;

  static Result<IpNetwork> parse(std::string_view text);
  bool contains(const IpAddress& address) const;
  std::string text() const;
  bool operator==(const IpNetwork&) const = default;
};

}  // namespace ringpost
