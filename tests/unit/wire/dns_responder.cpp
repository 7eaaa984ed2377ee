#include "tests/unit/wire/dns_responder.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "net/wire/socket_address.h"

namespace ringpost {
namespace {

std::uint16_t number(const std::string& bytes, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                                    static_cast<unsigned char>(bytes[at + 1]));
}

// The name of the question and the offset behind it.
std::string read_name(const std::string& message, std::size_t& at) {
  std::string name;
  while (at < message.size() && message[at] != 0) {
    const auto length = static_cast<unsigned char>(message[at]);
    name += (name.empty() ? "" : ".") + message.substr(at + 1, length);
    at += 1U + length;
  }
  ++at;
  return name;
}

DnsResponder::Seen parse(const std::string& question, bool over_tcp) {
  DnsResponder::Seen seen;
  std::size_t at = 12;
  seen.id = number(question, 0);
  seen.recursion_desired = (question[2] & 1) != 0;
  seen.authentic_data = (question[3] & 0x20) != 0;
  seen.name = read_name(question, at);
  seen.type = number(question, at);
  at += 4;
  if (number(question, 10) == 1 && at + 5 <= question.size()) {
    seen.payload = number(question, at + 3);
  }
  seen.over_tcp = over_tcp;
  return seen;
}

// A response of `size` octets or a little more, made of A records.
std::string response(const std::string& question, unsigned code, std::size_t size, bool cut) {
  std::size_t at = 12;
  read_name(question, at);
  std::string reply = question.substr(0, at + 4);
  reply[2] = static_cast<char>(0x81 | (cut ? 0x02 : 0));
  reply[3] = static_cast<char>(0xa0 | code);  // RA and AD
  reply[10] = reply[11] = 0;
  std::size_t records = 0;
  while (reply.size() < size) {
    reply += std::string("\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\x7f\0\0\x02", 16);
    ++records;
  }
  reply[6] = static_cast<char>(records >> 8);
  reply[7] = static_cast<char>(records);
  return reply;
}

bool readable(int descriptor) {
  ::pollfd poll{descriptor, POLLIN, 0};
  return ::poll(&poll, 1, 2000) == 1;
}

bool read_exactly(int descriptor, std::string& out, std::size_t size) {
  out.clear();
  while (out.size() < size) {
    char buffer[512];
    if (!readable(descriptor)) {
      return false;
    }
    const ::ssize_t got = ::read(descriptor, buffer, std::min(sizeof buffer, size - out.size()));
    if (got <= 0) {
      return false;
    }
    out.append(buffer, static_cast<std::size_t>(got));
  }
  return true;
}

}  // namespace

DnsResponder::DnsResponder() {
  KernelAddress kernel;
  // The port of the UDP socket must be free for TCP as well; some tries find one.
  for (int i = 0; i < 20 && address_.port == 0; ++i) {
    udp_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::socklen_t length = to_kernel({IpAddress::v4(127, 0, 0, 1), 0}, kernel);
    EXPECT_EQ(::bind(udp_, &kernel.any, length), 0);
    const SocketAddress bound = local_end(udp_);
    length = to_kernel(bound, kernel);
    if (::bind(tcp_, &kernel.any, length) == 0 && ::listen(tcp_, 16) == 0) {
      address_ = bound;
    } else {
      ::close(udp_);
      ::close(tcp_);
    }
  }
  EXPECT_NE(address_.port, 0);
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this] { serve(); });
}

DnsResponder::~DnsResponder() {
  ::eventfd_write(stop_, 1);
  thread_.join();
  ::close(udp_);
  ::close(tcp_);
  ::close(stop_);
}

std::vector<DnsResponder::Seen> DnsResponder::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

std::size_t DnsResponder::count(const std::string& label) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(seen_.begin(), seen_.end(), [&](const Seen& s) {
    return s.name.rfind(label + ".", 0) == 0;
  }));
}

void DnsResponder::serve() {
  for (;;) {
    ::pollfd polls[] = {{udp_, POLLIN, 0}, {tcp_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (::poll(polls, 3, -1) <= 0 || polls[2].revents != 0) {
      return;
    }
    if (polls[0].revents != 0) {
      serve_udp();
    }
    if (polls[1].revents != 0) {
      serve_tcp();
    }
  }
}

std::vector<std::string> DnsResponder::replies(const std::string& question, bool over_tcp) {
  const Seen seen = parse(question, over_tcp);
  const std::string label = seen.name.substr(0, seen.name.find('.'));
  const std::size_t before = count(label);
  {
    const std::lock_guard lock(mutex_);
    seen_.push_back(seen);
  }
  const std::string answer = response(question, 0, question.size() + 1, false);
  if (label == "nx") {
    return {response(question, 3, 0, false)};
  }
  if (label == "servfail" || label == "refused") {
    return {response(question, label == "refused" ? 5 : 2, 0, false)};
  }
  if (label == "silent" || (label == "late" && before == 0)) {
    return {};
  }
  if (label == "long") {
    return {response(question, 0, 1000, false)};
  }
  if (label == "cut") {
    return {over_tcp ? response(question, 0, 3000, false) : response(question, 0, 0, true)};
  }
  if (label == "noise") {
    std::string stranger = answer;
    stranger[0] = static_cast<char>(stranger[0] ^ 1);
    std::string other_name = answer;
    other_name[13] = 'x';
    return {"\x01", std::string(40, '\xff'), stranger, other_name, answer};
  }
  if (label == "mirror") {
    return {question};
  }
  return {answer};
}

void DnsResponder::serve_udp() {
  char buffer[2048];
  KernelAddress from{};
  ::socklen_t length = sizeof from;
  const ::ssize_t got = ::recvfrom(udp_, buffer, sizeof buffer, 0, &from.any, &length);
  if (got < 17) {
    return;
  }
  const std::string question(buffer, static_cast<std::size_t>(got));
  for (const std::string& reply : replies(question, false)) {
    ::sendto(udp_, reply.data(), reply.size(), 0, &from.any, length);
  }
}

void DnsResponder::serve_tcp() {
  const int peer = ::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
  std::string head;
  std::string question;
  while (peer >= 0 && read_exactly(peer, head, 2) &&
         read_exactly(peer, question, number(head, 0))) {
    for (const std::string& reply : replies(question, true)) {
      const char size[2] = {static_cast<char>(reply.size() >> 8), static_cast<char>(reply.size())};
      const std::string framed = std::string(size, 2) + reply;
      ::send(peer, framed.data(), framed.size(), MSG_NOSIGNAL);
    }
  }
  if (peer >= 0) {
    ::close(peer);
  }
}

}  // namespace ringpost
