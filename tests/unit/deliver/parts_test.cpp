#include <gtest/gtest.h>

#include <set>

#include "net/deliver/address_plan.h"
#include "net/deliver/outcomes.h"

namespace ringpost::deliver {

namespace {

SocketAddress host(unsigned number) {
  return {IpAddress::v4(192, 0, static_cast<std::uint8_t>(number >> 8),
                        static_cast<std::uint8_t>(number)),
          25};
}

RouteHost route_host(const char* name, std::uint16_t preference,
                     std::initializer_list<const char*> addresses) {
  RouteHost out;
  out.name = name;
  out.preference = preference;
  for (const char* address : addresses) {
    out.addresses.push_back(*IpAddress::parse(address));
  }
  return out;
}

TEST(HostMemory, ForgetsFaultsInTime) {
  HostMemoryOptions options;
  options.clean_before_grouping = 2;
  HostMemory memory(options);
  const Instant start{1000};
  EXPECT_FALSE(memory.view(host(1), start).bad);
  EXPECT_TRUE(memory.view(host(1), start).pipelining);
  EXPECT_FALSE(memory.view(host(1), start).grouping);
  memory.note_unreachable(host(1), start);
  EXPECT_TRUE(memory.view(host(1), start + Duration::minutes(4)).bad);
  EXPECT_FALSE(memory.view(host(1), start + Duration::minutes(5)).bad);
  memory.note_clean(host(1), start);
  EXPECT_FALSE(memory.view(host(1), start).grouping);
  memory.note_clean(host(1), start);
  EXPECT_TRUE(memory.view(host(1), start).grouping);
  EXPECT_FALSE(memory.view(host(2), start).grouping);
  memory.note_pipelining_fault(host(1), start);
  EXPECT_FALSE(memory.view(host(1), start + Duration::hours(23)).pipelining);
  EXPECT_TRUE(memory.view(host(1), start + Duration::hours(24)).pipelining);
  EXPECT_FALSE(memory.view(host(1), start + Duration::hours(24)).grouping);
  memory.note_unreachable(host(1), start);
  memory.note_reached(host(1), start);
  EXPECT_FALSE(memory.view(host(1), start).bad);
}

// Of many connections to a lesser host one finds out whether the other is back, then all may go.
TEST(HostMemory, OneAsksForAllWhetherAHostIsBack) {
  HostMemory memory({});
  const Instant start{1000};
  memory.note_unreachable(host(1), start);
  EXPECT_FALSE(memory.may_return(host(1), start + Duration::minutes(5) - Duration::seconds(1)));
  const Instant faded = start + Duration::minutes(5);
  EXPECT_TRUE(memory.may_return(host(1), faded));
  EXPECT_FALSE(memory.may_return(host(1), faded));
  EXPECT_FALSE(memory.may_return(host(1), faded + Duration::seconds(59)));
  EXPECT_TRUE(memory.may_return(host(1), faded + Duration::minutes(1)))
      << "nothing was heard of it";
  memory.note_unreachable(host(1), faded + Duration::minutes(2));
  EXPECT_FALSE(memory.may_return(host(1), faded + Duration::minutes(6)));
  memory.note_reached(host(1), faded + Duration::minutes(6));
  EXPECT_TRUE(memory.may_return(host(1), faded + Duration::minutes(6)));
  EXPECT_TRUE(memory.may_return(host(1), faded + Duration::minutes(6)));
}

TEST(HostMemory, ForgetsTheOldestWhenFull) {
  HostMemoryOptions options;
  options.hosts_max = 64;
  HostMemory memory(options);
  Instant now{1};
  for (unsigned i = 0; i < 10'000; ++i) {
    now = now + Duration::milliseconds(1);
    memory.note_unreachable(host(i), now);
    EXPECT_TRUE(memory.view(host(i), now).bad);
  }
  unsigned kept = 0;
  for (unsigned i = 0; i < 10'000; ++i) {
    kept += memory.view(host(i), now).bad ? 1 : 0;
  }
  EXPECT_LE(kept, 64U);
  EXPECT_GE(kept, 8U);
}

TEST(AddressPlan, PreferenceFirstEqualsRotatedBadLast) {
  Route route;
  route.hosts = {route_host("a", 10, {"192.0.2.1"}), route_host("b", 10, {"192.0.2.2"}),
                 route_host("c", 20, {"192.0.2.3", "192.0.2.4"})};
  QueuePolicy policy;
  policy.sources = {{IpAddress{}, "x"}};
  HostMemory memory({});
  Random random(1);
  std::set<std::string> firsts;
  for (int i = 0; i < 50; ++i) {
    AddressPlan plan;
    plan.build(route, policy, memory, random, Instant{});
    ASSERT_EQ(plan.size(), 4U);
    firsts.insert(plan.next()->remote.text());
    EXPECT_LT(plan.next()->host, 2);
    EXPECT_EQ(plan.next()->host, 2);
    EXPECT_EQ(plan.next()->host, 2);
    EXPECT_EQ(plan.next(), nullptr);
  }
  EXPECT_EQ(firsts.size(), 2U);
  memory.note_unreachable({*IpAddress::parse("192.0.2.1"), 25}, Instant{});
  AddressPlan plan;
  plan.build(route, policy, memory, random, Instant{});
  EXPECT_EQ(plan.next()->remote.text(), "192.0.2.2:25");
  EXPECT_EQ(plan.next()->host, 2);
  EXPECT_EQ(plan.next()->host, 2);
  EXPECT_EQ(plan.next()->remote.text(), "192.0.2.1:25");
}

TEST(AddressPlan, EachFamilyLeavesFromItsOwnSource) {
  Route route;
  route.hosts = {route_host("a", 10, {"192.0.2.1", "2001:db8::1"})};
  QueuePolicy policy;
  policy.sources = {{*IpAddress::parse("203.0.113.1"), "v4"}};
  HostMemory memory({});
  Random random(1);
  AddressPlan plan;
  plan.build(route, policy, memory, random, Instant{});
  ASSERT_EQ(plan.size(), 1U);
  EXPECT_EQ(plan.next()->remote.text(), "192.0.2.1:25");
  policy.sources.push_back({*IpAddress::parse("2001:db8::99"), "v6"});
  plan.build(route, policy, memory, random, Instant{});
  ASSERT_EQ(plan.size(), 2U);
  while (const Candidate* candidate = plan.next()) {
    EXPECT_EQ(policy.sources[candidate->source].ip.family, candidate->remote.ip.family);
  }
}

TEST(AddressPlan, SourcesOfAFamilyAreUsedInTurn) {
  Route route;
  route.hosts = {route_host("a", 10, {"192.0.2.1"}), route_host("b", 20, {"192.0.2.2"})};
  QueuePolicy policy;
  policy.sources = {{*IpAddress::parse("203.0.113.1"), "one"},
                    {*IpAddress::parse("2001:db8::99"), "v6"},
                    {*IpAddress::parse("203.0.113.2"), "two"},
                    {*IpAddress::parse("203.0.113.3"), "three"}};
  HostMemory memory({});
  Random random(1);
  std::string first;
  std::string second;
  for (std::uint32_t turn = 0; turn < 6; ++turn) {
    AddressPlan plan;
    plan.build(route, policy, memory, random, Instant{}, {nullptr, "", turn});
    ASSERT_EQ(plan.size(), 2U);
    first += std::to_string(plan.next()->source);
    second += std::to_string(plan.next()->source);
  }
  EXPECT_EQ(first, "023023");
  EXPECT_EQ(second, "230230") << "another host is tried from another address";
}

TEST(AddressPlan, KeepsItsBound) {
  Route route;
  for (int i = 0; i < 100; ++i) {
    route.hosts.push_back(route_host("h", 10, {"192.0.2.1", "192.0.2.2", "192.0.2.3"}));
  }
  QueuePolicy policy;
  policy.sources = {{IpAddress{}, "x"}};
  HostMemory memory({});
  Random random(1);
  AddressPlan plan;
  plan.build(route, policy, memory, random, Instant{});
  EXPECT_EQ(plan.size(), AddressPlan::kCandidatesMax);
}

smtp::Reply reply(std::uint16_t code, EnhancedStatus status, std::string_view text) {
  smtp::Reply out;
  out.code = code;
  out.status = status;
  out.text = text;
  return out;
}

TEST(Outcomes, FollowTheFirstDigitButForTooManyRecipients) {
  EXPECT_EQ(kind_of_reply(reply(250, {}, "")), OutcomeKind::delivered);
  EXPECT_EQ(kind_of_reply(reply(451, {}, "")), OutcomeKind::deferred);
  EXPECT_EQ(kind_of_reply(reply(552, {}, "")), OutcomeKind::bounced);
  EXPECT_EQ(kind_of_rcpt_reply(reply(552, {}, "")), OutcomeKind::deferred);
  EXPECT_EQ(kind_of_rcpt_reply(reply(552, {5, 5, 3}, "")), OutcomeKind::deferred);
  EXPECT_EQ(kind_of_rcpt_reply(reply(552, {5, 2, 2}, "")), OutcomeKind::bounced);
}

TEST(Outcomes, RefusalsStandWhateverTheTransactionComesTo) {
  Job job;
  job.recipients.resize(3);
  note_recipient_reply(job, 0, reply(550, {5, 1, 1}, "5.1.1 no such user"));
  note_recipient_reply(job, 1, reply(250, {2, 1, 5}, "2.1.5 ok"));
  smtp::ClientAction over;
  over.end = smtp::TransactionEnd::ambiguous;
  over.phase = Phase::final_reply;
  note_transaction_over(job, over, "connection lost");
  EXPECT_EQ(job.recipients[0].outcome.kind, OutcomeKind::bounced);
  EXPECT_FALSE(job.recipients[0].outcome.ambiguous);
  EXPECT_EQ(job.text_of(job.recipients[0].outcome.text), "no such user");
  for (std::size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(job.recipients[i].outcome.kind, OutcomeKind::deferred);
    EXPECT_TRUE(job.recipients[i].outcome.ambiguous);
    EXPECT_EQ(job.text_of(job.recipients[i].outcome.text), "connection lost");
  }
}

TEST(Outcomes, OurOwnDecisionsCarryNoReplyCode) {
  Job job;
  job.recipients.resize(1);
  smtp::ClientAction over;
  over.end = smtp::TransactionEnd::answered;
  over.phase = Phase::mail;
  over.reply = reply(552, {5, 3, 4}, "message is larger than the receiving server accepts");
  over.reply.local = true;
  note_transaction_over(job, over, {});
  EXPECT_EQ(job.recipients[0].outcome.kind, OutcomeKind::bounced);
  EXPECT_EQ(job.recipients[0].outcome.reply_code, 0);
  EXPECT_EQ(job.recipients[0].outcome.status, (EnhancedStatus{5, 3, 4}));
  EXPECT_EQ(job.text_of(job.recipients[0].outcome.text),
            "message is larger than the receiving server accepts");
}

TEST(Outcomes, ARepliesCodeOutOfStepIsNoAnswer) {
  Job job;
  job.recipients.resize(1);
  smtp::ClientAction over;
  over.end = smtp::TransactionEnd::interrupted;
  over.reply = reply(250, {2, 0, 0}, "2.0.0 ok");
  note_transaction_over(job, over, "DATA was answered with a 2xx reply");
  EXPECT_EQ(job.recipients[0].outcome.kind, OutcomeKind::deferred);
  EXPECT_EQ(job.recipients[0].outcome.reply_code, 0);
}

}  // namespace

}  // namespace ringpost::deliver
