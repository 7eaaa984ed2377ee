#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/address.h"
#include "core/base/completion.h"
#include "core/base/list.h"
#include "core/base/slice.h"

namespace ringpost {

/// A connected TCP socket of this shard. Value of a closed stream is never reused while an
/// operation on it is still in flight.
struct StreamId {
  std::uint32_t value = ~0U;
  bool valid() const { return value != ~0U; }
  auto operator<=>(const StreamId&) const = default;
};

struct ListenerId {
  std::uint32_t value = ~0U;
  bool valid() const { return value != ~0U; }
};

/// An accepted socket that no shard has taken yet; may be carried to another shard and adopted
/// there. Must be adopted or discarded exactly once.
struct RawSocket {
  int handle = -1;
  SocketAddress peer;
  SocketAddress local;
};

/// One accept. result 0: `socket` is set; negative errno else. Start again for the next.
struct AcceptOp : Completion {
  RawSocket socket;
};

/// Connects to `remote`, from `local` where its ip is valid (port 0: any). result 0: `stream` is
/// connected; negative errno else and there is nothing to close.
struct ConnectOp : Completion {
  SocketAddress remote;
  IpAddress local;
  StreamId stream;
  SocketAddress bound;  ///< local end, once connected
};

/// Bytes received, lent from the port's buffer pool until recycle().
struct ReceivedChunk {
  const char* data = nullptr;
  std::uint32_t size = 0;
  std::uint32_t buffer = 0;  ///< for the port

  std::string_view view() const { return {data, size}; }
};

/// Standing receive of one stream. Becomes ready whenever chunks or the end have arrived; take
/// them with Net::take(). Lives from receive() until the stream's close has completed.
struct ReceiveOp : Completion {
  bool ended = false;           ///< no more will come; `end_result` says why
  std::int32_t end_result = 0;  ///< 0: orderly end of stream; negative errno else

  // For the port: chunks not yet taken.
  void* port_state = nullptr;
  // For the layer of encryption above it; nullptr on a stream in clear.
  void* layer_state = nullptr;
};

/// Sends all slices in order, or fails. result: bytes sent (all of them) or negative errno.
/// Slices and the bytes behind them stay until the completion; with `zero_copy` the bytes stay
/// until `released` has run, which then always follows, also after an error; the operation is not
/// started anew before.
struct SendOp : Completion {
  StreamId stream;
  const Slice* slices = nullptr;
  std::uint32_t slice_count = 0;
  bool zero_copy = false;  ///< ask for it; a port without it sends plainly
  bool copied = false;     ///< asked for, but the kernel copied or a plain send it was
  Completion released;     ///< bind it when asking for zero copy

  /// Octets the kernel has taken so far; exact when the completion runs, after an error too, since
  /// whether a final dot left decides what is ambiguous.
  std::uint64_t sent = 0;

  // For the port: the kernel's message header.
  alignas(8) unsigned char port_storage[64] = {};
  Slice current[24];  ///< what is left of the slices of a short send
};

struct CloseOp : Completion {};

/// TCP of one shard. All calls from the shard's thread; completions through its loop.
class Net {
 public:
  virtual ~Net() = default;

  /// Listens with SO_REUSEPORT; every shard listens on the same addresses.
  virtual Result<ListenerId> listen(const SocketAddress& address) = 0;
  /// The address a listener is bound to (the port, where 0 was asked for).
  virtual SocketAddress bound_address(ListenerId listener) const = 0;
  virtual void accept(ListenerId listener, AcceptOp& op) = 0;
  /// Stops listening; accepts in flight complete with -ECANCELED.
  virtual void close_listener(ListenerId listener) = 0;
  /// Takes a raw socket into this shard (TCP_NODELAY is set). no_capacity: the table is full and
  /// the socket was closed.
  virtual Result<StreamId> adopt(const RawSocket& socket) = 0;
  virtual void discard(const RawSocket& socket) = 0;

  virtual void connect(ConnectOp& op) = 0;
  /// Gives up a connect; it completes with -ECANCELED unless it was done already.
  virtual void cancel(ConnectOp& op) = 0;

  virtual void receive(StreamId stream, ReceiveOp& op) = 0;
  /// The oldest chunk not taken; false when there is none now. Each taken chunk is recycled.
  virtual bool take(ReceiveOp& op, ReceivedChunk& chunk) = 0;
  virtual void recycle(const ReceivedChunk& chunk) = 0;
  /// Stops reading from the socket, so that the peer feels back-pressure; what has arrived can
  /// still be taken. resume() goes on.
  virtual void pause(StreamId stream) = 0;
  virtual void resume(StreamId stream) = 0;

  /// The descriptor of a connected stream, for a layer that gives the kernel the keys of what is
  /// sent; -1: none is kept. Stays the port's; not to be used while a send is in flight.
  virtual int kernel_socket(StreamId) const { return -1; }

  /// At most one send per stream at a time.
  virtual void send(SendOp& op) = 0;
  /// Sends FIN after what was sent; receiving goes on.
  virtual void shutdown_send(StreamId stream) = 0;
  /// Cancels everything in flight on the stream, recycles chunks not taken, closes. When `op`
  /// completes no operation of the stream is in flight any more (a ReceiveOp is idle, a SendOp
  /// has completed with an error), except `released` of zero-copy sends, which may follow later.
  virtual void close(StreamId stream, CloseOp& op) = 0;
};

}  // namespace ringpost
