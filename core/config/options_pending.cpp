#include <array>

#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using Id = OptionId;

/// A setting that is read, checked and kept in the snapshot, and that nothing uses yet.
struct Pending {
  OptionId id;
  std::string_view why;
};

// A line goes when the program begins to use the setting; a test holds both against each other.
constexpr Pending kPending[] = {
    {Id::source_ip_max_smtp_out, why::kPerSource},
    {Id::source_ip_max_connect_rate, why::kPerSource},
    {Id::source_ip_max_msg_rate, why::kPerSource},
    {Id::source_ip_max_data_rate, why::kPerSource},
};

constexpr auto kReasons = [] {
  std::array<std::string_view, kOptionCount> reasons{};
  for (const Pending& pending : kPending) {
    reasons[static_cast<std::size_t>(pending.id)] = pending.why;
  }
  return reasons;
}();

}  // namespace

std::string_view pending_reason(OptionId id) { return kReasons[static_cast<std::size_t>(id)]; }

bool is_pending(OptionId id) { return !pending_reason(id).empty(); }

}  // namespace ringpost::config
