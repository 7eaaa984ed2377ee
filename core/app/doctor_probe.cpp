#include "core/app/doctor_probe.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/app/doctor_checks.h"
#include "core/base/error.h"
#include "net/wire/socket_address.h"

namespace ringpost::app {
namespace {

constexpr std::size_t kReplyMax = 16 * 1024;
constexpr std::size_t kBannerMax = 120;

class Socket {
 public:
  Socket(const IpAddress& like, int type)
      : descriptor_(
            ::socket(like.is_v4() ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  ~Socket() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return descriptor_; }

  bool wait(short events, Duration patience) const {
    pollfd entry{descriptor_, events, 0};
    return ::poll(&entry, 1, static_cast<int>(patience.whole_milliseconds())) > 0;
  }

 private:
  int descriptor_;
};

std::string words_of(int code) { return std::string(text_of(code_from_errno(code))); }

/// Empty: it stands.
std::string connect_to(const Socket& socket, const IpAddress& from, const SocketAddress& to,
                       Duration patience, bool& our_fault) {
  KernelAddress room;
  if (from.valid()) {
    const socklen_t size = to_kernel({from, 0}, room);
    if (::bind(socket.get(), &room.any, size) != 0) {
      our_fault = true;
      return "the host does not have the address: " + words_of(errno);
    }
  }
  const socklen_t size = to_kernel(to, room);
  if (::connect(socket.get(), &room.any, size) == 0) {
    return {};
  }
  if (errno != EINPROGRESS) {
    return words_of(errno);
  }
  if (!socket.wait(POLLOUT, patience)) {
    return "no answer";
  }
  int code = 0;
  socklen_t code_size = sizeof code;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &code, &code_size);
  return code == 0 ? std::string() : words_of(code);
}

/// One whole reply with all its lines; empty: none came.
std::string read_reply(const Socket& socket, Duration patience) {
  std::string text;
  char room[2048];
  while (text.size() < kReplyMax && socket.wait(POLLIN, patience)) {
    const ssize_t count = ::recv(socket.get(), room, sizeof room, 0);
    if (count <= 0) {
      break;
    }
    text.append(room, static_cast<std::size_t>(count));
    const std::size_t before = text.size() < 2 ? text.npos : text.rfind('\n', text.size() - 2);
    const std::size_t last = before == text.npos ? 0 : before + 1;
    if (text.back() == '\n' && text.size() > last + 3 && text[last + 3] != '-') {
      return text;
    }
  }
  return {};
}

std::string printable(std::string line) {
  line.resize(std::min({line.find_first_of("\r\n"), line.size(), kBannerMax}));
  std::replace_if(
      line.begin(), line.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return line;
}

bool say(const Socket& socket, const std::string& line) {
  return ::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(line.size());
}

}  // namespace

IpAddress address_chosen_by_host(bool v4) {
  // Nothing is sent: connecting a datagram socket only asks for the route.
  const SocketAddress far{*IpAddress::parse(v4 ? "192.0.2.1" : "2001:db8::1"), 25};
  const Socket socket(far.ip, SOCK_DGRAM);
  KernelAddress room;
  const socklen_t size = to_kernel(far, room);
  return ::connect(socket.get(), &room.any, size) == 0 ? local_end(socket.get()).ip : IpAddress{};
}

ProbeResult probe_smtp(const IpAddress& from, const SocketAddress& to, const std::string& helo,
                       Duration patience) {
  ProbeResult out;
  const Socket socket(to.ip, SOCK_STREAM);
  out.fault = connect_to(socket, from, to, patience, out.our_fault);
  if (!out.fault.empty()) {
    return out;
  }
  out.connected = true;
  const std::string greeting = read_reply(socket, patience);
  out.banner = printable(greeting);
  if (greeting.empty() || greeting[0] != '2') {
    out.fault = greeting.empty() ? "it connects and does not greet" : "greeting: " + out.banner;
    return out;
  }
  say(socket, "EHLO " + helo + "\r\n");
  const std::string hello = read_reply(socket, patience);
  if (hello.empty() || hello[0] != '2') {
    out.fault = hello.empty() ? "no reply to EHLO" : "EHLO: " + printable(hello);
    return out;
  }
  out.starttls = hello.find("STARTTLS\r\n") != hello.npos;
  say(socket, "QUIT\r\n");
  read_reply(socket, patience);
  return out;
}

}  // namespace ringpost::app
