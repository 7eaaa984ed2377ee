#include "core/mail/envelope.h"

#include <algorithm>
#include <array>

#include "core/base/hash.h"
#include "core/base/text.h"

namespace ringpost {

bool Recipient::travels_with(const Recipient& other) const {
  return !alone && !other.alone && pool_key == other.pool_key && vmta == other.vmta &&
         priority == other.priority && equals_ignoring_case(domain(), other.domain());
}

std::uint16_t tenant_of(const Envelope& envelope) {
  std::string_view name = envelope.user;
  if (name.empty()) {
    const std::size_t at = envelope.reverse_path.rfind('@');
    name = at == std::string_view::npos ? std::string_view{} : envelope.reverse_path.substr(at + 1);
  }
  if (!envelope.job.empty() || name.empty()) {
    return 0;
  }
  std::array<char, 256> lower{};
  name = name.substr(0, lower.size());
  std::transform(name.begin(), name.end(), lower.begin(), ascii_lower);
  return static_cast<std::uint16_t>(1 + hash64({lower.data(), name.size()}) % kTenantMax);
}

}  // namespace ringpost
