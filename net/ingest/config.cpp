#include "net/ingest/config.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/text.h"

namespace ringpost::ingest {

bool is_allowed(std::string_view text, const std::vector<std::string>& patterns) {
  const auto fits = [text](std::string_view pattern) {
    const bool open_begin = pattern.starts_with('*');
    const bool open_end = pattern.size() > 1 && pattern.ends_with('*');
    pattern = pattern.substr(open_begin ? 1 : 0);
    pattern.remove_suffix(open_end ? 1 : 0);
    if (pattern.size() > text.size()) {
      return false;
    }
    if (open_begin && open_end) {
      for (std::size_t at = 0; at + pattern.size() <= text.size(); ++at) {
        if (equals_ignoring_case(text.substr(at, pattern.size()), pattern)) {
          return true;
        }
      }
      return false;
    }
    const std::size_t at = open_begin ? text.size() - pattern.size() : 0;
    return (open_begin || open_end || pattern.size() == text.size()) &&
           equals_ignoring_case(text.substr(at, pattern.size()), pattern);
  };
  return patterns.empty() || std::any_of(patterns.begin(), patterns.end(), fits);
}

void SourcePolicy::prepare() {
  RP_ASSERT(!default_vmta.empty() && fields.size() + watched.size() <= 255);
  // Offsets inside a message are 32 bits wide.
  std::uint64_t& size_max = limits.content.message_bytes_max;
  size_max = std::min(size_max, std::uint64_t{2} << 30);
  field_names.clear();
  for (const FieldRule& rule : fields) {
    field_names.push_back(rule.name);
  }
  field_names.insert(field_names.end(), watched.begin(), watched.end());
}

const ListenAddress* IngestConfig::listener_at(const SocketAddress& address) const {
  const auto where = std::find_if(listen.begin(), listen.end(), [&](const ListenAddress& entry) {
    return entry.address == address;
  });
  return where == listen.end() ? nullptr : &*where;
}

const SourcePolicy& IngestConfig::policy_for(const IpAddress& client,
                                             std::uint32_t rules_index) const {
  const SourceRules& set = rules.at(rules_index);
  const SourceRule* best = nullptr;
  for (const SourceRule& rule : set.rules) {
    if (rule.network.contains(client) &&
        (best == nullptr || rule.network.prefix_bits > best->network.prefix_bits)) {
      best = &rule;
    }
  }
  return policies.at(best == nullptr ? set.otherwise : best->policy);
}

bool IngestConfig::is_for_postmasters(const smtp::Mailbox& address) const {
  const bool role = equals_ignoring_case(address.local_part, "postmaster") ||
                    equals_ignoring_case(address.local_part, "abuse") ||
                    equals_ignoring_case(address.local_part, "mailer-daemon");
  return !postmasters.empty() && role &&
         (address.domain.empty() ||
          std::any_of(own_names.begin(), own_names.end(), [&](const std::string& name) {
            return equals_ignoring_case(name, address.domain);
          }));
}

bool IngestConfig::is_relay_domain(std::string_view domain) const {
  return std::any_of(
      relay_domains.begin(), relay_domains.end(), [domain](std::string_view pattern) {
        if (pattern.substr(0, 2) != "*.") {
          return pattern == "*" || equals_ignoring_case(domain, pattern);
        }
        const std::string_view suffix = pattern.substr(1);
        return domain.size() > suffix.size() &&
               equals_ignoring_case(domain.substr(domain.size() - suffix.size()), suffix);
      });
}

bool IngestConfig::has_vmta(std::string_view name) const {
  const auto below = [](std::string_view a, std::string_view b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
      return ascii_lower(x) < ascii_lower(y);
    });
  };
  return std::binary_search(vmtas.begin(), vmtas.end(), name, below);
}

std::shared_ptr<IngestConfig> IngestConfig::loopback_only(std::string hostname) {
  auto config = std::make_shared<IngestConfig>();
  config->hostname = std::move(hostname);
  config->policies.resize(2);
  config->policies[1].may_relay = true;
  for (SourcePolicy& policy : config->policies) {
    policy.prepare();
  }
  config->rules = {{0, {{*IpNetwork::parse("127.0.0.0/8"), 1}, {*IpNetwork::parse("::1/128"), 1}}}};
  config->vmtas = {"default"};
  return config;
}

}  // namespace ringpost::ingest
