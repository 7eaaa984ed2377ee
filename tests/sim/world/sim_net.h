#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/loop/net.h"
#include "tests/sim/world/sim_world.h"

namespace ringpost::sim {

/// What can go wrong on the way; a percentage is per operation.
struct NetFaults {
  Duration latency_min = Duration::microseconds(20);
  Duration latency_max = Duration::milliseconds(2);
  unsigned reset_percent = 0;             ///< a send ends in a reset of the connection
  unsigned refuse_percent = 0;            ///< a connect is refused
  unsigned lost_syn_percent = 0;          ///< a connect times out after a minute
  std::size_t segment_max = 1460;         ///< sends arrive in pieces of at most this size
  std::size_t window_bytes = 256 * 1024;  ///< unread bytes at which a sender has to wait
};

class SimNet;

/// The network all simulated hosts share: who listens where, which connections exist.
class SimNetwork {
 public:
  SimNetwork(SimWorld& world, NetFaults faults) : world_(world), faults_(faults) {}

  NetFaults& faults() { return faults_; }
  /// Told of each connection from a named local address, +1 as it is asked for, -1 when it failed
  /// or its close was confirmed: what a sender's limits count.
  using Watch = std::function<void(const IpAddress& local, const SocketAddress& remote, int step)>;
  void watch(Watch watch) { watch_ = std::move(watch); }
  std::size_t open_connections() const { return connections_.size(); }
  /// Zero-copy bytes that changed between send and notification: always a defect.
  std::uint64_t zero_copy_violations() const { return zero_copy_violations_; }

 private:
  friend class SimNet;

  /// One end of a connection.
  struct End {
    SimNet* owner = nullptr;  ///< null until adopted, or after close
    StreamId stream;
    SocketAddress address;
    std::deque<std::string> arrived;
    std::size_t arrived_bytes = 0;  ///< not yet recycled, plus under way
    bool end_arrived = false;
    std::int32_t end_result = 0;
    bool closed = false;
    SendOp* sending = nullptr;
    Instant last_arrival;  ///< segments arrive in order
  };
  struct Connection {
    End ends[2];
    IpAddress asked_local;  ///< as the connecting side named it
  };
  struct Listener {
    SimNet* owner = nullptr;
    SocketAddress address;
    bool open = true;
    std::vector<AcceptOp*> accepts;
    std::deque<RawSocket> backlog;
  };

  void tell(const IpAddress& local, const SocketAddress& remote, int step) const {
    if (watch_ && local.valid()) {
      watch_(local, remote, step);
    }
  }

  SimWorld& world_;
  NetFaults faults_;
  Watch watch_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::map<int, std::shared_ptr<Connection>> connections_;  ///< by handle / 2
  int next_handle_ = 2;
  std::uint16_t next_port_ = 20000;
  std::uint64_t zero_copy_violations_ = 0;
};

/// Net port of one simulated shard.
class SimNet : public Net {
 public:
  SimNet(SimNetwork& network, SimDriver& driver) : network_(network), driver_(driver) {}
  ~SimNet() override;

  /// Told of the bytes of each chunk that comes back, as they are then.
  std::function<void(std::string_view)> on_recycled;

  Result<ListenerId> listen(const SocketAddress& address) override;
  SocketAddress bound_address(ListenerId listener) const override;
  void accept(ListenerId listener, AcceptOp& op) override;
  void close_listener(ListenerId listener) override;
  Result<StreamId> adopt(const RawSocket& socket) override;
  void discard(const RawSocket& socket) override;
  void connect(ConnectOp& op) override;
  void cancel(ConnectOp& op) override;
  void receive(StreamId stream, ReceiveOp& op) override;
  bool take(ReceiveOp& op, ReceivedChunk& chunk) override;
  void recycle(const ReceivedChunk& chunk) override;
  void pause(StreamId stream) override;
  void resume(StreamId stream) override;
  void send(SendOp& op) override;
  void shutdown_send(StreamId stream) override;
  void close(StreamId stream, CloseOp& op) override;

  std::size_t streams_open() const { return streams_.size(); }
  std::size_t chunks_lent() const { return lent_.size(); }
  /// Calls of pause() so far.
  std::size_t pauses() const { return pauses_; }

 private:
  using Connection = SimNetwork::Connection;
  using End = SimNetwork::End;
  using Listener = SimNetwork::Listener;

  struct Stream {
    std::shared_ptr<Connection> connection;
    int side = 0;
    ReceiveOp* receive = nullptr;
    bool paused = false;
    bool closing = false;
    bool send_shut = false;
  };
  struct Lent {
    std::string bytes;
    std::shared_ptr<Connection> connection;
    int side = 0;
  };

  Stream& stream_of(StreamId id);
  StreamId add_stream(std::shared_ptr<Connection> connection, int side);
  void hand_to_accept(const std::shared_ptr<Listener>& listener);
  void finish_connect(ConnectOp& op, const std::shared_ptr<Listener>& listener);
  /// Static: bytes may still arrive after the net that sent them is gone.
  static void signal(End& end);
  void arrive(const std::shared_ptr<Connection>& connection, int side, std::string bytes);
  void end_stream(const std::shared_ptr<Connection>& connection, int side, std::int32_t result);
  void reset(const std::shared_ptr<Connection>& connection);
  void send_segments(SendOp& op, const std::shared_ptr<Connection>& connection, int side);
  void finish_send(SendOp& op, std::int32_t result, std::uint64_t bytes_hash);
  void drain(const std::shared_ptr<Connection>& connection, int side);

  SimNetwork& network_;
  SimDriver& driver_;
  std::map<std::uint32_t, Stream> streams_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::map<std::uint32_t, Lent> lent_;
  struct Asked {
    IpAddress local;
    SocketAddress remote;
  };
  std::map<ConnectOp*, Asked> connecting_;  ///< the operation may be gone when this ends
  std::uint32_t next_stream_ = 1;
  std::uint32_t next_buffer_ = 1;
  std::size_t pauses_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ringpost::sim
