#include "core/schedule/job_rules.h"

#include <algorithm>

#include "core/schedule/queue_pattern.h"

namespace ringpost::schedule {

Status JobRules::check(std::string_view pattern) {
  const bool printable = std::none_of(pattern.begin(), pattern.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f;
  });
  if (pattern.empty() || pattern.size() > kPatternBytesMax || !printable) {
    return Error::of(ErrorCode::invalid, "job '" + std::string(pattern.substr(0, 300)) +
                                             "': expected a job id of at most 255 octets, '*' "
                                             "matching anything");
  }
  return {};
}

Status JobRules::add(std::string_view pattern, bool pause) {
  const std::string added(pattern);  // it may be one of the rules that go
  std::erase_if(rules_, [&](const Rule& rule) { return glob_matches(added, rule.pattern); });
  // A resume matters only as an exception to a pause given before it.
  const bool needed = pause || std::any_of(rules_.begin(), rules_.end(),
                                           [](const Rule& rule) { return rule.pause; });
  if (!needed) {
    return {};
  }
  if (rules_.size() >= kMax) {
    return Error::of(ErrorCode::no_capacity, "too many patterns of jobs; resume '*' clears them");
  }
  rules_.push_back({added, pause});
  return {};
}

bool JobRules::paused(std::string_view job) const noexcept {
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (glob_matches(rule->pattern, job)) {
      return rule->pause;
    }
  }
  return false;
}

std::string JobRules::serialized() const {
  std::string text;
  for (const Rule& rule : rules_) {
    text.append(rule.pause ? "pause " : "resume ").append(rule.pattern).append("\n");
  }
  return text;
}

Status JobRules::restore(std::string_view text) {
  JobRules fresh;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) {
      continue;
    }
    const bool pause = line.starts_with("pause ");
    const std::string_view pattern = line.substr(std::min(line.find(' '), line.size() - 1) + 1);
    Status good = pause || line.starts_with("resume ")
                      ? check(pattern)
                      : Error::of(ErrorCode::invalid, "expected 'pause JOB' or 'resume JOB'");
    if (good) {
      good = fresh.add(pattern, pause);
    }
    if (!good) {
      return Error::of(good.error().code,
                       "line " + std::to_string(number) + ": " + good.error().detail);
    }
  }
  rules_ = std::move(fresh.rules_);
  return {};
}

}  // namespace ringpost::schedule
