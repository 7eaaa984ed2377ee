#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace ringpost::schedule {

/// Whether `text` fits `pattern`, in which `*` stands for any run of characters, without regard to
/// ASCII case. Linear in practice, at worst |pattern| * |text|.
bool glob_matches(std::string_view pattern, std::string_view text) noexcept;

/// Hash of a queue's name and virtual MTA, without regard to case. The queue's home is shard
/// queue_hash() % shards; stable over releases.
std::uint64_t queue_hash(std::string_view name, std::string_view vmta) noexcept;

/// Names queues as operators write them: `domain/vmta`, `domain` for `domain/*`, either part with
/// wildcards.
struct QueuePattern {
  std::string domain = "*";
  std::string vmta = "*";

  /// invalid: empty part, more than one '/', blanks or control characters, over 255 octets a part.
  static Result<QueuePattern> parse(std::string_view text);
  bool matches(std::string_view name, std::string_view of_vmta) const noexcept {
    return glob_matches(domain, name) && glob_matches(vmta, of_vmta);
  }
  /// The same where the queue belongs to a group of destinations too (unless that is empty).
  bool matches(std::string_view name, std::string_view of_vmta,
               std::string_view group) const noexcept {
    return matches(name, of_vmta) || (!group.empty() && matches(group, of_vmta));
  }
  /// Whether it names exactly one queue, or the queues of one group.
  bool literal() const noexcept {
    return domain.find('*') == std::string::npos && vmta.find('*') == std::string::npos;
  }
  /// Whether every queue that `other` names is named by this too (never a false yes).
  bool covers(const QueuePattern& other) const noexcept {
    return glob_matches(domain, other.domain) && glob_matches(vmta, other.vmta);
  }
  /// "domain/vmta".
  std::string text() const { return domain + "/" + vmta; }
};

/// Which queues an operator has paused: patterns in the order they were given, later ones prevail.
/// Kept apart from the queues, so that it holds for queues that come into being later and can be
/// persisted as a short list.
class PauseRules {
 public:
  static constexpr std::size_t kMax = 1024;

  struct Rule {
    QueuePattern pattern;
    bool pause = true;
  };

  /// no_capacity: kMax patterns that do not cover each other are in force.
  Status add(const QueuePattern& pattern, bool pause);
  /// `group`: of destinations that the queue belongs to, if any; a rule may name either.
  bool paused(std::string_view name, std::string_view vmta,
              std::string_view group = {}) const noexcept;
  const std::vector<Rule>& rules() const { return rules_; }

  /// One line per rule, `pause gmail.com/*` or `resume aol.com/v1`, oldest first.
  std::string serialized() const;
  /// Replaces all rules by what serialized() gave. invalid names the line; nothing changed then.
  Status restore(std::string_view text);

 private:
  std::vector<Rule> rules_;
};

}  // namespace ringpost::schedule
