#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace ringpost::schedule {

/// Which jobs an operator has paused: patterns with `*` in the order they were given, later ones
/// prevail. Alike on all shards; kept as a short list over restarts.
class JobRules {
 public:
  static constexpr std::size_t kMax = 1024;
  static constexpr std::size_t kPatternBytesMax = 255;

  struct Rule {
    std::string pattern;
    bool pause = true;
  };

  /// A pattern for jobs: 1 to kPatternBytesMax octets, no control characters.
  static Status check(std::string_view pattern);
  /// no_capacity: kMax patterns that do not cover each other are in force.
  Status add(std::string_view pattern, bool pause);
  bool paused(std::string_view job) const noexcept;
  const std::vector<Rule>& rules() const { return rules_; }

  /// One line per rule, `pause PATTERN` or `resume PATTERN`, oldest first.
  std::string serialized() const;
  /// Replaces all rules by what serialized() gave. invalid names the line; nothing changed then.
  Status restore(std::string_view text);

 private:
  std::vector<Rule> rules_;
};

}  // namespace ringpost::schedule
