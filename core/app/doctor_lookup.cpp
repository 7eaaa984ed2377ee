#include "core/app/doctor_lookup.h"

#include <algorithm>

#include "core/app/local_addresses.h"
#include "core/base/text.h"
#include "net/resolve/dns_message.h"
#include "net/wire/tool_lookup.h"

namespace ringpost::app {
namespace {

using audit::Answer;
using audit::RecordType;

constexpr Duration kPatience = Duration::seconds(9);
constexpr std::size_t kAliasesMax = 10;

void take(const resolve::DnsRecord& record, RecordType type, Answer& out) {
  switch (type) {
    case RecordType::a:
    case RecordType::aaaa: out.addresses.push_back(record.address); break;
    case RecordType::ptr:
    case RecordType::mx: out.names.push_back(record.target); break;
    case RecordType::txt: out.texts.push_back(record.text); break;
    case RecordType::tlsa: out.tlsa.push_back(record.tlsa); break;
  }
}

/// The name at the end of the aliases of this answer.
std::string end_of_aliases(const resolve::DnsMessage& message, std::string name) {
  for (std::size_t i = 0; i < kAliasesMax; ++i) {
    const auto alias = std::find_if(
        message.answers.begin(), message.answers.end(), [&](const resolve::DnsRecord& record) {
          return record.type == static_cast<std::uint16_t>(DnsType::cname) && record.name == name;
        });
    if (alias == message.answers.end()) {
      break;
    }
    name = alias->target;
  }
  return name;
}

}  // namespace

ToolLookup::ToolLookup(std::vector<SocketAddress> servers)
    : servers_(std::move(servers)), trusts_ad_(resolvers_are_local(servers_)) {}

Answer ToolLookup::look_up(const std::string& name, RecordType type) {
  const auto key = std::pair(to_lower(name), type);
  const auto known = known_.find(key);
  return known != known_.end() ? known->second
                               : known_.emplace(key, ask(key.first, type)).first->second;
}

Answer ToolLookup::ask(const std::string& name, RecordType type) const {
  Answer out;
  const auto number = static_cast<std::uint16_t>(type);
  const auto bytes = look_up_message(name, number, servers_, kPatience);
  if (!bytes.ok()) {
    out.failure = bytes.error().describe();
    return out;
  }
  const auto message = resolve::parse_message(*bytes);
  if (!message.ok()) {
    out.failure = "what the resolver said cannot be read: " + message.error().detail;
    return out;
  }
  if (message->rcode != 0 && message->rcode != resolve::kRcodeNoDomain) {
    out.failure = "the resolver answered with error " + std::to_string(message->rcode);
    return out;
  }
  out.authentic = trusts_ad_ && message->authentic;
  const std::string owner = end_of_aliases(*message, name);
  std::vector<resolve::DnsRecord> records;
  for (const resolve::DnsRecord& record : message->answers) {
    if (record.type == number && record.name == owner) {
      records.push_back(record);
    }
  }
  std::stable_sort(records.begin(), records.end(),
                   [](const auto& a, const auto& b) { return a.preference < b.preference; });
  for (const resolve::DnsRecord& record : records) {
    take(record, type, out);
  }
  out.state = !records.empty()      ? Answer::State::found
              : message->rcode != 0 ? Answer::State::no_domain
                                    : Answer::State::no_data;
  return out;
}

}  // namespace ringpost::app
