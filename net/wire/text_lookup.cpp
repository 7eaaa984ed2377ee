#include "net/wire/text_lookup.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <sys/select.h>

#include <algorithm>
#include <cstring>

namespace ringpost {
namespace {

struct Answer {
  bool done = false;
  int status = ARES_ETIMEOUT;
  std::vector<std::string> records;
};

void on_answer(void* context, int status, int, unsigned char* bytes, int size) {
  Answer& answer = *static_cast<Answer*>(context);
  answer.done = true;
  answer.status = status;
  if (status != ARES_SUCCESS) {
    return;
  }
  ares_txt_ext* first = nullptr;
  answer.status = ::ares_parse_txt_reply_ext(bytes, size, &first);
  for (const ares_txt_ext* part = first; part != nullptr; part = part->next) {
    if (part->record_start != 0 || answer.records.empty()) {
      answer.records.emplace_back();
    }
    answer.records.back().append(reinterpret_cast<const char*>(part->txt), part->length);
  }
  if (first != nullptr) {
    ::ares_free_data(first);
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

void wait_for(ares_channel channel, const Answer& answer) {
  while (!answer.done) {
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

}  // namespace

Result<std::vector<std::string>> look_up_text(const std::string& name,
                                              const std::vector<SocketAddress>& servers,
                                              Duration limit) {
  ares_channel channel = nullptr;
  ares_options wanted{};
  constexpr int kTries = 2;
  wanted.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  wanted.timeout = static_cast<int>(std::max<std::int64_t>(limit.whole_milliseconds() / 3, 1));
  wanted.tries = kTries;
  int status =
      ::ares_init_options(&channel, &wanted, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
  Answer answer;
  if (status == ARES_SUCCESS) {
    status = use_servers(channel, servers);
    if (status == ARES_SUCCESS) {
      ::ares_query(channel, name.c_str(), ns_c_in, ns_t_txt, &on_answer, &answer);
      wait_for(channel, answer);
      status = answer.status;
    }
    ::ares_destroy(channel);
  }
  if (status == ARES_ENOTFOUND || status == ARES_ENODATA) {
    return std::vector<std::string>{};
  }
  if (status != ARES_SUCCESS) {
    return Error::of(status == ARES_ETIMEOUT ? ErrorCode::timed_out : ErrorCode::unreachable,
                     name + ": " + ::ares_strerror(status));
  }
  return std::move(answer.records);
}

}  // namespace ringpost
