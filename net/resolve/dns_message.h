#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/base/tls.h"
#include "core/loop/dns.h"

namespace ringpost::resolve {

/// Record types and codes that the port's DnsType does not name.
inline constexpr std::uint16_t kTypeNs = 2;
inline constexpr std::uint16_t kTypeSoa = 6;
inline constexpr std::uint16_t kTypePtr = 12;
inline constexpr std::uint16_t kClassIn = 1;
inline constexpr std::uint8_t kRcodeNoDomain = 3;

/// A message with more records than this (answer and authority together) is refused.
inline constexpr std::size_t kDnsRecordsMax = 1024;

/// One resource record of class IN; only the fields of its type are set. Names are lower case,
/// without final dot, odd octets as \DDD; the root is empty.
struct DnsRecord {
  std::string name;
  std::uint16_t type = 0;
  std::uint32_t ttl_seconds = 0;      ///< 0 where the wire had the top bit set (RFC 2181 section 8)
  std::string target;                 ///< of CNAME, PTR and MX
  std::uint16_t preference = 0;       ///< MX
  IpAddress address;                  ///< A, AAAA (a mapped IPv4 address is IPv4)
  TlsaRecord tlsa;                    ///< TLSA
  std::string text;                   ///< TXT: all its strings, one after the other
  std::uint32_t minimum_seconds = 0;  ///< SOA: the negative TTL (RFC 2308 section 4)
};

/// What of a response message (RFC 1035 section 4.1) is of use here. The additional section is
/// not read: nothing in it was asked for.
struct DnsMessage {
  bool is_response = false;
  bool authoritative = false;
  bool truncated = false;
  bool recursion_available = false;
  bool authentic = false;  ///< AD (RFC 4035 section 3.2.3)
  std::uint8_t opcode = 0;
  std::uint8_t rcode = 0;
  std::uint16_t question_count = 0;
  std::string question;
  std::uint16_t question_type = 0;
  std::vector<DnsRecord> answers;
  std::vector<DnsRecord> authorities;
};

/// Reads a message. Bounded in time and memory by the message's own size: compression pointers
/// only lead backwards, names are at most 255 octets, records at most kDnsRecordsMax. invalid:
/// the detail says which rule was broken. Records of other classes or types are left out.
Result<DnsMessage> parse_message(std::span<const std::uint8_t> bytes);

}  // namespace ringpost::resolve
