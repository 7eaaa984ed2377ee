#include "core/schedule/queue_pattern.h"

#include <algorithm>
#include <array>

#include "core/base/hash.h"
#include "core/base/text.h"

namespace ringpost::schedule {

namespace {

constexpr std::size_t kPartBytesMax = 255;

bool valid_part(std::string_view part) {
  return !part.empty() && part.size() <= kPartBytesMax &&
         std::none_of(part.begin(), part.end(), [](char c) {
           const auto octet = static_cast<unsigned char>(c);
           return octet <= 0x20 || octet == 0x7f;
         });
}

void hash_lower(Hasher64& hasher, std::string_view text) {
  std::array<char, 64> block;
  while (!text.empty()) {
    const std::size_t size = std::min(text.size(), block.size());
    std::transform(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size), block.begin(),
                   ascii_lower);
    hasher.update({block.data(), size});
    text.remove_prefix(size);
  }
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;  // last '*' seen, and what it swallowed up to
  std::size_t swallowed = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      swallowed = t;
    } else if (p < pattern.size() && ascii_lower(pattern[p]) == ascii_lower(text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++swallowed;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') {
    ++p;
  }
  return p == pattern.size();
}

std::uint64_t queue_hash(std::string_view name, std::string_view vmta) noexcept {
  Hasher64 hasher;
  hash_lower(hasher, name);
  hasher.update("/");
  hash_lower(hasher, vmta);
  return hasher.digest();
}

Result<QueuePattern> QueuePattern::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  QueuePattern pattern;
  pattern.domain = std::string(text.substr(0, slash));
  if (slash != std::string_view::npos) {
    pattern.vmta = std::string(text.substr(slash + 1));
  }
  if (!valid_part(pattern.domain) || !valid_part(pattern.vmta) ||
      pattern.vmta.find('/') != std::string::npos) {
    return Error::of(ErrorCode::invalid,
                     "queue pattern '" + std::string(text.substr(0, 600)) +
                         "': expected DOMAIN or DOMAIN/VMTA, '*' matching anything");
  }
  return pattern;
}

Status PauseRules::add(const QueuePattern& pattern, bool pause) {
  const QueuePattern added = pattern;  // it may be one of the rules that go
  std::erase_if(rules_, [&](const Rule& rule) { return added.covers(rule.pattern); });
  // A resume matters only as an exception to a pause given before it.
  const bool needed = pause || std::any_of(rules_.begin(), rules_.end(),
                                           [](const Rule& rule) { return rule.pause; });
  if (!needed) {
    return {};
  }
  if (rules_.size() >= kMax) {
    return Error::of(ErrorCode::no_capacity, "too many pause patterns; resume '*/*' clears them");
  }
  rules_.push_back({added, pause});
  return {};
}

bool PauseRules::paused(std::string_view name, std::string_view vmta,
                        std::string_view group) const noexcept {
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->pattern.matches(name, vmta, group)) {
      return rule->pause;
    }
  }
  return false;
}

std::string PauseRules::serialized() const {
  std::string text;
  for (const Rule& rule : rules_) {
    text += rule.pause ? "pause " : "resume ";
    text += rule.pattern.text();
    text += '\n';
  }
  return text;
}

Status PauseRules::restore(std::string_view text) {
  PauseRules fresh;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) {
      continue;
    }
    const bool pause = line.starts_with("pause ");
    if (!pause && !line.starts_with("resume ")) {
      return Error::of(ErrorCode::invalid, "pause list, line " + std::to_string(number) +
                                               ": expected 'pause PATTERN' or 'resume PATTERN'");
    }
    const auto pattern = QueuePattern::parse(trimmed(line.substr(line.find(' '))));
    if (!pattern) {
      return Error::of(ErrorCode::invalid, "pause list, line " + std::to_string(number) + ": " +
                                               pattern.error().detail);
    }
    if (Status added = fresh.add(*pattern, pause); !added) {
      return added;
    }
  }
  rules_ = std::move(fresh.rules_);
  return {};
}

}  // namespace ringpost::schedule
