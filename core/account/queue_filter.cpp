#include "core/account/queue_filter.h"

#include <algorithm>

#include "core/base/text.h"

namespace ringpost::account {
namespace {

/// `*` in `pattern` stands for any run of characters. Linear: only the last `*` is tried again.
bool fits(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && ascii_lower(pattern[p]) == ascii_lower(text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace

Status QueueFilter::add(std::string_view pattern) {
  const bool without = pattern.starts_with('!');
  pattern = trimmed(without ? pattern.substr(1) : pattern);
  if (pattern.empty()) {
    return Error::of(ErrorCode::invalid, "a pattern of queues is empty");
  }
  std::string text(pattern);
  if (text.find('/') == std::string::npos) {
    text += "/*";
  }
  (without ? left_out_ : shown_).push_back(std::move(text));
  return {};
}

bool QueueFilter::takes(std::string_view queue) const noexcept {
  const auto names = [queue](const std::string& pattern) { return fits(pattern, queue); };
  if (std::any_of(left_out_.begin(), left_out_.end(), names)) {
    return false;
  }
  return shown_.empty() || std::any_of(shown_.begin(), shown_.end(), names);
}

}  // namespace ringpost::account
