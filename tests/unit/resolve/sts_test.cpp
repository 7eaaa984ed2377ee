// MTA-STS (RFC 8461): records, policies, and what they make of routes.

#include <gtest/gtest.h>

#include "tests/unit/resolve/resolve_world.h"

namespace ringpost::resolve {
namespace {

using sim::DnsMessageWriter;

constexpr const char* kGood = "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n";

TEST(StsRecord, GivesTheIdOfTheOneRecord) {
  const auto id = [](std::vector<std::string> texts) { return sts_record_id(texts); };
  EXPECT_EQ(id({"v=STSv1; id=20160831085700Z;"}), "20160831085700Z");
  EXPECT_EQ(id({"v=spf1 -all", "v=STSv1;id=1"}), "1");
  EXPECT_EQ(id({"v=STSv1 ; more=x; id = 1 ;"}), "1");
  for (const char* wrong : {"", "v=STSv1", "v=STSv1;", "v=STSv1; id=", "v=STSv1; id=a-b",
                            "v=STSv2; id=1", "id=1; v=STSv1;", "v=stsv1; id=1", "xv=STSv1; id=1"}) {
    EXPECT_EQ(id({wrong}), "") << wrong;
  }
  EXPECT_EQ(id({"v=STSv1; id=" + std::string(33, 'x')}), "");
  EXPECT_EQ(id({"v=STSv1; id=1", "v=STSv1; id=2"}), "") << "two are as none";
}

TEST(StsPolicy, IsReadAsRfc8461HasIt) {
  const auto read = parse_sts_policy(
      "version: STSv1\r\nmode: testing\r\nmx: mail.Example.com\r\nunknown: x: y\r\n"
      "mx: *.example.net\r\nmx: backup.example.com.\r\nmax_age: 604800\r\n");
  ASSERT_TRUE(read.ok()) << read.error().describe();
  EXPECT_EQ(read->mode, StsMode::testing);
  EXPECT_EQ(read->max_age, Duration::days(7));
  EXPECT_EQ(read->mx,
            (std::vector<std::string>{"mail.example.com", "*.example.net", "backup.example.com"}));
  EXPECT_TRUE(read->names("mail.example.com"));
  EXPECT_TRUE(read->names("a.example.net"));
  for (const char* other : {"example.net", "a.b.example.net", "mail2.example.com", ".example.net",
                            "example.com", "xmail.example.com", "aexample.net"}) {
    EXPECT_FALSE(read->names(other)) << other;
  }
  EXPECT_EQ(parse_sts_policy("version: STSv1\nmode: none\nmax_age: 9999999999")->max_age,
            Duration::seconds(31'557'600));
}

TEST(StsPolicy, FaultsAreTold) {
  const std::string good = kGood;
  EXPECT_TRUE(parse_sts_policy(good).ok());
  for (const char* part :
       {"version: STSv1\n", "mode: enforce\n", "mx: mx.example.org\n", "max_age: 86400\n"}) {
    std::string text = good;
    text.erase(text.find(part), std::string(part).size());
    EXPECT_FALSE(parse_sts_policy(text).ok()) << part;
  }
  for (const char* text :
       {"", "<html>\n", "version: STSv2\nmode: none\nmax_age: 1\n",
        "version: STSv1\nmode: maybe\nmax_age: 1\n", "version: STSv1\nmode: none\nmax_age: -1\n",
        "version: STSv1\nmode: none\nmax_age: 12345678901\n",
        "version: STSv1\nmode: enforce\nmx: *\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1\n"}) {
    EXPECT_FALSE(parse_sts_policy(text).ok()) << text;
  }
}

TEST(StsPolicy, LinesOfTheFileCarryItAll) {
  StsPolicy policy = *parse_sts_policy(kGood);
  policy.domain = "example.org";
  policy.id = "7";
  policy.fetched = WallTime{1'700'000'000'000'000};
  const std::string line = sts_line(policy, "/etc/ca.pem");
  const auto back = parse_sts_line(line);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->policy, policy);
  EXPECT_EQ(back->authorities, "/etc/ca.pem");
  EXPECT_FALSE(parse_sts_line("").ok());
  EXPECT_FALSE(parse_sts_line(line.substr(3)).ok() &&
               parse_sts_line(line.substr(3))->policy == policy);
  EXPECT_TRUE(policy.is_due(policy.fetched + Duration::hours(13)));
  EXPECT_FALSE(policy.is_due(policy.fetched + Duration::hours(11)));
}

/// What a web server and the memory of the process would give.
class FakeSource final : public StsSource {
 public:
  explicit FakeSource(Loop& loop) : loop_(loop) {}

  void fetch(StsFetchOp& op) override {
    ++(op.id.empty() ? looks : fetches);
    addresses = op.addresses;
    authorities = op.authorities;
    if (silent) {
      op.start();
      return;
    }
    op.policy = kept;
    op.failure = op.id.empty() ? TlsFailure::none : failure;
    if (!op.id.empty() && failure == TlsFailure::none) {
      auto made = std::make_shared<StsPolicy>(*parse_sts_policy(text));
      made->domain = op.domain;
      made->id = op.id;
      made->fetched = loop_.now().wall;
      op.policy = made;
    }
    loop_.complete(op, 0);
  }

  std::string text = kGood;
  TlsFailure failure = TlsFailure::none;
  StsPolicyRef kept;
  bool silent = false;
  int fetches = 0;
  int looks = 0;
  std::vector<IpAddress> addresses;
  std::string authorities;

 private:
  Loop& loop_;
};

/// example.org with one exchanger and a policy on its web server.
struct StsWorld : ResolveWorld {
  StsWorld() : source(loop) {
    ResolverOptions options;
    options.trusts_ad = true;
    resolver = std::make_unique<Resolver>(loop, dns, options, &source);
    policy.tls.sts = true;
    policy.tls.authorities = "/ca.pem";
    zone.add_mx("example.org", 10, "mx.example.org", 60);
    zone.add_a("mx.example.org", "9.9.9.1", 60);
    zone.add_a("mta-sts.example.org", "9.9.9.2", 60);
    record("v=STSv1; id=1;");
  }
  void record(const std::string& text) {
    DnsMessageWriter writer("_mta-sts.example.org", DnsType::txt);
    writer.record("_mta-sts.example.org", 16, 1, 60,
                  std::string(1, static_cast<char>(text.size())) + text);
    zone.mend("_mta-sts.example.org", DnsType::txt);
    zone.answer_with("_mta-sts.example.org", DnsType::txt, writer.take());
  }
  void no_record() { zone.fail("_mta-sts.example.org", DnsType::txt, DnsStatus::failed); }
  std::shared_ptr<const HostTls> demand() {
    const auto asked = ask("example.org");
    EXPECT_TRUE(asked->routed()) << asked->text();
    return asked->routed() ? asked->query.route->hosts.at(0).tls : nullptr;
  }
  bool enforced() {
    const auto tls = demand();
    return tls != nullptr && tls->kind == TlsPolicyKind::sts && !tls->testing;
  }
  std::uint64_t counted(TlsFailure failure) const {
    return resolver->tls_results().of(TlsPolicyKind::sts, failure);
  }

  FakeSource source;
};

TEST(Sts, APolicyDemandsGoodCertificatesOfTheHostsItNames) {
  StsWorld world;
  const auto tls = world.demand();
  ASSERT_NE(tls, nullptr);
  EXPECT_EQ(tls->kind, TlsPolicyKind::sts);
  EXPECT_EQ(tls->name, "mx.example.org");
  EXPECT_FALSE(tls->testing);
  EXPECT_FALSE(tls->stranger);
  EXPECT_EQ(world.source.addresses, (std::vector<IpAddress>{IpAddress::v4(9, 9, 9, 2)}));
  EXPECT_EQ(world.source.authorities, "/ca.pem");
  world.pass(Duration::minutes(2));
  EXPECT_TRUE(world.enforced());
  EXPECT_EQ(world.source.fetches, 1) << "the same id is not fetched again";
}

TEST(Sts, HostsItDoesNotNameAreLeftOut) {
  StsWorld world;
  world.zone.add_mx("example.org", 5, "evil.example.net", 60);
  world.zone.add_a("evil.example.net", "9.9.9.3", 60);
  const auto asked = world.ask("example.org");
  EXPECT_EQ(asked->text(), "mx.example.org:10:25=9.9.9.1");
  EXPECT_EQ(world.counted(TlsFailure::validation_failure), 1U);
  StsWorld alone;
  alone.source.text = "version: STSv1\nmode: enforce\nmx: *.example.net\nmax_age: 86400\n";
  const auto refused = alone.ask("example.org");
  EXPECT_TRUE(refused->ended(OutcomeKind::deferred, {4, 7, 5})) << refused->text();
  EXPECT_NE(refused->text().find("mx.example.org"), std::string::npos);
}

TEST(Sts, TestingOnlyMarksAndNoneDoesNothing) {
  StsWorld world;
  world.source.text = "version: STSv1\nmode: testing\nmx: other.example.org\nmax_age: 86400\n";
  const auto tls = world.demand();
  ASSERT_NE(tls, nullptr);
  EXPECT_TRUE(tls->testing);
  EXPECT_TRUE(tls->stranger);
  StsWorld none;
  none.source.text = "version: STSv1\nmode: none\nmax_age: 86400\n";
  EXPECT_EQ(none.demand(), nullptr);
}

TEST(Sts, ANewIdBringsANewPolicy) {
  StsWorld world;
  EXPECT_TRUE(world.enforced());
  world.source.text = "version: STSv1\nmode: none\nmax_age: 86400\n";
  world.pass(Duration::minutes(2));
  EXPECT_TRUE(world.enforced());
  world.record("v=STSv1; id=2;");
  world.pass(Duration::minutes(2));
  EXPECT_EQ(world.demand(), nullptr);
  EXPECT_EQ(world.source.fetches, 2);
}

TEST(Sts, WhatIsKnownHoldsUntilItExpires) {
  StsWorld world;
  EXPECT_TRUE(world.enforced());
  world.no_record();
  world.pass(Duration::minutes(2));
  EXPECT_TRUE(world.enforced()) << "withholding the record changes nothing";
  world.record("v=STSv1; id=2;");
  world.source.failure = TlsFailure::sts_policy_fetch_error;
  world.pass(Duration::minutes(2));
  EXPECT_TRUE(world.enforced()) << "nor does a web server that is gone";
  EXPECT_EQ(world.counted(TlsFailure::sts_policy_fetch_error), 1U);
  world.pass(Duration::hours(25));
  EXPECT_EQ(world.demand(), nullptr) << "max_age is over";
}

TEST(Sts, AFailedFetchIsNotRepeatedAtOnceAndDemandsNothing) {
  StsWorld world;
  world.source.failure = TlsFailure::sts_webpki_invalid;
  EXPECT_EQ(world.demand(), nullptr);
  world.pass(Duration::minutes(2));
  EXPECT_EQ(world.demand(), nullptr);
  EXPECT_EQ(world.source.fetches, 1);
  EXPECT_EQ(world.counted(TlsFailure::sts_webpki_invalid), 1U);
  world.source.failure = TlsFailure::none;
  world.pass(Duration::minutes(5));
  EXPECT_TRUE(world.enforced());
}

TEST(Sts, PoliciesOfAnEarlierRunCountWithoutARecord) {
  StsWorld world;
  world.no_record();
  auto kept = std::make_shared<StsPolicy>(*parse_sts_policy(kGood));
  kept->id = "1";
  kept->fetched = world.loop.now().wall;
  world.source.kept = kept;
  EXPECT_TRUE(world.enforced());
  EXPECT_EQ(world.source.looks, 1);
  EXPECT_EQ(world.source.fetches, 0);
}

TEST(Sts, ThereIsRefreshLongBeforeTheEnd) {
  StsWorld world;
  EXPECT_TRUE(world.enforced());
  for (int hours = 0; hours < 100; hours += 5) {
    world.pass(Duration::hours(5));
    EXPECT_TRUE(world.enforced()) << hours;
  }
  EXPECT_GE(world.source.fetches, 5);
}

TEST(Sts, TlsaRecordsOutrankIt) {
  StsWorld world;
  world.policy.tls.dane = true;
  constexpr std::uint16_t kAuthentic = DnsMessageWriter::kResponseFlags | 0x20;
  const auto authentic = [&](const char* name, DnsType type, auto fill) {
    DnsMessageWriter writer(name, type);
    writer.flags(kAuthentic);
    fill(writer);
    world.zone.answer_with(name, type, writer.take());
  };
  authentic("example.org", DnsType::mx,
            [](auto& writer) { writer.mx("example.org", 10, "mx.example.org", 60); });
  authentic("mx.example.org", DnsType::a,
            [](auto& writer) { writer.a("mx.example.org", "9.9.9.1", 60); });
  authentic("_25._tcp.mx.example.org", DnsType::tlsa, [](auto& writer) {
    writer.record("_25._tcp.mx.example.org", 52, 1, 60, "\x03\x01\x01" + std::string(32, 'x'));
  });
  world.source.text = "version: STSv1\nmode: enforce\nmx: other.example.org\nmax_age: 86400\n";
  const auto tls = world.demand();
  ASSERT_NE(tls, nullptr);
  EXPECT_EQ(tls->kind, TlsPolicyKind::tlsa);
}

TEST(Sts, ASilentWebServerHoldsNothingForEver) {
  StsWorld world;
  world.source.silent = true;
  EXPECT_EQ(world.demand(), nullptr);
  EXPECT_EQ(world.source.fetches, 1);
  world.resolver.reset();  // with the fetch still under way
}

TEST(Sts, IsAskedForOnlyWhereItApplies) {
  StsWorld world;
  world.policy.tls.sts = false;
  EXPECT_EQ(world.demand(), nullptr);
  world.policy.tls.sts = true;
  StaticHost host;
  host.name = "mx.example.org";
  world.policy.static_route = {host};
  EXPECT_EQ(world.demand(), nullptr);
  EXPECT_EQ(world.dns.queries_of("_mta-sts.example.org", DnsType::txt), 0U);
}

TEST(Sts, WebServersOfPrivateNetworksAreNotAsked) {
  StsWorld world;
  world.zone.remove("mta-sts.example.org");
  world.zone.add_a("mta-sts.example.org", "127.0.0.1", 60);
  world.demand();
  EXPECT_EQ(world.source.fetches, 1);
  EXPECT_TRUE(world.source.addresses.empty());
  world.policy.allow_private_mx = true;
  world.pass(Duration::minutes(2));
  world.demand();
  EXPECT_EQ(world.source.addresses.size(), 1U);
}

}  // namespace
}  // namespace ringpost::resolve
