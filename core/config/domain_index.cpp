#include "core/config/domain_index.h"

#include <algorithm>

#include "core/base/idn.h"
#include "core/base/text.h"
#include "core/config/values.h"

namespace ringpost::config {
namespace {

Error not_a_pattern(std::string detail) { return Error::of(ErrorCode::invalid, std::move(detail)); }

Result<DomainPattern> parse_bracketed(std::string_view inside) {
  constexpr std::string_view kV6 = "ipv6:";
  if (starts_ignoring_case(inside, kV6)) {
    inside.remove_prefix(kV6.size());
  }
  const Result<IpNetwork> network = IpNetwork::parse(inside);
  if (!network.ok()) {
    return not_a_pattern("brackets hold an address, a network, or stand as [*.] before a domain");
  }
  DomainPattern pattern;
  pattern.kind = DomainPattern::Kind::literal;
  pattern.network = *network;
  return pattern;
}

}  // namespace

Result<DomainPattern> DomainPattern::parse(std::string_view text) {
  constexpr std::string_view kSubtreeMark = "[*.]";
  DomainPattern pattern;
  if (text == "*") {
    return pattern;
  }
  pattern.kind = Kind::exact;
  if (text.size() > 2 && text.front() == '{' && text.back() == '}') {
    pattern.name = to_lower(text);
    return pattern;
  }
  if (text.substr(0, kSubtreeMark.size()) == kSubtreeMark) {
    pattern.kind = Kind::subtree;
    text.remove_prefix(kSubtreeMark.size());
  } else if (text.substr(0, 2) == "*.") {
    pattern.kind = Kind::subdomains;
    text.remove_prefix(2);
  } else if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    return parse_bracketed(text.substr(1, text.size() - 2));
  }
  if (text.ends_with('.')) {
    text.remove_suffix(1);
  }
  if (text.find('*') != std::string_view::npos) {
    return not_a_pattern("an asterisk stands alone, as *.domain, or as [*.]domain");
  }
  const Result<std::string> name = to_a_labels(text);
  if (!name.ok()) {
    return name.error();
  }
  if (!is_host_name(*name)) {
    return not_a_pattern("not a domain name");
  }
  pattern.name = *name;
  return pattern;
}

FoldedName::FoldedName(std::string_view name) {
  if (name.ends_with('.')) {
    name.remove_suffix(1);
  }
  std::string converted;
  if (!is_ascii(name)) {
    const Result<std::string> ascii = to_a_labels(name);
    converted = ascii.ok() ? *ascii : std::string(name);
    name = converted;
  }
  size_ = std::min(name.size(), room_.size());
  for (std::size_t i = 0; i < size_; ++i) {
    room_[i] = ascii_lower(name[i]);
  }
}

std::uint32_t& DomainIndex::slot(const DomainPattern& pattern, bool from_macro) {
  const std::size_t rank = from_macro ? 1 : 0;
  switch (pattern.kind) {
    case DomainPattern::Kind::exact: return nodes_[pattern.name].entries[2 * kExact + rank];
    case DomainPattern::Kind::subdomains:
      return nodes_[pattern.name].entries[2 * kSubdomains + rank];
    case DomainPattern::Kind::subtree: return nodes_[pattern.name].entries[2 * kSubtree + rank];
    case DomainPattern::Kind::any: return any_.entries[2 * kExact + rank];
    case DomainPattern::Kind::literal: break;
  }
  const auto shorter = [&](const Literal& other) {
    return other.network.prefix_bits < pattern.network.prefix_bits;
  };
  for (Literal& literal : literals_) {
    if (literal.network == pattern.network) {
      return literal.entry;
    }
  }
  const auto place = std::find_if(literals_.begin(), literals_.end(), shorter);
  return literals_.insert(place, {pattern.network, kNone})->entry;
}

const DomainIndex::Node* DomainIndex::find(std::string_view name) const {
  const auto found = nodes_.find(name);
  return found == nodes_.end() ? nullptr : &found->second;
}

Result<IpAddress> DomainIndex::parse_literal(std::string_view name) {
  name = name.substr(1, name.size() - 2);
  constexpr std::string_view kV6 = "ipv6:";
  if (starts_ignoring_case(name, kV6)) {
    name.remove_prefix(kV6.size());
  }
  return IpAddress::parse(name);
}

}  // namespace ringpost::config
