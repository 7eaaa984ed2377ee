#include "core/app/pool_choice.h"

#include <algorithm>
#include <cmath>

#include "core/base/assert.h"
#include "core/base/hash.h"

namespace ringpost::app {
namespace {

std::uint64_t score_of(std::uint64_t member, std::uint64_t key) {
  const std::uint64_t both[2] = {member, key};
  return hash64({reinterpret_cast<const char*>(both), sizeof both});
}

/// -weight / ln(u) with u even in (0, 1): the highest of several is each one's with a probability
/// in proportion to its weight.
double weighted(std::uint64_t score, std::uint32_t weight) {
  const double u = (static_cast<double>(score >> 11) + 0.5) * 0x1.0p-53;
  return -static_cast<double>(weight) / std::log(u);
}

}  // namespace

void PoolChoice::add(std::string_view name, std::uint32_t weight) {
  members_.push_back({hash64(name), weight});
  even_ = even_ && weight == members_.front().weight;
}

std::size_t PoolChoice::choose(std::uint64_t key, const std::vector<bool>& out) const {
  RP_ASSERT(!members_.empty());
  const bool some_left = std::find(out.begin(), out.end(), false) != out.end();
  std::size_t best = 0;
  std::uint64_t best_score = 0;
  double best_weighted = -1;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (some_left && out[i]) {
      continue;
    }
    const std::uint64_t score = score_of(members_[i].hash, key);
    if (even_) {
      const bool better = best_weighted < 0 || score > best_score;
      best = better ? i : best;
      best_score = better ? score : best_score;
      best_weighted = 0;
    } else if (const double value = weighted(score, members_[i].weight); value > best_weighted) {
      best = i;
      best_weighted = value;
    }
  }
  return best;
}

}  // namespace ringpost::app
