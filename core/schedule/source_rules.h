#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/schedule/queue_pattern.h"

namespace ringpost::schedule {

/// Which source addresses operators have taken out of use, for which queues. Alike on all shards;
/// kept as a short list over restarts.
class SourceRules {
 public:
  static constexpr std::size_t kMax = 1024;

  struct Rule {
    IpAddress source;
    QueuePattern pattern;
  };

  /// Takes the address out of use for queues that fit. no_capacity: kMax rules are in force.
  Status disable(const IpAddress& source, const QueuePattern& pattern);
  /// Drops the rules for the address whose queues all fit `pattern`.
  void enable(const IpAddress& source, const QueuePattern& pattern) {
    enable(source, pattern, [](const QueuePattern&) { return std::string{}; });
  }
  /// The same, where `group_of(queues)` is the group of the one destination that a rule names.
  template <class GroupOf>
  void enable(const IpAddress& source, const QueuePattern& pattern, GroupOf group_of) {
    std::erase_if(rules_, [&](const Rule& rule) {
      return rule.source == source &&
             (pattern.covers(rule.pattern) || covers_group(pattern, rule.pattern, group_of));
    });
  }
  /// `group`: of destinations that the queue belongs to, if any; a rule may name either.
  bool disabled(const IpAddress& source, std::string_view name, std::string_view vmta,
                std::string_view group = {}) const noexcept;
  const std::vector<Rule>& rules() const { return rules_; }
  /// Addresses that are not on this host, in place of those told before: no queue uses them,
  /// whatever the rules say.
  void set_missing(std::vector<IpAddress> missing) { missing_ = std::move(missing); }
  const std::vector<IpAddress>& missing() const { return missing_; }
  /// Whether some address is out of use.
  bool any() const { return !rules_.empty() || !missing_.empty(); }

  /// One line per rule, `192.0.2.1 */v1`, oldest first.
  std::string serialized() const;
  /// Replaces all rules by what serialized() gave. invalid names the line; nothing changed then.
  Status restore(std::string_view text);

 private:
  template <class GroupOf>
  static bool covers_group(const QueuePattern& pattern, const QueuePattern& queues,
                           GroupOf group_of) {
    const bool one = queues.domain.find('*') == std::string::npos;
    const std::string group = one ? group_of(queues) : std::string{};
    return !group.empty() && pattern.covers({group, queues.vmta});
  }

  std::vector<Rule> rules_;
  std::vector<IpAddress> missing_;
};

}  // namespace ringpost::schedule
