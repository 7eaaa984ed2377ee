#include "core/base/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "core/base/text.h"

namespace ringpost {
namespace {

bool in_block(const IpAddress& address, const char* base, std::uint8_t bits) {
  const auto block = IpAddress::parse(base);
  return IpNetwork{*block, bits}.contains(address);
}

Error bad_address(std::string_view text) {
  return Error::of(ErrorCode::invalid, "'" + std::string(text) + "' is not an IP address");
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof buffer) {
    return bad_address(text);
  }
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  IpAddress address;
  if (::inet_pton(AF_INET, buffer, address.octets.data()) == 1) {
    address.family = Family::v4;
    return address;
  }
  if (::inet_pton(AF_INET6, buffer, address.octets.data()) != 1) {
    return bad_address(text);
  }
  static constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0,    0,
                                                           0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped.begin(), kMapped.end(), address.octets.begin())) {
    return v4(address.octets[12], address.octets[13], address.octets[14], address.octets[15]);
  }
  address.family = Family::v6;
  return address;
}

IpAddress IpAddress::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  IpAddress address;
  address.family = Family::v4;
  address.octets[0] = a;
  address.octets[1] = b;
  address.octets[2] = c;
  address.octets[3] = d;
  return address;
}

bool IpAddress::is_loopback() const {
  return is_v4() ? octets[0] == 127 : family == Family::v6 && in_block(*this, "::1", 128);
}

bool IpAddress::is_special() const {
  struct Block {
    const char* base;
    std::uint8_t bits;
  };
  // The special-purpose registries of RFC 6890 and its successors.
  static constexpr Block kV4[] = {
      {"0.0.0.0", 8},      {"10.0.0.0", 8},    {"100.64.0.0", 10},   {"127.0.0.0", 8},
      {"169.254.0.0", 16}, {"172.16.0.0", 12}, {"192.0.0.0", 24},    {"192.0.2.0", 24},
      {"192.168.0.0", 16}, {"198.18.0.0", 15}, {"198.51.100.0", 24}, {"203.0.113.0", 24},
      {"224.0.0.0", 4},    {"240.0.0.0", 4},
  };
  static constexpr Block kV6[] = {
      {"::", 128},        {"::1", 128},  {"64:ff9b:1::", 48}, {"100::", 64},
      {"2001:db8::", 32}, {"fc00::", 7}, {"fe80::", 10},      {"ff00::", 8},
  };
  const auto matches = [this](const Block& block) {
    return in_block(*this, block.base, block.bits);
  };
  return is_v4() ? std::any_of(std::begin(kV4), std::end(kV4), matches)
                 : std::any_of(std::begin(kV6), std::end(kV6), matches);
}

std::string IpAddress::text() const {
  char room[INET6_ADDRSTRLEN];
  TextBuilder out(room);
  write(out);
  return std::string(out.view());
}

void IpAddress::write(TextBuilder& out) const noexcept {
  if (!valid()) {
    out.add('-');
  } else if (is_v4()) {
    out.add_number(octets[0]).add('.').add_number(octets[1]).add('.');
    out.add_number(octets[2]).add('.').add_number(octets[3]);
  } else {
    char buffer[INET6_ADDRSTRLEN];
    ::inet_ntop(AF_INET6, octets.data(), buffer, sizeof buffer);
    out.add(buffer);
  }
}

Result<SocketAddress> SocketAddress::parse(std::string_view text, std::uint16_t default_port) {
  std::string_view host = text;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos) {
      return Error::of(ErrorCode::invalid, "'" + std::string(text) + "' lacks a closing ']'");
    }
    host = text.substr(1, close - 1);
    const auto rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') {
      return Error::of(ErrorCode::invalid, "'" + std::string(text) + "' needs ':port' after ']'");
    }
    port = rest.empty() ? rest : rest.substr(1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    const auto colon = text.find(':');
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  SocketAddress address;
  auto ip = IpAddress::parse(host);
  if (!ip) {
    return ip.error();
  }
  address.ip = *ip;
  address.port = default_port;
  if (!port.empty() && (!parse_decimal(port, address.port) || address.port == 0)) {
    return Error::of(ErrorCode::out_of_range,
                     "'" + std::string(port) + "' is not a port number (1-65535)");
  }
  if (address.port == 0) {
    return Error::of(ErrorCode::invalid,
                     "'" + std::string(text) + "' needs a port, as in 192.0.2.1:25");
  }
  return address;
}

std::string SocketAddress::text() const {
  const std::string host = ip.text();
  return (ip.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
  const auto slash = text.find('/');
  std::string host(text.substr(0, slash));
  if (slash != std::string_view::npos && host.find(':') == std::string::npos) {
    // 10.1.0/24 and 0/0 leave out trailing zero octets.
    for (auto dots = std::count(host.begin(), host.end(), '.'); dots < 3 && !host.empty(); ++dots) {
      host += ".0";
    }
  }
  const auto address = IpAddress::parse(host);
  if (!address) {
    return Error::of(ErrorCode::invalid,
                     "'" + std::string(text) + "' is not an address or CIDR block");
  }
  const std::uint8_t longest = address->is_v4() ? 32 : 128;
  IpNetwork network{*address, longest};
  if (slash != std::string_view::npos &&
      (!parse_decimal(text.substr(slash + 1), network.prefix_bits) ||
       network.prefix_bits > longest)) {
    return Error::of(ErrorCode::out_of_range,
                     "'" + std::string(text) + "' needs a prefix of 0-" + std::to_string(longest));
  }
  return network;
}

bool IpNetwork::contains(const IpAddress& address) const {
  if (address.family != base.family || !address.valid()) {
    return false;
  }
  const std::size_t whole = prefix_bits / 8;
  if (!std::equal(base.octets.begin(), base.octets.begin() + whole, address.octets.begin())) {
    return false;
  }
  const unsigned rest = prefix_bits % 8;
  const auto mask = static_cast<std::uint8_t>(0xff00U >> rest);
  return rest == 0 || ((base.octets[whole] ^ address.octets[whole]) & mask) == 0;
}

std::string IpNetwork::text() const { return base.text() + "/" + std::to_string(prefix_bits); }

}  // namespace ringpost
