#include "core/base/address.h"

#include <gtest/gtest.h>

namespace ringpost {
namespace {

TEST(IpAddress, ParsesAndPrintsBothFamilies) {
  EXPECT_EQ(IpAddress::parse("192.0.2.7")->text(), "192.0.2.7");
  EXPECT_EQ(IpAddress::parse("2001:DB8:0:0::1")->text(), "2001:db8::1");
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.7")->text(), "192.0.2.7");
  for (const char* bad : {"", "192.0.2", "192.0.2.256", "192.0.2.7 ", "::1::", "mx.example"}) {
    EXPECT_FALSE(IpAddress::parse(bad).ok()) << bad;
  }
}

TEST(IpAddress, KnowsAddressesNoPublicMailHostCanHave) {
  for (const char* special : {"127.0.0.1", "10.1.2.3", "172.31.255.1", "192.168.1.1", "0.0.0.0",
                              "169.254.1.1", "224.0.0.1", "255.255.255.255", "100.64.0.1", "::1",
                              "::", "fe80::1", "fd00::1", "ff02::1", "2001:db8::1"}) {
    EXPECT_TRUE(IpAddress::parse(special)->is_special()) << special;
  }
  for (const char* global : {"8.8.8.8", "172.32.0.1", "100.128.0.1", "2a00:1450::1", "9.255.0.1"}) {
    EXPECT_FALSE(IpAddress::parse(global)->is_special()) << global;
  }
}

TEST(SocketAddress, TakesBracketsAndDefaultPort) {
  EXPECT_EQ(SocketAddress::parse("192.0.2.1:2525", 25)->text(), "192.0.2.1:2525");
  EXPECT_EQ(SocketAddress::parse("[192.0.2.1]:26", 25)->text(), "192.0.2.1:26");
  EXPECT_EQ(SocketAddress::parse("[2001:db8::1]:26", 25)->text(), "[2001:db8::1]:26");
  EXPECT_EQ(SocketAddress::parse("2001:db8::1", 25)->text(), "[2001:db8::1]:25");
  EXPECT_EQ(SocketAddress::parse("192.0.2.1", 25)->port, 25);
  for (const char* bad : {"192.0.2.1:0", "192.0.2.1:65536", "[::1", "[::1]25", "192.0.2.1:x"}) {
    EXPECT_FALSE(SocketAddress::parse(bad, 25).ok()) << bad;
  }
  EXPECT_FALSE(SocketAddress::parse("192.0.2.1", 0).ok());
}

TEST(IpNetwork, ContainsByPrefix) {
  const auto net = *IpNetwork::parse("10.1.128.0/17");
  EXPECT_TRUE(net.contains(*IpAddress::parse("10.1.255.9")));
  EXPECT_FALSE(net.contains(*IpAddress::parse("10.1.127.255")));
  EXPECT_FALSE(net.contains(*IpAddress::parse("::1")));
  EXPECT_TRUE(IpNetwork::parse("0/0")->contains(*IpAddress::parse("203.0.113.9")));
  EXPECT_TRUE(IpNetwork::parse("10.1.0/24")->contains(*IpAddress::parse("10.1.0.77")));
  EXPECT_TRUE(IpNetwork::parse("2001:db8::/33")->contains(*IpAddress::parse("2001:db8:7fff::")));
  EXPECT_FALSE(IpNetwork::parse("2001:db8::/33")->contains(*IpAddress::parse("2001:db8:8000::")));
  EXPECT_TRUE(IpNetwork::parse("192.0.2.1")->contains(*IpAddress::parse("192.0.2.1")));
  for (const char* bad : {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "/8", "nonsense"}) {
    EXPECT_FALSE(IpNetwork::parse(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace ringpost
