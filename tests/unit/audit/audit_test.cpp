#include <gtest/gtest.h>

#include <map>

#include "net/audit/dmarc.h"
#include "net/audit/reverse_name.h"
#include "net/audit/spf.h"

namespace ringpost::audit {
namespace {

/// DNS by table. Names that nobody wrote down do not exist.
class Table : public Lookup {
 public:
  void text(const std::string& name, const std::string& value) {
    found(name, RecordType::txt).texts.push_back(value);
  }
  void address(const std::string& name, const std::string& value) {
    const IpAddress ip = *IpAddress::parse(value);
    found(name, ip.is_v4() ? RecordType::a : RecordType::aaaa).addresses.push_back(ip);
  }
  void name(const std::string& of, RecordType type, const std::string& value) {
    found(of, type).names.push_back(value);
  }
  void broken(const std::string& name) { answers_[{name, RecordType::txt}].failure = "SERVFAIL"; }
  Answer look_up(const std::string& name, RecordType type) override {
    asked.push_back(name);
    const auto at = answers_.find({name, type});
    if (at != answers_.end()) {
      return at->second;
    }
    Answer nothing;
    nothing.state = Answer::State::no_domain;
    return nothing;
  }
  std::vector<std::string> asked;

 private:
  Answer& found(const std::string& name, RecordType type) {
    Answer& answer = answers_[{name, type}];
    answer.state = Answer::State::found;
    return answer;
  }
  std::map<std::pair<std::string, RecordType>, Answer> answers_;
};

class Spf : public ::testing::Test {
 protected:
  std::string of(const std::string& record, const std::string& ip = "192.0.2.3") {
    Table table = dns_;
    table.text("d.test", record);
    const SpfAnswer answer = check_spf(table, *IpAddress::parse(ip), "joe@d.test", "mx.h.test");
    why_ = answer.why;
    asked_ = table.asked;
    return std::string(name_of(answer.result));
  }
  Table dns_;
  std::string why_;
  std::vector<std::string> asked_;
};

TEST_F(Spf, Addresses) {
  EXPECT_EQ(of("v=spf1 ip4:192.0.2.0/24 -all"), "pass");
  EXPECT_EQ(why_, "ip4:192.0.2.0/24 of d.test");
  EXPECT_EQ(of("v=spf1 ip4:192.0.2.3 -all"), "pass");
  EXPECT_EQ(of("v=spf1 ip4:192.0.2.4 -all"), "fail");
  EXPECT_EQ(of("v=spf1 ip4:192.0.2.4 ~all"), "softfail");
  EXPECT_EQ(of("v=spf1 ip4:192.0.2.4 ?all"), "neutral");
  EXPECT_EQ(of("v=spf1 ip4:192.0.2.4"), "neutral");
  EXPECT_EQ(of("V=SPF1 IP6:2001:db8::/32 -ALL", "2001:db8::5"), "pass");
  EXPECT_EQ(of("v=spf1 ip6:2001:db8::/32 -all"), "fail");
  EXPECT_EQ(of("v=spf1"), "neutral");
}

TEST_F(Spf, NamesOfAddressesAndMailHosts) {
  dns_.address("d.test", "192.0.2.9");
  dns_.address("web.test", "192.0.2.3");
  dns_.name("d.test", RecordType::mx, "mx.d.test");
  dns_.address("mx.d.test", "192.0.2.3");
  EXPECT_EQ(of("v=spf1 a -all"), "fail");
  EXPECT_EQ(of("v=spf1 a/24 -all"), "pass");
  EXPECT_EQ(of("v=spf1 a/28//64 -all"), "pass");
  EXPECT_EQ(of("v=spf1 a/30 -all"), "fail");
  EXPECT_EQ(of("v=spf1 a:web.test -all"), "pass");
  EXPECT_EQ(of("v=spf1 mx -all"), "pass");
  EXPECT_EQ(of("v=spf1 mx:web.test -all"), "fail");
  dns_.name("3.2.0.192.in-addr.arpa", RecordType::ptr, "mx.d.test");
  EXPECT_EQ(of("v=spf1 ptr -all"), "pass");
  EXPECT_EQ(of("v=spf1 ptr:other.test -all"), "fail");
}

TEST_F(Spf, IncludeAndRedirect) {
  dns_.text("inc.test", "v=spf1 ip4:192.0.2.3 -all");
  dns_.text("not.test", "v=spf1 -all");
  dns_.text("bad.test", "v=spf1 nonsense");
  dns_.broken("later.test");
  EXPECT_EQ(of("v=spf1 include:inc.test -all"), "pass");
  EXPECT_EQ(of("v=spf1 include:not.test ~all"), "softfail");
  EXPECT_EQ(of("v=spf1 include:missing.test -all"), "permerror");
  EXPECT_NE(why_.find("missing.test"), std::string::npos);
  EXPECT_EQ(of("v=spf1 include:bad.test -all"), "permerror");
  EXPECT_EQ(of("v=spf1 include:later.test -all"), "temperror");
  EXPECT_EQ(of("v=spf1 redirect=inc.test"), "pass");
  EXPECT_EQ(of("v=spf1 redirect=not.test"), "fail");
  EXPECT_EQ(of("v=spf1 redirect=missing.test"), "permerror");
  EXPECT_EQ(of("v=spf1 redirect=not.test ?all"), "neutral");
  EXPECT_EQ(of("v=spf1 redirect=d.test"), "permerror") << "it must end";
  EXPECT_EQ(of("v=spf1 include:d.test -all"), "permerror") << "it must end";
}

TEST_F(Spf, Macros) {
  dns_.address("192.0.2.3.spf.test", "127.0.0.2");
  dns_.address("3.2.0.192.in-addr.d.test", "127.0.0.2");
  dns_.address("joe.mx.h.test", "127.0.0.2");
  EXPECT_EQ(of("v=spf1 exists:%{i}.spf.test -all"), "pass");
  EXPECT_EQ(of("v=spf1 exists:%{ir}.%{v}.%{d} -all"), "pass");
  EXPECT_EQ(of("v=spf1 exists:%{l}.%{h} -all"), "pass");
  EXPECT_EQ(of("v=spf1 exists:%{d1}.none.test -all"), "fail");
  EXPECT_EQ(asked_.back(), "test.none.test");
  EXPECT_EQ(of("v=spf1 exists:%{z}.x.test -all"), "permerror");
  EXPECT_EQ(of("v=spf1 exists:%{d0}.x.test -all"), "permerror");
  EXPECT_EQ(of("v=spf1 exists:%x.test -all"), "permerror");
  EXPECT_EQ(of("v=spf1 exists:%{ -all"), "permerror");
}

TEST_F(Spf, WhatIsMalformedOrTooMuch) {
  for (const char* record :
       {"v=spf1 ip4:1.2.3 -all", "v=spf1 ip4 -all", "v=spf1 a/33 -all", "v=spf1 a/024 -all",
        "v=spf1 all:x -all", "v=spf1 include -all", "v=spf1 -alll", "v=spf1 ip6:192.0.2.1",
        "v=spf1 redirect=a.test redirect=b.test", "v=spf1 =x", "v=spf1 ip4:192.0.2.3 bad:term"}) {
    EXPECT_EQ(of(record), "permerror") << record;
  }
  EXPECT_EQ(of("v=spf2 -all"), "none");
  EXPECT_EQ(of("v=spf1 unknown=modifier -all"), "fail");
  std::string long_one = "v=spf1";
  for (int i = 0; i < 11; ++i) {
    dns_.address("h" + std::to_string(i) + ".test", "198.51.100.1");
    long_one += " a:h" + std::to_string(i) + ".test";
  }
  EXPECT_EQ(of(long_one + " -all"), "permerror");
  EXPECT_NE(why_.find("more than 10"), std::string::npos);
  EXPECT_EQ(of("v=spf1 a:v1.test a:v2.test a:v3.test -all"), "permerror");
  dns_.text("d.test", "v=spf1 -all");
  EXPECT_EQ(of("v=spf1 -all"), "permerror") << "two records";
}

TEST(Dmarc, Records) {
  DmarcRecord record;
  std::string fault;
  EXPECT_TRUE(read_dmarc("v=DMARC1; p=reject; sp=none; adkim=s; rua=mailto:a@b", record, fault));
  EXPECT_EQ(record.policy, DmarcRecord::Policy::reject);
  EXPECT_EQ(record.subdomain_policy, DmarcRecord::Policy::none);
  EXPECT_TRUE(record.strict_dkim && !record.strict_spf && record.reports);
  EXPECT_TRUE(read_dmarc("v = DMARC1 ;p=quarantine;", record, fault));
  EXPECT_EQ(record.subdomain_policy, DmarcRecord::Policy::quarantine);
  EXPECT_FALSE(read_dmarc("v=spf1 -all", record, fault));
  EXPECT_TRUE(fault.empty());
  EXPECT_FALSE(read_dmarc("", record, fault));
  EXPECT_FALSE(read_dmarc("v=DMARC1; p=maybe", record, fault));
  EXPECT_FALSE(fault.empty());
  EXPECT_FALSE(read_dmarc("v=DMARC1; rua=mailto:a@b", record, fault));
}

TEST(Dmarc, IsFoundAboveAndTellsRelatives) {
  Table dns;
  dns.text("_dmarc.example.test", "v=DMARC1; p=reject");
  dns.text("_dmarc.own.example.test", "v=DMARC1; p=none");
  dns.text("_dmarc.test", "v=DMARC1; p=none; psd=y");
  EXPECT_EQ(find_dmarc(dns, "a.b.example.test").place, "example.test");
  EXPECT_EQ(find_dmarc(dns, "own.example.test").place, "own.example.test");
  EXPECT_EQ(organisation_of(dns, "own.example.test"), "example.test");
  EXPECT_EQ(organisation_of(dns, "a.b.example.test"), "example.test");
  EXPECT_EQ(organisation_of(dns, "elsewhere.org"), "elsewhere.org");
  EXPECT_EQ(find_dmarc(dns, "elsewhere.org").state, DmarcAnswer::State::missing);
  dns.asked.clear();
  find_dmarc(dns, "a.b.c.d.e.f.g.h.i.j.k.l.org");
  EXPECT_EQ(dns.asked.size(), 8U);
  dns.text("_dmarc.example.test", "v=DMARC1; p=none");
  EXPECT_EQ(find_dmarc(dns, "example.test").state, DmarcAnswer::State::faulty);
}

TEST(ReverseName, OfBothFamilies) {
  EXPECT_EQ(reverse_name(*IpAddress::parse("198.51.100.25")), "25.100.51.198.in-addr.arpa");
  EXPECT_EQ(reverse_name(*IpAddress::parse("2001:db8::1")),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

}  // namespace
}  // namespace ringpost::audit
