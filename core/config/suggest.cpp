#include "core/config/suggest.h"

#include <algorithm>
#include <vector>

#include "core/base/text.h"

namespace ringpost::config {
namespace {

// A name longer than this is not a misspelling of anything; it also bounds the work.
constexpr std::size_t kLongestName = 64;

char folded(char c) { return c == '_' ? '-' : ascii_lower(c); }

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit) {
  const std::size_t gap = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (gap >= limit || a.size() > kLongestName || b.size() > kLongestName) {
    return limit;
  }
  std::vector<std::size_t> two_ago(b.size() + 1);
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    previous[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = folded(a[i - 1]) == folded(b[j - 1]);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + !same});
      if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
          folded(a[i - 2]) == folded(b[j - 1])) {
        current[j] = std::min(current[j], two_ago[j - 2] + 1);
      }
    }
    std::swap(two_ago, previous);
    std::swap(previous, current);
  }
  return std::min(previous[b.size()], limit);
}

std::string nearest_name(std::string_view name, std::span<const std::string_view> candidates) {
  // One edit in four characters, at least one: beyond that a guess misleads more than it helps.
  std::size_t best = std::max<std::size_t>(1, name.size() / 4) + 1;
  std::string_view found;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate, best);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return std::string(found);
}

}  // namespace ringpost::config
