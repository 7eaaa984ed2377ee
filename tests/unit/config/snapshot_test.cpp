#include "core/config/snapshot.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/unit/config/support.h"

namespace ringpost::config {
namespace {

using test::load;
using test::per;
using test::policy;

TEST(Snapshot, DefaultsOfAQueue) {
  const auto snapshot = load("");
  const PathPolicy p = policy(*snapshot, "example.com");
  EXPECT_EQ(p.max_smtp_out, 20u);
  EXPECT_EQ(p.max_per_host_out, kUnlimited);
  EXPECT_EQ(p.max_msg_per_connection, kUnlimited);
  EXPECT_EQ(p.max_rcpt_per_message, 1000u);
  EXPECT_TRUE(p.max_msg_rate.unlimited());
  ASSERT_EQ(p.retry_after.size(), 1u);
  EXPECT_EQ(p.retry_after[0], Duration::minutes(10));
  EXPECT_EQ(p.retry_recipients_after, Duration::minutes(10));
  EXPECT_EQ(p.retry_growth, 1u);
  EXPECT_EQ(p.retry_after_max, Duration::hours(12));
  EXPECT_EQ(p.retry_jitter, 0u);
  EXPECT_EQ(p.bounce_after, Duration::hours(108));
  EXPECT_EQ(p.connect_timeout, Duration::minutes(2));
  EXPECT_EQ(p.data_termination_timeout, Duration::minutes(10));
  EXPECT_EQ(p.idle_timeout, Duration{});
  EXPECT_EQ(p.default_smtp_port, 25u);
  EXPECT_EQ(p.mx_connection_attempts, 10u);
  EXPECT_TRUE(p.bounce_upon_no_mx.is_forever());
  EXPECT_TRUE(p.bounce_upon_5xx_greeting);
  EXPECT_EQ(p.route, nullptr);
  EXPECT_FALSE(p.allow_private_mx);
  EXPECT_EQ(p.delivery_type, DeliveryType::smtp);
}

TEST(Snapshot, DefaultsOfTheProcess) {
  CheckOptions options;
  options.host_name = "box.example";
  const CheckResult result = test::check("", options);
  ASSERT_TRUE(result.ok());
  const GlobalSettings& g = result.snapshot->global();
  EXPECT_EQ(g.host_names.at(0), "box.example");
  EXPECT_EQ(g.shards, 0u);
  EXPECT_TRUE(g.cpu_pinning);
  EXPECT_EQ(g.total_max_smtp_out, 1200u);
  EXPECT_EQ(g.total_max_smtp_in, 100u);
  EXPECT_EQ(g.settle_sync_interval, Duration::milliseconds(100));
  EXPECT_EQ(g.shutdown_timeout, Duration::seconds(60));
  EXPECT_EQ(g.spool_segment_size, 64u << 20);
  EXPECT_TRUE(g.listeners.empty());
  EXPECT_EQ(result.snapshot->virtual_mtas().size(), 1u);
  EXPECT_EQ(result.snapshot->virtual_mtas()[0].name, "{default}");
  EXPECT_EQ(result.snapshot->virtual_mtas()[0].helo, "box.example");
}

TEST(Snapshot, SpecificityNotOrderDecides) {
  const auto snapshot = load(
      "<domain mail.a.example>\nmax-smtp-out 1\n</domain>\n"
      "<domain *>\nmax-smtp-out 9\nretry-after 1h\nmax-msg-rate 9/s\n</domain>\n"
      "<domain [*.]a.example>\nmax-smtp-out 3\nmax-msg-rate 3/s\n</domain>\n"
      "<domain *.a.example>\nmax-msg-rate 2/s\n</domain>\n");
  EXPECT_EQ(policy(*snapshot, "mail.a.example").max_smtp_out, 1u);
  EXPECT_EQ(policy(*snapshot, "mail.a.example").max_msg_rate, per(2, Duration::seconds(1)));
  EXPECT_EQ(policy(*snapshot, "mail.a.example").retry_after[0], Duration::hours(1));
  EXPECT_EQ(policy(*snapshot, "a.example").max_smtp_out, 3u);
  EXPECT_EQ(policy(*snapshot, "A.Example").max_msg_rate, per(3, Duration::seconds(1)));
  EXPECT_EQ(policy(*snapshot, "b.example").max_smtp_out, 9u);
}

TEST(Snapshot, LayersBeforeSpecificity) {
  const auto snapshot = load(
      "<domain a.example>\nmax-smtp-out 1\nretry-after 1h\nmax-msg-rate 1/s\n</domain>\n"
      "<virtual-mta v>\nretry-after 3h\n<domain *>\nmax-smtp-out 3\n</domain>\n</virtual-mta>\n"
      "<virtual-mta w>\n</virtual-mta>\n"
      "<virtual-mta-pool p>\nvirtual-mta v\nvirtual-mta w\n"
      "<domain *>\nmax-smtp-out 2\nmax-msg-rate 2/s\n</domain>\n</virtual-mta-pool>\n");
  EXPECT_EQ(policy(*snapshot, "a.example", "v").max_smtp_out, 3u);
  EXPECT_EQ(policy(*snapshot, "a.example", "v").retry_after[0], Duration::hours(3));
  EXPECT_EQ(policy(*snapshot, "a.example", "v").max_msg_rate, per(2, Duration::seconds(1)));
  EXPECT_EQ(policy(*snapshot, "a.example", "w").max_smtp_out, 2u);
  EXPECT_EQ(policy(*snapshot, "a.example", "w").retry_after[0], Duration::hours(1));
  EXPECT_EQ(policy(*snapshot, "a.example").max_smtp_out, 1u);
}

TEST(Snapshot, DomainSectionOfAVirtualMtaBeatsWhatStandsDirectlyInIt) {
  const auto snapshot = load(
      "<virtual-mta v>\nbounce-after 1d\nmax-msg-per-connection 5\n"
      "<domain *>\nbounce-after 2d\n</domain>\n</virtual-mta>\n");
  EXPECT_EQ(policy(*snapshot, "x.example", "v").bounce_after, Duration::days(2));
  EXPECT_EQ(policy(*snapshot, "x.example", "v").max_msg_per_connection, 5u);
}

TEST(Snapshot, MacrosExpandAndYieldToLiteralNames) {
  const auto snapshot = load(
      "domain-macro inner b.example, c.example\n"
      "domain-macro ms a.example,$inner\n"
      "<domain $ms>\nmax-smtp-out 2\nretry-after 2h\n</domain>\n"
      "<domain b.example>\nmax-smtp-out 5\n</domain>\n"
      "<domain *.$inner>\nmax-smtp-out 7\n</domain>\n");
  EXPECT_EQ(policy(*snapshot, "a.example").max_smtp_out, 2u);
  EXPECT_EQ(policy(*snapshot, "b.example").max_smtp_out, 5u);
  EXPECT_EQ(policy(*snapshot, "b.example").retry_after[0], Duration::hours(2));
  EXPECT_EQ(policy(*snapshot, "x.c.example").max_smtp_out, 7u);
  EXPECT_EQ(policy(*snapshot, "d.example").max_smtp_out, 20u);
}

TEST(Snapshot, DomainOfTwoMacrosGetsTheSettingsOfBoth) {
  const auto snapshot = load(
      "domain-macro one a.example,b.example\ndomain-macro two b.example,c.example\n"
      "<domain $one>\nmax-smtp-out 1\nretry-after 1h\n</domain>\n"
      "<domain $two>\nmax-smtp-out 2\n</domain>\n"
      "<domain $one>\nbounce-after 1d\n</domain>\n");
  EXPECT_EQ(policy(*snapshot, "a.example").max_smtp_out, 1u);
  EXPECT_EQ(policy(*snapshot, "a.example").bounce_after, Duration::days(1));
  EXPECT_EQ(policy(*snapshot, "b.example").max_smtp_out, 2u);
  EXPECT_EQ(policy(*snapshot, "b.example").retry_after[0], Duration::hours(1));
  EXPECT_EQ(policy(*snapshot, "b.example").bounce_after, Duration::days(1));
  EXPECT_EQ(policy(*snapshot, "c.example").retry_after[0], Duration::minutes(10));
}

TEST(Snapshot, SectionsAddUpAndLaterValuesReplace) {
  const CheckResult result = test::check(
      "<domain a.example>\nmax-smtp-out 1\n</domain>\n"
      "<domain a.example>\nmax-smtp-out 2\nretry-after 1h\n</domain>\n");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(policy(*result.snapshot, "a.example").max_smtp_out, 2u);
  EXPECT_EQ(test::messages(result),
            (std::vector<std::string>{"5:1 warning 'max-smtp-out' replaces the value of line 2"}));
}

TEST(Snapshot, QueueToAndGroupsNameTheQueue) {
  const auto snapshot = load(
      "<domain a.example>\nqueue-to \"Shared.Queue\"\n</domain>\n"
      "<domain shared.queue>\nsmtp-hosts relay.example\nmax-smtp-out 4\n</domain>\n"
      "domain group { domain b.example domain *.c.example max-smtp-out 6 }\n"
      "<virtual-mta v>\n<domain a.example>\nqueue-to \"\"\n</domain>\n</virtual-mta>\n");
  EXPECT_EQ(snapshot->queue_name("a.example", kDefaultVmta), "Shared.Queue");
  EXPECT_EQ(policy(*snapshot, "a.example").max_smtp_out, 4u);
  // One queue where one can be delivered to several domains, else the settings for each.
  const bool one = !is_pending(OptionId::group_member);
  EXPECT_EQ(snapshot->queue_name("B.example", kDefaultVmta), one ? "group" : "B.example");
  EXPECT_EQ(snapshot->queue_name("x.c.example", kDefaultVmta), one ? "group" : "x.c.example");
  EXPECT_EQ(policy(*snapshot, "x.c.example").max_smtp_out, 6u);
  EXPECT_EQ(policy(*snapshot, "b.example").max_smtp_out, 6u);
  EXPECT_EQ(snapshot->queue_name("d.example", kDefaultVmta), "d.example");
  EXPECT_EQ(snapshot->queue_name("a.example", snapshot->find_vmta("v").id), "a.example")
      << "an empty value takes an inherited one back";
}

TEST(Snapshot, StaticRoutes) {
  const auto snapshot = load(
      "<domain a.example>\n"
      "smtp-hosts [192.0.2.1]:2525, mx.example:26; lookup-mx:b.example,[IPv6:2001:db8::1]\n"
      "</domain>\n<domain c.example>\nroute [127.0.0.1]:25025\n</domain>\n");
  const PathPolicy p = policy(*snapshot, "a.example");
  ASSERT_NE(p.route, nullptr);
  ASSERT_EQ(p.route->hops.size(), 4u);
  EXPECT_EQ(p.route->hops[0].kind, RouteHop::Kind::address);
  EXPECT_EQ(p.route->hops[0].address.text(), "192.0.2.1");
  EXPECT_EQ(p.route->hops[0].port, 2525);
  EXPECT_EQ(p.route->hops[1].name, "mx.example");
  EXPECT_EQ(p.route->hops[1].preference, 0);
  EXPECT_EQ(p.route->hops[2].kind, RouteHop::Kind::mx);
  EXPECT_EQ(p.route->hops[2].preference, 1);
  EXPECT_EQ(p.route->hops[3].address.text(), "2001:db8::1");
  EXPECT_EQ(p.route->hops[3].port, 0);
  EXPECT_EQ(policy(*snapshot, "c.example").route->hops[0].port, 25025);
}

TEST(Snapshot, ZeroAndUnlimited) {
  const auto snapshot = load(
      "<domain a.example>\nmax-smtp-out 0\nmax-msg-rate unlimited\nmax-msg-per-connection "
      "unlimited\n</domain>\n<domain *>\nmax-msg-rate 5/s\nbounce-upon-no-mx 2h\n</domain>\n");
  EXPECT_EQ(policy(*snapshot, "a.example").max_smtp_out, kUnlimited);
  EXPECT_TRUE(policy(*snapshot, "a.example").max_msg_rate.unlimited());
  EXPECT_EQ(policy(*snapshot, "a.example").max_msg_per_connection, kUnlimited);
  EXPECT_EQ(policy(*snapshot, "b.example").bounce_upon_no_mx, Duration::hours(2));
  const CheckResult zero = test::check("<domain *>\nmax-msg-rate 0\n</domain>\n");
  EXPECT_EQ(test::messages(zero),
            (std::vector<std::string>{"2:14 warning a rate of 0 means unlimited, not stopped"}));
}

TEST(Snapshot, VirtualMtasInheritNamesAddressesAndPoolLimits) {
  const auto snapshot = load(
      "host-name main.example\nsmtp-source-host 192.0.2.9\n"
      "<virtual-mta v>\nsmtp-source-host 192.0.2.1 192.0.2.2 v.example\n"
      "smtp-source-host 192.0.2.4/31\nhost-name w.example\nmax-smtp-out 3\n</virtual-mta>\n"
      "<virtual-mta plain>\n</virtual-mta>\n"
      "<virtual-mta-pool p>\nvirtual-mta v\nvirtual-mta plain\nmax-smtp-out 8\n"
      "max-smtp-msg-rate 5/s\n</virtual-mta-pool>\n");
  const VirtualMta& v = snapshot->virtual_mtas()[snapshot->find_vmta("V").id];
  ASSERT_EQ(v.sources.size(), 4u);
  EXPECT_EQ(v.sources[1].helo, "v.example");
  EXPECT_EQ(v.sources[3].address.text(), "192.0.2.5");
  EXPECT_EQ(v.sources[3].helo, "w.example");
  EXPECT_EQ(v.max_smtp_out, 3u);
  EXPECT_EQ(v.max_msg_rate, per(5, Duration::seconds(1)));
  const VirtualMta& plain = snapshot->virtual_mtas()[snapshot->find_vmta("plain").id];
  ASSERT_EQ(plain.sources.size(), 1u);
  EXPECT_EQ(plain.sources[0].helo, "main.example");
  EXPECT_EQ(plain.max_smtp_out, 8u);
  EXPECT_EQ(snapshot->find_vmta("P").kind, VmtaRef::Kind::pool);
  EXPECT_EQ(snapshot->pools()[0].members.size(), 2u);
  EXPECT_EQ(snapshot->find_vmta("none").kind, VmtaRef::Kind::none);
  EXPECT_EQ(snapshot->find_vmta("{default}").id, kDefaultVmta);
}

TEST(Snapshot, SourcesMergeFromWideToNarrow) {
  const auto snapshot = load(
      "<virtual-mta v>\n</virtual-mta>\n"
      "<source 10.1.2.3>\nalways-allow-relaying no\n</source>\n"
      "<source 0/0>\nsmtp-service no\nmax-message-size 0\n</source>\n"
      "<source 10/8>\nsmtp-service yes\nalways-allow-relaying yes\nmax-message-size 10K\n"
      "default-virtual-mta V\nremove-header A,B\n</source>\n");
  const SourcePolicy one = snapshot->source_policy(IpAddress::v4(10, 1, 2, 3));
  EXPECT_TRUE(one.smtp_service);
  EXPECT_FALSE(one.always_allow_relaying);
  EXPECT_EQ(one.max_message_size, 10240u);
  EXPECT_EQ(one.default_vmta, snapshot->find_vmta("v"));
  EXPECT_EQ(one.remove_header.size(), 2u);
  EXPECT_TRUE(snapshot->source_policy(IpAddress::v4(10, 9, 9, 9)).always_allow_relaying);
  const SourcePolicy other = snapshot->source_policy(IpAddress::v4(192, 0, 2, 1));
  EXPECT_FALSE(other.smtp_service);
  EXPECT_EQ(other.max_message_size, 50u << 20) << "bounded by the limit of the server";
  EXPECT_FALSE(snapshot->source_policy(IpAddress::v4(127, 0, 0, 1)).always_allow_relaying)
      << "a section by address covers it";
}

TEST(Snapshot, OnlyLoopbackRelaysOutOfTheBox) {
  const auto snapshot = load("");
  EXPECT_TRUE(snapshot->source_policy(IpAddress::v4(127, 0, 0, 1)).always_allow_relaying);
  EXPECT_TRUE(snapshot->source_policy(*IpAddress::parse("::1")).always_allow_relaying);
  const SourcePolicy outside = snapshot->source_policy(IpAddress::v4(192, 0, 2, 1));
  EXPECT_FALSE(outside.always_allow_relaying);
  EXPECT_TRUE(outside.smtp_service);
  EXPECT_FALSE(outside.process_x_virtual_mta);
  EXPECT_TRUE(outside.reject_invalid_virtual_mta);
  EXPECT_TRUE(outside.add_received_header);
  EXPECT_EQ(outside.default_vmta.id, kDefaultVmta);
}

TEST(Snapshot, ListenersNameTheirSource) {
  const auto snapshot = load(
      "smtp-listener 0/0:2525\nsmtp-listener [::]:2525 source={in} tls=no\n"
      "smtp-listener 192.0.2.0/28:25\n"
      "<smtp-listener 127.0.0.1:26>\nsource {in}\n</smtp-listener>\n"
      "<source {in}>\nalways-allow-relaying yes\nbare-newlines normalise\n</source>\n"
      "<source 10/8>\nsmtp-service no\n</source>\n");
  const auto& listeners = snapshot->global().listeners;
  ASSERT_EQ(listeners.size(), 4u);
  EXPECT_EQ(listeners[0].address().text(), "0.0.0.0:2525");
  EXPECT_TRUE(listeners[0].single());
  EXPECT_EQ(listeners[0].source, kNoSource);
  EXPECT_EQ(listeners[1].address().text(), "[::]:2525");
  EXPECT_EQ(listeners[1].source, snapshot->find_source("{IN}"));
  EXPECT_FALSE(listeners[2].single());
  EXPECT_EQ(listeners[3].source, snapshot->find_source("{in}"));
  const SourcePolicy named =
      snapshot->source_policy(IpAddress::v4(10, 0, 0, 1), listeners[3].source);
  EXPECT_TRUE(named.always_allow_relaying);
  EXPECT_EQ(named.bare_newlines, BareNewlines::normalise);
  EXPECT_FALSE(named.smtp_service) << "a named source overrides single values only";
}

TEST(Snapshot, ProcessSettings) {
  const auto snapshot = load(
      "name-server 127.0.0.1:5353\nname-server 2001:db8::1\nrelay-domain [*.]in.example\n"
      "shards 3\nspool /var/spool/a\n<spool /var/spool/a>\ndeliver-only yes\n</spool>\n"
      "<acct-file /tmp/a.csv>\nrecords delivery, bounce,t\n</acct-file>\nmax-sessions 77\n");
  const GlobalSettings& g = snapshot->global();
  ASSERT_EQ(g.name_servers.size(), 2u);
  EXPECT_EQ(g.name_servers[0].port, 5353);
  EXPECT_EQ(g.name_servers[1].text(), "[2001:db8::1]:53");
  EXPECT_TRUE(snapshot->is_relay_domain("mail.in.example"));
  EXPECT_FALSE(snapshot->is_relay_domain("out.example"));
  EXPECT_EQ(g.shards, 3u);
  ASSERT_EQ(g.spools.size(), 1u);
  EXPECT_TRUE(g.spools[0].deliver_only);
  ASSERT_EQ(g.acct_files.size(), 1u);
  ASSERT_EQ(g.acct_files[0].records.size(), 3u);
  EXPECT_EQ(g.acct_files[0].records[0], "d");
  EXPECT_EQ(g.acct_files[0].sync_interval, Duration::seconds(1));
  EXPECT_EQ(g.total_max_smtp_in, 77u);
}

TEST(PolicyCache, SharesPoliciesAndKeepsReferences) {
  PolicyCache cache(
      load("<domain a.example>\nmax-smtp-out 1\n</domain>\n"
           "<virtual-mta v>\n</virtual-mta>\n"));
  const PathPolicy& a = cache.policy_for("a.example", kDefaultVmta);
  const PathPolicy& b = cache.policy_for("b.example", kDefaultVmta);
  EXPECT_EQ(a.max_smtp_out, 1u);
  EXPECT_EQ(&cache.policy_for("A.example", 1), &a) << "the same sections apply";
  for (int i = 0; i < 5000; ++i) {
    EXPECT_EQ(&cache.policy_for("x" + std::to_string(i) + ".example", kDefaultVmta), &b);
  }
  EXPECT_EQ(&cache.policy_for("a.example", kDefaultVmta), &a);
  EXPECT_EQ(cache.distinct_policies(), 2u);
}

TEST(Snapshot, ManySectionsLoadAndAreFound) {
  std::string text;
  for (int i = 0; i < 20000; ++i) {
    text += "<domain d" + std::to_string(i) + ".example>\nmax-smtp-out " +
            std::to_string(i % 500 + 1) + "\n</domain>\n";
  }
  const auto snapshot = load(text);
  EXPECT_EQ(policy(*snapshot, "d19999.example").max_smtp_out, 500u);
  EXPECT_EQ(policy(*snapshot, "d7.example").max_smtp_out, 8u);
}

}  // namespace
}  // namespace ringpost::config
