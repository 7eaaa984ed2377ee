#include "core/schedule/queue_clocks.h"

#include <algorithm>
#include <array>
#include <memory>

#include "core/base/text.h"
#include "core/schedule/kept_line.h"

namespace ringpost::schedule {
namespace {

constexpr std::string_view kRetryWord = "retry";
constexpr std::string_view kByRule = "rule";
constexpr std::string_view kByDns = "dns";
constexpr std::string_view kByHost = "host";

/// The rest of a line: phase, kind, code, the three numbers of the status, when, and the words.
bool read_failure(std::string_view rest, Failure& out) {
  std::array<std::uint64_t, 6> numbers{};
  for (std::uint64_t& number : numbers) {
    if (!parse_decimal(next_field(rest), number)) {
      return false;
    }
  }
  if (numbers[0] > static_cast<unsigned>(Phase::queue) ||
      numbers[1] > static_cast<unsigned>(OutcomeKind::cancelled) ||
      !read_time(next_field(rest), out.at)) {
    return false;
  }
  out.outcome.phase = static_cast<Phase>(numbers[0]);
  out.outcome.kind = static_cast<OutcomeKind>(numbers[1]);
  out.outcome.reply_code = static_cast<std::uint16_t>(numbers[2]);
  out.outcome.status = {static_cast<std::uint8_t>(numbers[3]),
                        static_cast<std::uint16_t>(numbers[4]),
                        static_cast<std::uint16_t>(numbers[5])};
  out.text = next_field(rest).substr(0, kOutcomeTextMax);
  return true;
}

void add_failure(std::string& line, const Failure& failure) {
  const Outcome& outcome = failure.outcome;
  for (const unsigned number :
       {static_cast<unsigned>(outcome.phase), static_cast<unsigned>(outcome.kind),
        static_cast<unsigned>(outcome.reply_code), static_cast<unsigned>(outcome.status.klass),
        static_cast<unsigned>(outcome.status.subject),
        static_cast<unsigned>(outcome.status.detail)}) {
    add_field(line, std::to_string(number));
  }
  add_field(line, std::to_string(failure.at.us));
  add_field(line, failure.text);
}

std::string key_of(std::string_view name, std::string_view vmta) {
  return to_lower(name) + "/" + to_lower(vmta);
}

}  // namespace

bool QueueClocks::restore(std::string_view line, Now now) {
  const std::string_view word = next_field(line);
  Clock clock;
  clock.name = next_field(line);
  clock.vmta = next_field(line);
  WallTime when;
  if (word != kRetryWord || clock.name.empty() || clock.vmta.empty() ||
      !read_time(next_field(line), when)) {
    return false;
  }
  std::uint64_t step = 0;
  std::uint64_t rule_step = 0;
  if (!parse_decimal(next_field(line), step) || !parse_decimal(next_field(line), rule_step)) {
    return false;
  }
  clock.until = now.instant + (when - now.wall);
  clock.step = static_cast<std::uint16_t>(std::min<std::uint64_t>(step, 0xffff));
  clock.rule_step = static_cast<std::uint8_t>(std::min<std::uint64_t>(rule_step, 0xff));
  const std::string_view why = next_field(line);
  clock.by_rule = why == kByRule;
  clock.by_dns = why == kByDns;
  if (!line.empty() && !read_failure(line, clock.failure)) {
    return false;
  }
  if (clock.until > now.instant) {
    const std::string key = key_of(clock.name, clock.vmta);
    clocks_[key] = std::move(clock);
  }
  return true;
}

void QueueClocks::begin(Queue& queue, Instant now) {
  if (clocks_.empty()) {
    return;
  }
  const auto found = clocks_.find(key_of(queue.name, queue.vmta->name));
  if (found == clocks_.end()) {
    return;
  }
  const Clock& clock = found->second;
  if (clock.until > now) {
    queue.deferred_until = clock.until;
    queue.clock_step = clock.step;
    queue.rule_deferrals = clock.rule_step;
    queue.deferred_by_rule = clock.by_rule;
    queue.deferred_by_dns = clock.by_dns;
    if (!clock.failure.text.empty()) {
      queue.last_failure = std::make_unique<Failure>(clock.failure);
    }
  }
  clocks_.erase(found);
}

void QueueClocks::shorten(std::string_view name, std::string_view vmta, Instant latest) {
  const auto found = clocks_.find(key_of(name, vmta));
  if (found != clocks_.end()) {
    found->second.by_dns = found->second.by_dns && found->second.until <= latest;
    found->second.until = std::min(found->second.until, latest);
  }
}

void QueueClocks::write(std::string& lines, const Queue& queue, Now now) {
  if (queue.deferred_until > now.instant) {
    write_line(
        lines,
        {std::string(queue.name), std::string(queue.vmta->name), queue.deferred_until,
         queue.clock_step, queue.rule_deferrals, queue.deferred_by_rule, queue.deferred_by_dns,
         queue.last_failure != nullptr ? *queue.last_failure : Failure{}},
        now);
  }
}

void QueueClocks::write_rest(std::string& lines, Now now) const {
  for (const auto& [key, clock] : clocks_) {
    if (clock.until > now.instant) {
      write_line(lines, clock, now);
    }
  }
}

void QueueClocks::write_line(std::string& lines, const Clock& clock, Now now) {
  const WallTime until = now.wall + (clock.until - now.instant);
  lines.append(kRetryWord);
  add_field(lines, clock.name);
  add_field(lines, clock.vmta);
  add_field(lines, std::to_string(until.us));
  add_field(lines, std::to_string(clock.step));
  add_field(lines, std::to_string(clock.rule_step));
  add_field(lines, clock.by_rule ? kByRule : clock.by_dns ? kByDns : kByHost);
  if (!clock.failure.text.empty()) {
    add_failure(lines, clock.failure);
  }
  lines.append("\n");
}

}  // namespace ringpost::schedule
