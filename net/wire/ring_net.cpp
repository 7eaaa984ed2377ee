#include "net/wire/ring_net.h"

#include <liburing.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "net/wire/ring_net_impl.h"

namespace ringpost {
namespace {

// A cancel that missed something still on its way is repeated this often.
constexpr std::uint8_t kCancelRounds = 16;

bool set_option(int descriptor, int level, int option, int value) noexcept {
  return ::setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

}  // namespace

RingNet::Impl::Impl(Ring& ring, const RingNetOptions& options)
    : ring_(ring),
      options_(options),
      streams_(options.streams_max),
      listeners_(options.listeners_max),
      accepts_(options.accepts_max) {
  vacant_.reserve(streams_.size());
  for (std::size_t i = streams_.size(); i > 0; --i) {
    vacant_.push_back(static_cast<std::uint32_t>(i - 1));
  }
  for (std::size_t i = accepts_.size(); i > 0; --i) {
    vacant_accepts_.push_back(static_cast<std::uint32_t>(i - 1));
  }
}

RingNet::Impl::~Impl() {
  // The kernel must be done with our memory before it goes.
  ring_.stop();
  for (Stream& stream : streams_) {
    if (stream.descriptor >= 0) {
      ::close(stream.descriptor);
    }
    if (stream.linked()) {
      starved_.remove(stream);
    }
  }
  for (const Listener& listener : listeners_) {
    if (listener.descriptor >= 0) {
      ::close(listener.descriptor);
    }
  }
}

Status RingNet::Impl::prepare(ProbeReport& report) {
  if (options_.streams_max == 0 || options_.streams_max >= kIndexMask) {
    return Error::of(ErrorCode::out_of_range,
                     "streams_max must be 1 to " + std::to_string(kIndexMask - 1));
  }
  const bool withheld = !ring_.has(RingFeature::direct_sockets);
  Status table = ring_.make_file_table(options_.streams_max);
  direct_ = table.ok();
  if (!table && table.error().code != ErrorCode::unsupported) {
    return table;
  }
  if (!table && !withheld) {
    report.lines.push_back("sockets stay ordinary descriptors: " + table.error().detail);
  }
  auto buffers =
      ReceiveBuffers::make(ring_, options_.receive_buffers, options_.receive_buffer_bytes);
  if (!buffers) {
    return buffers.error();
  }
  buffers_ = std::move(*buffers);
  const auto attach = [this]<auto Method>(RingTag tag) {
    ring_.attach(tag, this, [](void* self, const RingEvent& event) {
      (static_cast<Impl*>(self)->*Method)(event);
    });
  };
  attach.template operator()<&Impl::on_accept>(RingTag::accept);
  attach.template operator()<&Impl::on_listener_cancel>(RingTag::listener_cancel);
  attach.template operator()<&Impl::on_connect>(RingTag::connect);
  attach.template operator()<&Impl::on_receive>(RingTag::receive);
  attach.template operator()<&Impl::on_send>(RingTag::send);
  attach.template operator()<&Impl::on_stream_cancel>(RingTag::stream_cancel);
  attach.template operator()<&Impl::on_shutdown>(RingTag::stream_shutdown);
  attach.template operator()<&Impl::on_stream_close>(RingTag::stream_close);
  ring_.attach_hook(this, [](void* self) { return static_cast<Impl*>(self)->before_entry(); });
  return {};
}

// Listeners.

RingNet::Impl::Listener& RingNet::Impl::listener_at(ListenerId id) noexcept {
  const std::size_t index = id.value & 0xffff;
  RP_ASSERT(index < listeners_.size());
  Listener& listener = listeners_[index];
  RP_ASSERT_NOTE(
      listener.descriptor >= 0 && !listener.closing && listener.generation == id.value >> 16,
      "this listener is closed");
  return listener;
}

Result<ListenerId> RingNet::Impl::listen(const SocketAddress& address) {
  std::size_t index = 0;
  while (index < listeners_.size() && listeners_[index].descriptor >= 0) {
    ++index;
  }
  if (index == listeners_.size()) {
    return Error::of(ErrorCode::no_capacity,
                     "no more than " + std::to_string(index) + " listeners");
  }
  const std::string what = "listen on " + address.text();
  const bool v6 = !address.ip.is_v4();
  const int descriptor = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    return Error::from_errno(errno, what);
  }
  KernelAddress kernel;
  const ::socklen_t length = to_kernel(address, kernel);
  const bool done = set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) &&
                    set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) &&
                    (!v6 || set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
                    ::bind(descriptor, &kernel.any, length) == 0 &&
                    ::listen(descriptor, options_.listen_backlog) == 0;
  if (!done) {
    const int error = errno;
    ::close(descriptor);
    return Error::from_errno(error, what);
  }
  listeners_[index].descriptor = descriptor;
  return ListenerId{static_cast<std::uint32_t>(listeners_[index].generation) << 16 |
                    static_cast<std::uint32_t>(index)};
}

SocketAddress RingNet::Impl::bound_address(ListenerId id) const {
  return local_end(const_cast<Impl*>(this)->listener_at(id).descriptor);
}

void RingNet::Impl::accept(ListenerId id, AcceptOp& op) {
  Listener& listener = listener_at(id);
  op.start();
  op.socket = {};
  if (vacant_accepts_.empty()) {
    ring_.complete(op, -ENOBUFS);
    return;
  }
  const std::uint32_t index = vacant_accepts_.back();
  vacant_accepts_.pop_back();
  Accept& accept = accepts_[index];
  accept.op = &op;
  accept.listener = id.value & 0xffff;
  accept.length = sizeof accept.peer;
  ++listener.accepts;
  // Not SOCK_NONBLOCK: the ring would then report EAGAIN instead of waiting.
  ::io_uring_prep_accept(ring_.next_entry(RingTag::accept, index), listener.descriptor,
                         &accept.peer.any, &accept.length, SOCK_CLOEXEC);
}

void RingNet::Impl::on_accept(const RingEvent& event) {
  Accept& accept = accepts_[event.payload];
  Listener& listener = listeners_[accept.listener];
  AcceptOp& op = *accept.op;
  accept.op = nullptr;
  vacant_accepts_.push_back(static_cast<std::uint32_t>(event.payload));
  --listener.accepts;
  std::int32_t result = event.result;
  if (listener.closing) {
    if (result >= 0) {
      ::close(result);
    }
    result = -ECANCELED;
  } else if (result >= 0) {
    ++ring_.stats().accepted;
    op.socket.handle = result;
    op.socket.peer = from_kernel(accept.peer);
    op.socket.local = local_end(result);
    result = 0;
  }
  ring_.complete(op, result);
  finish_listener(listener);
}

void RingNet::Impl::close_listener(ListenerId id) {
  Listener& listener = listener_at(id);
  listener.closing = true;
  if (listener.accepts > 0) {
    listener.cancel_pending = true;
    ::io_uring_sqe* entry = ring_.next_entry(RingTag::listener_cancel, id.value & 0xffff);
    ::io_uring_prep_rw(IORING_OP_ASYNC_CANCEL, entry, listener.descriptor, nullptr, 0, 0);
    entry->cancel_flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD;
  }
  finish_listener(listener);
}

void RingNet::Impl::on_listener_cancel(const RingEvent& event) {
  Listener& listener = listeners_[event.payload];
  listener.cancel_pending = false;
  finish_listener(listener);
}

void RingNet::Impl::finish_listener(Listener& listener) noexcept {
  if (!listener.closing || listener.accepts > 0 || listener.cancel_pending) {
    return;
  }
  ::close(listener.descriptor);
  listener.descriptor = -1;
  listener.closing = false;
  ++listener.generation;
}

// Streams.

StreamId RingNet::Impl::id_of(const Stream& stream) const noexcept {
  const auto index = static_cast<std::uint32_t>(&stream - streams_.data());
  return {static_cast<std::uint32_t>(stream.generation) << kIndexBits | index};
}

RingNet::Impl::Stream& RingNet::Impl::stream_at(std::uint64_t value) noexcept {
  const std::size_t index = value & kIndexMask;
  RP_ASSERT(index < streams_.size());
  Stream& stream = streams_[index];
  RP_ASSERT_NOTE(stream.generation == value >> kIndexBits, "this stream is closed");
  return stream;
}

RingNet::Impl::Stream& RingNet::Impl::open_stream(StreamId id) noexcept {
  Stream& stream = stream_at(id.value);
  RP_ASSERT_NOTE(stream.state == State::open, "this stream is closed or being closed");
  return stream;
}

RingNet::Impl::Stream* RingNet::Impl::claim_stream() noexcept {
  if (vacant_.empty()) {
    return nullptr;
  }
  Stream& stream = streams_[vacant_.back()];
  vacant_.pop_back();
  ring_.stats().streams_open = streams_open();
  RP_ASSERT(stream.state == State::vacant && stream.operations == 0);
  return &stream;
}

void RingNet::Impl::vacate(Stream& stream) noexcept {
  RP_ASSERT(stream.operations == 0 && !stream.linked());
  kept_ -= stream.kept ? 1 : 0;
  if (stream.descriptor >= 0) {
    ::close(stream.descriptor);
  }
  const auto index = static_cast<std::uint32_t>(&stream - streams_.data());
  const auto generation = static_cast<std::uint16_t>((stream.generation + 1) & kGenerationMask);
  stream = Stream{};
  stream.generation = generation;
  vacant_.push_back(index);
  ring_.stats().streams_open = streams_open();
}

Status RingNet::Impl::establish(Stream& stream, bool keep) {
  stream.kept = keep && kept_ < options_.descriptors_kept_max;
  kept_ += stream.kept ? 1 : 0;
  if (direct_) {
    const auto slot = static_cast<unsigned>(&stream - streams_.data());
    if (Status set = ring_.set_file(slot, stream.descriptor); !set) {
      return set;
    }
    stream.direct = true;
    stream.target = static_cast<int>(slot);
    if (!stream.kept) {
      ::close(stream.descriptor);
      stream.descriptor = -1;
    }
  } else {
    stream.target = stream.descriptor;
  }
  stream.state = State::open;
  return {};
}

void RingNet::Impl::tune(int descriptor) const noexcept {
  set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options_.socket_send_bytes > 0) {
    set_option(descriptor, SOL_SOCKET, SO_SNDBUF, options_.socket_send_bytes);
  }
  if (options_.socket_receive_bytes > 0) {
    set_option(descriptor, SOL_SOCKET, SO_RCVBUF, options_.socket_receive_bytes);
  }
}

Result<StreamId> RingNet::Impl::adopt(const RawSocket& socket) {
  RP_ASSERT(socket.handle >= 0);
  Stream* stream = claim_stream();
  if (stream == nullptr) {
    ::close(socket.handle);
    return Error::of(ErrorCode::no_capacity,
                     std::to_string(streams_.size()) + " connections are open");
  }
  stream->descriptor = socket.handle;
  tune(socket.handle);
  if (Status established = establish(*stream, false); !established) {
    vacate(*stream);
    return established.error();
  }
  return id_of(*stream);
}

std::int32_t RingNet::Impl::prepare_socket(Stream& stream, const ConnectOp& op) noexcept {
  const int family = op.remote.ip.is_v4() ? AF_INET : AF_INET6;
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    return -errno;
  }
  stream.descriptor = descriptor;
  tune(descriptor);
  if (!op.local.valid()) {
    return 0;
  }
  // The port is then chosen at connect, per destination: one source address can have far more
  // than 28,000 connections.
  set_option(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  KernelAddress local;
  const ::socklen_t length = to_kernel({op.local, 0}, local);
  return ::bind(descriptor, &local.any, length) == 0 ? 0 : -errno;
}

void RingNet::Impl::connect(ConnectOp& op) {
  op.start();
  op.stream = {};
  op.bound = {};
  Stream* stream = claim_stream();
  if (stream == nullptr) {
    ring_.complete(op, -ENOBUFS);
    return;
  }
  stream->state = State::connecting;
  stream->connect = &op;
  if (const std::int32_t result = prepare_socket(*stream, op); result < 0) {
    fail_connect(*stream, result);
    return;
  }
  const ::socklen_t length = to_kernel(op.remote, stream->remote);
  // While the connect is under way the op carries the stream for cancel() to find it.
  op.stream = id_of(*stream);
  ++stream->operations;
  ::io_uring_prep_connect(ring_.next_entry(RingTag::connect, op.stream.value), stream->descriptor,
                          &stream->remote.any, length);
}

void RingNet::Impl::fail_connect(Stream& stream, std::int32_t result) {
  ConnectOp& op = *stream.connect;
  ++ring_.stats().connects_failed;
  op.stream = {};
  vacate(stream);
  ring_.complete(op, result);
}

void RingNet::Impl::cancel(ConnectOp& op) {
  if (op.state() != Completion::State::in_flight || !op.stream.valid()) {
    return;
  }
  Stream& stream = stream_at(op.stream.value);
  if (stream.state != State::connecting) {
    return;
  }
  ::io_uring_sqe* entry = ring_.next_entry(RingTag::connect_cancel, 0);
  ::io_uring_prep_cancel64(entry, Ring::user_data(RingTag::connect, op.stream.value), 0);
}

void RingNet::Impl::on_connect(const RingEvent& event) {
  Stream& stream = stream_at(event.payload);
  RP_ASSERT(stream.state == State::connecting);
  --stream.operations;
  if (event.result < 0) {
    fail_connect(stream, event.result);
    return;
  }
  ConnectOp& op = *stream.connect;
  op.bound = local_end(stream.descriptor);
  if (!establish(stream, true)) {
    fail_connect(stream, -ENOBUFS);
    return;
  }
  stream.connect = nullptr;
  ++ring_.stats().connected;
  ring_.complete(op, 0);
}

io_uring_sqe* RingNet::Impl::stream_entry(Stream& stream, RingTag tag) noexcept {
  ++stream.operations;
  return ring_.next_entry(tag, id_of(stream).value);
}

void RingNet::Impl::aim(io_uring_sqe* entry, const Stream& stream) noexcept {
  entry->fd = stream.target;
  if (stream.direct) {
    entry->flags |= IOSQE_FIXED_FILE;
  }
}

void RingNet::Impl::close(StreamId id, CloseOp& op) {
  Stream& stream = open_stream(id);
  op.start();
  stream.state = State::closing;
  stream.close = &op;
  if (stream.receive != nullptr) {
    stream.receive->port_state = nullptr;
    stream.receive = nullptr;
  }
  drop_chunks(stream);
  if (stream.linked()) {
    starved_.remove(stream);
  }
  if (stream.operations > 0) {
    cancel_all(stream);
  } else {
    release(stream);
  }
}

void RingNet::Impl::cancel_all(Stream& stream) noexcept {
  ++stream.cancel_rounds;
  ::io_uring_sqe* entry = stream_entry(stream, RingTag::stream_cancel);
  ::io_uring_prep_rw(IORING_OP_ASYNC_CANCEL, entry, stream.target, nullptr, 0, 0);
  entry->cancel_flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD;
  if (stream.direct) {
    entry->cancel_flags |= IORING_ASYNC_CANCEL_FD_FIXED;
  }
}

void RingNet::Impl::on_stream_cancel(const RingEvent& event) {
  Stream& stream = stream_at(event.payload);
  if (stream.state != State::closing) {
    // The cancel of one receive, for pause(). If it missed, the next arrival makes another.
    --stream.operations;
    stream.stopping_receive = stream.stopping_receive && event.result >= 0;
    return;
  }
  const int others = stream.operations - 1;
  const bool missed = std::max(event.result, 0) < others;
  if (missed && stream.cancel_rounds < kCancelRounds) {
    cancel_all(stream);
  }
  operation_ended(stream);
}

void RingNet::Impl::operation_ended(Stream& stream) noexcept {
  RP_ASSERT(stream.operations > 0);
  --stream.operations;
  if (stream.state == State::closing && stream.operations == 0) {
    release(stream);
  }
}

void RingNet::Impl::release(Stream& stream) noexcept {
  stream.state = State::releasing;
  ::io_uring_sqe* entry = stream_entry(stream, RingTag::stream_close);
  if (stream.direct) {
    ::io_uring_prep_close_direct(entry, static_cast<unsigned>(stream.target));
  } else {
    ::io_uring_prep_close(entry, stream.descriptor);
    stream.descriptor = -1;
  }
}

void RingNet::Impl::on_stream_close(const RingEvent& event) {
  Stream& stream = stream_at(event.payload);
  RP_ASSERT(stream.state == State::releasing);
  --stream.operations;
  CloseOp& op = *stream.close;
  vacate(stream);
  ring_.complete(op, 0);
}

int RingNet::Impl::kernel_socket(StreamId id) const {
  const Stream& stream = const_cast<Impl*>(this)->open_stream(id);
  return stream.kept ? stream.descriptor : -1;
}

// The port.

RingNet::RingNet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RingNet::~RingNet() = default;

Result<std::unique_ptr<RingNet>> RingNet::make(Ring& ring, const RingNetOptions& options,
                                               ProbeReport& report) {
  auto impl = std::make_unique<Impl>(ring, options);
  if (Status prepared = impl->prepare(report); !prepared) {
    return prepared.error();
  }
  return std::unique_ptr<RingNet>(new RingNet(std::move(impl)));
}

Result<ListenerId> RingNet::listen(const SocketAddress& address) { return impl_->listen(address); }

SocketAddress RingNet::bound_address(ListenerId listener) const {
  return impl_->bound_address(listener);
}

void RingNet::accept(ListenerId listener, AcceptOp& op) { impl_->accept(listener, op); }

void RingNet::close_listener(ListenerId listener) { impl_->close_listener(listener); }

Result<StreamId> RingNet::adopt(const RawSocket& socket) { return impl_->adopt(socket); }

void RingNet::discard(const RawSocket& socket) {
  RP_ASSERT(socket.handle >= 0);
  ::close(socket.handle);
}

void RingNet::connect(ConnectOp& op) { impl_->connect(op); }

void RingNet::cancel(ConnectOp& op) { impl_->cancel(op); }

void RingNet::receive(StreamId stream, ReceiveOp& op) { impl_->receive(stream, op); }

bool RingNet::take(ReceiveOp& op, ReceivedChunk& chunk) { return impl_->take(op, chunk); }

void RingNet::recycle(const ReceivedChunk& chunk) { impl_->recycle(chunk); }

void RingNet::pause(StreamId stream) { impl_->pause(stream); }

void RingNet::resume(StreamId stream) { impl_->resume(stream); }

void RingNet::send(SendOp& op) { impl_->send(op); }

void RingNet::shutdown_send(StreamId stream) { impl_->shutdown_send(stream); }

void RingNet::close(StreamId stream, CloseOp& op) { impl_->close(stream, op); }

int RingNet::kernel_socket(StreamId stream) const { return impl_->kernel_socket(stream); }

unsigned RingNet::streams_open() const noexcept { return impl_->streams_open(); }

}  // namespace ringpost
