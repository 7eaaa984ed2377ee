#include <gtest/gtest.h>

#include "core/config/patterns.h"
#include "tests/unit/config/support.h"

namespace ringpost::config {
namespace {

using test::load;
using test::policy;

TEST(ReplyPatterns, RulesAddUpAndTheFirstDecides) {
  const auto snapshot = load(
      "<smtp-pattern-list l>\n"
      "reply /too many/ mode=backoff,backoff-to-normal-after=2h\n"
      "reply /fine again/ mode=normal\n"
      "reply /many connections/ mode=normal,skip-mx\n"
      "reply /blocked/ disable-source-ip,reenable-after=1d type=reputation\n"
      "reply /(?-i)Full/ bounce-rcpt\n"
      "</smtp-pattern-list>\n<domain *>\nsmtp-pattern-list L\n</domain>\n");
  const ReplyPatterns* list = policy(*snapshot, "a.example").reply_patterns;
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(list->size(), 5u);
  const ReplyAction busy = list->match("421 4.7.0 TOO MANY connections");
  EXPECT_EQ(busy.mode, ModeChange::backoff) << "the first rule decides the mode";
  EXPECT_EQ(busy.to_normal_after, Duration::hours(2));
  EXPECT_TRUE(busy.skip_mx) << "what does not contradict adds up";
  EXPECT_EQ(busy.line, 2u);
  EXPECT_EQ(busy.pattern, "too many");
  const ReplyAction blocked = list->match("550 blocked");
  EXPECT_EQ(blocked.disable_source_ip, Duration::days(1));
  EXPECT_EQ(blocked.category, "reputation");
  EXPECT_TRUE(list->match("452 mailbox Full").bounce_rcpt);
  EXPECT_FALSE(list->match("452 mailbox full").any()) << "(?-i) looks at case";
}

TEST(ReplyPatterns, WhatRe2CannotTakeCostsOneRule) {
  const CheckResult result = test::check(
      "<smtp-pattern-list l>\nreply /a(?=b)/ mode=backoff\nreply /(/ mode=backoff\n"
      "reply /\\d+ ok/ mode=normal\nreply // bounce-queue\n</smtp-pattern-list>\n");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.snapshot->reply_patterns()[0].size(), 2u);
  EXPECT_TRUE(result.snapshot->reply_patterns()[0].match("anything").bounce_queue)
      << "the empty pattern fits everything";
}

TEST(ReplyPatterns, FaultyActionsAreErrors) {
  for (const char* action : {"mode=bakoff", "backoff-to-normal-after=2h", "skip-mx,bounce-queue",
                             "mode=backoff,disable-source-ip=soon", "nonsense"}) {
    EXPECT_FALSE(test::check("<smtp-pattern-list l>\nreply /x/ " + std::string(action) +
                             "\n</smtp-pattern-list>\n")
                     .ok())
        << action;
  }
}

TEST(ReplyPatterns, TheShippedListServesQueuesThatBackOffWithoutAList) {
  const auto snapshot = load(
      "<domain a.example>\nbackoff-retry-after 30m\n</domain>\n"
      "<domain b.example>\nbackoff-to-normal-after 2h\nsmtp-pattern-list \"\"\n</domain>\n"
      "<domain c.example>\nbackoff-max-msg-rate 1/m\n</domain>\n");
  EXPECT_EQ(policy(*snapshot, "a.example").reply_patterns, &shipped_reply_patterns());
  EXPECT_EQ(policy(*snapshot, "b.example").reply_patterns, nullptr) << "an empty name is a choice";
  EXPECT_EQ(policy(*snapshot, "c.example").reply_patterns, nullptr);
  const ReplyPatterns& shipped = shipped_reply_patterns();
  EXPECT_EQ(shipped.match("421 4.7.28 [192.0.2.1] unusual rate of mail").mode, ModeChange::backoff);
  EXPECT_EQ(shipped.match("421 4.7.0 [TSS04] Messages temporarily deferred").mode,
            ModeChange::backoff);
  EXPECT_EQ(shipped.match("451 4.3.2 too many connections, slow down").mode, ModeChange::backoff);
  EXPECT_FALSE(shipped.match("452 4.2.2 mailbox full").any());
  EXPECT_FALSE(shipped.match("550 5.1.1 user unknown").any());
}

TEST(Backoff, TwinsFollowTheirNormalValues) {
  const auto snapshot = load(
      "<domain a.example>\nmax-msg-rate 100/h\nmax-smtp-out 3\nmax-connect-rate 5/m\n</domain>\n"
      "<domain b.example>\nmax-msg-rate 100/h\nbackoff-max-msg-rate 10/h\n"
      "backoff-max-smtp-out 1\n</domain>\n");
  const PathPolicy a = policy(*snapshot, "a.example");
  EXPECT_EQ(a.backoff_max_msg_rate, (Rate{100, Duration::hours(1)}));
  EXPECT_EQ(a.backoff_max_connect_rate, (Rate{5, Duration::minutes(1)}));
  EXPECT_EQ(a.backoff_max_smtp_out, 3u) << "never more than in normal mode";
  EXPECT_EQ(a.backoff_retry_after[0], Duration::hours(1));
  EXPECT_TRUE(a.backoff_to_normal_after.is_forever());
  const PathPolicy b = policy(*snapshot, "b.example");
  EXPECT_EQ(b.backoff_max_msg_rate, (Rate{10, Duration::hours(1)}));
  EXPECT_EQ(b.backoff_max_smtp_out, 1u);
}

TEST(RoutingLists, TheFirstRuleThatFitsChooses) {
  const auto snapshot = load(
      "<virtual-mta a>\n</virtual-mta>\n<virtual-mta b>\n</virtual-mta>\n"
      "<virtual-mta c>\n</virtual-mta>\n"
      "<pattern-list inner>\nrcpt-to /@one\\.example$/ virtual-mta=b\n* virtual-mta=c\n"
      "</pattern-list>\n"
      "<pattern-list l>\nheader X-Kind /bulk/ virtual-mta=c\nmail-from /^news@/ virtual-mta=a\n"
      "mail-from /@other/ call-to:inner\n</pattern-list>\n"
      "<source 10.0.0.0/8>\npattern-list l\n</source>\n");
  const SourcePolicy source = snapshot->source_policy(IpAddress::v4(10, 0, 0, 1));
  ASSERT_GE(source.pattern_list_index, 0);
  const auto start = static_cast<std::size_t>(source.pattern_list_index);
  const auto lists = snapshot->routing_lists();
  EXPECT_EQ(choose_virtual_mta(lists, start, {"News@x.example", "r@one.example"}), "a");
  EXPECT_EQ(choose_virtual_mta(lists, start, {"u@other.example", "r@one.example"}), "b");
  EXPECT_EQ(choose_virtual_mta(lists, start, {"u@other.example", "r@two.example"}), "c");
  EXPECT_EQ(choose_virtual_mta(lists, start, {"u@x.example", "r@one.example"}), "");
  class Bulk : public HeaderView {
    std::string_view field(std::string_view name) const override {
      return name == "X-Kind" ? "Bulk mail" : "";
    }
  };
  const Bulk bulk;
  EXPECT_EQ(choose_virtual_mta(lists, start, {"news@x.example", "r@one.example", &bulk}), "c");
}

TEST(RoutingLists, PrioritiesAreChosenBesideVirtualMtas) {
  const auto snapshot = load(
      "<virtual-mta a>\n</virtual-mta>\n<virtual-mta b>\n</virtual-mta>\n"
      "<pattern-list l>\nmail-from /^bulk@/ recipient-priority=0\n"
      "rcpt-to /@vip/ virtual-mta=a,recipient-priority=100\nheader X-Kind /slow/ call-to:slow\n"
      "mail-from /@other/ <pattern-list>\n* recipient-priority=60\n</pattern-list>\n"
      "* virtual-mta=b\n</pattern-list>\n"
      "<pattern-list slow>\n* recipient-priority=20\n</pattern-list>\n");
  const auto lists = snapshot->routing_lists();
  class Slow : public HeaderView {
    std::string_view field(std::string_view) const override { return "slow"; }
  };
  const Slow slow;
  EXPECT_EQ(choose_priority(lists, 0, {"bulk@x.example", "r@vip.example"}), 0);
  EXPECT_EQ(choose_virtual_mta(lists, 0, {"bulk@x.example", "r@vip.example"}), "a");
  EXPECT_EQ(choose_priority(lists, 0, {"u@x.example", "r@vip.example"}), 100);
  EXPECT_EQ(choose_priority(lists, 0, {"u@x.example", "r@y.example", &slow}), 20);
  EXPECT_EQ(choose_virtual_mta(lists, 0, {"u@x.example", "r@y.example", &slow}), "b");
  EXPECT_EQ(choose_priority(lists, 0, {"u@other.example", "r@y.example"}), 60);
  EXPECT_EQ(choose_priority(lists, 0, {"u@x.example", "r@y.example"}), std::nullopt);
}

TEST(RoutingLists, APriorityThatIsNoneIsOneError) {
  for (const char* wrong : {"101", "-1", "high", "", "5x", "4294967346"}) {
    const CheckResult result =
        check_text("p.conf",
                   std::string("<pattern-list l>\nmail-from /a/ recipient-priority=") + wrong +
                       "\nmail-from /b/ recipient-prority=5\n</pattern-list>\n",
                   {});
    EXPECT_EQ(result.snapshot, nullptr) << wrong;
    const std::string text = render_text(result.diagnostics);
    EXPECT_NE(text.find("p.conf:2:15: error: recipient-priority is a number from 0 to 100"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("p.conf:3:15: error: "), std::string::npos) << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '^') > 0, true) << text;
    EXPECT_EQ(result.diagnostics.size(), 2U) << text;
    EXPECT_NE(text.find("did you mean 'recipient-priority'"), std::string::npos) << text;
  }
}

TEST(RoutingLists, CirclesChooseNothing) {
  const auto snapshot = load(
      "<pattern-list l>\n* call-to:m\n</pattern-list>\n"
      "<pattern-list m>\n* call-to:l\n</pattern-list>\n");
  EXPECT_EQ(choose_virtual_mta(snapshot->routing_lists(), 0, {"a@b", "c@d"}), "");
}

TEST(BounceCategories, TheFirstPatternSorts) {
  const auto snapshot = load(
      "<bounce-category-patterns>\n/spam/ spam-related\n/mailbox +(is +)?full/ quota-issues\n"
      "/^5\\.1\\.1;/ bad-mailbox\n// other\n</bounce-category-patterns>\n");
  const BounceCategories& categories = snapshot->bounce_categories();
  EXPECT_EQ(categories.find("5.2.2;smtp;552 Mailbox is full"), "quota-issues");
  EXPECT_EQ(categories.find("5.1.1;smtp;550 no such user"), "bad-mailbox");
  EXPECT_EQ(categories.find("5.7.1;smtp;550 SPAM, mailbox full"), "spam-related");
  EXPECT_EQ(categories.find("4.4.7;"), "other");
}

TEST(MxRollup, HostsNameTheQueue) {
  const auto snapshot = load(
      "<mx-rollup-list>\nmx *.big.example big.rollup\nmx a.two.example two.rollup\n"
      "mx b.two.example two.rollup\n</mx-rollup-list>\n"
      "<domain big.rollup>\nsmtp-hosts lookup-mx:big.example\n</domain>\n");
  const auto rolled = [&](std::vector<std::string_view> hosts) {
    return snapshot->rolled_up_queue(hosts);
  };
  EXPECT_EQ(rolled({"MX1.big.example"}), "big.rollup");
  EXPECT_EQ(rolled({"big.example"}), "") << "*. means below";
  EXPECT_EQ(rolled({"mx1.big.example", "other.example"}), "big.rollup");
  EXPECT_EQ(rolled({"a.two.example", "b.two.example"}), "two.rollup");
  EXPECT_EQ(rolled({"a.two.example"}), "") << "the queue names more hosts than the domain has";
  EXPECT_EQ(rolled({"a.two.example", "mx1.big.example"}), "") << "two queues are none";
}

TEST(Senders, AddressBeforeDomain) {
  const auto snapshot = load(
      "<virtual-mta a>\n</virtual-mta>\n<virtual-mta b>\n</virtual-mta>\n"
      "<sender *@x.example>\nvmta a\n</sender>\n<sender news@X.example>\nvmta b\n</sender>\n");
  EXPECT_EQ(snapshot->sender_rule("NEWS@x.example")->vmta, "b");
  EXPECT_EQ(snapshot->sender_rule("other@x.example")->vmta, "a");
  EXPECT_EQ(snapshot->sender_rule("news@y.example"), nullptr);
  EXPECT_EQ(snapshot->sender_rule(std::string(5000, 'a') + "@x.example"), nullptr);
  EXPECT_FALSE(test::check("<sender nobody>\n</sender>\n").ok());
}

TEST(Senders, TheFirstSectionOfAnAddressCounts) {
  const CheckResult result = test::check(
      "<virtual-mta a>\n</virtual-mta>\n<virtual-mta b>\n</virtual-mta>\n"
      "<sender *@x.example>\nvmta a\n</sender>\n<sender @X.example>\nvmta b\n</sender>\n");
  EXPECT_EQ(test::messages(result),
            (std::vector<std::string>{
                "8:9 warning there is a section for this sender already, which counts: line 5"}));
  EXPECT_EQ(result.snapshot->sender_rule("news@x.example")->vmta, "a");
}

TEST(AccountingRecords, MisspeltKindsToHideAreNamed) {
  const CheckResult result = test::check(
      "<domain a.example>\ndisable-acct-records t,delivrey,x\n</domain>\n"
      "<domain b.example>\ndisable-acct-records delivery,TQ\n</domain>\n");
  EXPECT_EQ(test::messages(result),
            (std::vector<std::string>{"2:24 warning 'delivrey' is no kind of record and hides none",
                                      "2:33 warning 'x' is no kind of record and hides none"}));
  ASSERT_FALSE(result.diagnostics.empty());
  EXPECT_EQ(result.diagnostics[0].suggestion, "delivery");
}

TEST(AccountingRecords, KindsThatBelongToNoQueueAreNotHidden) {
  const CheckResult result = test::check(
      "<domain a.example>\ndisable-acct-records r,t,remote-bounce\n</domain>\n"
      "<domain b.example>\ndisable-acct-records received\n</domain>\n");
  const std::string why =
      " belong to no queue and are written all the same; 'records' of an acct-file chooses them";
  EXPECT_EQ(test::messages(result),
            (std::vector<std::string>{"2:22 warning records of kind 'r'" + why,
                                      "2:26 warning records of kind 'rb'" + why,
                                      "5:22 warning records of kind 'r'" + why}));
}

TEST(Mechanisms, MisspeltOnesAreErrors) {
  const CheckResult result = test::check(
      "<source 10.1/16>\nauth-mechanisms plain, cram_md5\n</source>\n"
      "<source 10/8>\nauth-mechanisms LOGIN xoauth\n</source>\n"
      "relay r {\nlisten 127.0.0.1:2525\nauth plian\n}\n");
  EXPECT_EQ(test::messages(result),
            (std::vector<std::string>{"2:24 error the mechanisms are plain, login and cram-md5",
                                      "5:23 error the mechanisms are plain, login and cram-md5",
                                      "9:6 error the mechanisms are plain, login and cram-md5"}));
  ASSERT_EQ(result.diagnostics.size(), 3U);
  EXPECT_EQ(result.diagnostics[0].suggestion, "cram-md5");
  EXPECT_EQ(result.diagnostics[2].suggestion, "plain");
}

TEST(DomainKeys, NearestLayerAndAncestors) {
  const auto snapshot = load(
      "domain-key all,*,/k/all\ndomain-key own,example.com,/k/own\n"
      "<virtual-mta v>\ndomain-key vm,example.com,/k/vm\n</virtual-mta>\n"
      "<virtual-mta w>\n</virtual-mta>\n"
      "<virtual-mta-pool p>\nvirtual-mta w\ndomain-key pool,mail.example.com,/k/pool\n"
      "</virtual-mta-pool>\n");
  const VmtaId v = snapshot->find_vmta("v").id;
  const VmtaId w = snapshot->find_vmta("w").id;
  EXPECT_EQ(snapshot->find_domain_key("a.example.com", v)->selector, "vm");
  EXPECT_EQ(snapshot->find_domain_key("mail.example.com", w)->selector, "pool");
  EXPECT_EQ(snapshot->find_domain_key("example.com", w)->selector, "all")
      << "the order of the file counts";
  EXPECT_EQ(snapshot->find_domain_key("other.example", v)->selector, "all");
}

TEST(Routes, PriorityAndBackup) {
  const auto snapshot = load(
      "route second { destination 192.0.2.2:25 priority 20 }\n"
      "route first { destination 192.0.2.1:25 priority 10 }\n"
      "route spare { destination 192.0.2.9:25 backup yes }\n"
      "<domain own.example>\nsmtp-hosts relay.example\n</domain>\n");
  const PathPolicy any = policy(*snapshot, "a.example");
  ASSERT_NE(any.route, nullptr);
  ASSERT_EQ(any.route->hops.size(), 3u);
  EXPECT_EQ(any.route->hops[0].address.text(), "192.0.2.1");
  EXPECT_EQ(any.route->hops[2].address.text(), "192.0.2.9");
  EXPECT_LT(any.route->hops[0].preference, any.route->hops[1].preference);
  EXPECT_LT(any.route->hops[1].preference, any.route->hops[2].preference);
  EXPECT_EQ(policy(*snapshot, "own.example").route->hops[0].name, "relay.example");
}

TEST(Relays, AnAddressThatIsTakenIsAFault) {
  const CheckResult result = test::check(
      "smtp-listener 127.0.0.1:2525\nrelay {\nlisten 127.0.0.1:2525\nlisten nonsense\n}\n");
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(count_of(result.diagnostics, Severity::error), 2u) << render_text(result.diagnostics);
}

TEST(Cold, NamesAndDailyNumbers) {
  const auto snapshot = load(
      "<virtual-mta cold>\n</virtual-mta>\n<virtual-mta warm>\ncold-virtual-mta cold\n"
      "<domain *>\nmax-cold-virtual-mta-msg 100/d,200/day\n</domain>\n</virtual-mta>\n");
  const VmtaRef warm = snapshot->find_vmta("warm");
  ASSERT_EQ(snapshot->virtual_mtas()[warm.id].cold.size(), 1u);
  const PathPolicy p = policy(*snapshot, "a.example", "warm");
  ASSERT_EQ(p.max_cold_msgs.size(), 2u);
  EXPECT_EQ(p.max_cold_msgs[1], 200u);
  EXPECT_FALSE(test::check("<virtual-mta v>\ncold-virtual-mta v\n</virtual-mta>\n").ok());
  const CheckResult alone =
      test::check("<virtual-mta v>\nmax-cold-virtual-mta-msg 5/d\n</virtual-mta>\n");
  EXPECT_EQ(count_of(alone.diagnostics, Severity::note), 1u) << "there is nowhere to go";
}

TEST(SourceIpLimits, NetworksAddUp) {
  const auto snapshot = load(
      "<domain *>\nsource-ip-max-smtp-out 0/0 5\nsource-ip-max-smtp-out 10.0.0.0/8 2\n"
      "source-ip-max-smtp-out 0/0 7\nsource-ip-max-msg-rate 0/0 100/h\n"
      "max-data-volume-rate 10M/2h\n</domain>\n");
  const PathPolicy p = policy(*snapshot, "a.example");
  ASSERT_EQ(p.source_ip_max_smtp_out.size(), 2u);
  EXPECT_EQ(p.source_ip_max_smtp_out[0].count, 2u);
  EXPECT_EQ(p.source_ip_max_smtp_out[1].count, 7u) << "the same network is replaced";
  EXPECT_EQ(p.source_ip_max_msg_rate[0].rate, (Rate{100, Duration::hours(1)}));
  EXPECT_EQ(p.max_data_rate, (DataRate{10u << 20, Duration::hours(2)}));
}

TEST(Guards, WhatCannotBeKeptIsHeldOrRefused) {
  for (const auto& [lines, held] :
       {std::pair<std::string, bool>{"type discard", false},
        {"type http-delivery", true},
        {"type file\nfile-destination /x", false},
        {"type file\n</domain>\n<domain b.example>\nfile-destination /x", true},
        {"type pipe\ncommand /bin/cat", false}}) {
    const auto snapshot = load("<domain a.example>\n" + lines + "\n</domain>\n");
    EXPECT_EQ(policy(*snapshot, "a.example").held, held) << lines;
  }
  EXPECT_NE(
      render_text(test::check("<domain a.example>\ntype http-delivery\n</domain>\n").diagnostics)
          .find("held"),
      std::string::npos);
  EXPECT_FALSE(test::check("<domain a.example>\ntype file\n</domain>\n").ok());
  EXPECT_FALSE(test::check("<domain a.example>\ntype pipe\n</domain>\n").ok());
  for (const bool lenient : {false, true}) {
    CheckOptions options;
    options.lenient = lenient;
    if (is_pending(OptionId::suppression_lists)) {
      EXPECT_FALSE(test::check("<address-list l>\ndomain a.example\n</address-list>\n"
                               "<source 10.0.0.0/8>\nsuppression-lists l\n</source>\n",
                               options)
                       .ok());
    }
    EXPECT_FALSE(test::check("<source 10.0.0.0/8>\nrequire-auth maybe\n</source>\n", options).ok())
        << "a faulty value of what protects is never passed over";
    EXPECT_FALSE(test::check("<source 10.0.0.300>\nsmtp-service no\n</source>\n", options).ok());
  }
}

TEST(Choices, WordsForTheSameThing) {
  const auto snapshot = load(
      "<source 10.0.0.0/8>\ndsn-return-default system\n</source>\n"
      "<acct-file /a>\ncompress yes\n</acct-file>\n"
      "<virtual-mta-pool p>\nbind-ip-range 192.0.2.1\nsource-hash domain\n"
      "</virtual-mta-pool>\n");
  EXPECT_EQ(snapshot->source_policy(IpAddress::v4(10, 0, 0, 1)).dsn_return_default,
            DsnReturn::headers);
  EXPECT_EQ(snapshot->global().acct_files[0].compress, Compression::gzip);
  EXPECT_EQ(snapshot->pools()[0].source_hash, SourceHash::domain);
}

TEST(Lenient, FaultsAreLeftOut) {
  CheckOptions lenient;
  lenient.lenient = true;
  const std::string text =
      "include /nowhere/at/all.conf\nfrobnicate 1\n<domain a.example>\nmax-smtp-out many\n"
      "max-msg-rate 5/h\n<virtual-mta v>\nsmtp-source-host {{ip}} {{name}}\n";
  EXPECT_FALSE(test::check(text).ok());
  const CheckResult result = test::check(text, lenient);
  ASSERT_TRUE(result.ok()) << render_text(result.diagnostics);
  EXPECT_EQ(policy(*result.snapshot, "a.example").max_smtp_out, 20u);
  EXPECT_EQ(policy(*result.snapshot, "a.example").max_msg_rate, (Rate{5, Duration::hours(1)}));
  EXPECT_EQ(count_of(test::check(text).diagnostics, Severity::error),
            count_of(result.diagnostics, Severity::warning) -
                count_of(test::check(text).diagnostics, Severity::warning));
}

TEST(Rules, ShippedCategoriesKnowTheRepliesOfLargeReceivers) {
  const BounceCategories& shipped = shipped_bounce_categories();
  const std::pair<std::string_view, std::string_view> replies[] = {
      {"5.1.1;smtp;550 5.1.1 The email account that you tried to reach does not exist. Please try",
       "bad-mailbox"},
      {"5.1.1;smtp;550 5.1.1 <a@example.net>: Recipient address rejected: User unknown",
       "bad-mailbox"},
      {"5.1.10;smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address",
       "bad-mailbox"},
      {"5.2.2;smtp;552 5.2.2 The email account that you tried to reach is over quota",
       "quota-issues"},
      {"4.2.2;smtp;452 4.2.2 Mailbox full", "quota-issues"},
      {"5.2.1;smtp;550 5.2.1 The email account is disabled", "inactive-mailbox"},
      {"5.7.1;smtp;550 5.7.1 Service unavailable, client host [192.0.2.1] blocked using Spamhaus",
       "spam-related"},
      {"4.7.0;smtp;421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", "spam-related"},
      {"5.7.26;smtp;550 5.7.26 Unauthenticated email from example.org is not accepted",
       "policy-related"},
      {"5.7.1;smtp;554 5.7.1 <a@example.net>: Relay access denied", "relaying-issues"},
      {"5.1.8;smtp;553 5.1.8 Sender address rejected: Domain of sender does not exist",
       "invalid-sender"},
      {"4.7.1;smtp;450 4.7.1 Greylisted, please try again later", "policy-related"},
      {"5.0.0;smtp;550 virus detected: Eicar", "virus-related"},
      {"5.0.0;smtp;550 hello", ""},
  };
  for (const auto& [reply, category] : replies) {
    EXPECT_EQ(shipped.find(reply), category) << reply;
  }
}

}  // namespace
}  // namespace ringpost::config
