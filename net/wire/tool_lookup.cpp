#include "net/wire/tool_lookup.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <sys/select.h>

#include <algorithm>
#include <cstring>

namespace ringpost {
namespace {

constexpr int kPayloadOfTools = 1232;
constexpr int kTries = 2;
constexpr unsigned char kUnderstandsAd = 0x20;  // AD, in the fourth octet of a message

struct Response {
  bool done = false;
  int status = ARES_ETIMEOUT;
  std::vector<std::uint8_t> bytes;
};

void on_response(void* context, int status, int, unsigned char* bytes, int size) {
  Response& response = *static_cast<Response*>(context);
  response.done = true;
  response.status = status;
  if (bytes != nullptr && size > 0) {
    response.bytes.assign(bytes, bytes + size);
  }
}

int use_servers(ares_channel channel, const std::vector<SocketAddress>& servers) {
  if (servers.empty()) {
    return ARES_SUCCESS;
  }
  std::vector<ares_addr_port_node> nodes(servers.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    ares_addr_port_node& node = nodes[i];
    node = {};
    node.next = i + 1 < nodes.size() ? &nodes[i + 1] : nullptr;
    node.family = servers[i].ip.is_v4() ? AF_INET : AF_INET6;
    node.udp_port = node.tcp_port = servers[i].port;
    std::memcpy(&node.addr, servers[i].ip.octets.data(), servers[i].ip.is_v4() ? 4 : 16);
  }
  return ::ares_set_servers_ports(channel, nodes.data());
}

void wait_for(ares_channel channel, const Response& response) {
  while (!response.done) {
    fd_set readable;
    fd_set writable;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    const int count = ::ares_fds(channel, &readable, &writable);
    if (count == 0) {
      return;
    }
    timeval room{};
    timeval* wait = ::ares_timeout(channel, nullptr, &room);
    if (::select(count, &readable, &writable, nullptr, wait) < 0) {
      return;
    }
    ::ares_process(channel, &readable, &writable);
  }
}

/// ARES_SUCCESS: `response` was awaited.
int ask(ares_channel channel, const std::string& name, std::uint16_t type, Response& response) {
  unsigned char* bytes = nullptr;
  int size = 0;
  const int made =
      ::ares_create_query(name.c_str(), ns_c_in, type, 0, 1, &bytes, &size, kPayloadOfTools);
  if (made != ARES_SUCCESS) {
    return made;
  }
  bytes[3] |= kUnderstandsAd;  // RFC 6840 section 5.7
  ::ares_send(channel, bytes, size, &on_response, &response);
  ::ares_free_string(bytes);
  wait_for(channel, response);
  return ARES_SUCCESS;
}

}  // namespace

Result<std::vector<std::uint8_t>> look_up_message(const std::string& name, std::uint16_t type,
                                                  const std::vector<SocketAddress>& servers,
                                                  Duration limit) {
  ares_channel channel = nullptr;
  ares_options wanted{};
  wanted.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP;
  wanted.ednspsz = kPayloadOfTools;
  wanted.timeout = static_cast<int>(std::max<std::int64_t>(limit.whole_milliseconds() / 3, 1));
  wanted.tries = kTries;
  int status = ::ares_init_options(
      &channel, &wanted, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ);
  Response response;
  if (status == ARES_SUCCESS) {
    status = use_servers(channel, servers);
    status = status == ARES_SUCCESS ? ask(channel, name, type, response) : status;
    ::ares_destroy(channel);
    status = status == ARES_SUCCESS ? response.status : status;
  }
  if (status == ARES_EBADNAME) {
    return Error::of(ErrorCode::invalid, name + ": no name that DNS could have");
  }
  if (response.bytes.empty() || status == ARES_ETIMEOUT) {
    return Error::of(status == ARES_ETIMEOUT ? ErrorCode::timed_out : ErrorCode::unreachable,
                     name + ": " + ::ares_strerror(status));
  }
  return std::move(response.bytes);
}

}  // namespace ringpost
