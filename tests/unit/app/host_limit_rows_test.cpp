#include "core/app/host_limit_rows.h"

#include <gtest/gtest.h>

#include "core/app/gate_setting.h"
#include "core/app/policy_book.h"
#include "tests/unit/app/support.h"

namespace ringpost::app {
namespace {

const char* const kText =
    "mx-connection-limit *.example 10\n"
    "mx-connection-limit *.mail.example 3\n"
    "ip-connection-limit 0/0 20\n"
    "ip-connection-limit 192.0.2.0/24 5\n"
    "ip-connection-limit 192.0.2.9 unlimited\n"
    "<domain narrow.example>\nmax-per-host-out 2\n</domain>\n";

TEST(HostLimits, TheMostSpecificRowHolds) {
  PolicyBook book(snapshot_of(kText));
  EXPECT_TRUE(book.global_limits().of_hosts);
  const auto of = [&](const char* name, const char* address) {
    const schedule::HostLimits limits = book.host_limits(name, *IpAddress::parse(address));
    return std::to_string(limits.by_name) + " " + std::to_string(limits.by_address);
  };
  EXPECT_EQ(of("a.example", "198.51.100.1"), "10 20");
  EXPECT_EQ(of("mx.mail.example", "192.0.2.1"), "3 5");
  EXPECT_EQ(of("mx.mail.example.org", "192.0.2.9"), "0 0");
  EXPECT_EQ(book.settings_of("narrow.example", "{default}").policy->connections_per_host_max, 2U);
  EXPECT_EQ(book.settings_of("other.example", "{default}").policy->connections_per_host_max, 0U);
  EXPECT_FALSE(PolicyBook(snapshot_of("")).global_limits().of_hosts);
}

TEST(HostLimits, WhyNamesTheRow) {
  const auto snapshot = snapshot_of(kText);
  const GateHost host{"mx.mail.example", *IpAddress::parse("192.0.2.1")};
  const auto told = [&](schedule::Gate gate) {
    const auto setting = setting_behind(gate, *snapshot, "narrow.example", "{default}", {host});
    return setting ? setting->name + " " + setting->value + " " +
                         setting->place.substr(setting->place.rfind(':'))
                   : std::string();
  };
  EXPECT_EQ(told(schedule::Gate::mx_connections), "mx-connection-limit *.mail.example 3 :2");
  EXPECT_EQ(told(schedule::Gate::ip_connections), "ip-connection-limit 192.0.2.0/24 5 :4");
  EXPECT_EQ(told(schedule::Gate::host_connections), "max-per-host-out 2 :7");
}

}  // namespace
}  // namespace ringpost::app
