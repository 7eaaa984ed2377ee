// What the crowd remembers, and asserts, of what is taken.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/schedule/crowd.h"

namespace ringpost::schedule::test {

void Crowd::note_connect(const Session& session) {
  note_rate("connects of " + session.name,
            twinned(session.destination) ? plan_.backoff_connects : plan_.connects, 1);
  note_rate("connects " + session.vmta, rate_of(plan_.vmta_connects, session.vmta), 1);
  const bool grouped = in_group(session.destination);
  if (grouped) {
    note_rate("group connects " + session.vmta, plan_.group_connects, 1);
  }
  if (grouped && session.again) {
    note_rate("group back-off connects " + session.vmta, plan_.group_backoff_connects, 1);
  }
  if (const SourceLimit* const limit = limit_of(session)) {
    note_rate("connects of " + (grouped ? "group/" + session.vmta : session.name) + " from " +
                  std::to_string(session.source),
              limit->connects, 1);
  }
}

void Crowd::note_begin(const Session& session, const Job& job) {
  first_take.try_emplace(session.name, now.instant);
  started.try_emplace(job.message.slot, Start{now.instant, taken, taken_to[session.destination]});
  ASSERT_LE(job.recipients.size(), kRecipientsMax);
  ASSERT_EQ(paused_.count(session.name), 0U) << "taken of the paused queue " << session.name;
  const std::string& of = jobs_[job.message.slot];
  ASSERT_EQ(paused_jobs_.count(of), 0U) << "taken of the paused job " << of;
  const std::uint32_t size = sizes_[job.message.slot];
  const bool grouped = in_group(session.destination);
  if (const SourceLimit* const limit = limit_of(session)) {
    note_octets((grouped ? "group/" + session.vmta : session.name) + " from " +
                    std::to_string(session.source),
                limit->octets, size);
  }
  if (grouped) {
    note_octets("group/" + session.vmta, plan_.group_octets, size);
  }
  if (grouped && in_backoff_.count(session.destination) != 0) {
    note_octets("group back-off " + session.vmta, plan_.group_backoff_octets, size);
  }
  note_octets(session.name, twinned(session.destination) ? plan_.backoff_octets : plan_.octets,
              size);
  if (const std::size_t v = std::stoul(session.vmta.substr(1)); v < plan_.vmta_octets.size()) {
    note_octets(session.vmta, plan_.vmta_octets[v], size);
  }
}

void Crowd::note_take(const Session& session, const Job& job, std::size_t count) {
  taken += count;
  taken_to[session.destination] += count;
  note_rate(session.name, twinned(session.destination) ? plan_.backoff_messages : plan_.messages,
            count);
  note_rate("messages " + session.vmta, rate_of(plan_.vmta_messages, session.vmta), count);
  if (in_group(session.destination)) {
    note_rate("group messages " + session.vmta, plan_.group_messages, count);
    if (in_backoff_.count(session.destination) != 0) {
      note_rate("group back-off messages " + session.vmta, plan_.group_backoff_messages, count);
    }
  }
  if (plan_.warmup != nullptr) {
    note_warmup(plan_.vmta_warmup               ? session.vmta
                : in_group(session.destination) ? "group/" + session.vmta
                                                : session.name,
                count);
  }
  if (const SourceLimit* const limit = limit_of(session)) {
    const std::string name =
        (in_group(session.destination) ? "group/" + session.vmta : session.name) + " from " +
        std::to_string(session.source);
    note_rate(name, limit->messages, count);
    taken_from[session.source] += count;
  }
  const auto sender = senders_.find(job.message.slot);
  if (sender != senders_.end()) {
    note_rate("sender " + std::to_string(sender->second), plan_.sender_messages[sender->second - 1],
              count);
  }
  taken_of[sender == senders_.end() ? 0 : sender->second] += count;
  note_rate("messages of the pool", plan_.pooled ? plan_.pool_messages : RateLimit{}, count);
}

const SourceLimit* Crowd::limit_of(const Session& session) const {
  return session.source < plan_.sources.size() ? &plan_.sources[session.source] : nullptr;
}

// What goes on is taken at once, so it is no longer paused before the command and not after it.
void Crowd::pause(const QueuePattern& pattern, bool paused) {
  const auto command = [&] {
    each([&](Scheduler& one) { ASSERT_TRUE(one.pause(pattern, paused, now).ok()); });
  };
  paused ? command() : void();
  for (std::size_t d = 0; d < plan_.queue_max.size(); ++d) {
    for (std::size_t v = 0; v < plan_.vmta_max.size(); ++v) {
      if (pattern.matches(domain(d), vmta(v), in_group(d) ? "group" : "")) {
        const std::string name = domain(d) + "/" + vmta(v);
        paused ? (void)paused_.insert(name) : (void)paused_.erase(name);
      }
    }
  }
  paused ? void() : command();
}

void Crowd::pause_jobs(const std::string& job, bool paused) {
  const auto command = [&] {
    each([&](Scheduler& one) { ASSERT_TRUE(one.pause_jobs(job, paused, now).ok()); });
  };
  paused ? command() : void();
  for (const auto& [slot, name] : jobs_) {
    if (!name.empty() && glob_matches(job, name)) {
      paused ? (void)paused_jobs_.insert(name) : (void)paused_jobs_.erase(name);
    }
  }
  paused ? void() : command();
}

void Crowd::set_mode(std::size_t destination, bool backoff) {
  QueuePattern pattern;
  pattern.domain = domain(destination);
  backoff ? (void)in_backoff_.insert(destination) : (void)in_backoff_.erase(destination);
  for (std::size_t v = 0; v < plan_.vmta_max.size(); ++v) {
    pattern.vmta = vmta(v);  // without wildcards, so that it holds for queues that are yet to come
    each([&](Scheduler& scheduler) { scheduler.set_mode(pattern, backoff, now); });
  }
  note_mode(destination);
}

/// What holds for the queues of a destination alone is of its mode.
void Crowd::note_mode(std::size_t destination) {
  if (!plan_.twins || in_group(destination)) {
    return;
  }
  const bool twin = twinned(destination);
  for (std::size_t v = 0; v < plan_.vmta_max.size(); ++v) {
    const std::string name = domain(destination) + "/" + vmta(v);
    watch_.reloaded(name, twin ? plan_.backoff_messages : plan_.messages, now.instant);
    watch_.reloaded(name, twin ? plan_.backoff_octets : plan_.octets, now.instant);
    watch_.reloaded("connects of " + name, twin ? plan_.backoff_connects : plan_.connects,
                    now.instant);
  }
}

void Crowd::set_backoff(QueueSettings& settings, const QueuePolicy& normal) const {
  auto twin = std::make_shared<BackoffTwin>();
  auto policy = std::make_shared<QueuePolicy>(normal);
  policy->backoff = true;
  policy->connections_max = plan_.backoff_max;
  twin->policy = std::move(policy);
  twin->limits = settings.limits;
  twin->limits.messages = plan_.backoff_messages;
  twin->limits.connects = plan_.backoff_connects;
  twin->limits.octets = plan_.backoff_octets;
  settings.backoff = std::move(twin);
}

void Crowd::set_group_backoff(QueueSettings& settings, const QueuePolicy& normal,
                              std::size_t vmta) const {
  auto twin = std::make_shared<BackoffTwin>();
  auto policy = std::make_shared<QueuePolicy>(normal);
  policy->backoff = true;
  twin->policy = std::move(policy);
  twin->limits = settings.limits;
  if (plan_.group_backoff_max != 0) {
    twin->limits.backoff_group = 8500 + vmta;
    twin->limits.backoff_group_connections_max = plan_.group_backoff_max;
  }
  const bool rated = plan_.group_backoff_messages.limited() || plan_.group_backoff_octets.limited();
  if (rated) {
    const std::uint64_t plan = (has_own_plans() ? kSplitBackoff : 9000) + vmta;
    twin->limits.shared_messages = {9000 + vmta, plan, {}};
  }
  if (twin->limits.by_source != nullptr) {
    auto by_source = std::make_shared<std::vector<SourceLimit>>(*twin->limits.by_source);
    for (std::size_t i = 0; i < by_source->size(); ++i) {
      const SourceLimit one = source_in_group(i, vmta, true);
      if (rated) {
        (*by_source)[i].shared_messages = one.shared_messages;
      }
      if (plan_.group_backoff_connects.limited()) {
        (*by_source)[i].shared_connects = one.shared_connects;
      }
    }
    twin->limits.by_source = std::move(by_source);
  }
  if (plan_.group_backoff_connects.limited()) {
    const std::uint64_t plan = (splits_connects() ? kSplitBackoffConnects : 10'000) + vmta;
    twin->limits.shared_connects = {10'000 + vmta, plan, {}};
  }
  settings.backoff = std::move(twin);
}

bool Crowd::has_own_plans() const {
  return rates_sources() || plan_.group_octets.limited() || plan_.group_backoff_octets.limited();
}

bool Crowd::rates_sources() const {
  return std::any_of(plan_.sources.begin(), plan_.sources.end(), [](const SourceLimit& one) {
    return one.messages.limited() || one.octets.limited();
  });
}

bool Crowd::splits_connects() const {
  return std::any_of(plan_.sources.begin(), plan_.sources.end(),
                     [](const SourceLimit& one) { return one.connects.limited(); });
}

SourceLimit Crowd::source_in_group(std::size_t source, std::size_t vmta, bool backoff) const {
  SourceLimit limit;
  limit.connections_max = plan_.sources[source].connections_max;
  if (rates_sources()) {
    const std::uint64_t key = (backoff ? kSplitBackoff : kSplit) + (1 + source) * 1000 + vmta;
    limit.shared_messages = {key, key, {}};
  }
  if (splits_connects()) {
    const std::uint64_t key =
        (backoff ? kSplitBackoffConnects : kSplitConnects) + (1 + source) * 1000 + vmta;
    limit.shared_connects = {key, key, {}};
  }
  return limit;
}

void Crowd::make_connect_plan(std::uint64_t plan, RatePlan& out) const {
  const std::uint64_t v = plan % 1000;
  const bool backoff = plan >= kSplitBackoffConnects;
  const std::uint64_t one = (plan - (backoff ? kSplitBackoffConnects : kSplitConnects)) / 1000;
  out = {};
  out.home = 2000 + v;
  out.split = one == 0;
  const auto add = [&](std::uint64_t key, RateLimit limit, RateOf of) {
    if (limit.limited()) {
      out.rates.push_back({key, limit, of, false});
    }
  };
  add(2000 + v, rate_of(plan_.vmta_connects, "v" + std::to_string(v)), RateOf::vmta);
  add(5000 + v, plan_.group_connects, RateOf::group);
  add(10'000 + v, backoff ? plan_.group_backoff_connects : RateLimit{}, RateOf::group_backoff);
  for (std::size_t i = 0; i < plan_.sources.size(); ++i) {
    if (one == 0 || one == i + 1) {
      add(300'000 + i * 1000 + v, plan_.sources[i].connects, RateOf::source);
    }
  }
}

void Crowd::make_split_plan(std::uint64_t plan, RatePlan& out) const {
  const std::uint64_t v = plan % 1000;
  const bool backoff = plan >= kSplitBackoff;
  const std::uint64_t one = (plan - (backoff ? kSplitBackoff : kSplit)) / 1000;  // 0: all of them
  out = {};
  out.home = plan_.pooled || !plan_.sender_messages.empty() ? 7 : 1000 + v;
  out.split = one == 0 && rates_sources();
  const auto add = [&](std::uint64_t key, RateLimit limit, RateOf of) {
    if (limit.limited()) {
      out.rates.push_back({key, limit, of, false});
    }
  };
  const auto add_octets = [&](std::uint64_t key, ByteLimit limit, RateOf of) {
    if (limit.limited()) {
      out.rates.push_back({key, {}, of, false, nullptr, limit});
    }
  };
  add(1000 + v, rate_of(plan_.vmta_messages, "v" + std::to_string(v)), RateOf::vmta);
  add_octets(8000 + v, v < plan_.vmta_octets.size() ? plan_.vmta_octets[v] : ByteLimit{},
             RateOf::vmta_octets);
  add(7, plan_.pooled ? plan_.pool_messages : RateLimit{}, RateOf::pool);
  if (plan_.group_warmup) {
    out.rates.push_back(
        {6000 + v, {}, RateOf::vmta, false, warmup_of("*group", "v" + std::to_string(v))});
  }
  add(4000 + v, plan_.group_messages, RateOf::group);
  add_octets(16'000 + v, plan_.group_octets, RateOf::group_octets);
  add(9000 + v, backoff ? plan_.group_backoff_messages : RateLimit{}, RateOf::group_backoff);
  add_octets(17'000 + v, backoff ? plan_.group_backoff_octets : ByteLimit{},
             RateOf::group_backoff_octets);
  for (std::size_t i = 0; i < plan_.sources.size(); ++i) {
    if (one == 0 || one == i + 1) {
      add(100'000 + i * 1000 + v, plan_.sources[i].messages, RateOf::source);
      add_octets(200'000 + i * 1000 + v, plan_.sources[i].octets, RateOf::source_octets);
    }
  }
}

std::string Crowd::report() {
  std::string text = "ended " + std::to_string(ended) + " of " + std::to_string(admitted) +
                     ", opened " + std::to_string(opens) + "\n";
  for (unsigned shard = 0; shard < plan_.shards; ++shard) {
    std::vector<QueueRow> rows;
    scheduler(shard).rows(QueuePattern{}, 1000, rows, now);
    for (const QueueRow& row : rows) {
      text += "shard " + std::to_string(shard) + " " + row.name + "/" + row.vmta + " " +
              std::string(name_of(row.state)) + " " + std::string(name_of(row.gate)) + " ready " +
              std::to_string(row.ready) + " deferred " + std::to_string(row.deferred) +
              " in flight " + std::to_string(row.in_flight) + " sessions " +
              std::to_string(row.sessions) + " " + row.last_error + "\n";
    }
  }
  return text;
}

// Finds out where to, usually while its leave to connect lasts.
void Crowd::look_up(std::size_t index) {
  const Duration left = sessions_[index].leave_until - now.instant;
  const bool stalls = left < plan_.service_max && random_.chance(5);
  Event event;
  event.what = What::dial;
  event.session = index;
  post(event, random_delay(stalls ? left * 2
                                  : std::min({left, plan_.service_max / 4, plan_.greeting_max})));
}

void Crowd::connect_out(std::size_t index) {
  Session& session = sessions_[index];
  if (now.instant > session.leave_until && !may_connect_again(session)) {
    const bool untried = session.leave_until != Instant{};
    close(index, SessionEnd::next_host, untried ? OutcomeKind::pending : OutcomeKind::deferred);
    return;
  }
  session.leave_until = {};
  if (plan_.hosts == 0) {
    note_connect(session);
  } else if (!connect(index)) {
    return;
  }
  Event event;
  event.what = What::opened;
  event.session = index;
  post(event, random_delay(std::min(plan_.service_max, plan_.greeting_max)));
}

// Its host fails; there may be other ones.
void Crowd::fail_start(std::size_t index) {
  constexpr SessionEnd kEnds[] = {SessionEnd::unreachable, SessionEnd::local_failure,
                                  SessionEnd::no_route};
  const auto way = random_.below(4);
  if (way == 3) {
    let_go(sessions_[index]);
    connect_out(index);
  } else {
    close(index, kEnds[way]);
  }
}

RateLimit Crowd::rate_of(const std::vector<RateLimit>& rates, std::string_view vmta) const {
  const std::size_t index = std::stoul(std::string(vmta.substr(1)));
  return index < rates.size() ? rates[index] : RateLimit{};
}

void Crowd::note_octets(const std::string& name, ByteLimit limit, std::uint32_t size) {
  octets_of[name] += limit.limited() ? size : 0;
  watch_.use(name, limit, size, now.instant);
}

/// The plan's rates of what destinations share are those of a reload.
void Crowd::note_reload() {
  const auto tell = [&](const std::string& name, RateLimit limit) {
    watch_.reloaded(name, limit, now.instant);
  };
  for (std::size_t v = 0; v < plan_.vmta_max.size(); ++v) {
    tell("messages " + vmta(v), rate_of(plan_.vmta_messages, vmta(v)));
    tell("connects " + vmta(v), rate_of(plan_.vmta_connects, vmta(v)));
    tell("group messages " + vmta(v), plan_.group_messages);
    tell("group connects " + vmta(v), plan_.group_connects);
  }
  for (std::size_t i = 0; i < plan_.sender_messages.size(); ++i) {
    tell("sender " + std::to_string(i + 1), plan_.sender_messages[i]);
  }
  tell("messages of the pool", plan_.pooled ? plan_.pool_messages : RateLimit{});
}

/// The rate cannot have grown by more than one step for each day on which something was sent, or
/// where idle days count for each day since.
void Crowd::note_warmup(const std::string& name, std::size_t count) {
  std::set<std::int64_t>& days = warm_days_[name];
  const std::int64_t today = day_of(now.wall);
  days.insert(today);
  const auto before = static_cast<std::uint32_t>(plan_.warmup->idle_days_count
                                                     ? today - *days.begin()
                                                     : static_cast<std::int64_t>(days.size()) - 1);
  note_rate("warm-up of " + name, warmup_rate(*plan_.warmup, before), count);
}

}  // namespace ringpost::schedule::test
