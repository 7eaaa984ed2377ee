// room: resolve
// A DNS response from anywhere: it is read or refused, in bounded time, and what is read keeps the
// promises that the resolver builds on.

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/assert.h"
#include "net/resolve/answer.h"
#include "net/resolve/dns_message.h"

using ringpost::DnsStatus;
using ringpost::DnsType;
using ringpost::Duration;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> bytes(data, size);
  const auto message = ringpost::resolve::parse_message(bytes);
  if (message) {
    RP_ASSERT(message->answers.size() + message->authorities.size() <=
              ringpost::resolve::kDnsRecordsMax);
  }
  const std::string name = message ? message->question : "example.org";
  for (const DnsType type : {DnsType::mx, DnsType::a, DnsType::aaaa}) {
    const auto answer = ringpost::resolve::read_answer(DnsStatus::answered, bytes, name, type);
    RP_ASSERT(answer.kind == ringpost::resolve::AnswerKind::temporary || message.ok());
    RP_ASSERT(answer.ttl >= Duration{} && answer.canonical.size() <= 4 * 255);
    if (answer.kind == ringpost::resolve::AnswerKind::found) {
      RP_ASSERT(answer.has_ttl && (!answer.mx.empty() || !answer.addresses.empty()));
    }
  }
  return 0;
}
