#pragma once

#include <cstdint>
#include <memory>

#include "core/base/result.h"
#include "core/loop/net.h"
#include "net/wire/ring.h"

namespace ringpost {

struct RingNetOptions {
  unsigned streams_max = 8192;  ///< up to RLIMIT_NOFILE and 2^20 - 2
  unsigned listeners_max = 64;
  unsigned accepts_max = 256;       ///< accepts in flight, over all listeners
  unsigned receive_buffers = 1024;  ///< power of two up to 32768
  unsigned receive_buffer_bytes = 8192;
  int listen_backlog = 4096;
  int socket_send_bytes = 0;     ///< SO_SNDBUF; 0 leaves it to the kernel
  int socket_receive_bytes = 0;  ///< SO_RCVBUF; 0 leaves it to the kernel
  /// Of so many connected streams the real descriptor is kept, beside its place in the ring's table
  /// where there is one, for the layer that gives the kernel keys; streams beyond have none to
  /// give.
  unsigned descriptors_kept_max = 0;
};

/// The Net of production, on the shard's ring. The ring outlives it. Made before or after the
/// ring is enabled; used by the ring's thread. All memory is taken when it is made.
class RingNet final : public Net {
 public:
  /// no_capacity: streams_max exceeds RLIMIT_NOFILE. `report` gets a line where sockets have to
  /// be ordinary descriptors.
  static Result<std::unique_ptr<RingNet>> make(Ring& ring, const RingNetOptions& options,
                                               ProbeReport& report);
  ~RingNet() override;

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
  int kernel_socket(StreamId stream) const override;
  void send(SendOp& op) override;
  void shutdown_send(StreamId stream) override;
  void close(StreamId stream, CloseOp& op) override;

  unsigned streams_open() const noexcept;

 private:
  class Impl;
  explicit RingNet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringpost
