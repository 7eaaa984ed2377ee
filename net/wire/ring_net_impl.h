#pragma once

#include <sys/socket.h>

#include <memory>
#include <vector>

#include "core/base/list.h"
#include "net/wire/receive_buffers.h"
#include "net/wire/ring_net.h"
#include "net/wire/socket_address.h"

namespace ringpost {

/// What RingNet keeps; shared by its source files only.
///
/// A stream's place in `streams` is also its place in the ring's table. Every entry given to the
/// kernel for a stream is counted in `operations` until its last completion, so a place is vacated
/// only when nothing in the kernel can name it any more. The exception is the release notice of a
/// zero-copy send: it names the SendOp, which its owner keeps until then.
class RingNet::Impl {
 public:
  enum class State : std::uint8_t { vacant, connecting, open, closing, releasing };

  struct Stream : ListLink<> {
    State state = State::vacant;
    bool direct = false;  ///< `target` is a place in the ring's table
    bool kept = false;    ///< `descriptor` lives as long, for the kernel's keys
    bool paused = false;
    bool armed = false;             ///< a multishot receive is in the kernel
    bool stopping_receive = false;  ///< and is being cancelled
    bool ended = false;
    bool shutdown_wanted = false;  ///< after the send in flight
    bool no_zero_copy = false;     ///< the socket refused it (kernel TLS)
    bool no_wait_all = false;      ///< the socket refused MSG_WAITALL (kernel TLS)
    std::uint8_t cancel_rounds = 0;
    std::uint16_t generation = 0;
    std::uint16_t operations = 0;
    int target = -1;
    int descriptor = -1;  ///< the real one, while there is one
    std::uint32_t first_chunk = ReceiveBuffers::kNone;
    std::uint32_t last_chunk = ReceiveBuffers::kNone;
    ReceiveOp* receive = nullptr;
    SendOp* send = nullptr;
    CloseOp* close = nullptr;
    ConnectOp* connect = nullptr;
    KernelAddress remote{};  ///< of a connect, until it is submitted
  };

  struct Listener {
    int descriptor = -1;
    std::uint16_t generation = 0;
    std::uint16_t accepts = 0;  ///< in flight
    bool closing = false;
    bool cancel_pending = false;
  };

  struct Accept {
    AcceptOp* op = nullptr;
    std::uint32_t listener = 0;
    KernelAddress peer{};
    ::socklen_t length = 0;
  };

  /// The port's part of a SendOp, kept in its port_storage.
  struct Sending {
    ::msghdr message{};
    std::uint16_t notices = 0;  ///< release notices still to come
    bool zero_copy = false;     ///< send it so
    bool finished = false;      ///< the completion is given out
  };
  static_assert(sizeof(Sending) <= sizeof(SendOp::port_storage));

  Impl(Ring& ring, const RingNetOptions& options);
  ~Impl();
  Status prepare(ProbeReport& report);

  // Listeners (ring_net.cpp).
  Result<ListenerId> listen(const SocketAddress& address);
  SocketAddress bound_address(ListenerId id) const;
  void accept(ListenerId id, AcceptOp& op);
  void close_listener(ListenerId id);
  void on_accept(const RingEvent& event);
  void on_listener_cancel(const RingEvent& event);

  // Streams (ring_net.cpp).
  Result<StreamId> adopt(const RawSocket& socket);
  void connect(ConnectOp& op);
  void cancel(ConnectOp& op);
  void on_connect(const RingEvent& event);
  void close(StreamId id, CloseOp& op);
  void on_stream_cancel(const RingEvent& event);
  void on_stream_close(const RingEvent& event);
  int kernel_socket(StreamId id) const;
  unsigned streams_open() const noexcept {
    return static_cast<unsigned>(streams_.size() - vacant_.size());
  }

  // Receiving (ring_net_receive.cpp).
  void receive(StreamId id, ReceiveOp& op);
  bool take(ReceiveOp& op, ReceivedChunk& chunk);
  void recycle(const ReceivedChunk& chunk);
  void pause(StreamId id);
  void resume(StreamId id);
  void on_receive(const RingEvent& event);
  bool before_entry();

  // Sending (ring_net_send.cpp).
  void send(SendOp& op);
  void shutdown_send(StreamId id);
  void on_send(const RingEvent& event);
  void on_shutdown(const RingEvent& event);

 private:
  static constexpr unsigned kIndexBits = 20;
  static constexpr std::uint32_t kIndexMask = (1U << kIndexBits) - 1;
  static constexpr std::uint16_t kGenerationMask = 0xfff;

  static Sending& sending(SendOp& op) noexcept {
    return *reinterpret_cast<Sending*>(op.port_storage);
  }
  StreamId id_of(const Stream& stream) const noexcept;
  Stream& stream_at(std::uint64_t value) noexcept;
  Stream& open_stream(StreamId id) noexcept;
  Listener& listener_at(ListenerId id) noexcept;

  Stream* claim_stream() noexcept;
  void vacate(Stream& stream) noexcept;
  void tune(int descriptor) const noexcept;
  /// Puts `stream.descriptor` into the ring's table.
  Status establish(Stream& stream, bool keep);
  std::int32_t prepare_socket(Stream& stream, const ConnectOp& op) noexcept;
  void fail_connect(Stream& stream, std::int32_t result);
  void finish_listener(Listener& listener) noexcept;

  /// An entry for an operation on the stream's socket.
  io_uring_sqe* stream_entry(Stream& stream, RingTag tag) noexcept;
  static void aim(io_uring_sqe* entry, const Stream& stream) noexcept;
  void cancel_all(Stream& stream) noexcept;
  /// One entry's last completion has come; goes on with a close that waits for it.
  void operation_ended(Stream& stream) noexcept;
  void release(Stream& stream) noexcept;

  void arm_receive(Stream& stream) noexcept;
  void stop_receive(Stream& stream) noexcept;
  void keep_receiving(Stream& stream) noexcept;
  void end_receive(Stream& stream, std::int32_t result) noexcept;
  void announce(Stream& stream) noexcept;
  void append_chunk(Stream& stream, std::uint32_t buffer) noexcept;
  void drop_chunks(Stream& stream) noexcept;

  void submit_send(Stream& stream, SendOp& op) noexcept;
  static bool aim_at_rest(SendOp& op) noexcept;
  bool refused(Stream& stream, SendOp& op, std::int32_t error) noexcept;
  void finish_send(Stream& stream, SendOp& op, std::int32_t result) noexcept;
  void on_notice(SendOp& op, std::int32_t result) noexcept;

  Ring& ring_;
  RingNetOptions options_;
  bool direct_ = false;
  std::unique_ptr<ReceiveBuffers> buffers_;
  std::vector<Stream> streams_;
  std::vector<std::uint32_t> vacant_;
  unsigned kept_ = 0;  ///< streams whose descriptor is
  std::vector<Listener> listeners_;
  std::vector<Accept> accepts_;
  std::vector<std::uint32_t> vacant_accepts_;
  List<Stream> starved_;  ///< receives that ended for want of a buffer, oldest first
};

}  // namespace ringpost
