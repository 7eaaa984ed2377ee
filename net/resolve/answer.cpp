#include "net/resolve/answer.h"

#include <algorithm>

#include "net/resolve/dns_message.h"

namespace ringpost::resolve {
namespace {

Answer temporary(std::string_view reason) {
  Answer answer;
  answer.reason = reason;
  return answer;
}

void lower_ttl(Answer& answer, std::uint32_t seconds) {
  const Duration ttl = Duration::seconds(seconds);
  answer.ttl = answer.has_ttl ? std::min(answer.ttl, ttl) : ttl;
  answer.has_ttl = true;
}

/// Walks the aliases from `name`. False: a loop, or too many.
bool follow_aliases(const DnsMessage& message, Answer& answer) {
  for (unsigned hops = 0;; ++hops) {
    const auto alias = std::find_if(
        message.answers.begin(), message.answers.end(), [&answer](const DnsRecord& record) {
          return record.type == static_cast<std::uint16_t>(DnsType::cname) &&
                 record.name == answer.canonical;
        });
    if (alias == message.answers.end()) {
      return true;
    }
    if (hops == kAliasesMax || alias->target.empty()) {
      return false;
    }
    lower_ttl(answer, alias->ttl_seconds);
    answer.canonical = alias->target;
  }
}

void collect(const DnsMessage& message, DnsType type, Answer& answer) {
  for (const DnsRecord& record : message.answers) {
    if (record.type != static_cast<std::uint16_t>(type) || record.name != answer.canonical) {
      continue;
    }
    lower_ttl(answer, record.ttl_seconds);
    if (type == DnsType::mx) {
      answer.mx.push_back({record.preference, record.target});
    } else if (type == DnsType::tlsa) {
      answer.tlsa.push_back(record.tlsa);
    } else if (type == DnsType::txt) {
      answer.texts.push_back(record.text);
    } else {
      answer.addresses.push_back(record.address);
    }
  }
}

/// The negative TTL: the lower of the SOA's own TTL and its minimum (RFC 2308 section 5).
bool read_soa(const DnsMessage& message, Answer& answer) {
  for (const DnsRecord& record : message.authorities) {
    if (record.type == kTypeSoa) {
      lower_ttl(answer, std::min(record.ttl_seconds, record.minimum_seconds));
      return true;
    }
  }
  return false;
}

/// A response of a server that neither answers nor resolves but points elsewhere is not an empty
/// answer (RFC 2308 section 2.2).
bool is_referral(const DnsMessage& message) {
  return !message.authoritative && !message.recursion_available &&
         std::any_of(message.authorities.begin(), message.authorities.end(),
                     [](const DnsRecord& record) { return record.type == kTypeNs; });
}

Answer read_message(const DnsMessage& message, std::string_view name, DnsType type) {
  Answer answer;
  answer.canonical = name;
  answer.authentic = message.authentic;
  if (!follow_aliases(message, answer)) {
    return temporary("its aliases (CNAME) form a loop or a chain that is too long");
  }
  if (message.rcode == kRcodeNoDomain) {
    read_soa(message, answer);
    answer.kind = AnswerKind::no_domain;
    return answer;
  }
  collect(message, type, answer);
  if (!answer.mx.empty() || !answer.addresses.empty() || !answer.tlsa.empty() ||
      !answer.texts.empty()) {
    answer.kind = AnswerKind::found;
    return answer;
  }
  if (read_soa(message, answer)) {
    answer.kind = AnswerKind::no_data;
  } else if (answer.canonical != name) {
    answer.kind = AnswerKind::alias;
  } else if (is_referral(message)) {
    return temporary("the name server only referred to others");
  } else {
    answer.kind = AnswerKind::no_data;
  }
  return answer;
}

}  // namespace

std::size_t Answer::bytes() const {
  std::size_t sum = sizeof *this + canonical.capacity() + mx.capacity() * sizeof(MxRecord) +
                    addresses.capacity() * sizeof(IpAddress);
  for (const MxRecord& record : mx) {
    sum += record.exchange.capacity();
  }
  for (const TlsaRecord& record : tlsa) {
    sum += sizeof record + record.data.capacity();
  }
  for (const std::string& text : texts) {
    sum += sizeof text + text.capacity();
  }
  return sum;
}

Answer read_answer(DnsStatus status, std::span<const std::uint8_t> response, std::string_view name,
                   DnsType type) {
  switch (status) {
    case DnsStatus::failed: return temporary("the name server failed or refused");
    case DnsStatus::timed_out: return temporary("no name server answered in time");
    case DnsStatus::malformed: return temporary("the name server's answer makes no sense");
    case DnsStatus::no_domain:
    case DnsStatus::answered: break;
  }
  if (status == DnsStatus::no_domain && response.empty()) {
    Answer answer;
    answer.kind = AnswerKind::no_domain;
    answer.canonical = name;
    return answer;
  }
  auto message = parse_message(response);
  if (!message || !message->is_response || message->opcode != 0) {
    return temporary("the name server's answer makes no sense");
  }
  if (message->question_count == 1 &&
      (message->question != name || message->question_type != static_cast<std::uint16_t>(type))) {
    return temporary("the name server answered another question");
  }
  if (message->truncated) {
    return temporary("the name server's answer was truncated");
  }
  message->rcode = status == DnsStatus::no_domain ? kRcodeNoDomain : message->rcode;
  if (message->rcode != 0 && message->rcode != kRcodeNoDomain) {
    return temporary("the name server failed or refused");
  }
  return read_message(*message, name, type);
}

}  // namespace ringpost::resolve
