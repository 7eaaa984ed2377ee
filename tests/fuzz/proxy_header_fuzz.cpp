// room: smtp
// Headers of the PROXY protocol: the result must not depend on how the input was cut, and octets
// behind the header are never taken. First octet: size of the pieces.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "net/smtp/proxy_header.h"

namespace {

using namespace ringpost::smtp;

struct Read {
  ProxyHeader::State state;
  bool has_source;
  ringpost::SocketAddress source;
  std::size_t used;
  bool operator==(const Read&) const = default;
};

Read read(std::string_view input, std::size_t piece) {
  ProxyHeader header;
  std::size_t used = 0;
  while (used < input.size() && header.state() == ProxyHeader::State::reading) {
    const std::string_view part = input.substr(used, piece);
    const std::size_t taken = header.feed(part);
    if (taken == 0 || taken > part.size()) {
      std::abort();
    }
    used += taken;
  }
  if (header.state() != ProxyHeader::State::reading && header.feed(input.substr(used)) != 0) {
    std::abort();
  }
  return {header.state(), header.has_source(), header.source(), used};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  const Read whole = read(input, input.size());
  if (whole != read(input, 1) || whole != read(input, 1 + data[0] % 20)) {
    std::abort();
  }
  if (whole.has_source && whole.state == ProxyHeader::State::done && !whole.source.ip.valid()) {
    std::abort();
  }
  return 0;
}
