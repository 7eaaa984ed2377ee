// TLSA records of the hosts of a route (RFC 7672 section 2).

#include <gtest/gtest.h>

#include "tests/unit/resolve/resolve_world.h"

namespace ringpost::resolve {
namespace {

using sim::DnsMessageWriter;

constexpr std::uint16_t kAuthentic = DnsMessageWriter::kResponseFlags | 0x20;
constexpr const char* kTlsaName = "_25._tcp.mx.example.org";

ResolverOptions trusting() {
  ResolverOptions options;
  options.trusts_ad = true;
  return options;
}

std::string tlsa(int usage, int selector, int matching, std::size_t size) {
  const char head[] = {static_cast<char>(usage), static_cast<char>(selector),
                       static_cast<char>(matching)};
  return std::string(head, sizeof head) + std::string(size, 'x');
}

/// example.org with one exchanger whose look-ups are all signed unless a test says otherwise.
struct DaneWorld : ResolveWorld {
  explicit DaneWorld(ResolverOptions options = trusting()) : ResolveWorld(std::move(options)) {
    policy.tls.dane = true;
    mx(true);
    address(true);
    records({tlsa(3, 1, 1, 32)}, true);
    zone.add_empty("mx.example.org");
  }
  void mx(bool authentic) {
    DnsMessageWriter writer("example.org", DnsType::mx);
    writer.flags(authentic ? kAuthentic : DnsMessageWriter::kResponseFlags);
    writer.mx("example.org", 10, "mx.example.org", 60);
    zone.answer_with("example.org", DnsType::mx, writer.take());
  }
  void address(bool authentic) {
    DnsMessageWriter writer("mx.example.org", DnsType::a);
    writer.flags(authentic ? kAuthentic : DnsMessageWriter::kResponseFlags);
    writer.a("mx.example.org", "9.9.9.1", 60);
    zone.answer_with("mx.example.org", DnsType::a, writer.take());
  }
  void records(const std::vector<std::string>& data, bool authentic) {
    DnsMessageWriter writer(kTlsaName, DnsType::tlsa);
    writer.flags(authentic ? kAuthentic : DnsMessageWriter::kResponseFlags);
    for (const std::string& one : data) {
      writer.record(kTlsaName, 52, 1, 60, one);
    }
    zone.answer_with(kTlsaName, DnsType::tlsa, writer.take());
  }
  std::shared_ptr<const HostTls> demand() {
    const auto asked = ask("example.org");
    EXPECT_TRUE(asked->routed()) << asked->text();
    return asked->routed() ? asked->query.route->hosts.at(0).tls : nullptr;
  }
};

TEST(Dane, SignedRecordsDemandTls) {
  DaneWorld world;
  const auto tls = world.demand();
  ASSERT_NE(tls, nullptr);
  EXPECT_EQ(tls->name, "mx.example.org");
  ASSERT_EQ(tls->records.size(), 1U);
  EXPECT_EQ(tls->records[0], (TlsaRecord{3, 1, 1, std::string(32, 'x')}));
}

TEST(Dane, RecordsThatCannotBeUsedStillDemandEncryption) {
  DaneWorld world;
  world.records({tlsa(1, 0, 1, 32), tlsa(3, 1, 1, 31), tlsa(3, 2, 1, 32), tlsa(3, 1, 3, 32)}, true);
  const auto tls = world.demand();
  ASSERT_NE(tls, nullptr);
  EXPECT_TRUE(tls->records.empty());
}

TEST(Dane, WhatIsNotSignedDemandsNothing) {
  for (int unsigned_part = 0; unsigned_part < 3; ++unsigned_part) {
    DaneWorld world;
    world.mx(unsigned_part != 0);
    world.address(unsigned_part != 1);
    world.records({tlsa(3, 1, 1, 32)}, unsigned_part != 2);
    EXPECT_EQ(world.demand(), nullptr) << unsigned_part;
    // Where the way to the host is not signed, its records are not even asked for.
    EXPECT_EQ(world.dns.queries_of(kTlsaName, DnsType::tlsa), unsigned_part == 2 ? 1U : 0U);
  }
}

TEST(Dane, AnAbsenceDemandsNothing) {
  DaneWorld world;
  world.records({}, true);
  EXPECT_EQ(world.demand(), nullptr);
  DaneWorld other;
  other.zone.fail(kTlsaName, DnsType::tlsa, DnsStatus::no_domain);
  EXPECT_EQ(other.demand(), nullptr);
}

TEST(Dane, AFailedLookUpDefersAndIsNotTakenForAnAbsence) {
  for (const DnsStatus status : {DnsStatus::failed, DnsStatus::timed_out, DnsStatus::malformed}) {
    DaneWorld world;
    world.zone.fail(kTlsaName, DnsType::tlsa, status);
    const auto asked = world.ask("example.org");
    EXPECT_TRUE(asked->ended(OutcomeKind::deferred, {4, 4, 3})) << asked->text();
    EXPECT_NE(asked->text().find("TLSA"), std::string::npos);
  }
  DaneWorld late;
  late.zone.slow(kTlsaName, Duration::minutes(5));
  EXPECT_TRUE(late.ask("example.org")->ended(OutcomeKind::deferred, {4, 4, 3}));
  late.pass(Duration::minutes(5));
}

TEST(Dane, IsDoneOnlyWhereAskedForAndTheResolverIsLocal) {
  DaneWorld without;
  without.policy.tls.dane = false;
  EXPECT_EQ(without.demand(), nullptr);
  DaneWorld remote{ResolverOptions{}};
  EXPECT_EQ(remote.demand(), nullptr);
  EXPECT_EQ(remote.dns.queries_of(kTlsaName, DnsType::tlsa), 0U);
}

TEST(Dane, ConfiguredHostsAreAsked) {
  DaneWorld world;
  StaticHost host;
  host.name = "mx.example.org";
  host.port = 25;
  world.policy.static_route = {host};
  EXPECT_NE(world.demand(), nullptr);
}

}  // namespace
}  // namespace ringpost::resolve
