#include "core/app/move_rules.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/mail/envelope.h"
#include "core/schedule/job_rules.h"
#include "core/schedule/kept_line.h"

namespace ringpost::app {
namespace {

/// Behind the kind of a move into a queue that several destinations shared.
constexpr std::string_view kToShared = "-to-shared";
/// Before the kind of what is to be tried at once.
constexpr std::string_view kAtOnce = "schedule-";

/// QUEUES JOBS N TIME.
Result<MoveRule> read_priority(std::string_view line) {
  MoveRule rule;
  const auto queues = schedule::QueuePattern::parse(schedule::next_field(line));
  rule.job = schedule::next_field(line);
  std::uint32_t number = 0;
  const bool good = parse_decimal(schedule::next_field(line), number) && number <= kPriorityMax;
  if (!good || !schedule::read_time(schedule::next_field(line), rule.before) || !line.empty()) {
    return Error::of(ErrorCode::invalid, "expected priority, QUEUES, JOBS, N, TIME");
  }
  if (!queues) {
    return queues.error();
  }
  if (Status jobs = schedule::JobRules::check(rule.job); !jobs) {
    return jobs.error();
  }
  rule.queues = *queues;
  rule.priority = static_cast<std::uint8_t>(number);
  return rule;
}

Result<MoveRule> read_rule(std::string_view line) {
  MoveRule rule;
  std::string_view kind = schedule::next_field(line);
  if (kind == "priority") {
    return read_priority(line);
  }
  rule.at_once = kind.starts_with(kAtOnce);
  kind.remove_prefix(rule.at_once ? kAtOnce.size() : 0);
  const std::string_view what = schedule::next_field(line);
  rule.shared = kind.ends_with(kToShared);
  const std::string_view of = kind.substr(0, kind.size() - (rule.shared ? kToShared.size() : 0));
  rule.by_job = of == "job";
  rule.vmta = schedule::next_field(line);
  rule.name = schedule::next_field(line);
  const bool timed = schedule::read_time(schedule::next_field(line), rule.before);
  while (!line.empty()) {
    const std::string domain(schedule::next_field(line));
    rule.rolled.push_back({domain, std::string(schedule::next_field(line))});
  }
  const bool whole = rule.rolled.empty() || !rule.rolled.back().queue.empty();
  if ((of != "job" && of != "queue") || rule.vmta.empty() != rule.at_once || !timed || !whole) {
    return Error::of(ErrorCode::invalid,
                     "expected queue, job, priority or schedule-..., and what they need");
  }
  if (rule.by_job) {
    rule.job = what;
    if (Status good = schedule::JobRules::check(what); !good) {
      return good.error();
    }
    return rule;
  }
  auto queues = schedule::QueuePattern::parse(what);
  if (!queues) {
    return queues.error();
  }
  rule.queues = *queues;
  return rule;
}

}  // namespace

bool MoveRule::may_concern(WallTime received, std::string_view of_job) const {
  const bool any_job = !by_job && !priority;
  return received <= before &&
         (any_job || (schedule::glob_matches(job, of_job) && (priority || !of_job.empty())));
}

bool MoveRule::add_rolled(const std::vector<RolledUp>& more) {
  const std::size_t known = rolled.size();
  rolled.insert(rolled.end(), more.begin(), more.end());
  std::sort(rolled.begin(), rolled.end());
  rolled.erase(std::unique(rolled.begin(), rolled.end()), rolled.end());
  return rolled.size() > known;
}

std::string_view MoveRule::shared_queue_of(std::string_view domain) const {
  const auto found =
      std::lower_bound(rolled.begin(), rolled.end(), domain,
                       [](const RolledUp& one, std::string_view of) { return one.domain < of; });
  return found != rolled.end() && found->domain == domain ? std::string_view(found->queue)
                                                          : std::string_view{};
}

Status MoveRules::add(const MoveRule& rule, WallTime now) {
  std::erase_if(rules_, [&](const MoveRule& old) {
    return old.before + (old.at_once ? kLifeAtOnce : kLife) < now;
  });
  MoveRule added = rule;
  drop_covered(added);
  const auto alike = std::count_if(rules_.begin(), rules_.end(), [&](const MoveRule& old) {
    return old.at_once == added.at_once;
  });
  if (static_cast<std::size_t>(alike) >= kMax) {
    return Error::of(ErrorCode::no_capacity,
                     added.at_once ? "too many names were scheduled lately; schedule queue '*'"
                                   : "too many moves and priorities are remembered");
  }
  rules_.push_back(std::move(added));
  rules_.back().serial = next_serial_++;
  newest_ = std::max(newest_, rule.before);
  return {};
}

namespace {

/// The new rule says of all mail that the old one named, where it still is, the same or more.
bool covers(const MoveRule& by, const MoveRule& old) {
  if (by.at_once && old.at_once && by.by_job != old.by_job) {
    return old.by_job && by.queues.covers({});
  }
  return by.at_once == old.at_once && by.priority.has_value() == old.priority.has_value() &&
         by.queues.covers(old.queues) && schedule::glob_matches(by.job, old.job);
}

}  // namespace

// Priorities of mail that all gets another one now, what was to be tried and is to be again. What
// was moved since may have left the queues that a rule names.
void MoveRules::drop_covered(MoveRule& by) {
  if (!by.priority && !by.at_once) {
    return;
  }
  bool moved = false;
  for (std::size_t i = rules_.size(); i > 0; --i) {
    const MoveRule& old = rules_[i - 1];
    moved = moved || (!old.priority && !old.at_once);
    const bool everywhere = by.queues.domain == "*" && by.queues.vmta == "*";
    if ((!moved || everywhere) && covers(by, old)) {
      by.add_rolled(old.rolled);
      rules_.erase(rules_.begin() + static_cast<std::ptrdiff_t>(i - 1));
    }
  }
}

std::string MoveRules::serialized() const {
  std::string text;
  for (const MoveRule& rule : rules_) {
    if (rule.priority) {
      std::string line = "priority";
      schedule::add_field(line, rule.queues.text());
      schedule::add_field(line, rule.job);
      schedule::add_field(line, std::to_string(*rule.priority));
      schedule::add_field(line, std::to_string(rule.before.us));
      text += line + '\n';
      continue;
    }
    std::string line(rule.at_once ? kAtOnce : "");
    line += rule.by_job ? "job" : "queue";
    line += rule.shared ? kToShared : "";
    schedule::add_field(line, rule.by_job ? rule.job : rule.queues.text());
    schedule::add_field(line, rule.vmta);
    schedule::add_field(line, rule.name);
    schedule::add_field(line, std::to_string(rule.before.us));
    for (const RolledUp& one : rule.rolled) {
      schedule::add_field(line, one.domain);
      schedule::add_field(line, one.queue);
    }
    text += line + '\n';
  }
  return text;
}

Status MoveRules::restore(std::string_view text, WallTime now) {
  MoveRules fresh;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) {
      continue;
    }
    const auto rule = read_rule(line);
    Status added = rule ? fresh.add(*rule, now) : Status(rule.error());
    if (!added) {
      return Error::of(added.error().code,
                       "line " + std::to_string(number) + ": " + added.error().detail);
    }
  }
  *this = std::move(fresh);
  return {};
}

}  // namespace ringpost::app
