#include "net/audit/reverse_name.h"

namespace ringpost::audit {

std::string reverse_name(const IpAddress& ip) {
  std::string out;
  if (ip.is_v4()) {
    for (std::size_t i = 4; i-- > 0;) {
      out += std::to_string(ip.octets[i]) + ".";
    }
    return out + "in-addr.arpa";
  }
  for (std::size_t i = 16; i-- > 0;) {
    const unsigned octet = ip.octets[i];
    for (const unsigned nibble : {octet & 15U, octet >> 4U}) {
      out += "0123456789abcdef"[nibble];
      out += '.';
    }
  }
  return out + "ip6.arpa";
}

}  // namespace ringpost::audit
