#include <functional>

#include "tests/unit/schedule/crowd.h"

// The other half of what a limit promises: while mail waits at all shards, over 95 % of what it
// allows is used. For each limit seeds draw its size, the number of shards and the delays; the
// crowd asserts meanwhile that it is not exceeded.

namespace ringpost::schedule {
namespace {

using test::Crowd;
using test::CrowdPlan;

constexpr Duration kPeriod = Duration::seconds(1);

struct Limit {
  const char* name;
  /// Sets the limit up; returns what it allows in kMeasured: permits, octets, or connections.
  std::function<std::uint64_t(CrowdPlan&, Random&)> draw;
  /// What was used of it so far, in the same unit, times `kScale`.
  std::function<std::int64_t(Crowd&)> used;
  bool connections = false;

  friend void PrintTo(const Limit& one, std::ostream* out) { *out << one.name; }
};

constexpr Duration kMeasured = Duration::seconds(4);
constexpr std::uint64_t kPeriods = 4;

RateLimit some_rate(Random& random) {
  return {static_cast<std::uint32_t>(1 + random.below(random.chance(50) ? 10 : 60)), kPeriod};
}

ByteLimit some_octets(CrowdPlan& plan, Random& random) {
  plan.size_max = 1'000;
  plan.service_max = Duration::milliseconds(10);
  return {50'000 + random.below(50'000), kPeriod};
}

std::uint32_t few(Random& random) { return static_cast<std::uint32_t>(1 + random.below(6)); }

std::uint64_t all_of(const RateLimit& rate) { return kPeriods * rate.count; }

std::int64_t taken(Crowd& crowd) { return static_cast<std::int64_t>(crowd.taken); }
std::int64_t opened(Crowd& crowd) { return static_cast<std::int64_t>(crowd.opens); }
std::function<std::int64_t(Crowd&)> open_at(const char* limit) {
  return [limit](Crowd& crowd) { return crowd.use_of(limit); };
}

/// Every message takes a connection, and the receiver keeps up.
void one_each(CrowdPlan& plan) {
  plan.jobs_per_session_max = 1;
  plan.service_max = Duration::milliseconds(4);
}

CrowdPlan draw_calm(Random& random) {
  CrowdPlan plan;
  plan.shards = static_cast<unsigned>(1 + random.below(8));
  plan.vmta_max = {0};
  plan.queue_max.assign(1 + random.below(6), 0);
  plan.failing_sessions = plan.failing_recipients = plan.refused_sessions = 0;
  plan.refused_letters = 0;
  plan.letter_delay_max = Duration::microseconds(random.between(50, 500));
  plan.service_max = Duration::milliseconds(random.between(5, 40));
  plan.jobs_per_session_max = 200;
  plan.late_word = random.chance(50);
  plan.jobs_max = 256;
  return plan;
}

void one_queue(CrowdPlan& plan) { plan.queue_max.assign(1, 0); }
void group_all(CrowdPlan& plan) { plan.grouped = plan.queue_max.size(); }

/// To two addresses: each would do alone, or they allow just as much together.
void share_out(CrowdPlan& plan, Random& random, RateLimit& all, RateLimit SourceLimit::*rate) {
  all.count += 1;
  const bool alone = random.chance(50);
  const auto first = static_cast<std::uint32_t>(1 + random.below(all.count - 1));
  plan.sources.resize(2);
  plan.sources[0].*rate = {alone ? all.count : first, kPeriod};
  plan.sources[1].*rate = {alone ? all.count : all.count - first, kPeriod};
}

/// So many connections from each of two or three addresses.
std::uint64_t draw_source_connections(CrowdPlan& plan, Random& random, bool alike) {
  plan.hosts = plan.addresses = 2;
  plan.sources.resize(2 + random.below(2));
  const std::uint32_t all = few(random);
  std::uint64_t sum = 0;
  for (SourceLimit& one : plan.sources) {
    sum += one.connections_max = alike ? all : few(random);
  }
  return sum;
}

/// What connections from all addresses add up to.
std::function<std::int64_t(Crowd&)> open_from(std::string whose) {
  return [whose](Crowd& crowd) {
    return crowd.use_of(whose + " from 0") + crowd.use_of(whose + " from 1") +
           crowd.use_of(whose + " from 2");
  };
}

/// A limit of octets for each of two or three addresses.
std::uint64_t draw_source_octets(CrowdPlan& plan, Random& random) {
  plan.hosts = 2;
  plan.sources.resize(2 + random.below(2));
  std::uint64_t sum = 0;
  for (SourceLimit& one : plan.sources) {
    sum += kPeriods * (one.octets = some_octets(plan, random)).count;
  }
  return sum;
}

std::function<std::int64_t(Crowd&)> octets_at(const char* limit) {
  return [limit](Crowd& crowd) { return static_cast<std::int64_t>(crowd.octets_of[limit]); };
}

/// What has left from all addresses.
std::int64_t octets_from(Crowd& crowd) {
  std::uint64_t sum = 0;
  for (const char* const from : {"0", "1", "2"}) {
    sum += crowd.octets_of[std::string("group/v0 from ") + from];
  }
  return static_cast<std::int64_t>(sum);
}

const Limit kLimits[] = {
    {"max-smtp-out of a queue",
     [](CrowdPlan& plan, Random& random) {
       plan.queue_max[0] = few(random);
       return plan.queue_max[0];
     },
     open_at("d0.example/v0"), true},
    {"max-smtp-out of a virtual MTA",
     [](CrowdPlan& plan, Random& random) { return plan.vmta_max[0] = few(random) * 2; },
     open_at("v0"), true},
    {"max-smtp-out of a group",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan);
       return plan.group_max = few(random) * 2;
     },
     open_at("group/v0"), true},
    {"total-max-smtp-out",
     [](CrowdPlan& plan, Random& random) { return plan.total_max = few(random) * 2; },
     open_at("total"), true},
    {"max-per-host-out",
     [](CrowdPlan& plan, Random& random) {
       plan.hosts = 1;
       return plan.per_host_max = few(random);
     },
     open_at("d0.example/v0 at 192.0.2.1"), true},
    {"mx-connection-limit",
     [](CrowdPlan& plan, Random& random) {
       plan.hosts = plan.addresses = 2;
       return plan.per_name_max = few(random);
     },
     open_at("host mx0"), true},
    {"ip-connection-limit",
     [](CrowdPlan& plan, Random& random) {
       plan.hosts = 1;
       return plan.per_address_max = few(random);
     },
     open_at("all at 192.0.2.1"), true},
    {"source-ip-max-smtp-out",
     [](CrowdPlan& plan, Random& random) {
       one_queue(plan);
       return draw_source_connections(plan, random, false);
     },
     open_from("d0.example/v0"), true},
    {"max-smtp-out-per-source-ip",
     [](CrowdPlan& plan, Random& random) {
       one_queue(plan);
       return draw_source_connections(plan, random, true);
     },
     open_from("d0.example/v0"), true},
    {"source-ip-max-smtp-out of a group",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan);
       return draw_source_connections(plan, random, random.chance(50));
     },
     open_from("group/v0"), true},
    {"max-connect-rate of a queue",
     [](CrowdPlan& plan, Random& random) {
       one_queue(plan), one_each(plan);
       return all_of(plan.connects = some_rate(random));
     },
     opened},
    {"max-connect-rate of a virtual MTA",
     [](CrowdPlan& plan, Random& random) {
       one_each(plan);
       return all_of(plan.vmta_connects.emplace_back(some_rate(random)));
     },
     opened},
    {"max-connect-rate of a group",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan), one_each(plan);
       return all_of(plan.group_connects = some_rate(random));
     },
     opened},
    {"source-ip-max-connect-rate",
     [](CrowdPlan& plan, Random& random) {
       one_queue(plan), one_each(plan);
       plan.service_max = Duration::microseconds(300);
       plan.hosts = 2;
       plan.sources.resize(2);
       return all_of(plan.sources[0].connects = some_rate(random)) +
              all_of(plan.sources[1].connects = some_rate(random));
     },
     opened},
    {"source-ip-max-connect-rate of a group",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan), one_each(plan);
       plan.service_max = Duration::microseconds(300);
       plan.hosts = 2;
       plan.sources.resize(2 + random.below(2));
       std::uint64_t sum = 0;
       for (SourceLimit& one : plan.sources) {
         sum += all_of(one.connects = some_rate(random));
       }
       return sum;
     },
     opened},
    {"max-connect-rate of a group with source-ip-max-connect-rate",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan), one_each(plan);
       plan.service_max = Duration::microseconds(300);
       plan.hosts = 2;
       plan.sources.resize(2);
       plan.group_connects = some_rate(random);
       share_out(plan, random, plan.group_connects, &SourceLimit::connects);
       return all_of(plan.group_connects);
     },
     opened},
    {"max-msg-rate of a queue",
     [](CrowdPlan& plan, Random& random) {
       one_queue(plan);
       return all_of(plan.messages = some_rate(random));
     },
     taken},
    {"max-msg-rate of a virtual MTA",
     [](CrowdPlan& plan, Random& random) {
       return all_of(plan.vmta_messages.emplace_back(some_rate(random)));
     },
     taken},
    {"max-msg-rate of a pool",
     [](CrowdPlan& plan, Random& random) {
       plan.vmta_max.assign(1 + random.below(3), 0);
       plan.pooled = true;
       return all_of(plan.pool_messages = some_rate(random));
     },
     taken},
    {"max-msg-rate of a group",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan);
       return all_of(plan.group_messages = some_rate(random));
     },
     taken},
    {"max-msg-rate of a sender",
     [](CrowdPlan& plan, Random& random) {
       return all_of(plan.sender_messages.emplace_back(some_rate(random)));
     },
     taken},
    {"source-ip-max-msg-rate",
     [](CrowdPlan& plan, Random& random) {
       one_queue(plan);
       plan.hosts = 2;
       plan.sources.resize(2);
       return all_of(plan.sources[0].messages = some_rate(random)) +
              all_of(plan.sources[1].messages = some_rate(random));
     },
     taken},
    {"source-ip-max-msg-rate of a group",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan);
       plan.hosts = 2;
       plan.sources.resize(2 + random.below(2));
       std::uint64_t sum = 0;
       for (SourceLimit& one : plan.sources) {
         sum += all_of(one.messages = some_rate(random));
       }
       return sum;
     },
     taken},
    {"max-msg-rate of a group with source-ip-max-msg-rate",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan);
       plan.hosts = 2;
       plan.sources.resize(2);
       plan.group_messages = some_rate(random);
       share_out(plan, random, plan.group_messages, &SourceLimit::messages);
       return all_of(plan.group_messages);
     },
     taken},
    {"max-data-volume-rate of a queue",
     [](CrowdPlan& plan, Random& random) {
       one_queue(plan);
       return kPeriods * (plan.octets = some_octets(plan, random)).count;
     },
     octets_at("d0.example/v0")},
    {"max-data-volume-rate of a virtual MTA",
     [](CrowdPlan& plan, Random& random) {
       return kPeriods * plan.vmta_octets.emplace_back(some_octets(plan, random)).count;
     },
     octets_at("v0")},
    {"max-data-volume-rate of a group",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan);
       return kPeriods * (plan.group_octets = some_octets(plan, random)).count;
     },
     octets_at("group/v0")},
    {"source-ip-max-data-volume-rate of a group",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan);
       const std::uint64_t all = draw_source_octets(plan, random);
       if (random.chance(30)) {
         plan.sources[0].messages = {1'000, kPeriod};
       }
       return all;
     },
     octets_from},
    {"source-ip-max-data-volume-rate of a group, of a rated sender",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan);
       const std::uint64_t all = draw_source_octets(plan, random);
       if (random.chance(30)) {
         plan.sources[0].messages = {1'000, kPeriod};
       }
       plan.sender_messages.push_back({1'000, kPeriod});
       return all;
     },
     octets_from},
    {"source-ip-max-data-volume-rate of a group in back-off mode",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan);
       const std::uint64_t all = draw_source_octets(plan, random);
       plan.group_backoff_messages = {5'000, kPeriod};
       plan.group_backoff_octets = {900'000, kPeriod};
       return all;
     },
     octets_from},
    {"max-data-volume-rate of a group with source-ip-max-data-volume-rate",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan);
       const std::uint64_t all = draw_source_octets(plan, random);
       // Together they would do twice over, or just about.
       plan.group_octets = {all / kPeriods / (random.chance(50) ? 2 : 1), kPeriod};
       return kPeriods * plan.group_octets.count;
     },
     octets_at("group/v0")},
    {"max-data-volume-rate of a virtual MTA with source-ip-max-msg-rate of a group",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan);
       plan.hosts = 2;
       plan.sources.resize(2);
       plan.sources[0].messages = plan.sources[1].messages = {300, kPeriod};
       return kPeriods * plan.vmta_octets.emplace_back(some_octets(plan, random)).count;
     },
     octets_at("v0")},
    {"source-ip-max-msg-rate of a group with max-data-volume-rate",
     [](CrowdPlan& plan, Random& random) {
       group_all(plan);
       plan.hosts = 2;
       plan.sources.resize(2 + random.below(2));
       plan.group_octets = some_octets(plan, random);
       plan.size_max = 100;
       std::uint64_t sum = 0;
       for (SourceLimit& one : plan.sources) {
         sum += all_of(one.messages = some_rate(random));
       }
       return sum * plan.size_max;  // the edge is a message's octets
     },
     [](Crowd& crowd) { return 100 * taken(crowd); }},
};

class Reached : public ::testing::TestWithParam<Limit> {};

TEST_P(Reached, ByMailThatWaits) {
  const Limit& limit = GetParam();
  for (std::uint64_t seed = test::first_seed(); seed < test::first_seed() + test::seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed * 2'750'159);
    CrowdPlan plan = draw_calm(random);
    if (limit.connections) {
      plan.jobs_per_session_max = 1'000'000'000;
      plan.service_max = Duration::milliseconds(80);
    }
    const std::uint64_t allowed = limit.draw(plan, random);
    const std::size_t senders = plan.sender_messages.size();
    Crowd crowd(plan, seed);
    for (std::size_t i = 0; plan.group_backoff_octets.limited() && i < plan.grouped; ++i) {
      crowd.set_mode(i, true);
    }
    const std::size_t all_sent = plan.size_max > 1 ? 2'000 : limit.connections ? 600 : 900;
    const bool by_source = plan.grouped > 0 && !plan.sources.empty() && !limit.connections;
    const std::size_t messages = all_sent * (by_source ? plan.sources.size() : 1);
    for (std::size_t i = 0; i < messages; ++i) {
      crowd.admit(i % plan.queue_max.size(), i / plan.queue_max.size() % plan.vmta_max.size(),
                  limit.connections ? 60 : 1, senders);
    }
    crowd.run(Duration::seconds(limit.connections ? 6 : 3));
    const std::int64_t before = limit.used(crowd);
    crowd.run(kMeasured);
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_LT(crowd.ended, crowd.admitted) << "mail did not wait";
    const std::int64_t used = limit.used(crowd) - before;
    const auto all = static_cast<std::int64_t>(allowed) * (limit.connections ? kMeasured.ns : 1);
    // Of each rate one message may fall due just before the time begins and the next just after its
    // end.
    const auto rates = static_cast<std::int64_t>(by_source ? plan.sources.size() : 1);
    const std::int64_t edge = limit.connections ? 0 : rates * plan.size_max;
    EXPECT_GE((used + edge) * 100, all * 95) << crowd.report();
  }
}

INSTANTIATE_TEST_SUITE_P(All, Reached, ::testing::ValuesIn(kLimits));

}  // namespace
}  // namespace ringpost::schedule
