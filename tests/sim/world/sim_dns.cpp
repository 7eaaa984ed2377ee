#include "tests/sim/world/sim_dns.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/text.h"

namespace ringpost::sim {
namespace {

constexpr std::uint16_t kSoa = 6;
constexpr std::uint16_t kNs = 2;
constexpr std::uint16_t kIn = 1;
constexpr unsigned kChainMax = 8;

std::string big_endian(std::uint64_t value, int octets) {
  std::string text;
  for (int shift = (octets - 1) * 8; shift >= 0; shift -= 8) {
    text += static_cast<char>(value >> shift & 0xff);
  }
  return text;
}

std::uint16_t code_of(DnsType type) { return static_cast<std::uint16_t>(type); }

}  // namespace

DnsMessageWriter::DnsMessageWriter(std::string_view name, DnsType type, unsigned rcode)
    : bytes_(12, '\0') {
  flags(static_cast<std::uint16_t>(kResponseFlags | rcode));
  bytes_[5] = 1;
  bytes_ += wire_name(name);
  put16(code_of(type));
  put16(kIn);
}

std::string DnsMessageWriter::wire_name(std::string_view name) {
  std::string wire;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    wire += static_cast<char>(label.size());
    wire += label;
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  return wire + '\0';
}

void DnsMessageWriter::put16(std::uint16_t value) { bytes_ += big_endian(value, 2); }

void DnsMessageWriter::count(std::size_t section) {
  const std::size_t at = 4 + section * 2;
  const unsigned value =
      (static_cast<std::uint8_t>(bytes_[at]) << 8U | static_cast<std::uint8_t>(bytes_[at + 1])) + 1;
  bytes_.replace(at, 2, big_endian(value, 2));
}

DnsMessageWriter& DnsMessageWriter::flags(std::uint16_t value) {
  bytes_.replace(2, 2, big_endian(value, 2));
  return *this;
}

DnsMessageWriter& DnsMessageWriter::record(std::string_view name, std::uint16_t type,
                                           std::uint16_t record_class, std::uint32_t ttl,
                                           std::string_view data) {
  bytes_ += wire_name(name);
  put16(type);
  put16(record_class);
  bytes_ += big_endian(ttl, 4);
  put16(static_cast<std::uint16_t>(data.size()));
  bytes_ += data;
  const bool authority = type == kSoa || type == kNs;
  count(authority ? 2 : 1);
  return *this;
}

DnsMessageWriter& DnsMessageWriter::a(std::string_view name, std::string_view address,
                                      std::uint32_t ttl) {
  const auto ip = IpAddress::parse(address);
  RP_ASSERT(ip.ok());
  const std::string data(reinterpret_cast<const char*>(ip->octets.data()), ip->is_v4() ? 4 : 16);
  return record(name, code_of(ip->is_v4() ? DnsType::a : DnsType::aaaa), kIn, ttl, data);
}

DnsMessageWriter& DnsMessageWriter::mx(std::string_view name, std::uint16_t preference,
                                       std::string_view exchange, std::uint32_t ttl) {
  return record(name, code_of(DnsType::mx), kIn, ttl,
                big_endian(preference, 2) + wire_name(exchange));
}

DnsMessageWriter& DnsMessageWriter::cname(std::string_view name, std::string_view target,
                                          std::uint32_t ttl) {
  return record(name, code_of(DnsType::cname), kIn, ttl, wire_name(target));
}

DnsMessageWriter& DnsMessageWriter::soa(std::string_view zone, std::uint32_t ttl,
                                        std::uint32_t minimum) {
  return record(zone, kSoa, kIn, ttl,
                wire_name("ns.invalid") + wire_name("host.invalid") + big_endian(1, 4) +
                    big_endian(7200, 4) + big_endian(600, 4) + big_endian(86400, 4) +
                    big_endian(minimum, 4));
}

DnsMessageWriter& DnsMessageWriter::ns(std::string_view zone, std::string_view server,
                                       std::uint32_t ttl) {
  return record(zone, kNs, kIn, ttl, wire_name(server));
}

std::vector<std::uint8_t> DnsMessageWriter::take() const { return {bytes_.begin(), bytes_.end()}; }

void SimZone::add_a(std::string_view name, std::string_view address, std::uint32_t ttl) {
  const auto ip = IpAddress::parse(address);
  RP_ASSERT(ip.ok());
  names_[to_lower(name)].push_back(
      {code_of(ip->is_v4() ? DnsType::a : DnsType::aaaa), ttl, 0, std::string(address)});
}

void SimZone::add_mx(std::string_view name, std::uint16_t preference, std::string_view exchange,
                     std::uint32_t ttl) {
  names_[to_lower(name)].push_back({code_of(DnsType::mx), ttl, preference, std::string(exchange)});
}

void SimZone::add_cname(std::string_view name, std::string_view target, std::uint32_t ttl) {
  names_[to_lower(name)].push_back({code_of(DnsType::cname), ttl, 0, to_lower(target)});
}

void SimZone::add_empty(std::string_view name) { names_[to_lower(name)]; }

void SimZone::set_negative_ttl(std::uint32_t ttl, std::uint32_t minimum) {
  has_soa_ = ttl > 0;
  soa_ttl_ = ttl;
  soa_minimum_ = minimum;
}

void SimZone::remove(std::string_view name) { names_.erase(to_lower(name)); }

void SimZone::fail(std::string_view name, DnsType type, DnsStatus status) {
  failures_[{to_lower(name), code_of(type)}] = status;
}

void SimZone::mend(std::string_view name, DnsType type) {
  failures_.erase({to_lower(name), code_of(type)});
  scripted_.erase({to_lower(name), code_of(type)});
}

void SimZone::answer_with(std::string_view name, DnsType type, std::vector<std::uint8_t> response) {
  scripted_[{to_lower(name), code_of(type)}] = std::move(response);
}

void SimZone::slow(std::string_view name, Duration delay) { delays_[to_lower(name)] = delay; }

Duration SimZone::delay_of(const std::string& name) const {
  const auto at = delays_.find(to_lower(name));
  return at == delays_.end() ? default_delay : at->second;
}

/// Writes the aliases from `name`, which becomes the last target. False: a loop.
bool SimZone::add_chain(std::string& name, DnsType type, DnsMessageWriter& writer) const {
  for (unsigned hops = 0; hops < kChainMax; ++hops) {
    const auto at = names_.find(name);
    if (at == names_.end() || type == DnsType::cname) {
      return true;
    }
    const auto alias = std::find_if(at->second.begin(), at->second.end(), [](const Record& record) {
      return record.type == code_of(DnsType::cname);
    });
    if (alias == at->second.end()) {
      return true;
    }
    writer.cname(name, alias->value, alias->ttl);
    name = alias->value;
  }
  return false;
}

void SimZone::respond(const std::string& asked, DnsType type, DnsStatus& status,
                      std::vector<std::uint8_t>& response) const {
  const Key key{to_lower(asked), code_of(type)};
  const auto failure = failures_.find(key);
  if (failure != failures_.end()) {
    status = failure->second;
    return;
  }
  status = DnsStatus::answered;
  const auto scripted = scripted_.find(key);
  if (scripted != scripted_.end()) {
    response = scripted->second;
    return;
  }
  std::string name = key.first;
  DnsMessageWriter writer(asked, type);
  if (!add_chain(name, type, writer)) {
    status = DnsStatus::failed;
    return;
  }
  const auto at = names_.find(name);
  bool found = false;
  if (at == names_.end()) {
    writer.flags(DnsMessageWriter::kResponseFlags | 3);
    status = DnsStatus::no_domain;
  } else {
    for (const Record& record : at->second) {
      found = found || record.type == code_of(type);
      if (record.type == code_of(type) && type == DnsType::mx) {
        writer.mx(name, record.preference, record.value, record.ttl);
      } else if (record.type == code_of(type)) {
        writer.a(name, record.value, record.ttl);
      }
    }
  }
  if (!found && has_soa_) {
    writer.soa(name.substr(name.rfind('.') + 1), soa_ttl_, soa_minimum_);
  }
  response = writer.take();
}

SimDns::~SimDns() {
  for (const auto& pending : pending_) {
    loop_.timers().disarm(pending->timer);
  }
}

void SimDns::query(DnsQueryOp& op) {
  RP_ASSERT_NOTE(op.idle(), "a query is asked twice at once");
  ++queries_;
  ++asked_[{to_lower(op.name), code_of(op.type)}];
  peak_ = std::max(peak_, ++in_flight_);
  const auto unused = std::find_if(pending_.begin(), pending_.end(),
                                   [](const auto& pending) { return pending->op == nullptr; });
  Pending* pending = nullptr;
  if (unused != pending_.end()) {
    pending = unused->get();
  } else {
    pending = pending_.emplace_back(std::make_unique<Pending>()).get();
    pending->home = this;
    pending->timer.bind<&Pending::on_time>(pending);
  }
  pending->op = &op;
  loop_.timers().arm(pending->timer, loop_.now().instant + zone_.delay_of(op.name));
}

void SimDns::Pending::on_time(Now) {
  DnsQueryOp& done = *op;
  op = nullptr;
  --home->in_flight_;
  home->zone_.respond(done.name, done.type, done.status, done.response);
  home->loop_.complete(done, 0);
}

std::uint64_t SimDns::queries_of(std::string_view name, DnsType type) const {
  const auto at = asked_.find({to_lower(name), code_of(type)});
  return at == asked_.end() ? 0 : at->second;
}

}  // namespace ringpost::sim
