#include "core/app/move_rules.h"

#include <algorithm>

#include "core/schedule/job_rules.h"
#include "core/schedule/kept_line.h"

namespace ringpost::app {
namespace {

Result<MoveRule> read_rule(std::string_view line) {
  MoveRule rule;
  const std::string_view kind = schedule::next_field(line);
  const std::string_view what = schedule::next_field(line);
  rule.by_job = kind == "job";
  rule.vmta = schedule::next_field(line);
  rule.name = schedule::next_field(line);
  const bool timed = schedule::read_time(schedule::next_field(line), rule.before);
  if ((kind != "job" && kind != "queue") || rule.vmta.empty() || !timed || !line.empty()) {
    return Error::of(ErrorCode::invalid, "expected queue or job, PATTERN, VMTA, NAME, TIME");
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

Status MoveRules::add(const MoveRule& rule, WallTime now) {
  std::erase_if(rules_, [&](const MoveRule& old) { return old.before + kLife < now; });
  if (rules_.size() >= kMax) {
    return Error::of(ErrorCode::no_capacity, "too many moves are remembered");
  }
  rules_.push_back(rule);
  newest_ = std::max(newest_, rule.before);
  return {};
}

std::string MoveRules::serialized() const {
  std::string text;
  for (const MoveRule& rule : rules_) {
    std::string line = rule.by_job ? "job" : "queue";
    schedule::add_field(line, rule.by_job ? rule.job : rule.queues.text());
    schedule::add_field(line, rule.vmta);
    schedule::add_field(line, rule.name);
    schedule::add_field(line, std::to_string(rule.before.us));
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
