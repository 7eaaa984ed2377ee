#include "net/wire/ares_dns.h"

#include <ares.h>
#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <cerrno>
#include <cstring>
#include <deque>

namespace ringpost {
namespace {

constexpr int kInternet = 1;    // QCLASS IN
constexpr int kPayload = 1232;  // EDNS buffer that is never fragmented
constexpr std::size_t kHeader = 12;
constexpr unsigned char kAuthenticData = 0x20;  // AD, in the second octet of the flags
constexpr unsigned char kResponse = 0x80;       // QR, in the first

// Response codes (RFC 1035 section 4.1.1).
DnsStatus status_of_code(unsigned code) {
  switch (code) {
    case 0: return DnsStatus::answered;
    case 3: return DnsStatus::no_domain;
    default: return DnsStatus::failed;
  }
}

}  // namespace

class AresDns::Impl {
 public:
  Impl(Ring& ring, Driver& driver, TimerWheel& timers, Entropy& entropy,
       const AresDnsOptions& options)
      : ring_(ring),
        driver_(driver),
        timers_(timers),
        entropy_(entropy),
        options_(options),
        questions_(options.outstanding_max) {
    for (Question& question : questions_) {
      question.dns = this;
      idle_.push_back(&question);
    }
    deadline_.bind<&Impl::on_deadline>(this);
  }
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status open();
  void query(DnsQueryOp& op);
  std::vector<SocketAddress> servers() const;

 private:
  /// c-ares with the servers in one order.
  struct Channel {
    Impl* dns = nullptr;
    ::ares_channel ares = nullptr;
  };
  /// One question on the wire.
  struct Question {
    Impl* dns = nullptr;
    DnsQueryOp* op = nullptr;
    std::size_t channel = 0;
    std::uint16_t id = 0;
  };
  /// One socket of c-ares and the poll on it. A closed socket's place is free again when its
  /// poll has left the kernel.
  struct Socket {
    Channel* channel = nullptr;
    int descriptor = -1;
    unsigned wanted = 0;  ///< poll mask; 0: c-ares has closed it
    unsigned armed = 0;   ///< what the poll in the kernel waits for; 0: none is there
    bool cancelling = false;
  };

  Status make_channel(std::size_t index, const std::vector<SocketAddress>& servers);
  void ask_waiting();
  void ask(DnsQueryOp& op, std::size_t channel);
  std::uint16_t fresh_id();
  void on_deadline(Now now);
  void arm_deadline();

  static void on_answer(void* question, int status, int timeouts, unsigned char* bytes, int size);
  void finish(Question& question, int status, const unsigned char* bytes, int size);
  static void on_socket(void* channel, ::ares_socket_t descriptor, int readable, int writable);
  void watch_all();
  void watch(std::size_t index);
  void on_poll(const RingEvent& event);

  Ring& ring_;
  Driver& driver_;
  TimerWheel& timers_;
  Entropy& entropy_;
  AresDnsOptions options_;
  /// The second begins with the second server: where the first server's answer is an error, the
  /// question goes there. It is not made for a single server.
  std::array<Channel, 2> channels_{};
  std::vector<Question> questions_;
  std::vector<Question*> idle_;
  std::vector<DnsQueryOp*> second_;   ///< failed at the first channel, to be asked at the second
  std::vector<DnsQueryOp*> waiting_;  ///< oldest at waiting_first_
  std::size_t waiting_first_ = 0;
  std::deque<Socket> sockets_;  ///< grows only; places are used again
  bool sockets_changed_ = false;
  std::bitset<65536> ids_in_use_;
  Timer deadline_;
  bool asking_ = false;
  bool closing_ = false;
};

AresDns::Impl::~Impl() {
  closing_ = true;
  ring_.stop();
  timers_.disarm(deadline_);
  for (const Channel& channel : channels_) {
    if (channel.ares != nullptr) {
      ::ares_destroy(channel.ares);
    }
  }
}

Status AresDns::Impl::open() {
  if (options_.tries == 0 || options_.outstanding_max == 0 || options_.outstanding_max > 32768 ||
      options_.timeout.whole_milliseconds() <= 0 || options_.timeout > Duration::minutes(5)) {
    return Error::of(ErrorCode::invalid, "name service: timeout, tries or outstanding queries");
  }
  ring_.attach(RingTag::dns_poll, this, [](void* self, const RingEvent& event) {
    static_cast<Impl*>(self)->on_poll(event);
  });
  ring_.attach_hook(this, [](void* self) {
    static_cast<Impl*>(self)->watch_all();
    return false;
  });
  if (Status made = make_channel(0, options_.servers); !made) {
    return made;
  }
  std::vector<SocketAddress> order = servers();
  if (order.empty()) {
    return Error::of(ErrorCode::invalid, "no name server is configured");
  }
  if (order.size() == 1) {
    return {};
  }
  std::rotate(order.begin(), order.begin() + 1, order.end());
  return make_channel(1, order);
}

Status AresDns::Impl::make_channel(std::size_t index, const std::vector<SocketAddress>& servers) {
  Channel& channel = channels_[index];
  channel.dns = this;
  ::ares_options wanted{};
  // NOCHECKRESP: error answers come to us, as they are. EDNS here only makes c-ares take UDP
  // answers longer than 512 octets; the queries, with their OPT record, are ours.
  wanted.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP | ARES_FLAG_EDNS;
  wanted.timeout = static_cast<int>(options_.timeout.whole_milliseconds());
  wanted.tries = static_cast<int>(options_.tries);
  wanted.ednspsz = kPayload;
  wanted.sock_state_cb = &Impl::on_socket;
  wanted.sock_state_cb_data = &channel;
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                   ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE;
  // ares_library_init does something on Windows only.
  const int status = ::ares_init_options(&channel.ares, &wanted, mask);
  if (status != ARES_SUCCESS) {
    channel.ares = nullptr;
    return Error::of(ErrorCode::invalid, std::string("name service: ") + ::ares_strerror(status));
  }
  if (servers.empty()) {
    return {};
  }
  std::vector<::ares_addr_port_node> nodes(servers.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const SocketAddress& server = servers[i];
    ::ares_addr_port_node& node = nodes[i];
    node = {};
    node.next = i + 1 < nodes.size() ? &nodes[i + 1] : nullptr;
    node.family = server.ip.is_v4() ? AF_INET : AF_INET6;
    node.udp_port = node.tcp_port = server.port;
    std::memcpy(&node.addr, server.ip.octets.data(), server.ip.is_v4() ? 4 : 16);
  }
  const int set = ::ares_set_servers_ports(channel.ares, nodes.data());
  if (set != ARES_SUCCESS) {
    return Error::of(ErrorCode::invalid, std::string("name servers: ") + ::ares_strerror(set));
  }
  return {};
}

std::vector<SocketAddress> AresDns::Impl::servers() const {
  std::vector<SocketAddress> found;
  ::ares_addr_port_node* first = nullptr;
  if (::ares_get_servers_ports(channels_[0].ares, &first) != ARES_SUCCESS) {
    return found;
  }
  for (const ::ares_addr_port_node* node = first; node != nullptr; node = node->next) {
    SocketAddress server;
    const bool v4 = node->family == AF_INET;
    server.ip.family = v4 ? IpAddress::Family::v4 : IpAddress::Family::v6;
    std::memcpy(server.ip.octets.data(), &node->addr, v4 ? 4 : 16);
    server.port = static_cast<std::uint16_t>(node->udp_port == 0 ? 53 : node->udp_port);
    found.push_back(server);
  }
  ::ares_free_data(first);
  return found;
}

void AresDns::Impl::query(DnsQueryOp& op) {
  op.start();
  op.response.clear();
  op.status = DnsStatus::timed_out;
  ++ring_.stats().dns_queries;
  waiting_.push_back(&op);
  const std::uint64_t waiting = waiting_.size() - waiting_first_;
  ring_.stats().dns_waiting_max = std::max(ring_.stats().dns_waiting_max, waiting);
  ask_waiting();
}

void AresDns::Impl::ask_waiting() {
  // c-ares may answer from inside ares_send; that finds asking_ set and leaves the rest to us.
  if (asking_) {
    return;
  }
  asking_ = true;
  while (!idle_.empty() && (!second_.empty() || waiting_first_ < waiting_.size())) {
    if (!second_.empty()) {
      DnsQueryOp& op = *second_.back();
      second_.pop_back();
      ask(op, 1);
    } else {
      ask(*waiting_[waiting_first_++], 0);
    }
  }
  if (waiting_first_ == waiting_.size()) {
    waiting_.clear();
    waiting_first_ = 0;
  } else if (waiting_first_ > 4096) {
    waiting_.erase(waiting_.begin(),
                   waiting_.begin() + static_cast<std::ptrdiff_t>(waiting_first_));
    waiting_first_ = 0;
  }
  asking_ = false;
}

std::uint16_t AresDns::Impl::fresh_id() {
  // At most half of the ids are in use, so this ends soon.
  for (;;) {
    std::array<unsigned char, 2> bytes;
    entropy_.fill(bytes);
    const auto id = static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
    if (!ids_in_use_[id]) {
      ids_in_use_[id] = true;
      return id;
    }
  }
}

void AresDns::Impl::ask(DnsQueryOp& op, std::size_t channel) {
  unsigned char* bytes = nullptr;
  int size = 0;
  const std::uint16_t id = fresh_id();
  const int made = ::ares_create_query(op.name.c_str(), kInternet, static_cast<int>(op.type), id, 1,
                                       &bytes, &size, kPayload);
  if (made != ARES_SUCCESS) {
    ids_in_use_[id] = false;
    op.status = DnsStatus::malformed;
    ++ring_.stats().dns_malformed;
    ring_.complete(op, -EINVAL);
    return;
  }
  bytes[3] |= kAuthenticData;  // RFC 6840 section 5.7: we understand AD, say it
  Question& question = *idle_.back();
  idle_.pop_back();
  question.op = &op;
  question.id = id;
  question.channel = channel;
  ::ares_send(channels_[channel].ares, bytes, size, &Impl::on_answer, &question);
  ::ares_free_string(bytes);
  arm_deadline();
}

void AresDns::Impl::on_answer(void* question, int status, int timeouts, unsigned char* bytes,
                              int size) {
  static_cast<void>(timeouts);
  Question& self = *static_cast<Question*>(question);
  self.dns->finish(self, status, bytes, size);
}

void AresDns::Impl::finish(Question& question, int status, const unsigned char* bytes, int size) {
  DnsQueryOp& op = *question.op;
  ids_in_use_[question.id] = false;
  question.op = nullptr;
  idle_.push_back(&question);
  if (closing_) {
    return;
  }
  std::int32_t result = 0;
  if (bytes != nullptr) {
    const auto length = static_cast<std::size_t>(std::max(size, 0));
    const bool response = length >= kHeader && (bytes[2] & kResponse) != 0;
    op.status = response ? status_of_code(bytes[3] & 0x0fU) : DnsStatus::malformed;
    if (op.status == DnsStatus::failed && question.channel == 0 && channels_[1].dns != nullptr) {
      second_.push_back(&op);
      return;
    }
    op.response.assign(bytes, bytes + length);
  } else if (status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED) {
    op.status = DnsStatus::timed_out;
    result = status == ARES_ETIMEOUT ? 0 : -ENETUNREACH;
  } else if (status == ARES_EBADRESP || status == ARES_EBADQUERY || status == ARES_EBADNAME) {
    op.status = DnsStatus::malformed;
  } else {
    op.status = DnsStatus::failed;
  }
  ring_.stats().dns_timeouts += op.status == DnsStatus::timed_out ? 1 : 0;
  ring_.stats().dns_malformed += op.status == DnsStatus::malformed ? 1 : 0;
  ring_.complete(op, result);
}

// Timeouts. c-ares looks through all questions to find the next one, so it is asked only when the
// deadline has come: no question added meanwhile times out before one timeout from its sending.

void AresDns::Impl::arm_deadline() {
  if (!deadline_.armed() && idle_.size() < questions_.size()) {
    timers_.arm(deadline_, driver_.now().instant + options_.timeout);
  }
}

void AresDns::Impl::on_deadline(Now now) {
  for (const Channel& channel : channels_) {
    if (channel.ares != nullptr) {
      ::ares_process_fd(channel.ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
  }
  ask_waiting();
  Duration next = Duration::forever();
  for (const Channel& channel : channels_) {
    ::timeval span{};
    if (channel.ares != nullptr && ::ares_timeout(channel.ares, nullptr, &span) != nullptr) {
      next = std::min(next, Duration::seconds(span.tv_sec) + Duration::microseconds(span.tv_usec));
    }
  }
  timers_.arm(deadline_, now.instant + std::max(next, Duration::milliseconds(1)));
}

// Sockets. What c-ares opens and closes again within one turn never reaches the ring: polls are
// queued just before the kernel is entered.

void AresDns::Impl::on_socket(void* channel, ::ares_socket_t descriptor, int readable,
                              int writable) {
  Impl& dns = *static_cast<Channel*>(channel)->dns;
  if (dns.closing_) {
    return;
  }
  Socket* place = nullptr;
  for (Socket& socket : dns.sockets_) {
    if (socket.descriptor == descriptor && socket.wanted != 0) {
      place = &socket;
      break;
    }
    if (place == nullptr && socket.wanted == 0 && socket.armed == 0) {
      place = &socket;
    }
  }
  if (place == nullptr) {
    place = &dns.sockets_.emplace_back();
  }
  place->channel = static_cast<Channel*>(channel);
  place->descriptor = descriptor;
  place->wanted = (readable != 0 ? POLLIN : 0U) | (writable != 0 ? POLLOUT : 0U);
  dns.sockets_changed_ = true;
}

void AresDns::Impl::watch_all() {
  if (sockets_changed_) {
    sockets_changed_ = false;
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
      watch(i);
    }
  }
}

void AresDns::Impl::watch(std::size_t index) {
  Socket& socket = sockets_[index];
  if (socket.armed == socket.wanted || socket.cancelling) {
    return;
  }
  if (socket.armed != 0) {
    // Its completion makes room for the new poll, or frees the place.
    socket.cancelling = true;
    ::io_uring_sqe* entry = ring_.next_entry(RingTag::dns_cancel, 0);
    ::io_uring_prep_cancel64(entry, Ring::user_data(RingTag::dns_poll, index), 0);
    return;
  }
  socket.armed = socket.wanted;
  ::io_uring_prep_poll_add(ring_.next_entry(RingTag::dns_poll, index), socket.descriptor,
                           socket.wanted);
}

void AresDns::Impl::on_poll(const RingEvent& event) {
  Socket& socket = sockets_[event.payload];
  socket.armed = 0;
  socket.cancelling = false;
  sockets_changed_ = true;
  if (event.result <= 0 || socket.wanted == 0) {
    return;
  }
  const int descriptor = socket.descriptor;
  const auto seen = static_cast<unsigned>(event.result);
  const bool trouble = (seen & (POLLERR | POLLHUP)) != 0;
  const bool readable = (seen & POLLIN) != 0 || (trouble && (socket.wanted & POLLIN) != 0);
  const bool writable = (seen & POLLOUT) != 0 || (trouble && (socket.wanted & POLLOUT) != 0);
  ::ares_process_fd(socket.channel->ares, readable ? descriptor : ARES_SOCKET_BAD,
                    writable ? descriptor : ARES_SOCKET_BAD);
  ask_waiting();
}

// The port.

AresDns::AresDns(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AresDns::~AresDns() = default;

Result<std::unique_ptr<AresDns>> AresDns::make(Ring& ring, Driver& driver, TimerWheel& timers,
                                               Entropy& entropy, const AresDnsOptions& options) {
  auto impl = std::make_unique<Impl>(ring, driver, timers, entropy, options);
  if (Status opened = impl->open(); !opened) {
    return opened.error();
  }
  return std::unique_ptr<AresDns>(new AresDns(std::move(impl)));
}

void AresDns::query(DnsQueryOp& op) { impl_->query(op); }

std::vector<SocketAddress> AresDns::servers() const { return impl_->servers(); }

}  // namespace ringpost
