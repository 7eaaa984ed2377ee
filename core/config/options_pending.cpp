#include <array>

#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

/// A setting that is read, checked and kept in the snapshot, and that nothing uses yet.
struct Pending {
  OptionId id;
  std::string_view why;
};

// A line goes when the program begins to use the setting; a test holds both against each other.
// Rows are {OptionId::NAME, why::REASON}; at present everything acts.
constexpr std::array<Pending, 0> kPending{};

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
