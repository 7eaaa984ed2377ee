#include "core/app/policy_book.h"

#include <gtest/gtest.h>

#include <map>

#include "core/app/gate_setting.h"
#include "tests/unit/app/support.h"

namespace ringpost::app {
namespace {

Admission admission_of(std::string_view vmta, std::uint64_t number) {
  Admission admission;
  admission.vmta = vmta;
  admission.id = {7, number};
  return admission;
}

TEST(PolicyBook, ADomainAndItsALabelsShareAQueue) {
  PolicyBook book(snapshot_of(""));
  EXPECT_EQ(book.queue_name("B\xC3\xBC"
                            "cher.example",
                            "{default}"),
            "xn--bcher-kva.example");
  EXPECT_EQ(book.queue_name("xn--bcher-KVA.example.", "{default}"), "xn--bcher-kva.example");
  EXPECT_EQ(book.queue_name("[192.0.2.1]", "{default}"), "[192.0.2.1]");
  // What is no name is returned in a queue of its own.
  const std::string long_one(300, 'a');
  EXPECT_EQ(book.queue_name(long_one, "{default}"), long_one);
}

TEST(PolicyBook, PrioritiesOfQueuesArriveAtTheirLimits) {
  PolicyBook book(
      snapshot_of("<domain *>\nqueue-priority 51\n</domain>\n"
                  "<domain high.example>\nqueue-priority 100\n"
                  "allow-priority-interruption no\n</domain>\n"));
  const auto high = book.settings_of("high.example", "{default}").limits;
  EXPECT_EQ(high.priority, 100);
  EXPECT_FALSE(high.interruptible);
  const auto other = book.settings_of("other.example", "{default}").limits;
  EXPECT_EQ(other.priority, 51);
  EXPECT_TRUE(other.interruptible);
  PolicyBook plain(snapshot_of(""));
  EXPECT_EQ(plain.settings_of("a.example", "{default}").limits.priority, 50);
}

TEST(PolicyBook, PoolsShareByWeightAndLeaveOutMembersWithoutAddress) {
  PolicyBook book(
      snapshot_of("<virtual-mta a>\nsmtp-source-host 192.0.2.1\nweight 3\n"
                  "</virtual-mta>\n"
                  "<virtual-mta b>\nsmtp-source-host 192.0.2.2\n</virtual-mta>\n"
                  "<virtual-mta-pool p>\nvirtual-mta a\nvirtual-mta b\n"
                  "</virtual-mta-pool>\n"));
  deliver::SourceBook sources;
  book.set_sources(sources);
  const auto count = [&book] {
    std::map<std::string, int> counts;
    for (std::uint64_t i = 0; i < 4000; ++i) {
      ++counts[std::string(book.place(admission_of("P", i), {}).vmta)];
    }
    return counts;
  };
  auto counts = count();
  EXPECT_NEAR(counts["a"], 3000, 150);
  EXPECT_NEAR(counts["b"], 1000, 150);
  sources.disable(
      {IpAddress::v4(192, 0, 2, 1), "", deliver::SourceReason::command, Instant::never(), {}, ""});
  counts = count();
  EXPECT_EQ(counts["b"], 4000);
  EXPECT_EQ(book.place(admission_of("a", 1), {}).vmta, "a") << "who names it means it";
}

TEST(PolicyBook, MailOfAQueueThatBacksOffGoesWhereItCannotComeBackFrom) {
  const auto away = [](const std::string& a, const std::string& b, const std::string& c) {
    const auto vmta = [](const char* name, const std::string& to) {
      return std::string("<virtual-mta ") + name + ">\n<domain *>\n" +
             (to.empty() ? "" : "backoff-reroute-to-virtual-mta " + to + "\n") +
             "</domain>\n</virtual-mta>\n";
    };
    PolicyBook book(snapshot_of(vmta("a", a) + vmta("b", b) + vmta("c", c) +
                                "<virtual-mta-pool both>\nvirtual-mta b\nvirtual-mta c\n"
                                "</virtual-mta-pool>\n"));
    std::string text;
    for (const char* name : {"a", "b", "c"}) {
      text += book.settings_of("x.example", name).backoff_move.vmta + ",";
    }
    return text;
  };
  EXPECT_EQ(away("b", "c", ""), "b,c,,") << "a chain";
  EXPECT_EQ(away("both", "", ""), "both,,,");
  EXPECT_EQ(away("b", "a", ""), ",,,") << "a circle";
  EXPECT_EQ(away("b", "c", "b"), ",,,") << "a way into a circle";
  EXPECT_EQ(away("both", "", "a"), ",,,") << "over a member of the pool";
  EXPECT_EQ(away("a", "", ""), ",,,");
}

TEST(PolicyBook, AHashKeepsADomainOrARecipientAtItsMember) {
  const std::string members =
      "<virtual-mta a>\n</virtual-mta>\n<virtual-mta b>\n</virtual-mta>\n"
      "<virtual-mta c>\n</virtual-mta>\n";
  const std::string list = "virtual-mta a\nvirtual-mta b\nvirtual-mta c\n</virtual-mta-pool>\n";
  PolicyBook book(snapshot_of(members + "<virtual-mta-pool d>\nsource-hash yes\n" + list +
                              "<virtual-mta-pool r>\nsource-hash recipient\n" + list));
  std::map<std::string, int> by_domain;
  std::map<std::string, int> by_key;
  for (std::uint64_t i = 0; i < 300; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    const std::string upper = "D" + std::to_string(i) + ".EXAMPLE.";
    Admission one = admission_of("d", 2 * i);
    one.domain = domain;
    Admission other = admission_of("d", 2 * i + 1);
    other.domain = upper;
    EXPECT_EQ(book.place(one, {}).vmta, book.place(other, {}).vmta);
    ++by_domain[std::string(book.place(one, {}).vmta)];
    one.vmta = other.vmta = "r";
    one.pool_key = other.pool_key = i + 1;
    EXPECT_EQ(book.place(one, {}).vmta, book.place(other, {}).vmta);
    ++by_key[std::string(book.place(one, {}).vmta)];
  }
  EXPECT_EQ(by_domain.size(), 3U);
  EXPECT_EQ(by_key.size(), 3U);
}

schedule::MoveOrder move_of(PolicyBook& book, std::string_view queue, std::string_view vmta) {
  return book.settings_of(queue, vmta).move;
}

constexpr const char* kThree =
    "<virtual-mta a>\nsmtp-source-host 192.0.2.1\n</virtual-mta>\n"
    "<virtual-mta b>\nsmtp-source-host 192.0.2.2\n</virtual-mta>\n"
    "<virtual-mta c>\nsmtp-source-host 192.0.2.3\n</virtual-mta>\n";

TEST(PolicyBook, AReroutedQueuePassesItsMailToTheEndOfTheChain) {
  PolicyBook book(
      snapshot_of("<virtual-mta a>\n<domain x.example>\nreroute-to-virtual-mta b\n</domain>\n"
                  "<domain round.example>\nreroute-to-virtual-mta b\n</domain>\n</virtual-mta>\n"
                  "<virtual-mta b>\n<domain x.example>\nreroute-to-virtual-mta c\n</domain>\n"
                  "<domain round.example>\nreroute-to-virtual-mta a\n</domain>\n</virtual-mta>\n"
                  "<virtual-mta c>\n</virtual-mta>\n"));
  Admission admission = admission_of("a", 1);
  admission.domain = "x.example";
  EXPECT_EQ(book.place(admission, {}).vmta, "c");
  EXPECT_EQ(move_of(book, "x.example", "a").vmta, "c");
  EXPECT_EQ(move_of(book, "x.example", "b").vmta, "c");
  EXPECT_FALSE(move_of(book, "x.example", "c").wanted());
  admission.domain = "round.example";
  EXPECT_EQ(book.place(admission, {}).vmta, "a") << "a circle leads nowhere";
  EXPECT_FALSE(move_of(book, "round.example", "a").wanted());
  EXPECT_FALSE(move_of(book, "other.example", "a").wanted());
}

TEST(PolicyBook, MailOfAMemberThatIsGoneOrCannotSendFallsToItsPool) {
  const std::string pool = "virtual-mta b\nvirtual-mta c\n</virtual-mta-pool>\n";
  PolicyBook book(
      snapshot_of(std::string(kThree) + "<virtual-mta-pool p>\nvirtual-mta a\n" + pool));
  deliver::SourceBook sources;
  book.set_sources(sources);
  EXPECT_FALSE(move_of(book, "x.example", "a").wanted());
  const IpAddress missing[] = {IpAddress::v4(192, 0, 2, 1)};
  sources.set_missing(missing, {});
  EXPECT_EQ(move_of(book, "x.example", "a"), (schedule::MoveOrder{"p", true}));
  EXPECT_FALSE(move_of(book, "x.example", "b").wanted());
  sources.set_missing({}, {});
  EXPECT_FALSE(move_of(book, "x.example", "a").wanted());
  const std::string two(
      std::string_view(kThree).substr(std::string_view(kThree).find("<virtual-mta b")));
  book.use(snapshot_of(two + "<virtual-mta-pool p>\n" + pool), 2);
  EXPECT_EQ(move_of(book, "x.example", "a"), (schedule::MoveOrder{"p", false}));
  book.use(snapshot_of(two), 3);
  EXPECT_EQ(move_of(book, "x.example", "a"), (schedule::MoveOrder{"{default}", false}));
}

TEST(PolicyBook, DomainsWithTheSameMailHostsShareAQueueThatHasARoute) {
  PolicyBook book(snapshot_of(
      "<mx-rollup-list>\nmx *.mx.example big.rollup\nmx mail.small.example small.rollup "
      "rollup-by-ip\nmx *.lost.example lost.rollup rollup-by-ip\n</mx-rollup-list>\n"
      "<domain big.rollup>\nsmtp-hosts mx.example\n</domain>\n"
      "<domain alone.example>\ndisable-mx-rollup yes\n</domain>\n"));
  const std::string_view big[] = {"a.mx.example", "b.mx.example"};
  const std::string_view small[] = {"mail.small.example"};
  const std::string_view lost[] = {"a.lost.example"};
  const Instant noon{Duration::hours(12).ns};
  const Instant later = noon + Duration::hours(1);
  EXPECT_EQ(book.rolled_up("x.example", "{default}", big, later), "big.rollup");
  EXPECT_EQ(book.rolled_up("alone.example", "{default}", big, later), "");
  EXPECT_EQ(book.rolled_up("s.example", "{default}", small, later), "small.rollup");
  EXPECT_EQ(book.rolled_up("l.example", "{default}", lost, later), "") << "no host is named";
  Admission admission = admission_of("{default}", 1);
  admission.domain = "X.example";
  EXPECT_EQ(book.place(admission, noon).queue, "big.rollup");
  EXPECT_EQ(book.place(admission, later).queue, "x.example") << "DNS is asked again";
  // Moves by command need to know it after that too.
  EXPECT_EQ(book.rolled_up_into("big.*"), (std::vector<RolledUp>{{"x.example", "big.rollup"}}));
  EXPECT_TRUE(book.rolled_up_into("x.example").empty());
  EXPECT_EQ(book.leaving_name("x.example", "{default}", "big.rollup"), "big.rollup");
  EXPECT_EQ(book.leaving_name("x.example", "{default}", "gone.rollup"), "x.example");
  const auto settings = book.settings_of("small.rollup", "{default}");
  ASSERT_EQ(settings.policy->static_route.size(), 1U);
  EXPECT_EQ(settings.policy->static_route[0].name, "mail.small.example");
  EXPECT_TRUE(book.settings_of("other.example", "{default}").policy->static_route.empty());
}

TEST(PolicyBook, AWarmUpKnowsItsAddressesInWhateverOrderTheyAreWritten) {
  const auto source_of = [](const std::string& hosts) {
    const auto snapshot = snapshot_of("<virtual-mta v>\n" + hosts +
                                      "<domain *>\nwarmup {\nperiod 9d\nstart-rate 1/h\n"
                                      "end-rate 9/h\n}\n</domain>\n</virtual-mta>\n");
    return PolicyBook(snapshot).settings_of("x.example", "v").limits.warmup->source;
  };
  const std::string ten = "smtp-source-host 192.0.2.10 v.example\n";
  const std::string nine = "smtp-source-host 192.0.2.9 v.example\n";
  EXPECT_EQ(source_of(ten + nine), "192.0.2.9 192.0.2.10");
  EXPECT_EQ(source_of(nine + ten), "192.0.2.9 192.0.2.10");
  EXPECT_EQ(source_of(""), "any");
}

TEST(PolicyBook, BackupHostsStandInForADomainsOwnHostsOnly) {
  PolicyBook book(
      snapshot_of("route spare {\ndestination 192.0.2.9:26\nbackup true\n}\n"
                  "<domain fixed.example>\nroute [192.0.2.1]:25\n</domain>\n"));
  const auto policy = book.settings_of("x.example", "{default}").policy;
  ASSERT_NE(policy->backup, nullptr);
  ASSERT_EQ(policy->backup->static_route.size(), 1U);
  EXPECT_EQ(policy->backup->static_route[0].port, 26);
  EXPECT_TRUE(policy->static_route.empty());
  EXPECT_EQ(book.settings_of("fixed.example", "{default}").policy->backup, nullptr);
}

TEST(PolicyBook, ADomainOfAGroupKeepsItsQueueAndSharesTheBudget) {
  PolicyBook book(
      snapshot_of("<virtual-mta v>\nsmtp-source-host 192.0.2.1\n</virtual-mta>\n"
                  "domain Big {\n domain a.example\n domain b.example\n max-smtp-out 7\n"
                  " max-msg-rate 100/m\n max-connect-rate 5/s\n}\n"
                  "domain-macro few c.example,d.example shared\n"
                  "<domain $few>\nmax-smtp-out 3\n</domain>\n"));
  EXPECT_EQ(book.queue_name("A.example", "v"), "a.example");
  const auto a = book.settings_of("a.example", "v");
  const auto b = book.settings_of("b.example", "v");
  const auto c = book.settings_of("c.example", "v");
  const auto d = book.settings_of("d.example", "v");
  EXPECT_EQ(a.policy->group, "big");
  EXPECT_EQ(a.limits.group, b.limits.group);
  EXPECT_NE(a.limits.group, 0U);
  EXPECT_EQ(a.limits.group_connections_max, 7U);
  EXPECT_EQ(a.policy->connections_max, 0U) << "its own limit would come on top of the group's";
  EXPECT_FALSE(a.limits.messages.limited());
  EXPECT_EQ(a.limits.shared_messages.scope, b.limits.shared_messages.scope);
  EXPECT_EQ(a.limits.shared_messages.own, (schedule::RateLimit{100, Duration::minutes(1)}));
  EXPECT_EQ(a.limits.shared_connects.own, (schedule::RateLimit{5, Duration::seconds(1)}));
  EXPECT_TRUE(a.policy->paced);
  EXPECT_EQ(c.policy->group, "few");
  EXPECT_EQ(c.limits.group, d.limits.group);
  EXPECT_NE(c.limits.group, a.limits.group);
  EXPECT_EQ(c.limits.group_connections_max, 3U);
  EXPECT_NE(book.settings_of("a.example", "{default}").limits.group, a.limits.group)
      << "each virtual MTA has a budget of its own";
  const auto other = book.settings_of("e.example", "v");
  EXPECT_EQ(other.limits.group, 0U);
  EXPECT_TRUE(other.policy->group.empty());
}

TEST(PolicyBook, RatesLinkedByPoolsHaveOneHome) {
  const std::string vmtas =
      "<virtual-mta a>\nsmtp-source-host 192.0.2.1\nmax-msg-rate 10/s\nmax-connect-rate 2/m\n"
      "</virtual-mta>\n<virtual-mta b>\nsmtp-source-host 192.0.2.2\nmax-msg-rate 20/s\n"
      "</virtual-mta>\n<virtual-mta c>\nsmtp-source-host 192.0.2.3\n</virtual-mta>\n";
  PolicyBook book(snapshot_of(vmtas));
  const auto plan = [&book](const char* vmta) {
    return book.rate_plan(book.settings_of("x.example", vmta).limits.shared_messages.plan);
  };
  ASSERT_NE(plan("a"), nullptr);
  EXPECT_NE(plan("a")->home, plan("b")->home);
  EXPECT_EQ(plan("a")->rates.size(), 1U);
  EXPECT_EQ(book.settings_of("x.example", "c").limits.shared_messages.scope, 0U);
  const auto connects = book.settings_of("x.example", "a").limits.shared_connects;
  EXPECT_EQ(book.rate_plan(connects.plan)->rates.front().limit,
            (schedule::RateLimit{2, Duration::minutes(1)}));

  book.use(snapshot_of(vmtas + "<virtual-mta-pool p>\nvirtual-mta a\nvirtual-mta b\n"
                               "virtual-mta c\nmax-msg-rate 25/s\n</virtual-mta-pool>\n"),
           2);
  ASSERT_EQ(plan("a")->rates.size(), 2U);
  ASSERT_EQ(plan("c")->rates.size(), 1U);
  EXPECT_EQ(plan("a")->home, plan("b")->home);
  EXPECT_EQ(plan("a")->home, plan("c")->home);
  EXPECT_EQ(plan("a")->rates[1].key, plan("c")->rates[0].key);
  // One of the two had to move; its position stays behind.
  EXPECT_NE(plan("a")->rates[0].moved, plan("b")->rates[0].moved);
}

// Mail of a rated sender counts in the rates of its virtual MTA, pool and group in one step.
TEST(PolicyBook, RatesThatSendersMayCountInHaveOneHome) {
  const std::string vmtas =
      "<virtual-mta a>\nsmtp-source-host 192.0.2.1\nmax-msg-rate 10/s\n</virtual-mta>\n"
      "<virtual-mta b>\nsmtp-source-host 192.0.2.2\n</virtual-mta>\n";
  PolicyBook book(snapshot_of(vmtas));
  const std::uint64_t a = RatePlans::messages_of("a");
  const std::uint64_t before = book.rate_plan(a)->home;
  const auto snapshot = snapshot_of(vmtas +
                                    "<sender News@x.example>\nmax-msg-rate 3000/h\n</sender>\n"
                                    "<sender @y.example>\nvmta a\n</sender>\n");
  const std::uint64_t news = RatePlans::messages_of(*snapshot->sender_rule("news@x.example"));
  EXPECT_EQ(book.sender_rates(news), nullptr);
  book.use(snapshot, 2);
  const schedule::RatePlan* rates = book.sender_rates(news);
  ASSERT_NE(rates, nullptr);
  EXPECT_EQ(rates->rates.front().limit, (schedule::RateLimit{3000, Duration::hours(1)}));
  EXPECT_EQ(book.rate_plan(a)->home, rates->home);
  EXPECT_EQ(book.rate_plan(RatePlans::messages_of("b"))->home, rates->home);
  EXPECT_EQ(book.settings_of("x.example", "b").limits.shared_messages.scope, 0U);
  EXPECT_TRUE(book.settings_of("x.example", "b").policy->paced);
  EXPECT_EQ(book.rate_plan(a)->moved, before != rates->home);
  EXPECT_EQ(book.sender_rates(RatePlans::messages_of(*snapshot->sender_rule("q@y.example"))),
            nullptr);
  const auto behind = sender_rate_behind(news, *snapshot);
  ASSERT_TRUE(behind.has_value());
  EXPECT_EQ(behind->value, "3000/h");
}

}  // namespace
}  // namespace ringpost::app
