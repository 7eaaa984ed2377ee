#include "net/smtp/proxy_header.h"

#include <gtest/gtest.h>

#include <string>

namespace ringpost::smtp {
namespace {

using State = ProxyHeader::State;

/// "done 192.0.2.1:5 +4", "done local +0", "bad", "reading"; + what was not taken.
std::string read(const std::string& input, std::size_t piece) {
  ProxyHeader header;
  std::size_t used = 0;
  while (used < input.size() && header.state() == State::reading) {
    used += header.feed(std::string_view(input).substr(used, piece));
  }
  switch (header.state()) {
    case State::reading: return "reading";
    case State::bad: return "bad";
    case State::done: break;
  }
  return "done " + (header.has_source() ? header.source().text() : "local") + " +" +
         std::to_string(input.size() - used);
}

std::string read(const std::string& input) {
  const std::string whole = read(input, input.size());
  EXPECT_EQ(whole, read(input, 1)) << input;
  EXPECT_EQ(whole, read(input, 7)) << input;
  return whole;
}

std::string binary(char command, char family, const std::string& rest) {
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out += command;
  out += family;
  out += static_cast<char>(rest.size() >> 8);
  out += static_cast<char>(rest.size() & 0xff);
  return out + rest;
}

TEST(ProxyHeader, VersionOne) {
  EXPECT_EQ(read("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\nEHLO"), "done 192.0.2.1:56324 +4");
  EXPECT_EQ(read("PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n"), "done [2001:db8::1]:1 +0");
  EXPECT_EQ(read("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 25\r\n"), "done 192.0.2.1:1 +0");
  EXPECT_EQ(read("PROXY UNKNOWN\r\n"), "done local +0");
  EXPECT_EQ(read("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\nx"),
            "done local +1");
  EXPECT_EQ(read("PROXY TCP4 192.0.2.1 198.51.100"), "reading");
}

TEST(ProxyHeader, VersionOneRefused) {
  for (const char* text :
       {"EHLO x\r\n", "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\n",
        "PROXY TCP4 192.0.2.1  198.51.100.2 56324 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25 x\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 65536 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 056 25\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 25\r\n", "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY\r\n", "PROXYTCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n"}) {
    EXPECT_EQ(read(text), "bad") << text;
  }
  EXPECT_EQ(read("PROXY UNKNOWN " + std::string(200, 'x')), "bad");
}

TEST(ProxyHeader, VersionTwo) {
  const std::string v4("\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x00\x19", 12);
  EXPECT_EQ(read(binary(0x21, 0x11, v4) + "EHLO"), "done 192.0.2.1:56324 +4");
  EXPECT_EQ(read(binary(0x21, 0x11, v4 + std::string(100, 't')) + "E"), "done 192.0.2.1:56324 +1");
  const std::string v6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01" +
                         std::string(16, '\0') + std::string("\x00\x07\x00\x19", 4);
  EXPECT_EQ(read(binary(0x21, 0x21, v6)), "done [2001:db8::1]:7 +0");
  const std::string mapped = std::string(10, '\0') + "\xff\xff" +
                             std::string("\xc0\x00\x02\x01", 4) + std::string(16, '\0') +
                             std::string("\x00\x07\x00\x19", 4);
  EXPECT_EQ(read(binary(0x21, 0x21, mapped)), "done 192.0.2.1:7 +0");
  EXPECT_EQ(read(binary(0x20, 0x00, "")), "done local +0");
  EXPECT_EQ(read(binary(0x20, 0x11, v4)), "done local +0");
  EXPECT_EQ(read(binary(0x21, 0x00, "")), "done local +0");
}

TEST(ProxyHeader, VersionTwoRefused) {
  const std::string v4(12, '\x01');
  EXPECT_EQ(read(binary(0x11, 0x11, v4)), "bad");
  EXPECT_EQ(read(binary(0x22, 0x11, v4)), "bad");
  EXPECT_EQ(read(binary(0x21, 0x12, v4)), "bad");
  EXPECT_EQ(read(binary(0x21, 0x31, std::string(216, '\x01'))), "bad");
  EXPECT_EQ(read(binary(0x21, 0x11, v4.substr(1))), "bad");
  EXPECT_EQ(read(binary(0x21, 0x21, v4)), "bad");
  EXPECT_EQ(read(binary(0x21, 0x11, v4 + std::string(5000, 'x'))), "bad");
  EXPECT_EQ(read(std::string("\r\n\r\n\0\r\nQUIX", 11)), "bad");
}

}  // namespace
}  // namespace ringpost::smtp
