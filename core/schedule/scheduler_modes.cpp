#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/assert.h"
#include "core/schedule/kept_line.h"
#include "core/schedule/matching.h"
#include "core/schedule/retry_clock.h"
#include "core/schedule/scheduler.h"
#include "core/schedule/source_traffic.h"

// Back-off mode, source addresses out of use, and what else replies say about whole queues.

namespace ringpost::schedule {

namespace {

std::string reply_text(const JudgedReply& reply) {
  return std::to_string(reply.outcome.reply_code) + " " +
         std::string(reply.text.substr(0, kOutcomeTextMax));
}

WallTime end_after(Duration time, Now now) {
  return time.is_forever() ? WallTime{} : now.wall + time;
}

}  // namespace

// ---- settings ----------------------------------------------------------------------------------

/// The settings in force: those of the queue's mode, without source addresses out of use.
QueueSettings Scheduler::effective(Queue& queue, QueueSettings settings, Now now) {
  const QueuePolicyRef normal = settings.policy;
  queue.ends_on_delivery = settings.backoff != nullptr && settings.backoff->ends_on_delivery;
  queue.backoff_on_no_source = settings.backoff != nullptr && settings.backoff->upon_no_source;
  if (queue.backoff && settings.backoff != nullptr) {
    settings.policy = settings.backoff->policy;
    settings.limits = settings.backoff->limits;
  }
  if (queue.backoff && settings.backoff_move.wanted() && !settings.move.wanted()) {
    settings.move = settings.backoff_move;
  }
  const WarmupPlanRef& plan = settings.limits.warmup;
  queue.warmup =
      plan == nullptr ? nullptr : &warmups_.state_of(plan, queue.name, Duration{}, now.instant);
  queue.no_source = false;
  if (!decisions_.has_sources() && !source_rules_.any()) {
    return settings;
  }
  const auto gone = [&](const SourceAddress& source) {
    return source_disabled(queue, source.ip, normal->group);
  };
  const auto& sources = settings.policy->sources;
  if (std::none_of(sources.begin(), sources.end(), gone)) {
    return settings;
  }
  auto rest = std::make_shared<QueuePolicy>(*settings.policy);
  std::erase_if(rest->sources, gone);
  queue.no_source = rest->sources.empty();
  rest->held = rest->held || queue.no_source;
  settings.policy = std::move(rest);
  return settings;
}

/// The queue takes up its settings as they are now.
void Scheduler::apply_settings(Queue& queue, Now now) {
  apply(queue, effective(queue, doors_.policies.settings_of(queue.name, queue.vmta->name), now),
        now);
}

bool Scheduler::source_disabled(const Queue& queue, const IpAddress& source,
                                std::string_view group) const {
  if (!source.valid()) {
    return false;
  }
  bool disabled = source_rules_.disabled(source, queue.name, queue.vmta->name, group);
  decisions_.for_sources_of(queue.name, queue.vmta->name, [&](const Decision& decision) {
    disabled = disabled || decision.source == source;
  });
  return disabled;
}

bool Scheduler::surplus(QueueId id, const QueuePolicy& policy, const IpAddress& source) {
  const Queue* queue = table_.find(id);
  if (queue == nullptr) {
    return false;
  }
  // What it was opened with allows more, or less, than the queue may do now.
  if (policy.backoff != queue->policy->backoff || policy.terms != queue->policy->terms) {
    return true;
  }
  const bool any_rule = decisions_.has_sources() || source_rules_.any();
  return any_rule && source_disabled(*queue, source, queue->policy->group);
}

// ---- replies -----------------------------------------------------------------------------------

void Scheduler::reply_judged(QueueId id, const JudgedReply& reply, Now now) {
  Queue* found = table_.find(id);
  RP_ASSERT_NOTE(found != nullptr, "a session of a queue that is not");
  Queue& queue = *found;
  const ReplyVerdict& verdict = reply.verdict;
  if (verdict.disable_source && reply.source.valid()) {
    disable_source(queue, reply, now);
  }
  if (verdict.mode == ModeChange::backoff && !queue.backoff) {
    Decision decision;
    decision.reply = reply_text(reply);
    decision.pattern = verdict.pattern;
    decision.place = verdict.place;
    if (verdict.own_time) {
      decision.until = end_after(verdict.to_normal_after, now);
      decision.own_time = true;
    }
    decide_backoff(queue, std::move(decision), now);
  } else if (verdict.mode == ModeChange::normal && queue.backoff) {
    end_backoff(queue, "the reply " + reply_text(reply), now);
  }
  if (verdict.bounce_queue) {
    doom(queue, Ending::queue_failed, reply.outcome, reply_text(reply), now);
  } else if (verdict.defer_queue) {
    defer_by_rule(queue, reply, now);
  }
}

void Scheduler::defer_by_rule(Queue& queue, const JudgedReply& reply, Now now) {
  const QueuePolicy& policy = *queue.policy;
  const Instant until = now.instant + retry_wait(policy.retry_after, policy.retry_curve,
                                                 queue.rule_deferrals, queue.id().value);
  if (queue.deferred_by_rule && queue.deferred_until > now.instant) {
    return;  // one of several sessions that are told the same
  }
  queue.rule_deferrals = static_cast<std::uint8_t>(std::min(queue.rule_deferrals + 1, 0xff));
  if (until >= queue.deferred_until) {
    queue.deferred_until = until;
    queue.deferred_by_dns = false;
  }
  queue.deferred_by_rule = true;
  if (!queue.last_failure) {
    queue.last_failure = std::make_unique<Failure>();
  }
  queue.last_failure->outcome = reply.outcome;
  queue.last_failure->text = reply_text(reply);
  queue.last_failure->at = now.wall;
  SessionFailure at;
  at.text = reply.text;
  at.host = reply.host;
  at.remote = reply.remote;
  at.local = reply.source;
  tell_deferral(queue, reply.outcome, at);
  evaluate(queue, now);
}

// ---- decisions ---------------------------------------------------------------------------------

void Scheduler::decide_backoff(Queue& queue, Decision decision, Now now) {
  const QueueSettings settings = doors_.policies.settings_of(queue.name, queue.vmta->name);
  decision.kind = Decision::Kind::backoff;
  decision.name = queue.name;
  decision.vmta = queue.vmta->name;
  decision.since = now.wall;
  if (!decision.own_time && settings.backoff != nullptr) {
    decision.until = end_after(settings.backoff->to_normal_after, now);
  }
  const Decision* added = decisions_.add(std::move(decision), now);
  if (added == nullptr) {
    return;
  }
  queue.backoff = true;
  apply_settings(queue, now);
  if (doors_.decisions != nullptr) {
    doors_.decisions->decided(*added);
  }
  doors_.sessions.recheck(queue.id());
  evaluate(queue, now);
}

void Scheduler::end_backoff(Queue& queue, std::string_view why, Now now) {
  const Decision* decision = decisions_.backoff_of(queue.name, queue.vmta->name);
  RP_ASSERT_NOTE(decision != nullptr, "a queue in back-off mode that nobody put there");
  end_decision(*decision, why, now);
}

void Scheduler::disable_source(Queue& queue, const JudgedReply& reply, Now now) {
  const QueueSettings settings = doors_.policies.settings_of(queue.name, queue.vmta->name);
  const Duration as_set =
      settings.backoff != nullptr ? settings.backoff->reenable_source_after : Duration::forever();
  const Duration time = reply.verdict.disable_for.ns > 0 ? reply.verdict.disable_for : as_set;
  if (source_disabled(queue, reply.source, queue.policy->group)) {
    return;
  }
  Decision decision;
  decision.kind = Decision::Kind::source;
  decision.name = queue.name;
  decision.vmta = queue.vmta->name;
  decision.source = reply.source;
  decision.since = now.wall;
  decision.until = end_after(time, now);
  decision.reply = reply_text(reply);
  decision.pattern = reply.verdict.pattern;
  decision.place = reply.verdict.place;
  const Decision* added = decisions_.add(std::move(decision), now);
  if (added == nullptr) {
    return;
  }
  if (doors_.decisions != nullptr) {
    doors_.decisions->decided(*added);
  }
  check_sources(queue, now);
}

/// Some source address of the queue was taken out of use, or put back.
void Scheduler::check_sources(Queue& queue, Now now) {
  apply_settings(queue, now);
  doors_.sessions.recheck(queue.id());
  if (queue.no_source && !queue.backoff && queue.backoff_on_no_source) {
    Decision decision;
    decision.cause = Cause::no_source;
    decide_backoff(queue, std::move(decision), now);
  } else if (!queue.no_source && queue.backoff) {
    const Decision* decision = decisions_.backoff_of(queue.name, queue.vmta->name);
    if (decision != nullptr && decision->cause == Cause::no_source) {
      end_decision(*decision, "a source address may be used again", now);
    }
  }
  evaluate(queue, now);
}

void Scheduler::end_decision(const Decision& decision, std::string_view why, Now now) {
  Queue* queue = table_.find(decision.name, decision.vmta);
  const bool backoff = decision.kind == Decision::Kind::backoff;
  if (doors_.decisions != nullptr) {
    doors_.decisions->ended(decision, why);
  }
  if (queue == nullptr && backoff) {
    // The waits of back-off mode do not outlast it, over a restart neither.
    const auto policy = doors_.policies.settings_of(decision.name, decision.vmta).policy;
    clocks_.shorten(decision.name, decision.vmta, now.instant + policy->retry_after.front());
  }
  decisions_.remove(decision);
  if (queue == nullptr) {
    return;
  }
  if (!backoff) {
    check_sources(*queue, now);
    return;
  }
  queue->backoff = false;
  apply_settings(*queue, now);
  if (queue->deferred_until > now.instant) {
    // The waits of back-off mode do not outlast it.
    const Instant latest = now.instant + queue->policy->retry_after.front();
    queue->deferred_by_dns = queue->deferred_by_dns && queue->deferred_until <= latest;
    queue->deferred_until = std::min(queue->deferred_until, latest);
  }
  doors_.sessions.recheck(queue->id());
  evaluate(*queue, now);
}

void Scheduler::end_decisions_due(Now now) {
  for (std::uint32_t n = kVisitsPerRun; n > 0; --n) {
    const Decision* decision = decisions_.due(now.instant);
    if (decision == nullptr) {
      return;
    }
    end_decision(*decision, "its time is over", now);
  }
}

// ---- operators ---------------------------------------------------------------------------------

namespace {

/// Of destinations that the queue belongs to, whether it is there or not; empty: none.
std::string group_of(PolicySource& policies, std::string_view name, std::string_view vmta) {
  return policies.settings_of(name, vmta).policy->group;
}

/// What was decided about queues that fit, those that are not there too: about this source address,
/// or where that is invalid, that they are in back-off mode.
std::vector<Decision> fitting(const Scheduler& scheduler, PolicySource& policies,
                              const QueuePattern& pattern, const IpAddress& source) {
  std::vector<Decision> found;
  const auto kind = source.valid() ? Decision::Kind::source : Decision::Kind::backoff;
  scheduler.decisions().for_all([&](const Decision& one) {
    if (one.kind == kind && one.source == source &&
        (pattern.matches(one.name, one.vmta) ||
         pattern.matches(one.name, one.vmta, group_of(policies, one.name, one.vmta)))) {
      found.push_back(one);
    }
  });
  return found;
}

/// Whether its virtual MTA has the address, in use or not.
bool has_source(PolicySource& policies, const Queue& queue, const IpAddress& source) {
  const QueuePolicyRef policy = policies.settings_of(queue.name, queue.vmta->name).policy;
  return std::any_of(policy->sources.begin(), policy->sources.end(),
                     [&](const SourceAddress& one) { return one.ip == source; });
}

}  // namespace

Touched Scheduler::set_mode(const QueuePattern& pattern, bool backoff, Now now, bool dry_run) {
  if (!backoff) {
    Touched touched;
    for (const Decision& one : fitting(*this, doors_.policies, pattern, IpAddress{})) {
      const Queue* const queue = table_.find(one.name, one.vmta);
      ++touched.queues;
      touched.recipients += queue != nullptr ? waiting_in(*queue) : 0;
      static_cast<void>(dry_run || cancel_decision(one.id(), now));
    }
    return touched;
  }
  // The name of a group is no queue's, unless the group has a domain of that name.
  const bool comes =
      pattern.literal() &&
      queue_hash(pattern.domain, pattern.vmta) % options_.shards == options_.shard &&
      table_.find(pattern.domain, pattern.vmta) == nullptr &&
      decisions_.backoff_of(pattern.domain, pattern.vmta) == nullptr &&
      !glob_matches(pattern.domain, group_of(doors_.policies, pattern.domain, pattern.vmta));
  std::size_t room = DecisionBook::kMax - decisions_.size();
  Touched touched;
  if (comes && dry_run && room > 0) {
    ++touched.queues;
    --room;
  } else if (comes && !dry_run) {
    queue_for(pattern.domain, pattern.vmta, now);
  }
  const Touched there = for_matching(table_, pattern, [&](Queue& queue) {
    if (queue.backoff || room == 0) {
      return false;
    }
    --room;
    if (!dry_run) {
      Decision decision;
      decision.cause = Cause::command;
      decide_backoff(queue, std::move(decision), now);
    }
    return true;
  });
  return {touched.queues + there.queues, there.recipients};
}

void Scheduler::set_missing_sources(std::vector<IpAddress> missing, Now now) {
  const std::vector<IpAddress> before = source_rules_.missing();
  const auto in = [](const std::vector<IpAddress>& list, const IpAddress& ip) {
    return std::find(list.begin(), list.end(), ip) != list.end();
  };
  std::vector<IpAddress> changed;
  std::copy_if(before.begin(), before.end(), std::back_inserter(changed),
               [&](const IpAddress& ip) { return !in(missing, ip); });
  std::copy_if(missing.begin(), missing.end(), std::back_inserter(changed),
               [&](const IpAddress& ip) { return !in(before, ip); });
  source_rules_.set_missing(std::move(missing));
  if (changed.empty()) {
    return;
  }
  for_matching(table_, QueuePattern{}, [&](Queue& queue) {
    if (std::any_of(changed.begin(), changed.end(),
                    [&](const IpAddress& ip) { return has_source(doors_.policies, queue, ip); })) {
      check_sources(queue, now);
    }
  });
}

Result<Touched> Scheduler::use_source(const IpAddress& source, const QueuePattern& pattern,
                                      bool use, Now now, bool dry_run) {
  SourceRules rules = source_rules_;
  if (use) {
    rules.enable(source, pattern, [&](const QueuePattern& one) {
      return group_of(doors_.policies, one.domain, one.vmta);
    });
  } else if (Status added = rules.disable(source, pattern); !added) {
    return added.error();
  }
  Touched touched = for_matching(table_, pattern, [&](const Queue& queue) {
    const std::string& group = queue.policy->group;
    const bool off = source_disabled(queue, source, group);
    const bool stays_off = rules.disabled(source, queue.name, queue.vmta->name, group);
    return has_source(doors_.policies, queue, source) && (use ? off && !stays_off : !off);
  });
  if (!dry_run) {
    source_rules_ = std::move(rules);
  }
  for (const Decision& one : fitting(*this, doors_.policies, pattern, source)) {
    if (use) {
      touched.queues += table_.find(one.name, one.vmta) == nullptr ? 1 : 0;
      static_cast<void>(dry_run || cancel_decision(one.id(), now));
    }
  }
  if (!dry_run) {
    for_matching(table_, pattern, [&](Queue& queue) { check_sources(queue, now); });
  }
  return touched;
}

bool Scheduler::cancel_decision(std::string_view id, Now now) {
  const Decision* wanted = nullptr;
  decisions_.for_all([&](const Decision& decision) {
    wanted = wanted == nullptr && decision.id() == id ? &decision : wanted;
  });
  if (wanted == nullptr) {
    return false;
  }
  end_decision(*wanted, "an operator's command", now);
  return true;
}

// ---- over restarts -----------------------------------------------------------------------------

void Scheduler::restore(std::string_view lines, bool clean, Now now) {
  if (!clean) {
    positions_.begin_after(now);
  }
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    Decision decision;
    if (!read_decision(line, decision)) {
      if (is_shared_line(line) || home_of_line(line, options_.shards) == options_.shard) {
        static_cast<void>(positions_.restore(line, now) || clocks_.restore(line, now) ||
                          warmups_.restore(line) || day_counts_.restore(line));
      }
    } else if (queue_hash(decision.name, decision.vmta) % options_.shards == options_.shard) {
      // One whose time has passed meanwhile ends, and is heard of, with the first run.
      decisions_.add(std::move(decision), now);
    }
  }
  if (positions_.has_start()) {
    warmups_.begin_after(positions_.start().instant);
  }
}

void Scheduler::write_kept(std::string& lines, bool last, Now now) {
  decisions_.for_all(
      [&](const Decision& decision) { lines.append(write_decision(decision)).append("\n"); });
  warmups_.write(lines, now);
  day_counts_.write(lines, last, now.wall);
  const auto used = [&](std::string_view name, std::string_view vmta) {
    return name == "*" ? rates_.has_gate(vmta) : table_.find(name, vmta) != nullptr;
  };
  if (!last) {
    write_owed(lines, now);
    positions_.write_owed(lines, used, now);
    return;
  }
  positions_.write_start(lines);
  for (std::uint32_t slot = 0; slot < table_.slots(); ++slot) {
    const Queue& queue = table_.at(slot);
    if (queue.live) {
      RatePositions::write(lines, queue.messages, queue.name, queue.vmta->name, "m", now);
      RatePositions::write(lines, queue.connects, queue.name, queue.vmta->name, "c", now);
      SourceTraffic::write(*this, lines, queue, false, now);
      if (queue.octets() != nullptr) {
        RatePositions::write(lines, *queue.octets(), queue.name, queue.vmta->name,
                             RatePositions::kOctets, now);
      }
      QueueClocks::write(lines, queue, now);
    }
  }
  rates_.end(lines, now);
  positions_.write_rest(lines, used, now);
  clocks_.write_rest(lines, now);
}

/// What queues have sent and not paid for within a period of their limit of octets.
void Scheduler::write_owed(std::string& lines, Now now) {
  rates_.write_owed(lines, now);
  for (std::uint32_t slot = 0; slot < table_.slots() && now.instant < owed_until_; ++slot) {
    const Queue& queue = table_.at(slot);
    if (queue.live) {
      SourceTraffic::write(*this, lines, queue, true, now);
    }
    if (queue.live && queue.octets() != nullptr && positions_.owes(*queue.octets(), now.instant)) {
      RatePositions::write(lines, *queue.octets(), queue.name, queue.vmta->name,
                           RatePositions::kOctets, now);
    }
  }
}

void Scheduler::note_debt(const ByteGate& octets, Now now) {
  if (positions_.owes(octets, now.instant)) {
    owed_until_ = std::max(owed_until_, octets.rests_at());
    ++debts_;
  }
}

std::uint64_t Scheduler::changes() const {
  return decisions_.changes() + warmups_.changes() + day_counts_.changes() + rates_.debts() +
         debts_;
}

void Scheduler::kept(bool durable, Now now) {
  day_counts_.written(durable);
  while (const DayCount* count = day_counts_.next_covered()) {
    Queue* queue = table_.find(count->name(), count->vmta());
    if (queue != nullptr && queue->state == QueueState::waiting && queue->gate == Gate::day_count) {
      evaluate(*queue, now);
    }
  }
}

}  // namespace ringpost::schedule
