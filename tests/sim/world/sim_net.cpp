#include "tests/sim/world/sim_net.h"

#include <algorithm>
#include <cerrno>

#include "core/base/hash.h"

namespace ringpost::sim {
namespace {

std::string joined(const SendOp& op) {
  std::string bytes;
  for (std::uint32_t i = 0; i < op.slice_count; ++i) {
    bytes.append(op.slices[i].view());
  }
  return bytes;
}

}  // namespace

SimNet::~SimNet() {
  *alive_ = false;
  for (auto& listener : listeners_) {
    listener->open = false;
    for (const RawSocket& socket : listener->backlog) {
      discard(socket);
    }
    listener->backlog.clear();
  }
  for (const auto& [op, asked] : connecting_) {
    network_.tell(asked.local, asked.remote, -1);
  }
  for (auto& [id, stream] : streams_) {
    if (stream.side == 0) {
      network_.tell(stream.connection->asked_local, stream.connection->ends[1].address, -1);
    }
    stream.connection->ends[stream.side].owner = nullptr;
    stream.connection->ends[stream.side].closed = true;
    reset(stream.connection);
  }
}

Result<ListenerId> SimNet::listen(const SocketAddress& address) {
  auto listener = std::make_shared<Listener>();
  listener->owner = this;
  listener->address = address;
  if (listener->address.port == 0) {
    listener->address.port = network_.next_port_++;
  }
  network_.listeners_.push_back(listener);
  listeners_.push_back(listener);
  return ListenerId{static_cast<std::uint32_t>(listeners_.size() - 1)};
}

SocketAddress SimNet::bound_address(ListenerId listener) const {
  return listeners_.at(listener.value)->address;
}

void SimNet::accept(ListenerId listener, AcceptOp& op) {
  op.start();
  auto& entry = listeners_.at(listener.value);
  entry->accepts.push_back(&op);
  hand_to_accept(entry);
}

void SimNet::hand_to_accept(const std::shared_ptr<Listener>& listener) {
  while (!listener->accepts.empty() && !listener->backlog.empty()) {
    AcceptOp* op = listener->accepts.front();
    listener->accepts.erase(listener->accepts.begin());
    op->socket = listener->backlog.front();
    listener->backlog.pop_front();
    driver_.finish(*op, 0);
  }
}

void SimNet::close_listener(ListenerId listener) {
  auto& entry = listeners_.at(listener.value);
  entry->open = false;
  std::erase(network_.listeners_, entry);
  for (AcceptOp* op : entry->accepts) {
    driver_.finish(*op, -ECANCELED);
  }
  entry->accepts.clear();
  for (const RawSocket& socket : entry->backlog) {
    discard(socket);
  }
  entry->backlog.clear();
}

StreamId SimNet::add_stream(std::shared_ptr<Connection> connection, int side) {
  const StreamId id{next_stream_++};
  connection->ends[side].owner = this;
  connection->ends[side].stream = id;
  streams_[id.value] = Stream{std::move(connection), side};
  return id;
}

Result<StreamId> SimNet::adopt(const RawSocket& socket) {
  const auto found = network_.connections_.find(socket.handle / 2);
  RP_ASSERT(found != network_.connections_.end());
  return add_stream(found->second, socket.handle % 2);
}

void SimNet::discard(const RawSocket& socket) {
  const auto found = network_.connections_.find(socket.handle / 2);
  if (found != network_.connections_.end()) {
    found->second->ends[socket.handle % 2].closed = true;
    reset(found->second);
  }
}

void SimNet::connect(ConnectOp& op) {
  op.start();
  connecting_[&op] = {op.local, op.remote};
  network_.tell(op.local, op.remote, 1);
  SimWorld& world = network_.world_;
  const NetFaults& faults = network_.faults_;
  std::vector<std::shared_ptr<Listener>> candidates;
  for (auto& listener : network_.listeners_) {
    if (listener->open && listener->address == op.remote) {
      candidates.push_back(listener);
    }
  }
  const auto finish_later = [&, alive = alive_](Duration delay, std::int32_t error) {
    world.after(delay, [this, alive, &op, error] {
      if (*alive && connecting_.count(&op) != 0) {
        connecting_.erase(&op);
        network_.tell(op.local, op.remote, -1);
        driver_.finish(op, error);
      }
    });
  };
  if (world.random().chance(faults.lost_syn_percent)) {
    finish_later(Duration::minutes(1), -ETIMEDOUT);
    return;
  }
  const Duration round_trip = world.delay_between(faults.latency_min, faults.latency_max) * 2;
  if (candidates.empty() || world.random().chance(faults.refuse_percent)) {
    finish_later(round_trip, -ECONNREFUSED);
    return;
  }
  auto listener = candidates[world.random().below(candidates.size())];
  world.after(round_trip, [this, alive = alive_, &op, listener] {
    if (*alive && connecting_.count(&op) != 0) {
      finish_connect(op, listener);
    }
  });
}

void SimNet::finish_connect(ConnectOp& op, const std::shared_ptr<Listener>& listener) {
  connecting_.erase(&op);
  if (!listener->open) {
    network_.tell(op.local, op.remote, -1);
    driver_.finish(op, -ECONNREFUSED);
    return;
  }
  auto connection = std::make_shared<Connection>();
  const int handle = network_.next_handle_++;
  network_.connections_[handle] = connection;
  op.bound = {op.local.valid() ? op.local : IpAddress::v4(127, 0, 0, 1), network_.next_port_++};
  connection->asked_local = op.local;
  connection->ends[0].address = op.bound;
  connection->ends[1].address = listener->address;
  op.stream = add_stream(connection, 0);
  driver_.finish(op, 0);
  listener->backlog.push_back({handle * 2 + 1, op.bound, listener->address});
  listener->owner->hand_to_accept(listener);
}

void SimNet::cancel(ConnectOp& op) {
  const auto found = connecting_.find(&op);
  if (found != connecting_.end()) {
    connecting_.erase(found);
    network_.tell(op.local, op.remote, -1);
    driver_.finish(op, -ECANCELED);
  }
}

SimNet::Stream& SimNet::stream_of(StreamId id) {
  const auto found = streams_.find(id.value);
  RP_ASSERT_NOTE(found != streams_.end(), "stream was closed");
  return found->second;
}

void SimNet::receive(StreamId id, ReceiveOp& op) {
  Stream& stream = stream_of(id);
  RP_ASSERT(stream.receive == nullptr);
  op.ended = false;
  op.end_result = 0;
  op.port_state = &stream;
  stream.receive = &op;
  signal(stream.connection->ends[stream.side]);
}

void SimNet::signal(End& end) {
  if (end.owner == nullptr || end.closed) {
    return;
  }
  Stream& stream = end.owner->stream_of(end.stream);
  if (stream.receive == nullptr || stream.paused || (end.arrived.empty() && !end.end_arrived)) {
    return;
  }
  if (end.arrived.empty()) {
    stream.receive->ended = true;
    stream.receive->end_result = end.end_result;
  }
  if (stream.receive->idle()) {
    stream.receive->start();
    end.owner->driver_.finish(*stream.receive, 0);
  }
}

bool SimNet::take(ReceiveOp& op, ReceivedChunk& chunk) {
  if (op.port_state == nullptr) {
    return false;  // closed meanwhile
  }
  auto& stream = *static_cast<Stream*>(op.port_state);
  End& end = stream.connection->ends[stream.side];
  if (end.arrived.empty()) {
    if (end.end_arrived) {
      op.ended = true;
      op.end_result = end.end_result;
    }
    return false;
  }
  const std::uint32_t buffer = next_buffer_++;
  Lent& lent = lent_[buffer];
  lent = {std::move(end.arrived.front()), stream.connection, stream.side};
  end.arrived.pop_front();
  if (end.arrived.empty() && end.end_arrived) {
    op.ended = true;
    op.end_result = end.end_result;
  }
  chunk = {lent.bytes.data(), static_cast<std::uint32_t>(lent.bytes.size()), buffer};
  return true;
}

void SimNet::recycle(const ReceivedChunk& chunk) {
  const auto found = lent_.find(chunk.buffer);
  RP_ASSERT_NOTE(found != lent_.end(), "chunk recycled twice");
  if (on_recycled) {
    on_recycled(found->second.bytes);
  }
  const auto connection = found->second.connection;
  const int side = found->second.side;
  connection->ends[side].arrived_bytes -= found->second.bytes.size();
  lent_.erase(found);
  drain(connection, 1 - side);
}

void SimNet::pause(StreamId id) {
  stream_of(id).paused = true;
  ++pauses_;
}

void SimNet::resume(StreamId id) {
  Stream& stream = stream_of(id);
  stream.paused = false;
  signal(stream.connection->ends[stream.side]);
}

void SimNet::send(SendOp& op) {
  Stream& stream = stream_of(op.stream);
  End& end = stream.connection->ends[stream.side];
  RP_ASSERT_NOTE(end.sending == nullptr, "two sends at once on one stream");
  op.start();
  op.sent = 0;
  if (op.zero_copy) {
    op.copied = false;
    op.released.start();
  }
  end.sending = &op;
  drain(stream.connection, stream.side);
}

void SimNet::drain(const std::shared_ptr<Connection>& connection, int side) {
  End& end = connection->ends[side];
  const End& peer = connection->ends[1 - side];
  if (end.sending == nullptr || end.owner == nullptr) {
    return;
  }
  if (peer.arrived_bytes >= network_.faults_.window_bytes && !peer.closed && !end.end_arrived) {
    return;  // the peer must read first
  }
  end.owner->send_segments(*end.sending, connection, side);
}

void SimNet::send_segments(SendOp& op, const std::shared_ptr<Connection>& connection, int side) {
  SimWorld& world = network_.world_;
  End& end = connection->ends[side];
  End& peer = connection->ends[1 - side];
  end.sending = nullptr;
  const std::string bytes = joined(op);
  const std::uint64_t bytes_hash = hash64(bytes);
  if (peer.closed || (end.end_arrived && end.end_result < 0)) {
    finish_send(op, -EPIPE, bytes_hash);
    return;
  }
  if (world.random().chance(network_.faults_.reset_percent)) {
    // Some of it may arrive before the reset does.
    const std::size_t part = world.random().below(bytes.size() + 1);
    op.sent = part;
    arrive(connection, 1 - side, bytes.substr(0, part));
    reset(connection);
    finish_send(op, -ECONNRESET, bytes_hash);
    return;
  }
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = std::min<std::size_t>(
        bytes.size() - at, 1 + world.random().below(network_.faults_.segment_max));
    arrive(connection, 1 - side, bytes.substr(at, size));
    at += size;
  }
  op.sent = bytes.size();
  finish_send(op, static_cast<std::int32_t>(bytes.size()), bytes_hash);
}

void SimNet::finish_send(SendOp& op, std::int32_t result, std::uint64_t bytes_hash) {
  SimWorld& world = network_.world_;
  // The kernel takes what there is room for, however far away the peer is.
  const Duration most = std::min(network_.faults_.latency_min, Duration::milliseconds(1));
  const Duration latency = world.delay_between(Duration{0}, most);
  world.after(latency, [this, alive = alive_, &op, result, bytes_hash] {
    if (!*alive) {
      return;
    }
    driver_.finish(op, result);
    if (!op.zero_copy) {
      return;
    }
    const Duration late = network_.world_.delay_between(Duration{0}, Duration::milliseconds(50));
    network_.world_.after(late, [this, alive, &op, bytes_hash] {
      if (*alive) {
        network_.zero_copy_violations_ += hash64(joined(op)) != bytes_hash ? 1 : 0;
        driver_.finish(op.released, 0);
      }
    });
  });
}

void SimNet::arrive(const std::shared_ptr<Connection>& connection, int side, std::string bytes) {
  if (bytes.empty()) {
    return;
  }
  SimWorld& world = network_.world_;
  End& end = connection->ends[side];
  const Duration latency =
      world.delay_between(network_.faults_.latency_min, network_.faults_.latency_max);
  end.last_arrival = std::max(end.last_arrival, world.instant() + latency);
  end.arrived_bytes += bytes.size();
  world.at(end.last_arrival, [connection, side, bytes = std::move(bytes)] {
    End& receiver = connection->ends[side];
    if (!receiver.closed && !receiver.end_arrived) {
      receiver.arrived.push_back(bytes);
      signal(receiver);
    }
  });
}

void SimNet::end_stream(const std::shared_ptr<Connection>& connection, int side,
                        std::int32_t result) {
  End& end = connection->ends[side];
  SimWorld& world = network_.world_;
  end.last_arrival = std::max(end.last_arrival, world.instant() + network_.faults_.latency_min);
  world.at(end.last_arrival, [connection, side, result] {
    End& receiver = connection->ends[side];
    if (receiver.end_arrived || receiver.closed) {
      return;
    }
    receiver.end_arrived = true;
    receiver.end_result = result;
    if (receiver.owner != nullptr) {
      SimNet& owner = *receiver.owner;
      owner.signal(receiver);
      if (result < 0) {
        owner.drain(connection, side);
      }
    }
  });
}

void SimNet::reset(const std::shared_ptr<Connection>& connection) {
  end_stream(connection, 0, -ECONNRESET);
  end_stream(connection, 1, -ECONNRESET);
}

void SimNet::shutdown_send(StreamId id) {
  Stream& stream = stream_of(id);
  if (!stream.send_shut) {
    stream.send_shut = true;
    end_stream(stream.connection, 1 - stream.side, 0);
  }
}

void SimNet::close(StreamId id, CloseOp& op) {
  op.start();
  Stream& stream = stream_of(id);
  RP_ASSERT(!stream.closing);
  stream.closing = true;
  const auto connection = stream.connection;
  End& end = connection->ends[stream.side];
  if (end.sending != nullptr) {
    SendOp* sending = end.sending;
    end.sending = nullptr;
    finish_send(*sending, -ECANCELED, hash64(joined(*sending)));
  }
  if (stream.receive != nullptr) {
    stream.receive->port_state = nullptr;
    stream.receive = nullptr;
  }
  end.closed = true;
  end.arrived.clear();
  if (!stream.send_shut) {
    end_stream(connection, 1 - stream.side, 0);
  }
  // After any send in flight has completed: those take at most latency_min.
  network_.world_.after(network_.faults_.latency_min + Duration::microseconds(1),
                        [this, alive = alive_, id, &op, connection] {
                          if (!*alive) {
                            return;
                          }
                          if (streams_.at(id.value).side == 0) {
                            network_.tell(connection->asked_local, connection->ends[1].address, -1);
                          }
                          streams_.erase(id.value);
                          if (connection->ends[0].closed && connection->ends[1].closed) {
                            std::erase_if(network_.connections_, [&](const auto& entry) {
                              return entry.second == connection;
                            });
                          }
                          driver_.finish(op, 0);
                        });
}

}  // namespace ringpost::sim
