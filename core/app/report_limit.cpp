#include "core/app/report_limit.h"

#include "core/base/text.h"

namespace ringpost::app {

ReportLimit::Count* ReportLimit::find(Counts& counts, std::string_view name) {
  std::string key = to_lower(name);
  const auto known = counts.find(key);
  if (known != counts.end()) {
    return &known->second;
  }
  return counts.size() < kNamesMax ? &counts[std::move(key)] : nullptr;
}

bool ReportLimit::refuse(Count& count, bool& said) {
  said = !count.said;
  count.said = true;
  return false;
}

bool ReportLimit::take(std::string_view sender, const config::Rate& rate, Instant now, bool& said) {
  said = false;
  if (rate.unlimited()) {
    return true;
  }
  if (now >= period_began_ + rate.period) {
    period_began_ = now;
    addresses_.clear();
    domains_.clear();
    other_domains_ = {};
  }
  const std::uint64_t most = (rate.count + shards_ - 1) / shards_;
  const std::size_t at = sender.rfind('@');
  Count* domain = find(domains_, at == std::string_view::npos ? sender : sender.substr(at + 1));
  domain = domain == nullptr ? &other_domains_ : domain;
  Count* address = find(addresses_, sender);
  if (address != nullptr && address->taken >= most) {
    return refuse(*address, said);
  }
  if (domain->taken >= most * kDomainShare) {
    return refuse(*domain, said);
  }
  ++domain->taken;
  if (address != nullptr) {
    ++address->taken;
  }
  return true;
}

}  // namespace ringpost::app
