#include "net/resolve/resolver.h"

#include <gtest/gtest.h>

#include "tests/unit/resolve/resolve_world.h"

namespace ringpost::resolve {
namespace {

using sim::DnsMessageWriter;

constexpr EnhancedStatus kTemporary{4, 4, 3};
constexpr EnhancedStatus kBadDomain{5, 1, 2};
constexpr EnhancedStatus kNullMx{5, 1, 10};
constexpr EnhancedStatus kUnroutable{5, 4, 4};
constexpr EnhancedStatus kLoop{5, 4, 6};

QueuePolicyRef static_policy(std::vector<StaticHost> hosts) {
  auto policy = std::make_shared<QueuePolicy>();
  policy->static_route = std::move(hosts);
  return policy;
}

TEST(Resolver, OrdersHostsByPreferenceAndTheRestStably) {
  ResolveWorld world;
  world.policy.smtp_port = 2525;
  world.zone.add_mx("example.org", 20, "Backup.example.net");
  world.zone.add_mx("example.org", 10, "mx-b.example.org");
  world.zone.add_mx("example.org", 10, "mx-a.example.org");
  world.zone.add_a("backup.example.net", "9.9.9.3");
  world.zone.add_a("mx-a.example.org", "9.9.9.2");
  world.zone.add_a("mx-a.example.org", "2a00::1");
  world.zone.add_a("mx-a.example.org", "9.9.9.1");
  world.zone.add_a("mx-b.example.org", "2a00::2");
  const auto asked = world.ask("Example.ORG");
  EXPECT_EQ(asked->text(),
            "mx-a.example.org:10:2525=9.9.9.1,9.9.9.2,2a00::1 mx-b.example.org:10:2525=2a00::2 "
            "backup.example.net:20:2525=9.9.9.3");
}

TEST(Resolver, CompletesInALaterTurnEvenFromTheCache) {
  ResolveWorld world;
  world.zone.add_mx("example.org", 10, "mx.example.org");
  world.zone.add_a("mx.example.org", "9.9.9.1");
  const auto first = world.ask("example.org");
  ASSERT_TRUE(first->routed());
  const auto queries = world.dns.queries();
  const auto second = world.start("example.org");
  EXPECT_FALSE(second->done);
  world.loop.turn(Instant::never());
  EXPECT_TRUE(second->routed());
  EXPECT_EQ(second->text(), first->text());
  EXPECT_EQ(world.dns.queries(), queries);
}

TEST(Resolver, AHostListedTwiceKeepsItsBestPreference) {
  ResolveWorld world;
  world.zone.add_mx("example.org", 30, "mx.example.org");
  world.zone.add_mx("example.org", 10, "MX.example.org");
  world.zone.add_a("mx.example.org", "9.9.9.1");
  world.zone.add_a("mx.example.org", "9.9.9.1");
  EXPECT_EQ(world.ask("example.org")->text(), "mx.example.org:10:25=9.9.9.1");
}

TEST(Resolver, NoDomainBounces) {
  ResolveWorld world;
  const auto asked = world.ask("gone.example");
  EXPECT_TRUE(asked->ended(OutcomeKind::bounced, kBadDomain));
  EXPECT_EQ(asked->text(), "domain gone.example does not exist");
  EXPECT_EQ(world.dns.queries_of("gone.example", DnsType::a), 0U);
}

TEST(Resolver, NullMxBounces) {
  ResolveWorld world;
  world.zone.add_mx("example.org", 0, "");
  world.zone.add_a("example.org", "9.9.9.1");
  EXPECT_TRUE(world.ask("example.org")->ended(OutcomeKind::bounced, kNullMx));
  // A root beside real exchangers only takes itself out.
  world.zone.add_mx("both.example", 0, "");
  world.zone.add_mx("both.example", 5, "mx.both.example");
  world.zone.add_a("mx.both.example", "9.9.9.2");
  EXPECT_EQ(world.ask("both.example")->text(), "mx.both.example:5:25=9.9.9.2");
}

TEST(Resolver, WithoutMxTheDomainIsItsOwnExchanger) {
  ResolveWorld world;
  world.zone.add_a("example.org", "9.9.9.1");
  EXPECT_EQ(world.ask("example.org")->text(), "example.org:0:25=9.9.9.1");
  world.zone.add_a("six.example", "2a00::1");
  EXPECT_EQ(world.ask("six.example")->text(), "six.example:0:25=2a00::1");
  world.zone.add_empty("nothing.example");
  EXPECT_TRUE(world.ask("nothing.example")->ended(OutcomeKind::bounced, kUnroutable));
}

TEST(Resolver, ADomainWithoutMxIsReturnedOrWaitsWhereItsPolicySaysSo) {
  ResolveWorld world;
  world.zone.add_a("example.org", "9.9.9.1");
  world.policy.no_mx_wait = Duration{};
  const auto returned = world.ask("example.org");
  EXPECT_TRUE(returned->ended(OutcomeKind::bounced, kUnroutable));
  EXPECT_FALSE(returned->query.no_exchanger);
  EXPECT_EQ(returned->text(), "domain example.org has no mail exchangers");
  EXPECT_EQ(world.dns.queries_of("example.org", DnsType::a), 0U);
  world.policy.no_mx_wait = Duration::hours(4);
  const auto waiting = world.ask("example.org");
  EXPECT_TRUE(waiting->ended(OutcomeKind::deferred, EnhancedStatus{4, 4, 4}));
  EXPECT_TRUE(waiting->query.no_exchanger);
  world.policy.no_mx_wait = Duration::forever();
  const auto routed = world.ask("example.org");
  EXPECT_TRUE(routed->routed());
  EXPECT_FALSE(routed->query.no_exchanger);
  // Neither concerns routes of the configuration.
  auto by_hand = std::make_shared<QueuePolicy>();
  by_hand->no_mx_wait = Duration{};
  by_hand->static_route = {{"example.org", {}, 25, false, 0}};
  EXPECT_TRUE(world.ask("example.org", by_hand)->routed());
}

TEST(Resolver, FailuresDeferAndNeverFallBackToTheAddress) {
  for (const DnsStatus status : {DnsStatus::failed, DnsStatus::timed_out, DnsStatus::malformed}) {
    ResolveWorld world;
    world.zone.add_a("example.org", "9.9.9.1");
    world.zone.fail("example.org", DnsType::mx, status);
    EXPECT_TRUE(world.ask("example.org")->ended(OutcomeKind::deferred, kTemporary));
    EXPECT_EQ(world.dns.queries_of("example.org", DnsType::a), 0U);
    // Remembered for a moment, then asked again.
    world.ask("example.org");
    EXPECT_EQ(world.dns.queries(), 1U);
    world.zone.mend("example.org", DnsType::mx);
    world.pass(Duration::seconds(16));
    EXPECT_TRUE(world.ask("example.org")->routed());
  }
}

TEST(Resolver, FollowsAliasesOfDomainAndHost) {
  ResolveWorld world;
  world.zone.add_cname("alias.example", "real.example");
  world.zone.add_mx("real.example", 10, "mx-alias.example");
  world.zone.add_cname("mx-alias.example", "mx-real.example");
  world.zone.add_a("mx-real.example", "9.9.9.1");
  EXPECT_EQ(world.ask("alias.example")->text(), "mx-alias.example:10:25=9.9.9.1");
  world.zone.add_cname("bare.example", "host.example");
  world.zone.add_a("host.example", "9.9.9.2");
  EXPECT_EQ(world.ask("bare.example")->text(), "host.example:0:25=9.9.9.2");
  world.zone.add_cname("dangling.example", "nowhere.example");
  EXPECT_TRUE(world.ask("dangling.example")->ended(OutcomeKind::bounced, kBadDomain));
}

TEST(Resolver, AsksForAnAliasTargetThatTheAnswerLeftOut) {
  ResolveWorld world;
  DnsMessageWriter partial("alias.example", DnsType::mx);
  partial.cname("alias.example", "real.example", 20);
  world.zone.answer_with("alias.example", DnsType::mx, partial.take());
  world.zone.add_mx("real.example", 10, "mx.example");
  world.zone.add_a("mx.example", "9.9.9.1");
  const auto asked = world.ask("alias.example");
  EXPECT_EQ(asked->text(), "mx.example:10:25=9.9.9.1");
  EXPECT_LE(asked->query.route->expires, world.loop.now().instant + Duration::seconds(20));
}

TEST(Resolver, AliasLoopsDeferWithinBounds) {
  ResolveWorld world;
  for (const auto& [from, to] : {std::pair{"a.example", "b.example"}, {"b.example", "a.example"}}) {
    DnsMessageWriter writer(from, DnsType::mx);
    writer.cname(from, to, 20);
    world.zone.answer_with(from, DnsType::mx, writer.take());
  }
  const auto asked = world.ask("a.example");
  EXPECT_TRUE(asked->ended(OutcomeKind::deferred, kTemporary));
  EXPECT_NE(asked->text().find("loop"), std::string::npos);
  EXPECT_LE(world.dns.queries(), kAliasesMax + 1U);
}

TEST(Resolver, HostsThatAreNotFoundAreSkipped) {
  ResolveWorld world;
  world.zone.add_mx("example.org", 5, "gone.example.org");
  world.zone.add_mx("example.org", 6, "9.9.9.7");
  world.zone.add_mx("example.org", 7, "not a host");
  world.zone.add_mx("example.org", 8, "empty.example.org");
  world.zone.add_empty("empty.example.org");
  const auto all_gone = world.ask("example.org");
  EXPECT_TRUE(all_gone->ended(OutcomeKind::bounced, kUnroutable));
  EXPECT_EQ(world.dns.queries_of("9.9.9.7", DnsType::a), 0U);
  world.zone.add_mx("example.net", 5, "gone.example.org");
  world.zone.add_mx("example.net", 10, "mx.example.net");
  world.zone.add_a("mx.example.net", "9.9.9.1");
  EXPECT_EQ(world.ask("example.net")->text(), "mx.example.net:10:25=9.9.9.1");
}

TEST(Resolver, AHostThatMayBeFoundLaterDefersUnlessAnotherIsThere) {
  ResolveWorld world;
  world.zone.add_mx("example.org", 5, "gone.example.org");
  world.zone.add_mx("example.org", 10, "mx.example.org");
  world.zone.add_empty("mx.example.org");
  world.zone.fail("mx.example.org", DnsType::a, DnsStatus::failed);
  EXPECT_TRUE(world.ask("example.org")->ended(OutcomeKind::deferred, kTemporary));
  world.zone.add_mx("two.example", 5, "mx.example.org");
  world.zone.add_mx("two.example", 10, "backup.example");
  world.zone.add_a("backup.example", "9.9.9.2");
  const auto asked = world.ask("two.example");
  EXPECT_EQ(asked->text(), "backup.example:10:25=9.9.9.2");
  EXPECT_LE(asked->query.route->expires, world.loop.now().instant + Duration::seconds(15))
      << "the better host is looked for again soon";
}

TEST(Resolver, AFailedAaaaDoesNotHideAnAddress) {
  ResolveWorld world;
  world.zone.add_mx("example.org", 5, "mx.example.org");
  world.zone.add_a("mx.example.org", "9.9.9.1");
  world.zone.fail("mx.example.org", DnsType::aaaa, DnsStatus::timed_out);
  EXPECT_EQ(world.ask("example.org")->text(), "mx.example.org:5:25=9.9.9.1");
}

TEST(Resolver, SpecialAddressesAreRefused) {
  for (const auto* address : {"127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.0.1", "224.0.0.1",
                              "0.0.0.0", "::1", "fe80::1", "fc00::1", "ff02::1", "::"}) {
    ResolveWorld world;
    world.zone.add_mx("example.org", 5, "mx.example.org");
    world.zone.add_a("mx.example.org", address);
    const auto asked = world.ask("example.org");
    EXPECT_TRUE(asked->ended(OutcomeKind::bounced, kLoop)) << address;
    EXPECT_NE(asked->text().find(IpAddress::parse(address)->text()), std::string::npos);
  }
}

TEST(Resolver, ASpecialAddressBesideAPublicOneIsOnlyLeftOut) {
  ResolveWorld world;
  world.zone.add_mx("example.org", 5, "mx.example.org");
  world.zone.add_a("mx.example.org", "127.0.0.1");
  world.zone.add_a("mx.example.org", "9.9.9.1");
  world.zone.add_mx("example.org", 10, "inner.example.org");
  world.zone.add_a("inner.example.org", "10.0.0.1");
  EXPECT_EQ(world.ask("example.org")->text(), "mx.example.org:5:25=9.9.9.1");
}

TEST(Resolver, PrivateAddressesMayBeAllowedButNotNowhere) {
  ResolveWorld world;
  world.policy.allow_private_mx = true;
  world.zone.add_mx("example.org", 5, "mx.example.org");
  world.zone.add_a("mx.example.org", "127.0.0.1");
  world.zone.add_a("mx.example.org", "fc00::1");
  EXPECT_EQ(world.ask("example.org")->text(), "mx.example.org:5:25=127.0.0.1,fc00::1");
  world.zone.add_a("zero.example", "0.0.0.0");
  world.zone.add_a("zero.example", "::");
  world.zone.add_a("zero.example", "224.0.0.1");
  EXPECT_TRUE(world.ask("zero.example")->ended(OutcomeKind::bounced, kLoop));
}

TEST(Resolver, OurselvesAndAllNotPreferredToUsAreLeftOut) {
  for (const bool by_name : {true, false}) {
    ResolverOptions options;
    if (by_name) {
      options.own_names = {"MX2.example.org"};
    } else {
      options.own_addresses = {{*IpAddress::parse("9.9.9.2"), 25}};
    }
    ResolveWorld world(options);
    world.zone.add_mx("example.org", 10, "mx1.example.org");
    world.zone.add_mx("example.org", 20, "mx2.example.org");
    world.zone.add_mx("example.org", 20, "mx3.example.org");
    world.zone.add_mx("example.org", 30, "mx4.example.org");
    for (const char n : {'1', '2', '3', '4'}) {
      world.zone.add_a(std::string("mx") + n + ".example.org", std::string("9.9.9.") + n);
    }
    EXPECT_EQ(world.ask("example.org")->text(), "mx1.example.org:10:25=9.9.9.1");
    world.zone.remove("mx1.example.org");
    world.resolver->clear_cache();
    const auto asked = world.ask("example.org");
    EXPECT_TRUE(asked->ended(OutcomeKind::bounced, kLoop));
    EXPECT_NE(asked->text().find("loops back"), std::string::npos);
  }
}

TEST(Resolver, AHostNotPreferredToUsDoesNotDelayTheVerdict) {
  ResolverOptions options;
  options.own_names = {"us.example"};
  ResolveWorld world(options);
  world.zone.add_mx("example.org", 10, "us.example");
  world.zone.add_mx("example.org", 20, "slow.example");
  world.zone.add_a("us.example", "9.9.9.1");
  world.zone.fail("slow.example", DnsType::a, DnsStatus::failed);
  EXPECT_TRUE(world.ask("example.org")->ended(OutcomeKind::bounced, kLoop));
}

TEST(Resolver, AnotherPortOfOurAddressIsNotUs) {
  ResolverOptions options;
  options.own_addresses = {{*IpAddress::parse("127.0.0.1"), 2525}};
  ResolveWorld world(options);
  world.policy.allow_private_mx = true;
  world.policy.smtp_port = 2526;
  world.zone.add_a("example.org", "127.0.0.1");
  EXPECT_EQ(world.ask("example.org")->text(), "example.org:0:2526=127.0.0.1");
  world.policy.smtp_port = 2525;
  EXPECT_TRUE(world.ask("example.org")->ended(OutcomeKind::bounced, kLoop));
}

TEST(Resolver, AddressLiterals) {
  ResolveWorld world;
  EXPECT_EQ(world.ask("[9.9.9.1]")->text(), "[9.9.9.1]:0:25=9.9.9.1");
  EXPECT_EQ(world.ask("[ipv6:2A00::1]")->text(), "[IPv6:2a00::1]:0:25=2a00::1");
  EXPECT_EQ(world.ask("[9.9.9.1]")->query.route->expires, Instant::never());
  for (const auto* bad : {"[]", "[", "[9.9.9.1", "[9.9.9]", "[2a00::1]", "[IPv6:9.9.9.1]",
                          "[IPv6:zz]", "[tag:thing]", "[::ffff:9.9.9.1]", "9.9.9.1"}) {
    EXPECT_TRUE(world.ask(bad)->ended(OutcomeKind::bounced, kBadDomain)) << bad;
  }
  EXPECT_TRUE(world.ask("[127.0.0.1]")->ended(OutcomeKind::bounced, kLoop));
  EXPECT_TRUE(world.ask("[IPv6:::ffff:127.0.0.1]")->ended(OutcomeKind::bounced, kLoop));
  world.policy.allow_private_mx = true;
  EXPECT_EQ(world.ask("[127.0.0.1]")->text(), "[127.0.0.1]:0:25=127.0.0.1");
  EXPECT_EQ(world.dns.queries(), 0U);
}

TEST(Resolver, WhatIsNoDomainNameBounces) {
  ResolveWorld world;
  for (const auto* bad : {"", "b\xc3.example", "two..dots", "a b", "x\r\nRCPT"}) {
    const auto asked = world.ask(bad);
    EXPECT_TRUE(asked->ended(OutcomeKind::bounced, kBadDomain)) << bad;
    for (const char c : asked->text()) {
      EXPECT_TRUE(c >= ' ' && c <= '~') << "texts are printable";
    }
  }
  EXPECT_TRUE(world.ask(std::string(100'000, 'a'))->ended(OutcomeKind::bounced, kBadDomain));
  EXPECT_EQ(world.dns.queries(), 0U);
}

TEST(Resolver, InternationalisedDomainsAreAskedForAsALabels) {
  ResolveWorld world;
  world.zone.add_mx("xn--bcher-kva.example", 5, "mx.example");
  world.zone.add_a("mx.example", "198.51.100.9");
  const auto asked = world.ask(
      "B\xc3\xbc"
      "cher.example");
  EXPECT_FALSE(asked->ended(OutcomeKind::bounced, kBadDomain)) << asked->text();
  EXPECT_GT(world.dns.queries(), 0U);
}

TEST(Resolver, StaticRoutesGoWhereTheySay) {
  ResolveWorld world;
  world.zone.add_a("relay.example", "10.0.0.9");
  world.zone.add_mx("relay.example", 5, "other.example");
  const auto policy = static_policy({{"", *IpAddress::parse("127.0.0.1"), 2526},
                                     {"Relay.example", {}, 587, false, 1},
                                     {"gone.example", {}, 25, false, 2}});
  EXPECT_EQ(world.ask("any.example", policy)->text(),
            "[127.0.0.1]:0:2526=127.0.0.1 relay.example:100:587=10.0.0.9");
  EXPECT_EQ(world.ask("", policy)->query.route->hosts.size(), 2U) << "no look at the domain";
  EXPECT_EQ(world.dns.queries_of("relay.example", DnsType::mx), 0U);
  EXPECT_EQ(world.dns.queries_of("any.example", DnsType::mx), 0U);
  EXPECT_EQ(world.ask("x.example", static_policy({{"", *IpAddress::parse("127.0.0.1"), 25}}))
                ->query.route->expires,
            Instant::never());
}

TEST(Resolver, ARouteMayNameDomainsWhoseMxItTakes) {
  ResolveWorld world;
  world.zone.add_mx("big.example", 20, "mx2.big.example");
  world.zone.add_mx("big.example", 10, "mx1.big.example");
  world.zone.add_a("mx1.big.example", "10.0.0.1");
  world.zone.add_a("mx2.big.example", "10.0.0.2");
  world.zone.add_a("big.example", "10.0.0.9");
  world.zone.add_mx("next.example", 5, "mx.next.example");
  world.zone.add_a("mx.next.example", "10.0.0.3");
  world.zone.add_a("alone.example", "10.0.0.4");
  world.zone.add_mx("null.example", 0, "");
  const auto policy = static_policy({{"null.example", {}, 25, true, 0},
                                     {"big.example", {}, 2525, true, 0},
                                     {"", *IpAddress::parse("127.0.0.1"), 2526, false, 1},
                                     {"next.example", {}, 26, true, 1},
                                     {"alone.example", {}, 27, true, 2},
                                     {"gone.example", {}, 25, true, 3}});
  EXPECT_EQ(world.ask("any.example", policy)->text(),
            "mx1.big.example:0:2525=10.0.0.1 mx2.big.example:1:2525=10.0.0.2 "
            "[127.0.0.1]:100:2526=127.0.0.1 mx.next.example:100:26=10.0.0.3 "
            "alone.example:200:27=10.0.0.4");
  EXPECT_EQ(world.dns.queries_of("any.example", DnsType::mx), 0U);
  // Once more, from the cache alone.
  const auto queries = world.dns.queries();
  EXPECT_EQ(world.ask("other.example", policy)->query.route->hosts.size(), 5U);
  EXPECT_EQ(world.dns.queries(), queries);
  EXPECT_TRUE(world.ask("any.example", static_policy({{"gone.example", {}, 25, true}}))
                  ->ended(OutcomeKind::deferred, EnhancedStatus{4, 4, 4}));
}

TEST(Resolver, ABrokenStaticRouteDefers) {
  ResolveWorld world;
  EXPECT_TRUE(world.ask("any.example", static_policy({{"gone.example", {}, 25}}))
                  ->ended(OutcomeKind::deferred, EnhancedStatus{4, 4, 4}));
  EXPECT_TRUE(world.ask("any.example", static_policy({{"no host", {}, 25}}))
                  ->ended(OutcomeKind::deferred, EnhancedStatus{4, 4, 4}));
  world.zone.fail("down.example", DnsType::a, DnsStatus::failed);
  EXPECT_TRUE(world.ask("any.example", static_policy({{"down.example", {}, 25}}))
                  ->ended(OutcomeKind::deferred, kTemporary));
}

TEST(Resolver, KeepsAnswersForTheLowestTtlWithinBounds) {
  ResolverOptions options;
  options.ttl_min = Duration::seconds(10);
  options.ttl_max = Duration::seconds(1000);
  options.negative_ttl_max = Duration::seconds(1000);
  ResolveWorld world(options);
  world.zone.add_mx("example.org", 5, "mx.example.org", 100'000);
  world.zone.add_a("mx.example.org", "9.9.9.1", 50);
  const auto asked = world.ask("example.org");
  const Instant start = world.loop.now().instant;
  EXPECT_GT(asked->query.route->expires, start + Duration::seconds(49));
  EXPECT_LE(asked->query.route->expires, start + Duration::seconds(50));
  world.pass(Duration::seconds(51));
  world.ask("example.org");
  EXPECT_EQ(world.dns.queries_of("mx.example.org", DnsType::a), 2U);
  EXPECT_EQ(world.dns.queries_of("example.org", DnsType::mx), 1U);
  world.pass(Duration::seconds(1000));
  world.ask("example.org");
  EXPECT_EQ(world.dns.queries_of("example.org", DnsType::mx), 2U) << "ttl-max";
  world.zone.add_mx("short.example", 5, "mx.short.example", 0);
  world.zone.add_a("mx.short.example", "9.9.9.2", 0);
  world.ask("short.example");
  world.pass(Duration::seconds(9));
  world.ask("short.example");
  EXPECT_EQ(world.dns.queries_of("short.example", DnsType::mx), 1U) << "ttl-min";
}

TEST(Resolver, KeepsNegativeAnswersAsLongAsTheSoaSays) {
  ResolveWorld world;
  world.zone.set_negative_ttl(900, 120);
  world.ask("gone.example");
  world.pass(Duration::seconds(119));
  world.ask("gone.example");
  EXPECT_EQ(world.dns.queries(), 1U);
  world.pass(Duration::seconds(2));
  world.ask("gone.example");
  EXPECT_EQ(world.dns.queries(), 2U);
  world.zone.set_negative_ttl(0, 0);
  world.ask("gone-too.example");
  world.pass(Duration::seconds(16));
  world.ask("gone-too.example");
  EXPECT_EQ(world.dns.queries_of("gone-too.example", DnsType::mx), 2U)
      << "without a SOA it is kept for a moment only";
}

TEST(Resolver, QueriesForOneNameAreShared) {
  ResolveWorld world;
  world.zone.add_mx("example.org", 5, "mx.example");
  world.zone.add_mx("example.net", 5, "mx.example");
  world.zone.add_a("mx.example", "9.9.9.1");
  std::vector<ResolveWorld::AskedRef> all;
  for (int i = 0; i < 100; ++i) {
    all.push_back(world.start(i % 2 == 0 ? "example.org" : "Example.NET"));
  }
  EXPECT_EQ(world.resolver->active(), 100U);
  for (const auto& asked : all) {
    world.run_until_done(*asked);
    EXPECT_TRUE(asked->routed());
  }
  EXPECT_EQ(world.dns.queries(), 4U) << "two MX, one A, one AAAA";
  EXPECT_EQ(world.resolver->active(), 0U);
}

TEST(Resolver, QueriesInFlightAreBounded) {
  ResolverOptions options;
  options.queries_max = 5;
  ResolveWorld world(options);
  std::vector<ResolveWorld::AskedRef> all;
  for (int i = 0; i < 200; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    world.zone.add_mx(domain, 5, "mx." + domain);
    world.zone.add_a("mx." + domain, "9.9.9.1");
    all.push_back(world.start(domain));
  }
  for (const auto& asked : all) {
    world.run_until_done(*asked);
    EXPECT_TRUE(asked->routed());
  }
  EXPECT_EQ(world.dns.in_flight_peak(), 5U);
  EXPECT_EQ(world.dns.queries(), 600U);
}

TEST(Resolver, BeyondItsBoundsItDefers) {
  ResolverOptions options;
  options.queries_max = 2;
  options.waiting_max = 3;
  options.resolutions_max = 6;
  ResolveWorld world(options);
  std::vector<ResolveWorld::AskedRef> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(world.start("d" + std::to_string(i) + ".example"));
  }
  int busy = 0;
  for (const auto& asked : all) {
    world.run_until_done(*asked);
    ASSERT_TRUE(asked->done);
    busy += asked->query.failure.kind == OutcomeKind::deferred ? 1 : 0;
  }
  EXPECT_EQ(busy, 5) << "two in flight and three waiting end, the rest is turned away";
}

TEST(Resolver, TheDeadlineEndsEveryResolution) {
  ResolverOptions options;
  options.deadline = Duration::seconds(20);
  ResolveWorld world(options);
  world.zone.slow("never.example", Duration::hours(1));
  world.zone.add_mx("example.org", 5, "never.example");
  world.zone.add_mx("example.org", 10, "mx.example.org");
  world.zone.add_a("mx.example.org", "9.9.9.1");
  const Instant start = world.loop.now().instant;
  const auto late = world.start("never.example");
  const auto partly = world.start("example.org");
  world.run_until_done(*late);
  world.run_until_done(*partly);
  EXPECT_TRUE(late->ended(OutcomeKind::deferred, kTemporary));
  EXPECT_EQ(partly->text(), "mx.example.org:10:25=9.9.9.1");
  EXPECT_LE(world.loop.now().instant, start + Duration::seconds(21));
  EXPECT_EQ(world.resolver->stats().late, 2U);
  // The late answers come after all, and are of use.
  world.zone.add_a("never.example", "9.9.9.2");
  world.pass(Duration::hours(1));
  EXPECT_EQ(world.dns.in_flight(), 0U);
}

TEST(Resolver, TheCacheForgetsTheLeastUsedAtItsLimits) {
  ResolverOptions options;
  options.cache_entries_max = 10;
  ResolveWorld world(options);
  const auto add = [&world](const std::string& domain) {
    world.zone.add_a(domain, "9.9.9.1");
    world.ask(domain);
  };
  add("kept.example");
  for (int i = 0; i < 20; ++i) {
    add("d" + std::to_string(i) + ".example");
    world.ask("kept.example");
  }
  EXPECT_EQ(world.resolver->cache().entries(), 10U);
  EXPECT_EQ(world.dns.queries_of("kept.example", DnsType::mx), 1U);
  ResolverOptions small;
  small.cache_bytes_max = 4096;
  ResolveWorld bytes(small);
  for (int i = 0; i < 100; ++i) {
    bytes.ask("d" + std::to_string(i) + ".example");
    EXPECT_LE(bytes.resolver->cache().bytes(), 4096U);
  }
  EXPECT_GT(bytes.resolver->cache().entries(), 3U);
}

TEST(Resolver, TakesTheMostPreferredOfTooManyHosts) {
  ResolverOptions options;
  options.hosts_max = 3;
  options.addresses_max = 4;
  ResolveWorld world(options);
  for (int i = 40; i > 0; --i) {
    const std::string host = "mx" + std::to_string(i) + ".example";
    world.zone.add_mx("example.org", static_cast<std::uint16_t>(i), host);
    for (int j = 1; j <= 9; ++j) {
      world.zone.add_a(host, "9.9." + std::to_string(i) + "." + std::to_string(j));
    }
  }
  const auto asked = world.ask("example.org");
  ASSERT_EQ(asked->query.route->hosts.size(), 3U);
  EXPECT_EQ(asked->query.route->hosts[2].name, "mx3.example");
  EXPECT_EQ(asked->query.route->hosts[2].addresses.size(), 4U);
  EXPECT_EQ(world.dns.queries(), 7U);
}

TEST(Resolver, MayBeDestroyedWithResolutionsUnderWay) {
  ResolveWorld world;
  const auto asked = world.start("example.org");
  EXPECT_EQ(world.resolver->active(), 1U);
  // The port goes first in the order of destruction that a shard uses; here it just never answers.
  world.zone.slow("example.org", Duration::days(1));
  EXPECT_FALSE(asked->done);
}

}  // namespace
}  // namespace ringpost::resolve
