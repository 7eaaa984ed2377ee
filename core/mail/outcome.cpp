#include "core/mail/outcome.h"

#include <array>

namespace ringpost {

std::string_view name_of(OutcomeKind kind) noexcept {
  static constexpr std::array<std::string_view, 7> kNames = {
      "pending", "returned", "deferred", "delivered", "bounced", "expired", "cancelled"};
  const auto index = static_cast<std::size_t>(kind);
  return index < kNames.size() ? kNames[index] : "unknown";
}

std::string_view name_of(Phase phase) noexcept {
  static constexpr std::array<std::string_view, 13> kNames = {
      "none", "route", "connect", "greeting", "helo",        "starttls", "auth",
      "mail", "rcpt",  "data",    "content",  "final_reply", "queue"};
  const auto index = static_cast<std::size_t>(phase);
  return index < kNames.size() ? kNames[index] : "unknown";
}

std::string_view name_of(DeliveryWay way) noexcept {
  static constexpr std::array<std::string_view, 4> kNames = {"smtp", "discard", "file", "pipe"};
  const auto index = static_cast<std::size_t>(way);
  return index < kNames.size() ? kNames[index] : "unknown";
}

}  // namespace ringpost
