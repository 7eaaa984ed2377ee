#include "core/schedule/source_rules.h"

#include <algorithm>

#include "core/base/text.h"

namespace ringpost::schedule {

Status SourceRules::disable(const IpAddress& source, const QueuePattern& pattern) {
  const bool known = std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return rule.source == source && rule.pattern.covers(pattern);
  });
  if (known) {
    return {};
  }
  enable(source, pattern);  // narrower rules are part of it
  if (rules_.size() >= kMax) {
    return Error::of(ErrorCode::no_capacity,
                     std::to_string(kMax) + " rules for source addresses are in force");
  }
  rules_.push_back({source, pattern});
  return {};
}

bool SourceRules::disabled(const IpAddress& source, std::string_view name, std::string_view vmta,
                           std::string_view group) const noexcept {
  const bool missing = std::find(missing_.begin(), missing_.end(), source) != missing_.end();
  return missing || std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
           return rule.source == source && rule.pattern.matches(name, vmta, group);
         });
}

std::string SourceRules::serialized() const {
  std::string text;
  for (const Rule& rule : rules_) {
    text += rule.source.text() + " " + rule.pattern.text() + "\n";
  }
  return text;
}

Status SourceRules::restore(std::string_view text) {
  std::vector<Rule> rules;
  for (int line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view row = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (row.empty()) {
      continue;
    }
    const std::size_t blank = row.find(' ');
    const auto source = IpAddress::parse(row.substr(0, blank));
    const auto pattern = QueuePattern::parse(
        blank == std::string_view::npos ? std::string_view{} : trimmed(row.substr(blank)));
    if (!source || !pattern || rules.size() == kMax) {
      return Error::of(ErrorCode::invalid,
                       "line " + std::to_string(line) + ": expected a source address and a queue");
    }
    rules.push_back({*source, *pattern});
  }
  rules_ = std::move(rules);
  return {};
}

}  // namespace ringpost::schedule
