#include "tests/unit/schedule/crowd.h"

namespace ringpost::schedule::test {

namespace {

/// Key of a rule for senders, counted from 1.
constexpr std::uint64_t rule_of(std::size_t sender) { return sender * 0x9e3779b97f4a7c15ULL; }

constexpr std::uint64_t kSplit = Crowd::kSplit;
constexpr std::uint64_t kSplitConnects = Crowd::kSplitConnects;

IpAddress source_address(std::size_t index) {
  return IpAddress::v4(198, 51, 100, static_cast<std::uint8_t>(1 + index));
}

}  // namespace

/// The doors of one shard.
struct Crowd::Shard : SessionHost, SettleSink, PolicySource, LeaseTransport, SessionCloser {
  bool offer(QueueId queue) override { return crowd->offer(index, queue, nullptr); }
  bool offer_from(QueueId queue, const IpAddress& source) override {
    return crowd->offer(index, queue, &source);
  }
  bool open_session(QueueId queue, std::string_view destination, const QueuePolicyRef& policy,
                    Instant leave_until) override {
    if (crowd->random_.chance(crowd->plan_.refused_sessions)) {
      return false;
    }
    Session session;
    session.shard = index;
    session.queue = queue;
    session.vmta = policy->vmta;
    session.name = std::string(destination) + "/" + policy->vmta;
    session.destination = std::stoul(std::string(destination.substr(1)));
    session.backoff = crowd->in_backoff_.count(session.destination) != 0;
    session.jobs_left =
        static_cast<int>(crowd->random_.between(1, crowd->plan_.jobs_per_session_max));
    session.slow = crowd->plan_.slow > 0 && crowd->random_.chance(crowd->plan_.slow);
    session.reads_late =
        crowd->plan_.late_reads > 0 && crowd->random_.chance(crowd->plan_.late_reads);
    session.again = session.backoff;
    session.leave_until = leave_until;
    EXPECT_EQ(crowd->paused_.count(session.name), 0U) << "a session of a paused queue";
    crowd->count_open(session, +1);
    crowd->add_session(session);
    crowd->look_up(crowd->sessions_.size() - 1);
    return true;
  }
  bool scout(QueueId queue, std::string_view destination, const QueuePolicyRef& policy) override {
    if (crowd->random_.chance(crowd->plan_.refused_sessions)) {
      return false;
    }
    Session session;
    session.shard = index;
    session.queue = queue;
    session.vmta = policy->vmta;
    session.name = std::string(destination) + "/" + policy->vmta;
    session.destination = std::stoul(std::string(destination.substr(1)));
    session.scout = true;
    crowd->add_session(session);
    ++crowd->scouts;
    Event event;
    event.what = What::opened;
    event.session = crowd->sessions_.size() - 1;
    crowd->post(event, crowd->random_delay(Duration::milliseconds(5)));
    return true;
  }
  void recheck(QueueId queue) override {
    for (const std::size_t i : crowd->live(index, queue)) {
      Session& session = crowd->sessions_[i];
      if (session.state == Session::State::idle) {
        Event event;
        event.what = What::rechecked;
        event.session = i;
        crowd->post(event, Duration::microseconds(1));
      }
    }
  }
  bool close_idle(QueueId queue) override {
    for (const std::size_t i : crowd->live(index, queue)) {
      Session& session = crowd->sessions_[i];
      if (session.state == Session::State::idle) {
        session.state = Session::State::closing;
        Event event;
        event.what = What::closed;
        event.session = i;
        crowd->post(event, crowd->random_delay(Duration::milliseconds(50)));
        return true;
      }
    }
    return false;
  }
  void settle(Job& job) override { crowd->settle(index, job); }
  QueueSettings settings_of(std::string_view domain, std::string_view vmta) override {
    const std::size_t d = std::stoul(std::string(domain.substr(1)));
    const std::size_t v = std::stoul(std::string(vmta.substr(1)));
    auto policy = std::make_shared<QueuePolicy>();
    policy->vmta = std::string(vmta);
    policy->connections_max = crowd->plan_.queue_max[d];
    policy->connections_per_host_max = crowd->plan_.hosts == 0 ? 0 : crowd->plan_.per_host_max;
    policy->recipients_per_transaction_max = kRecipientsMax;
    policy->retry_after = {Duration::seconds(3), Duration::seconds(10)};
    policy->bounce_after = crowd->plan_.bounce_after;
    QueueSettings settings;
    settings.policy = policy;
    if (!crowd->plan_.sources.empty()) {
      auto by_source = std::make_shared<std::vector<SourceLimit>>();
      for (std::size_t i = 0; i < crowd->plan_.sources.size(); ++i) {
        policy->sources.push_back({source_address(i), "helo"});
        SourceLimit& limit = by_source->emplace_back(crowd->plan_.sources[i]);
        if (crowd->in_group(d)) {
          limit = crowd->source_in_group(i, v, false);
        }
        limit.ip = source_address(i);
      }
      settings.limits.by_source = std::move(by_source);
    }
    settings.limits.vmta_connections_max = crowd->plan_.vmta_max[v];
    settings.limits.messages = crowd->plan_.messages;
    settings.limits.connects = crowd->plan_.connects;
    settings.limits.octets = crowd->plan_.octets;
    if (!crowd->plan_.priorities.empty()) {
      settings.limits.priority = crowd->plan_.priorities[d % crowd->plan_.priorities.size()];
    }
    settings.limits.interruptible =
        d >= crowd->plan_.untouchable.size() || !crowd->plan_.untouchable[d];
    if (crowd->plan_.warmup != nullptr && !crowd->plan_.vmta_warmup && !crowd->in_group(d)) {
      settings.limits.warmup = crowd->warmup_of("", policy->vmta);
    }
    if (crowd->plan_.pooled || crowd->plan_.vmta_warmup || v < crowd->plan_.vmta_octets.size() ||
        crowd->rate_of(crowd->plan_.vmta_messages, vmta).limited()) {
      settings.limits.shared_messages = {1000 + v, 1000 + v, {}};
    }
    if (crowd->rate_of(crowd->plan_.vmta_connects, vmta).limited()) {
      settings.limits.shared_connects = {2000 + v, 2000 + v, {}};
    }
    if (crowd->in_group(d)) {
      policy->group = "group";
      policy->connections_max = 0;
      settings.limits.group = 3000 + v;
      settings.limits.group_connections_max = crowd->plan_.group_max;
      if (crowd->plan_.group_messages.limited() || crowd->plan_.group_warmup) {
        settings.limits.shared_messages = {4000 + v, (crowd->plan_.group_warmup ? 6000 : 1000) + v,
                                           crowd->plan_.group_messages};
      }
      if (crowd->has_own_plans()) {
        settings.limits.shared_messages = {4000 + v, kSplit + v, {}};
      }
      if (crowd->plan_.group_connects.limited()) {
        settings.limits.shared_connects = {5000 + v, 2000 + v, crowd->plan_.group_connects};
      }
      if (crowd->splits_connects()) {
        settings.limits.shared_connects = {5000 + v, kSplitConnects + v, {}};
      }
      crowd->set_group_backoff(settings, *policy, v);
    } else if (crowd->plan_.twins) {
      crowd->set_backoff(settings, *policy);
    }
    return settings;
  }
  const RatePlan* rate_plan(std::uint64_t plan) override {
    if (plan >= kSplit) {
      plan < kSplitConnects ? crowd->make_split_plan(plan, rates)
                            : crowd->make_connect_plan(plan, rates);
      return &rates;
    }
    const std::string vmta = "v" + std::to_string(plan % 1000);
    const bool backoff = plan >= 9000;
    const bool connects = backoff ? plan >= 10'000 : plan >= 2000 && plan < 3000;
    const RateLimit own =
        crowd->rate_of(connects ? crowd->plan_.vmta_connects : crowd->plan_.vmta_messages, vmta);
    rates.rates.clear();
    rates.home = plan;
    if (own.limited()) {
      rates.rates.push_back({(connects ? 2000 : 1000) + plan % 1000, own, RateOf::vmta, false});
    }
    if (backoff) {
      const CrowdPlan& in = crowd->plan_;
      rates.home = (connects ? 2000 : 1000) + plan % 1000;
      const RateLimit group = connects ? in.group_connects : in.group_messages;
      if (group.limited()) {
        rates.rates.push_back(
            {(connects ? 5000 : 4000) + plan % 1000, group, RateOf::group, false});
      }
      rates.rates.push_back({plan, connects ? in.group_backoff_connects : in.group_backoff_messages,
                             RateOf::group_backoff, false});
    }
    if (!connects && crowd->plan_.vmta_warmup) {
      rates.rates.push_back(
          {7000 + plan % 1000, {}, RateOf::vmta, false, crowd->warmup_of("*", vmta)});
    }
    if (plan >= 6000 && !backoff) {
      rates.home = 1000 + plan % 1000;
      rates.rates.push_back({plan, {}, RateOf::vmta, false, crowd->warmup_of("*group", vmta)});
    }
    if (!connects && (crowd->plan_.pooled || !crowd->plan_.sender_messages.empty())) {
      rates.home = 7;
    }
    if (!connects && plan % 1000 < crowd->plan_.vmta_octets.size()) {
      rates.rates.push_back({8000 + plan % 1000,
                             {},
                             RateOf::vmta_octets,
                             false,
                             nullptr,
                             crowd->plan_.vmta_octets[plan % 1000]});
    }
    if (!connects && crowd->plan_.pooled) {
      rates.rates.push_back({7, crowd->plan_.pool_messages, RateOf::pool, false});
    }
    return &rates;
  }
  const RatePlan* sender_rates(std::uint64_t rule) override {
    std::size_t number = 1;
    while (rule_of(number) != rule) {
      ++number;
    }
    const RateLimit limit = crowd->plan_.sender_messages[number - 1];
    sender.home = 7;
    sender.rates.assign(1, {rule, limit, RateOf::sender, false});
    return limit.limited() ? &sender : nullptr;
  }
  GlobalLimits global_limits() override {
    const CrowdPlan& plan = crowd->plan_;
    const bool of_hosts = plan.hosts > 0 && (plan.per_name_max != 0 || plan.per_address_max != 0);
    return {plan.total_max, crowd->version_, of_hosts};
  }
  HostLimits host_limits(std::string_view, const IpAddress&) override {
    return {crowd->plan_.per_name_max, crowd->plan_.per_address_max};
  }
  bool send(unsigned to, const LeaseMessage& message) override {
    if (crowd->random_.chance(crowd->plan_.refused_letters)) {
      return false;
    }
    Event event;
    event.what = What::letter;
    event.shard = to;
    event.from = index;
    event.letter = message;
    // In order for each pair, as mailboxes are.
    std::int64_t& last = crowd->last_letter_[{index, to}];
    const std::int64_t at =
        crowd->now.instant.ns + crowd->random_delay(crowd->plan_.letter_delay_max).ns;
    last = std::max(last, at);
    crowd->post(event, Duration{last - crowd->now.instant.ns});
    return true;
  }

  RatePlan rates;
  RatePlan sender;
  Crowd* crowd = nullptr;
  unsigned index = 0;
  std::unique_ptr<Scheduler> scheduler;
};

Crowd::Crowd(CrowdPlan plan, std::uint64_t seed) : plan_(std::move(plan)), random_(seed + shift()) {
  now.instant = Instant{} + Duration::hours(1);
  now.wall = WallTime{1'800'000'000'000'000};
  make_shards();
}

void Crowd::make_shards() {
  for (unsigned i = 0; i < plan_.shards; ++i) {
    shards_.push_back(std::make_unique<Shard>());
    Shard& shard = *shards_.back();
    shard.crowd = this;
    shard.index = i;
    SchedulerOptions options;
    options.shard = i;
    options.shards = plan_.shards;
    options.jobs_max = plan_.jobs_max;
    options.backlog_per_session = plan_.backlog_per_session;
    options.queue_idle_drop = Duration::seconds(30);
    shard.scheduler = std::make_unique<Scheduler>(
        options, Doors{shard, shard, shard, shard, plan_.closer ? &shard : nullptr}, now);
  }
}

Crowd::~Crowd() = default;

WarmupPlanRef Crowd::warmup_of(const std::string& name, const std::string& vmta) const {
  auto plan = std::make_shared<WarmupPlan>(*plan_.warmup);
  plan->name = name;
  plan->vmta = vmta;
  return plan;
}

void Crowd::keep() {
  kept_.clear();
  for (const auto& shard : shards_) {
    shard->scheduler->write_kept(kept_, false, now);
  }
}

void Crowd::restart(unsigned shards, bool clean) {
  if (clean) {
    kept_.clear();
    for (const auto& shard : shards_) {
      shard->scheduler->write_kept(kept_, true, now);
    }
  }
  events_ = {};
  sessions_.clear();
  slow_.clear();
  live_.clear();
  last_letter_.clear();
  open_.clear();
  use_since_.clear();
  ends_.clear();
  watch_.restarted();
  paused_.clear();
  paused_jobs_.clear();
  admitted = ended = 0;
  shards_.clear();  // with jobs in nobody's hands: as in a crash
  plan_.shards = shards;
  make_shards();
  for (const auto& shard : shards_) {
    shard->scheduler->restore(kept_, clean, now);
  }
}

Scheduler& Crowd::scheduler(unsigned shard) { return *shards_[shard]->scheduler; }

void Crowd::reload(std::uint32_t total_max, std::vector<std::uint32_t> vmta_max,
                   std::vector<std::uint32_t> queue_max) {
  plan_.total_max = total_max;
  plan_.vmta_max = std::move(vmta_max);
  plan_.queue_max = std::move(queue_max);
  change();
}

/// A changed rate holds in the windows that begin when permits of the old one have lapsed: the
/// clock goes on by that even where nothing happens meanwhile.
void Crowd::settle_rates() {
  change();
  pass(RateBook::kLifeMax);
}

void Crowd::reload_rates(const CrowdPlan& rates) {
  plan_.vmta_messages = rates.vmta_messages;
  plan_.vmta_connects = rates.vmta_connects;
  plan_.sender_messages = rates.sender_messages;
  plan_.pool_messages = rates.pool_messages;
  plan_.group_messages = rates.group_messages;
  plan_.group_connects = rates.group_connects;
  note_reload();
  settle_rates();
}

void Crowd::reload_sources(const std::vector<SourceLimit>& sources) {
  plan_.sources = sources;
  watch_.reloaded_all(now.instant);
  settle_rates();
}

void Crowd::reload_hosts(const CrowdPlan& hosts) {
  plan_.per_host_max = hosts.per_host_max;
  plan_.per_name_max = hosts.per_name_max;
  plan_.per_address_max = hosts.per_address_max;
  change();
}

void Crowd::change() {
  ++version_;
  for (const auto& shard : shards_) {
    shard->scheduler->refresh(now);
  }
  for (unsigned i = 0; i < plan_.shards; ++i) {
    drive(i);
  }
}

Scheduler& Crowd::home_of(std::size_t destination, std::size_t vmta) {
  return *shards_[queue_hash(domain(destination), this->vmta(vmta)) % plan_.shards]->scheduler;
}

void Crowd::admit(std::size_t destination, std::size_t vmta, std::uint32_t count,
                  std::size_t sender, std::string_view job, std::uint8_t priority) {
  const std::string name = domain(destination);
  const std::string from = this->vmta(vmta);
  Admission admission;
  admission.message = {1, slots_++, 1};
  const std::string drawn =
      plan_.jobs > 0 ? "j" + std::to_string(random_.below(plan_.jobs)) : std::string(job);
  admission.job = drawn;
  admission.tenant = tenant;
  admission.priority = priority;
  admission.domain = name;
  admission.vmta = from;
  admission.count = count;
  admission.received = now.wall;
  admission.size_bytes =
      plan_.size_max == 1
          ? 1
          : static_cast<std::uint32_t>(plan_.size_min +
                                       random_.below(plan_.size_max - plan_.size_min + 1));
  sizes_.push_back(admission.size_bytes);
  jobs_[admission.message.slot] = drawn;
  if (sender > 0) {
    admission.sender_rule = rule_of(sender);
    senders_[admission.message.slot] = sender;
  }
  ASSERT_TRUE(home_of(destination, vmta).admit(admission, name, now));
  admitted += count;
}

void Crowd::post(Event event, Duration delay) {
  event.at = now.instant.ns + delay.ns;
  event.order = ++order_;
  if (event.what != What::letter && event.what != What::settled) {
    event.shard = sessions_[event.session].shard;
  }
  events_.push(event);
}

void Crowd::add_session(const Session& session) {
  live_[{session.shard, session.queue}].push_back(sessions_.size());
  sessions_.push_back(session);
}

void Crowd::gone(std::size_t index) {
  Session& session = sessions_[index];
  session.state = Session::State::gone;
  std::erase(live_[{session.shard, session.queue}], index);
}

void Crowd::count(const std::string& key, std::uint32_t limit, int change) {
  std::uint32_t& open = open_[key];
  std::int64_t& since = use_since_[key];
  use_[key] += open * (now.instant.ns - since);
  since = now.instant.ns;
  open += static_cast<std::uint32_t>(change);
  if (limit != 0 && change > 0) {  // what was open before a limit was lowered may stay
    ASSERT_LE(open, limit) << key << " at " << now.instant.ns;
  }
}

void Crowd::count_open(const Session& session, int change) {
  const std::size_t v = std::stoul(session.vmta.substr(1));
  if (in_group(session.destination)) {
    count("group/" + session.vmta, plan_.group_max, change);
    if (session.backoff) {
      count("back-off/" + session.vmta, plan_.group_backoff_max, change);
    }
  } else {
    const bool twin = twinned(session.destination);
    count(session.name, twin ? plan_.backoff_max : plan_.queue_max[session.destination], change);
  }
  count(session.vmta, plan_.vmta_max[v], change);
  count("total", plan_.total_max, change);
  most_open = std::max(most_open, open_["total"]);
  opens += change > 0 ? 1 : 0;
}

// ---- mail hosts --------------------------------------------------------------------------------

std::vector<unsigned> Crowd::hosts_of(const Session& session) {
  std::vector<unsigned> out;
  const unsigned count = std::min(plan_.addresses, plan_.hosts);
  const auto first = static_cast<unsigned>(random_.below(std::max(1u, count)));
  for (unsigned i = 0; i < count; ++i) {
    out.push_back(static_cast<unsigned>(session.destination + (first + i) % count) % plan_.hosts);
  }
  return out;
}

bool Crowd::offer(unsigned shard, QueueId queue, const IpAddress* source) {
  for (const std::size_t i : live(shard, queue)) {
    Session& session = sessions_[i];
    if (session.state == Session::State::idle &&
        (source == nullptr || source_address(session.source) == *source)) {
      session.state = Session::State::woken;
      if (plan_.late_take) {
        Event event;
        event.what = What::woken;
        event.session = i;
        post(event, random_delay(Duration::milliseconds(5)));
      } else {
        next_job(i);
      }
      return true;
    }
  }
  return false;
}

ConnectWay Crowd::way_to(Session& session, unsigned host, std::size_t source) {
  session.source = source;
  session.host = "mx" + std::to_string(host / 2);
  session.address = IpAddress::v4(192, 0, 2, static_cast<std::uint8_t>(1 + host));
  return {session.host, session.address, source_address(source)};
}

bool Crowd::connect(std::size_t index) {
  Session& session = sessions_[index];
  ConnectGate& gate = shards_[session.shard]->scheduler->connect_gate();
  const std::size_t sources = std::max<std::size_t>(1, plan_.sources.size());
  const std::size_t first = sources == 1 ? 0 : random_.below(sources);
  for (const unsigned host : hosts_of(session)) {
    for (std::size_t i = 0; i < sources && !session.address.valid(); ++i) {
      const ConnectWay way = way_to(session, host, (first + i) % sources);
      if (!gate.may_connect_to(session.queue, way, session.permit, now)) {
        session.address = {};
      }
    }
    if (session.address.valid()) {
      count_host(session, +1);
      note_connect(session);
      if (!random_.chance(plan_.failing_connects)) {
        return true;
      }
      let_go(session);
      if (!may_connect_again(session)) {
        close(index, SessionEnd::next_host);
        return false;
      }
    }
  }
  close(index, SessionEnd::host_busy);
  return false;
}

void Crowd::count_host(const Session& session, int change) {
  const std::string address = " at " + session.address.text();
  count((in_group(session.destination) ? "group/" + session.vmta : session.name) + address,
        plan_.per_host_max, change);
  if (session.source < plan_.sources.size()) {
    count((in_group(session.destination) ? "group/" + session.vmta : session.name) + " from " +
              std::to_string(session.source),
          plan_.sources[session.source].connections_max, change);
  }
  count("host " + session.host, plan_.per_name_max, change);
  count("all" + address, plan_.per_address_max, change);
}

void Crowd::let_go(Session& session) {
  if (session.address.valid()) {
    count_host(session, -1);
    shards_[session.shard]->scheduler->connect_gate().disconnected(session.queue, session.permit,
                                                                   now);
    session.address = {};
  }
}

bool Crowd::gives_way(Session& session, bool idle) {
  return shards_[session.shard]->scheduler->connect_gate().gives_way(session.permit, idle, now);
}

bool Crowd::may_connect_again(Session& session) {
  session.again = in_backoff_.count(session.destination) != 0;
  ConnectGate& gate = shards_[session.shard]->scheduler->connect_gate();
  return gate.may_connect_again(session.queue, now);
}

void Crowd::scout_done(std::size_t index) {
  Session& session = sessions_[index];
  gone(index);
  ConnectGate& gate = shards_[session.shard]->scheduler->connect_gate();
  SessionEnd end = SessionEnd::host_busy;
  if (random_.chance(plan_.failing_sessions)) {
    constexpr SessionEnd kEnds[] = {SessionEnd::normal, SessionEnd::unreachable,
                                    SessionEnd::local_failure, SessionEnd::no_route};
    end = kEnds[random_.below(4)];
  } else {
    for (const unsigned host : hosts_of(session)) {
      for (std::size_t i = 0; i < std::max<std::size_t>(1, plan_.sources.size()); ++i) {
        gate.way_seen(session.queue, way_to(session, host, i));
      }
    }
  }
  Outcome failure;
  failure.kind = OutcomeKind::deferred;
  gate.scouted(session.queue, end, failure, {"failed"}, now);
}

void Crowd::next_job(std::size_t index) {
  Session& session = sessions_[index];
  if (session.jobs_left <= 0 || gives_way(session, false)) {
    close(index, SessionEnd::normal);
    return;
  }
  Job* job = take(index);
  if (job != nullptr) {
    start(index, *job);
    return;
  }
  session.state = Session::State::idle;
  Event event;
  event.session = index;
  event.what = What::idle_out;
  event.round = ++session.idle_round;
  const Duration keeps = shards_[session.shard]->scheduler->keeps(
      session.queue, source_address(session.source), plan_.idle_timeout, now);
  post(event, std::max(plan_.idle_timeout, keeps));
}

void Crowd::idle_out(const Event& event) {
  const Session& session = sessions_[event.session];
  if (session.state != Session::State::idle || session.idle_round != event.round) {
    return;
  }
  IdleOthers others;
  for (const std::size_t i : live(session.shard, session.queue)) {
    const bool idle = i != event.session && sessions_[i].state == Session::State::idle;
    others.any = others.any || idle;
    others.there = others.there || (idle && sessions_[i].source == session.source);
  }
  const Duration more = shards_[session.shard]->scheduler->expects(
      session.queue, source_address(session.source), others, now);
  more > Duration{} ? post(event, more) : close(event.session, SessionEnd::normal);
}

Job* Crowd::take(std::size_t index) {
  Session& session = sessions_[index];
  Scheduler& scheduler = *shards_[session.shard]->scheduler;
  const IpAddress source = source_address(session.source);
  Job* job = session.slow ? scheduler.take_slow(session.queue, source, now)
                          : scheduler.take_from(session.queue, source, now);
  if (job == nullptr) {
    return nullptr;
  }
  note_begin(session, *job);
  if (!job->metered && !session.reads_late) {
    note_take(session, *job, job->recipients.size());
  }
  --session.jobs_left;
  return job;
}

void Crowd::start(std::size_t index, Job& job) {
  sessions_[index].state = Session::State::busy;
  if (job.metered || sessions_[index].reads_late) {
    start_slow(index, job);
    return;
  }
  Event event;
  event.session = index;
  event.what = What::work;
  event.job = &job;
  post(event, random_delay(plan_.service_max));
  if (plan_.prefetch && sessions_[index].ahead == nullptr && sessions_[index].jobs_left > 0) {
    sessions_[index].ahead = take(index);
  }
}

void Crowd::tell_established(Session& session) {
  if (!std::exchange(session.told, true)) {
    shards_[session.shard]->scheduler->session_established(session.queue, now);
  }
}

void Crowd::work_done(std::size_t index, Job& job) {
  Session& session = sessions_[index];
  for (JobRecipient& recipient : job.recipients) {
    Outcome& outcome = recipient.outcome;
    if (outcome.kind == OutcomeKind::returned) {
      continue;
    }
    outcome.kind = random_.chance(90) ? OutcomeKind::delivered : OutcomeKind::bounced;
    if (random_.chance(plan_.failing_recipients)) {
      outcome.kind = random_.chance(50) ? OutcomeKind::deferred : OutcomeKind::returned;
    }
    outcome.reply_code = outcome.kind == OutcomeKind::deferred ? 451 : 250;
    delivered[session.name] += outcome.kind == OutcomeKind::delivered ? 1 : 0;
  }
  tell_established(session);
  shards_[session.shard]->scheduler->finished(job, now);
  Job* const ahead = std::exchange(session.ahead, nullptr);
  if (random_.chance(plan_.failing_sessions)) {
    if (ahead != nullptr) {
      for (JobRecipient& recipient : ahead->recipients) {
        recipient.outcome.kind = OutcomeKind::returned;
      }
      shards_[session.shard]->scheduler->finished(*ahead, now);
    }
    close(index, SessionEnd::lost);
  } else if (ahead != nullptr) {
    start(index, *ahead);
  } else {
    next_job(index);
  }
}

void Crowd::close(std::size_t index, SessionEnd end, OutcomeKind kind) {
  Session& session = sessions_[index];
  count_open(session, -1);
  let_go(session);
  busy_ends += end == SessionEnd::host_busy ? 1 : 0;
  gone(index);
  Outcome failure;
  failure.kind = kind;
  SessionFailure at{"failed"};
  at.established = session.told;
  shards_[session.shard]->scheduler->session_ended(session.queue, end, failure, at, now);
}

void Crowd::settle(unsigned shard, Job& job) {
  for (const JobRecipient& recipient : job.recipients) {
    ASSERT_NE(recipient.outcome.kind, OutcomeKind::pending);
    if (is_final(recipient.outcome.kind)) {
      ++ended;
      const std::uint64_t one = std::uint64_t{job.message.slot} << 32 | recipient.index;
      ASSERT_TRUE(ends_.insert(one).second) << "a recipient ended twice";
    }
  }
  Event event;
  event.what = What::settled;
  event.shard = shard;
  event.job = &job;
  post(event, random_delay(Duration::milliseconds(10)));
}

void Crowd::handle(const Event& event) {
  Scheduler& scheduler = *shards_[event.shard]->scheduler;
  switch (event.what) {
    case What::letter: scheduler.on_lease(event.letter, event.from); break;
    case What::settled: scheduler.retire(*event.job, now); break;
    case What::step: step(event.session, event.round == 1); break;
    case What::dial: connect_out(event.session); break;
    case What::opened:
      if (sessions_[event.session].scout) {
        scout_done(event.session);
      } else if (plan_.failing_starts && random_.chance(plan_.failing_sessions)) {
        fail_start(event.session);
      } else {
        if (!plan_.late_word) {
          tell_established(sessions_[event.session]);
        }
        next_job(event.session);
      }
      break;
    case What::work: work_done(event.session, *event.job); break;
    case What::woken:
      if (sessions_[event.session].state == Session::State::woken) {
        next_job(event.session);
      }
      break;
    case What::idle_out: idle_out(event); break;
    case What::rechecked:
      if (sessions_[event.session].state == Session::State::idle &&
          gives_way(sessions_[event.session], true)) {
        close(event.session, SessionEnd::normal);
      }
      break;
    case What::closed: close(event.session, SessionEnd::normal); break;
  }
}

void Crowd::drive(unsigned shard) {
  int turns = 0;
  while (shards_[shard]->scheduler->run(now)) {
    ASSERT_LT(++turns, 5'000) << "the scheduler spins\n" << report();
  }
}

bool Crowd::run(Duration limit) {
  const Instant end = now.instant + limit;
  std::vector<Instant> wakeups;  // nothing changes a scheduler's but what is handed in
  for (unsigned i = 0; i < plan_.shards; ++i) {
    drive(i);
    wakeups.push_back(scheduler(i).next_wakeup(now));
  }
  const auto go_on = [&](unsigned shard) {
    drive(shard);
    wakeups[shard] = scheduler(shard).next_wakeup(now);
  };
  while (!::testing::Test::HasFatalFailure()) {
    Instant next = *std::min_element(wakeups.begin(), wakeups.end());
    next = std::max(next, now.instant);
    next = events_.empty() ? next : std::min(next, Instant{events_.top().at});
    if (next == Instant::never()) {
      return true;
    }
    if (next > end) {
      return false;
    }
    now.wall = now.wall + (next - now.instant);
    now.instant = next;
    if (!events_.empty() && events_.top().at <= now.instant.ns) {
      const Event event = events_.top();
      events_.pop();
      handle(event);
      go_on(event.shard);
      continue;
    }
    for (unsigned i = 0; i < plan_.shards; ++i) {
      if (wakeups[i] <= now.instant) {
        go_on(i);
      }
    }
  }
  return false;
}

}  // namespace ringpost::schedule::test
